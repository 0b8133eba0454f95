"""What an instance promises."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import instance as module
from ansible_collections.wsgi.production.plugins.module_utils import probe
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.instance import TRIAL, Instance
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, replace_link
from tests.unit.conftest import Clock
from tests.unit.fakes import FakeApps, FakeSystemd, make_release

OLD, NEW = "aaa111", "bbb222"
UNITS = [f"hello@{NEW}.socket", f"hello@{NEW}.service"]
LOG = f"; its log ends with:\nthe log of hello@{NEW}.service"


@pytest.fixture
def old(layout: Layout, systemd: FakeSystemd, apps: FakeApps) -> Instance:
    """Return an instance that is live."""
    make_release(layout, OLD)
    instance = Instance(layout, OLD, systemd)
    instance.boot()
    make_live(instance)
    return instance


@pytest.fixture
def new(layout: Layout, systemd: FakeSystemd, apps: FakeApps) -> Instance:
    """Return an instance that is not booted yet."""
    make_release(layout, NEW)
    return Instance(layout, NEW, systemd)


def make_live(instance: Instance) -> None:
    instance.enable()
    replace_link(instance.layout.current, f"releases/{instance.release}")


def make_way(old: Instance, new: Instance) -> None:
    """Make `new` live instead of `old`, which keeps running."""
    new.boot()
    make_live(new)
    assert old.runs() and old.was_live()


def unit_files(layout: Layout) -> set[str]:
    return set(os.listdir(layout.units))


def test_a_boot_puts_the_units_in_place_and_starts_them(new: Instance, layout: Layout, systemd: FakeSystemd) -> None:
    new.boot()
    assert {name: (layout.units / name).read_text() for name in unit_files(layout)} == {
        UNITS[0]: f"the instance.socket of {NEW}",
        UNITS[1]: f"the instance.service of {NEW}",
    }
    assert systemd.calls == ["reload", f"clear {UNITS[1]}", f"start {UNITS[0]} {UNITS[1]}"]
    assert new.runs()


def test_a_boot_probes_the_socket_of_the_instance(old: Instance, new: Instance, apps: FakeApps) -> None:
    apps.asked.clear()
    new.boot()
    assert apps.asked == [NEW]


def test_a_release_defines_its_probe(
    layout: Layout, systemd: FakeSystemd, apps: FakeApps, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    make_release(layout, NEW, probe={"path": "/health", "status": [204], "tries": 3, "interval": 7})
    with pytest.raises(Failed, match="asked 3 times for /health of localhost, and the response was 200, not 204"):
        Instance(layout, NEW, systemd).boot()
    assert (apps.asked, pauses) == ([NEW] * 3, [7, 7])


def test_a_boot_waits_for_a_slow_application(
    layout: Layout, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    make_release(layout, NEW, probe={"tries": 3})
    answers = [probe.Answer(503, b""), probe.Answer(503, b""), probe.Answer(200, b"")]
    instance = Instance(layout, NEW, systemd, lambda _: answers.pop(0))
    instance.boot()
    assert instance.runs()


def test_a_boot_does_not_make_a_release_live(old: Instance, new: Instance, layout: Layout) -> None:
    new.boot()
    assert layout.live() == OLD
    assert not new.is_live() and not new.was_live()


@pytest.mark.parametrize("there", [False, True], ids=["missing", "half made"])
def test_a_missing_or_incomplete_release_is_not_booted(layout: Layout, systemd: FakeSystemd, there: bool) -> None:
    if there:
        make_release(layout, NEW, sealed=False)
    with pytest.raises(Failed, match=f"this host has no release {NEW}"):
        Instance(layout, NEW, systemd).boot()
    assert unit_files(layout) == set()
    assert systemd.calls == []


def test_an_instance_that_is_not_booted_does_not_run(new: Instance) -> None:
    assert not new.runs()


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("state", ["inactive", "activating", "failed"])
def test_an_instance_runs_only_with_both_units(new: Instance, systemd: FakeSystemd, unit: str, state: str) -> None:
    new.boot()
    systemd.states[unit] = state
    assert not new.runs()


def test_an_instance_without_its_unit_files_does_not_run(new: Instance, layout: Layout) -> None:
    new.boot()
    for unit in UNITS:
        (layout.units / unit).unlink()
    assert not new.runs()


@pytest.mark.parametrize("half", [UNITS[:1], UNITS])
def test_the_next_run_boots_an_instance_whose_boot_was_killed(new: Instance, layout: Layout, half: list[str]) -> None:
    for unit in half:
        (layout.units / unit).write_text("half")
    new.boot()
    assert new.runs()
    texts = [f"the instance.socket of {NEW}", f"the instance.service of {NEW}"]
    assert [(layout.units / unit).read_text() for unit in UNITS] == texts


def test_the_next_run_probes_an_instance_whose_probe_was_killed(new: Instance, apps: FakeApps) -> None:
    new.boot()
    apps.sick = {NEW}
    with pytest.raises(Failed, match="does not pass its probe"):
        new.boot()
    assert not new.runs()


@pytest.mark.parametrize("broken", UNITS)
def test_a_release_that_does_not_start_is_removed_and_its_log_is_the_error(
    new: Instance, layout: Layout, systemd: FakeSystemd, broken: str
) -> None:
    systemd.broken = {broken}
    with pytest.raises(Failed) as failure:
        new.boot()
    assert str(failure.value) == f"release {NEW} of main:app does not start{LOG}"
    assert unit_files(layout) == set()
    assert new.has_ended()
    assert systemd.calls[-1] == "reload"


def test_the_error_of_a_slow_start_states_the_timeout(new: Instance, systemd: FakeSystemd) -> None:
    systemd.slow = {UNITS[1]}
    with pytest.raises(Failed, match=f"^release {NEW} of main:app does not start within 60 s; its log"):
        new.boot()
    assert new.has_ended()


def test_a_release_that_does_not_start_is_not_probed(new: Instance, systemd: FakeSystemd, apps: FakeApps) -> None:
    systemd.broken = {UNITS[1]}
    with pytest.raises(Failed):
        new.boot()
    assert apps.asked == []


def test_a_release_that_fails_its_probe_is_removed_and_its_log_is_the_error(
    new: Instance, layout: Layout, systemd: FakeSystemd, apps: FakeApps
) -> None:
    apps.sick = {NEW}
    with pytest.raises(Failed) as failure:
        new.boot()
    why = "asked once for / of localhost, and the response was 500, not a status from 200 to 399"
    assert str(failure.value) == f"release {NEW} of main:app does not pass its probe: {why}{LOG}"
    assert unit_files(layout) == set()
    assert new.has_ended()
    assert systemd.calls[-1] == "reload"


@pytest.mark.parametrize("wrong", ["does not start", "does not answer"])
def test_a_broken_release_leaves_the_live_one_alone(
    old: Instance, new: Instance, layout: Layout, systemd: FakeSystemd, apps: FakeApps, wrong: str
) -> None:
    systemd.broken = {UNITS[1]} if wrong == "does not start" else set()
    apps.sick = {NEW}
    with pytest.raises(Failed):
        new.boot()
    assert old.is_live()
    assert old.runs()
    assert layout.instances() == [OLD]


@pytest.mark.parametrize("wrong", ["does not start", "does not pass its probe"])
@pytest.mark.parametrize("visited", [*UNITS, "deactivating"])
def test_a_broken_instance_that_visitors_may_use_finishes_their_requests(
    old: Instance, new: Instance, systemd: FakeSystemd, apps: FakeApps, wrong: str, visited: str
) -> None:
    new.boot()
    if visited == "deactivating":
        new.retire()
    else:
        systemd.enable(visited)
    systemd.calls.clear()
    systemd.broken = {new.service} if wrong == "does not start" else set()
    apps.sick = {NEW}
    with pytest.raises(Failed, match=f"^release {NEW} of main:app {wrong}"):
        new.boot()
    units = " ".join(UNITS)
    assert systemd.calls[3:] == [f"disable {units}", "reload", f"stop --no-block {units}"]
    assert unit_files(new.layout) == {*old.units, *UNITS}
    assert systemd.enabled == set(old.units)
    assert new.is_ending() or systemd.states[new.service] == "failed"
    assert old.is_live() and old.runs()


@pytest.mark.parametrize("wrong", ["does not start", "does not pass its probe"])
def test_a_broken_live_instance_keeps_its_units(
    old: Instance, layout: Layout, systemd: FakeSystemd, apps: FakeApps, wrong: str
) -> None:
    systemd.broken = {old.service} if wrong == "does not start" else set()
    apps.sick = {OLD}
    with pytest.raises(Failed, match=f"{wrong}(.|\n)*the log of hello@{OLD}.service"):
        old.boot()
    assert unit_files(layout) == set(old.units)
    assert old.is_live()
    assert not [call for call in systemd.calls if call.startswith(("stop", "kill", "disable"))]


def test_an_instance_is_live_if_it_is_current_and_enabled(old: Instance, new: Instance) -> None:
    new.boot()
    make_live(new)
    assert new.is_live()
    assert not old.is_live()


@pytest.mark.parametrize("unit", UNITS)
def test_an_instance_that_a_reboot_would_not_start_is_not_live(new: Instance, systemd: FakeSystemd, unit: str) -> None:
    new.boot()
    make_live(new)
    systemd.enabled.remove(unit)
    assert not new.is_live()


@pytest.mark.parametrize("unit", UNITS)
def test_an_instance_that_a_killed_switch_enabled_was_live(new: Instance, systemd: FakeSystemd, unit: str) -> None:
    new.boot()
    systemd.enable(unit)
    assert new.was_live()


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("state", "ended"),
    [("inactive", True), ("failed", True), ("", True)]
    + [(state, False) for state in ("active", "activating", "deactivating", "reloading")],
)
def test_an_instance_has_ended_when_neither_process_nor_socket_is_left(
    new: Instance, systemd: FakeSystemd, unit: str, state: str, ended: bool
) -> None:
    systemd.states[unit] = state
    assert new.has_ended() is ended


@pytest.mark.parametrize("state", ["inactive", "failed", "active", "activating"])
def test_a_retired_instance_is_ending_until_its_last_request(new: Instance, systemd: FakeSystemd, state: str) -> None:
    new.boot()
    new.retire()
    assert new.is_ending() and not new.has_ended()
    systemd.states[new.service] = state
    assert not new.is_ending()


def test_a_retired_instance_cannot_extend_its_time(old: Instance, new: Instance, systemd: FakeSystemd) -> None:
    service = old.layout.units / old.service
    make_way(old, new)
    service.write_text("[Service]\nType=notify\nExecStart=x\n")
    systemd.calls.clear()
    old.retire()
    # Otherwise it could ask for more time again and again.
    assert service.read_text() == "[Service]\nType=exec\nExecStart=x\n"
    assert systemd.calls.index("reload") < next(n for n, call in enumerate(systemd.calls) if call.startswith("stop"))


def test_a_retired_instance_may_answer_its_last_request(old: Instance, new: Instance, systemd: FakeSystemd) -> None:
    make_way(old, new)
    systemd.calls.clear()
    old.retire()
    units = " ".join(old.units)
    # Systemd reloads, so that the service cannot ask for more time.
    assert systemd.calls == [f"disable {units}", "reload", f"stop --no-block {units}"]
    assert unit_files(old.layout) == {*old.units, *new.units}


def test_the_live_instance_is_not_retired(old: Instance, systemd: FakeSystemd) -> None:
    systemd.calls.clear()
    with pytest.raises(Failed, match=f"^release {OLD} is live"):
        old.retire()
    assert systemd.calls == []
    assert old.is_live() and old.runs()


def test_a_retired_instance_does_not_start_after_a_reboot(old: Instance, new: Instance, systemd: FakeSystemd) -> None:
    make_way(old, new)
    old.retire()
    assert systemd.enabled == set(new.units)
    assert not old.was_live()


def test_a_retired_instance_can_be_booted_and_made_live_again(old: Instance, new: Instance) -> None:
    make_way(old, new)
    old.retire()
    old.boot()
    make_live(old)
    assert old.runs() and old.is_live()


def test_an_unused_instance_is_removed_without_waiting_for_requests(
    new: Instance, layout: Layout, systemd: FakeSystemd
) -> None:
    new.boot()
    systemd.calls.clear()
    new.remove()
    assert systemd.calls[0] == f"kill {UNITS[0]} {UNITS[1]}"
    assert systemd.calls[-1] == "reload"
    assert unit_files(layout) == set()
    assert new.has_ended()


def test_forgetting_an_instance_leaves_nothing_of_it_in_systemd(
    old: Instance, new: Instance, layout: Layout, systemd: FakeSystemd
) -> None:
    new.boot()
    new.enable()
    new.forget()
    assert unit_files(layout) == set(old.units) == systemd.enabled


def test_a_removed_instance_is_not_listed_as_failed(new: Instance, systemd: FakeSystemd) -> None:
    systemd.broken = {new.service}
    with pytest.raises(Failed):
        new.boot()
    assert "failed" not in systemd.states.values()


@pytest.mark.parametrize("gone", UNITS)
@pytest.mark.parametrize("end", ["retire", "remove", "forget"])
def test_an_instance_with_one_unit_left_can_be_ended(
    new: Instance, layout: Layout, systemd: FakeSystemd, end: str, gone: str
) -> None:
    new.boot()
    new.enable()
    (layout.units / gone).unlink()
    systemd.enabled.discard(gone)
    getattr(new, end)()
    assert unit_files(layout) == (set(UNITS) - {gone} if end == "retire" else set())
    assert systemd.enabled == set()


class Killed(BaseException):
    """Ends a run at once, as a signal does."""


def kill_at(monkeypatch: pytest.MonkeyPatch, change: str, name: str) -> None:
    """Kill the run right before it changes the file `name`."""
    real = getattr(Path, change)

    def touch(path: Path, *args: Path, **kwargs: bool) -> object:
        if name in (path.name, *(target.name for target in args)):
            raise Killed
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, change, touch)


def test_an_instance_is_found_once_its_first_file_exists(
    new: Instance, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, "replace", f"hello@{NEW}.socket")
        with pytest.raises(Killed):
            new.boot()
    assert layout.instances() == [NEW]


def test_an_instance_is_found_until_its_last_file_is_gone(
    new: Instance, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    new.boot()
    with monkeypatch.context() as patch:
        kill_at(patch, "unlink", f"hello@{NEW}.service")
        with pytest.raises(Killed):
            new.forget()
    assert not (layout.units / f"hello@{NEW}.socket").exists()
    assert layout.instances() == [NEW]


# Workers and timers

MAIL, QUEUE = f"hello@{NEW}-mail.service", f"hello@{NEW}-queue.service"
TIMER, JOB = f"hello@{NEW}-nightly.timer", f"hello@{NEW}-nightly.service"
OLD_MAIL, OLD_TIMER, OLD_JOB = (f"hello@{OLD}-{part}" for part in ("mail.service", "nightly.timer", "nightly.service"))
STATES = ["inactive", "failed", "activating", "deactivating", "active"]


def busy(layout: Layout, systemd: FakeSystemd, release: str = NEW) -> Instance:
    """Return an instance with two workers and a timer that is not booted yet."""
    make_release(layout, release, workers=["mail", "queue"], timers=["nightly"])
    return Instance(layout, release, systemd)


@pytest.fixture
def full(layout: Layout, systemd: FakeSystemd, apps: FakeApps) -> Instance:
    return busy(layout, systemd)


@pytest.fixture
def before(layout: Layout, systemd: FakeSystemd, apps: FakeApps) -> Instance:
    """Return an instance with workers and a timer that is live."""
    instance = busy(layout, systemd, OLD)
    instance.boot()
    make_live(instance)
    return instance


def test_an_instance_knows_its_workers_timers_and_jobs_from_its_release(full: Instance) -> None:
    assert full.front == UNITS
    assert (full.workers, full.timers, full.jobs) == ([MAIL, QUEUE], [TIMER], [JOB])
    assert full.lasting == [*UNITS, MAIL, QUEUE, TIMER]
    assert full.units == [*full.lasting, JOB]


def test_an_instance_knows_its_units_if_its_release_is_gone(full: Instance, layout: Layout) -> None:
    full.boot()
    shutil.rmtree(layout.releases / NEW)
    assert Instance(layout, NEW, full.systemd).units == full.units


def test_an_instance_knows_no_unit_of_another_release_or_application(full: Instance, layout: Layout) -> None:
    for unit in (f"hello@{NEW}0-mail.service", f"hello@{OLD}-mail.service", f"other@{NEW}-mail.service"):
        (layout.units / unit).touch()
    (layout.releases / NEW / "migrate.service").touch()
    assert Instance(layout, NEW, full.systemd).units == full.units


def test_a_boot_starts_workers_first_but_no_timers_or_jobs(
    full: Instance, layout: Layout, systemd: FakeSystemd
) -> None:
    full.boot()
    first = f"start --no-block {MAIL} {QUEUE}"
    assert systemd.calls == ["reload", first, f"clear {UNITS[1]}", f"start {UNITS[0]} {UNITS[1]}"]
    assert unit_files(layout) == set(full.units)
    assert (layout.units / JOB).read_text() == (layout.releases / NEW / "instance-nightly.service").read_text()
    assert full.runs() and not systemd.is_active(TIMER) and systemd.states.get(JOB) is None
    assert systemd.enabled == set()


def test_a_boot_waits_until_the_workers_have_run_for_a_while(full: Instance, clock: Clock) -> None:
    full.boot()
    assert (clock.now, clock.slept) == (TRIAL, [TRIAL])


def test_the_start_time_of_the_application_counts_towards_the_trial(
    full: Instance, systemd: FakeSystemd, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = systemd.start

    def slowly(*units: str, wait: bool = True, seconds: float | None = None) -> None:
        clock.now += 2 if wait else 0
        start(*units, wait=wait, seconds=seconds)

    monkeypatch.setattr(systemd, "start", slowly)
    full.boot()
    assert clock.slept == [TRIAL - 2]


def test_a_start_longer_than_the_trial_needs_no_more_waiting(
    full: Instance, systemd: FakeSystemd, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = systemd.start

    def slowly(*units: str, wait: bool = True, seconds: float | None = None) -> None:
        clock.now += 60 if wait else 0
        start(*units, wait=wait, seconds=seconds)

    monkeypatch.setattr(systemd, "start", slowly)
    full.boot()
    assert clock.slept == [0]


def test_a_boot_without_workers_does_not_wait(new: Instance, clock: Clock) -> None:
    new.boot()
    assert clock.slept == []


def refused(instance: Instance) -> str:
    """Return why a release is refused."""
    with pytest.raises(Failed) as failure:
        instance.boot()
    return str(failure.value)


def assert_left(instance: Instance, systemd: FakeSystemd) -> None:
    """Expect an instance to end with the jobs of its workers, and not to start after a reboot."""
    assert not [call for call in systemd.calls if call.startswith("kill")]
    assert systemd.calls[-1] == f"stop --no-block {' '.join(instance.lasting)}"
    assert set(instance.units) <= unit_files(instance.layout)
    assert not systemd.enabled & set(instance.units)
    systemd.finish()
    assert instance.has_ended()


@pytest.mark.parametrize("worker", [MAIL, QUEUE])
def test_a_worker_that_exits_in_its_trial_fails_the_release_and_the_old_one_stays(
    before: Instance, full: Instance, layout: Layout, systemd: FakeSystemd, worker: str
) -> None:
    systemd.restless = {worker: 0}
    what = f"has a worker that exits within {TRIAL} s, {worker}"
    assert refused(full) == f"release {NEW} of main:app {what}; its log ends with:\nthe log of {worker}"
    assert_left(full, systemd)
    assert before.is_live() and before.runs()


@pytest.mark.parametrize("state", ["inactive", "failed", "activating", ""])
def test_a_worker_that_is_not_running_after_its_trial_fails_the_release(
    full: Instance, systemd: FakeSystemd, clock: Clock, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(clock, "sleep", lambda _: systemd.states.update({QUEUE: state}))
    assert f"a worker that exits within {TRIAL} s, {QUEUE}; its log ends with:\nthe log of {QUEUE}" in refused(full)
    assert_left(full, systemd)


def test_a_worker_that_does_not_start_fails_the_release(full: Instance, systemd: FakeSystemd) -> None:
    systemd.broken = {QUEUE}
    assert f"has a worker that exits within {TRIAL} s, {QUEUE}" in refused(full)
    assert_left(full, systemd)


def test_a_worker_that_outlives_its_trial_is_accepted(full: Instance, systemd: FakeSystemd) -> None:
    systemd.restless = {MAIL: TRIAL}
    full.boot()
    assert full.runs()


def test_earlier_restarts_of_a_worker_do_not_matter(full: Instance, systemd: FakeSystemd) -> None:
    full.boot()
    systemd.restarts = {MAIL: 3}
    full.boot()
    assert full.runs()
    assert systemd.restarts == {MAIL: 3}


def test_a_worker_that_still_finishes_its_jobs_is_accepted_and_starts_again_afterwards(
    before: Instance, systemd: FakeSystemd
) -> None:
    before.stand_down()
    assert systemd.states[OLD_MAIL] == "deactivating"
    before.boot()
    assert systemd.states[OLD_MAIL] == "deactivating"
    systemd.finish(OLD_MAIL)
    assert systemd.states[OLD_MAIL] == "active"


def test_a_worker_with_earlier_restarts_that_finishes_jobs_in_its_trial_is_accepted(
    before: Instance, systemd: FakeSystemd, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemd.restarts = {OLD_MAIL: 3}
    before.stand_down()
    monkeypatch.setattr(clock, "sleep", lambda _: systemd.finish())
    before.boot()
    assert before.runs()


def test_a_front_that_does_not_start_ends_its_workers_after_their_jobs(full: Instance, systemd: FakeSystemd) -> None:
    systemd.broken = {full.service}
    assert "does not start" in refused(full)
    assert {systemd.states[worker] for worker in full.workers} == {"deactivating"}
    assert_left(full, systemd)


def test_a_front_that_fails_its_probe_ends_its_workers_after_their_jobs(
    full: Instance, systemd: FakeSystemd, apps: FakeApps, clock: Clock
) -> None:
    apps.sick = {NEW}
    assert "does not pass its probe" in refused(full)
    assert {systemd.states[worker] for worker in full.workers} == {"deactivating"}
    assert full.is_ending()
    assert_left(full, systemd)
    assert clock.slept == []


def test_a_refused_release_with_workers_can_be_booted_again(
    full: Instance, systemd: FakeSystemd, apps: FakeApps
) -> None:
    apps.sick = {NEW}
    refused(full)
    apps.sick = set()
    full.boot()
    systemd.finish()
    assert full.runs() and not full.was_live()


@pytest.mark.parametrize("visited", [False, True])
def test_an_instance_with_workers_always_finishes_even_without_visitors(
    full: Instance, systemd: FakeSystemd, visited: bool
) -> None:
    full.boot()
    full.leave(visited)
    assert_left(full, systemd)


def test_an_instance_with_a_timer_and_no_worker_is_removed_unless_visitors_have_reached_it(
    layout: Layout, systemd: FakeSystemd, apps: FakeApps
) -> None:
    make_release(layout, NEW, timers=["nightly"])
    instance = Instance(layout, NEW, systemd)
    instance.boot()
    instance.leave(True)
    assert instance.is_ending() and unit_files(layout) == set(instance.units)
    instance.boot()
    instance.leave(False)
    assert instance.has_ended() and unit_files(layout) == set()


def test_broken_workers_of_the_live_release_leave_it_live(before: Instance, systemd: FakeSystemd) -> None:
    systemd.restless = {OLD_MAIL: 0}
    assert OLD_MAIL in refused(before)
    assert before.is_live() and before.answers()
    assert unit_files(before.layout) == set(before.units)


@pytest.mark.parametrize("worker", [MAIL, QUEUE])
@pytest.mark.parametrize("state", STATES)
def test_an_instance_needs_its_workers_to_run_but_not_to_answer(
    full: Instance, systemd: FakeSystemd, worker: str, state: str
) -> None:
    full.boot()
    systemd.states[worker] = state
    assert full.runs() is (state == "active")
    assert full.answers()


def test_a_release_going_live_is_enabled_and_starts_timers_but_no_jobs(full: Instance, systemd: FakeSystemd) -> None:
    full.boot()
    systemd.calls.clear()
    full.enable()
    assert systemd.calls == [f"enable {' '.join(full.lasting)}", f"clean {TIMER}", f"start {TIMER}"]
    assert systemd.enabled == set(full.lasting)
    assert systemd.is_active(TIMER) and systemd.states.get(JOB) is None


@pytest.mark.parametrize("unit", [*UNITS, MAIL, QUEUE, TIMER])
def test_an_instance_that_a_reboot_would_start_only_in_part_is_not_live(
    full: Instance, systemd: FakeSystemd, unit: str
) -> None:
    full.boot()
    make_live(full)
    assert full.is_live()
    systemd.enabled.remove(unit)
    assert not full.is_live()


@pytest.mark.parametrize("state", ["inactive", "failed", ""])
def test_an_instance_with_a_stopped_timer_is_not_live(full: Instance, systemd: FakeSystemd, state: str) -> None:
    full.boot()
    make_live(full)
    systemd.states[TIMER] = state
    assert not full.is_live()


def test_an_instance_with_running_jobs_or_stopped_workers_is_still_live(full: Instance, systemd: FakeSystemd) -> None:
    full.boot()
    make_live(full)
    systemd.states.update({MAIL: "inactive", JOB: "activating"})
    assert full.is_live()


@pytest.mark.parametrize("unit", [MAIL, TIMER])
def test_visitors_never_reach_workers_or_timers(full: Instance, systemd: FakeSystemd, unit: str) -> None:
    full.boot()
    systemd.enable(unit)
    assert not full.was_live()


def test_standing_down_ends_timers_and_workers_but_not_jobs_and_requests(
    before: Instance, systemd: FakeSystemd
) -> None:
    systemd.start(OLD_JOB, wait=False)
    systemd.calls.clear()
    before.stand_down()
    assert systemd.calls == [f"stop --no-block {OLD_TIMER} {' '.join(before.workers)}"]
    assert systemd.states[OLD_TIMER] == "inactive"
    assert {systemd.states[worker] for worker in before.workers} == {"deactivating"}
    assert systemd.states[OLD_JOB] == "activating"
    assert before.answers() and before.was_live()


def test_standing_down_without_workers_and_timers_does_nothing(old: Instance, systemd: FakeSystemd) -> None:
    systemd.calls.clear()
    old.stand_down()
    assert systemd.calls == []


def test_an_instance_that_lost_a_worker_can_stand_down(full: Instance, layout: Layout, systemd: FakeSystemd) -> None:
    full.boot()
    full.enable()
    (layout.units / MAIL).unlink()
    full.stand_down()
    assert systemd.calls[-1] == f"stop --no-block {TIMER} {QUEUE}"


def test_a_retired_instance_ends_everything_but_a_running_job(
    before: Instance, new: Instance, systemd: FakeSystemd
) -> None:
    make_way(before, new)
    systemd.start(OLD_JOB, wait=False)
    systemd.calls.clear()
    before.retire()
    units = " ".join(before.lasting)
    assert systemd.calls == [f"disable {units}", "reload", f"stop --no-block {units}"]
    assert systemd.enabled == set(new.units)
    systemd.states.update(dict.fromkeys(before.lasting, "inactive"))
    assert systemd.states[OLD_JOB] == "activating"
    assert before.is_ending() and not before.has_ended()
    systemd.finish(OLD_JOB)
    assert before.has_ended() and not before.is_ending()


@pytest.mark.parametrize(
    ("unit", "state"), [(OLD_MAIL, "deactivating"), (OLD_JOB, "activating"), (OLD_JOB, "deactivating")]
)
def test_a_retired_instance_is_ending_while_its_workers_and_jobs_still_work(
    before: Instance, new: Instance, systemd: FakeSystemd, unit: str, state: str
) -> None:
    make_way(before, new)
    before.retire()
    systemd.states.update({**dict.fromkeys(before.units, "inactive"), unit: state})
    assert before.is_ending() and not before.has_ended()


def test_ending_an_instance_with_workers_waits_for_its_jobs(
    before: Instance, new: Instance, systemd: FakeSystemd
) -> None:
    make_way(before, new)
    systemd.start(OLD_JOB, wait=False)
    before.end()
    assert systemd.calls[-1] == f"stop {' '.join(before.units)}"
    assert before.has_ended()


def test_the_live_instance_is_not_ended(before: Instance, systemd: FakeSystemd) -> None:
    systemd.calls.clear()
    with pytest.raises(Failed, match=f"^release {OLD} is live"):
        before.end()
    assert systemd.calls == []


def test_an_instance_whose_boot_was_killed_before_its_front_started_is_not_ending(
    full: Instance, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = systemd.start

    def killed(*units: str, wait: bool = True, seconds: float | None = None) -> None:
        if wait:
            raise Killed
        start(*units, wait=wait, seconds=seconds)

    with monkeypatch.context() as patch:
        patch.setattr(systemd, "start", killed)
        with pytest.raises(Killed):
            full.boot()
    assert systemd.is_active(MAIL)
    assert not full.has_ended() and not full.is_ending()


def test_a_removed_instance_takes_workers_timers_and_jobs_with_it(
    full: Instance, layout: Layout, systemd: FakeSystemd
) -> None:
    full.boot()
    systemd.start(JOB, wait=False)
    systemd.calls.clear()
    full.remove()
    assert systemd.calls[0] == f"kill {' '.join(full.units)}"
    assert full.has_ended() and unit_files(layout) == set()
    assert "failed" not in systemd.states.values()


def test_forgetting_an_instance_forgets_when_its_timers_are_due(
    full: Instance, layout: Layout, systemd: FakeSystemd
) -> None:
    full.boot()
    full.enable()
    assert systemd.due == {TIMER}
    full.end()
    full.forget()
    assert systemd.due == set() == systemd.enabled == unit_files(layout)


@pytest.mark.parametrize("gone", [MAIL, TIMER, JOB])
@pytest.mark.parametrize("end", ["retire", "end", "remove", "forget"])
def test_an_instance_with_a_missing_unit_can_be_ended(
    full: Instance, layout: Layout, systemd: FakeSystemd, end: str, gone: str
) -> None:
    full.boot()
    full.enable()
    (layout.units / gone).unlink()
    systemd.enabled.discard(gone)
    getattr(full, end)()
    assert unit_files(layout) == (set(full.units) - {gone} if end in ("retire", "end") else set())
    assert systemd.enabled == set()


@pytest.mark.parametrize("part", ["mail.service", "queue.service", "nightly.timer", "nightly.service"])
def test_an_instance_with_workers_is_found_until_its_last_file_is_gone(
    full: Instance, layout: Layout, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    full.boot()
    with monkeypatch.context() as patch:
        kill_at(patch, "unlink", f"hello@{NEW}-{part}")
        with pytest.raises(Killed):
            full.forget()
    assert layout.instances() == [NEW]


@pytest.mark.parametrize("part", ["mail.service", "queue.service", "nightly.timer", "nightly.service"])
def test_an_instance_with_workers_is_found_once_its_first_file_exists(
    full: Instance, layout: Layout, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, "replace", f"hello@{NEW}-{part}")
        with pytest.raises(Killed):
            full.boot()
    assert layout.instances() == [NEW]


# Exclusive workers


@pytest.fixture
def alone(layout: Layout, systemd: FakeSystemd, apps: FakeApps) -> Instance:
    """Return an instance that is not booted yet, whose worker `queue` is exclusive."""
    make_release(layout, NEW, workers=["mail", "queue"], exclusive=["queue"])
    return Instance(layout, NEW, systemd)


def test_an_exclusive_worker_does_not_start_before_its_release_is_live(alone: Instance, systemd: FakeSystemd) -> None:
    alone.boot()
    assert alone.runs() and not alone.has_its_turn()
    assert (systemd.is_active(MAIL), systemd.is_active(QUEUE)) == (True, False)
    assert set(alone.lasting) >= {MAIL, QUEUE}


@pytest.mark.parametrize("exclusive", [[], ["queue"]])
def test_an_exclusive_worker_starts_after_that_of_the_previous_release_ends(
    layout: Layout, alone: Instance, systemd: FakeSystemd, exclusive: list[str]
) -> None:
    make_release(layout, OLD, workers=["queue", "other"], exclusive=exclusive)
    old = Instance(layout, OLD, systemd)
    old.boot()
    alone.boot()
    if exclusive:
        old.take_turn()
    systemd.calls.clear()
    alone.take_turn(old)
    theirs = f"hello@{OLD}-queue.service"
    assert systemd.calls == [f"stop {theirs}", f"start --no-block {QUEUE}"]
    assert alone.has_its_turn() and not systemd.is_active(theirs)
    assert systemd.is_active(f"hello@{OLD}-other.service")


def test_an_exclusive_worker_that_exits_is_an_error_with_its_log(
    alone: Instance, systemd: FakeSystemd, layout: Layout
) -> None:
    alone.boot()
    make_live(alone)
    systemd.restless = {QUEUE: 0}
    with pytest.raises(
        Failed, match=rf"has a worker that exits within {TRIAL} s, {QUEUE}; its log ends with:\n.*{QUEUE}"
    ):
        alone.take_turn()
    assert layout.live() == NEW and alone.answers()


# An application that is imported after uWSGI has reported that it is ready


@pytest.fixture
def lazy(new: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that exists until the application is imported."""
    monkeypatch.setattr(Layout, "runtime", lambda layout, release: tmp_path)
    starting = tmp_path / "starting"
    starting.touch()
    return starting


def test_an_application_is_probed_after_its_import(
    new: Instance, lazy: Path, clock: Clock, apps: FakeApps, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = clock.sleep

    def sleep(seconds: float) -> None:
        assert not apps.asked
        passing(seconds)
        if clock.now > 30:
            lazy.unlink(missing_ok=True)

    monkeypatch.setattr(clock, "sleep", sleep)
    new.boot()
    assert apps.asked == [NEW] and 30 < clock.now < 32


def test_an_application_that_is_not_imported_in_time_is_refused(new: Instance, lazy: Path, clock: Clock) -> None:
    assert refused(new).startswith(f"release {NEW} of main:app does not start within 60 s")
    assert clock.now >= 60


def test_an_application_that_exits_during_its_import_is_refused_at_once(
    new: Instance, lazy: Path, clock: Clock, systemd: FakeSystemd
) -> None:
    systemd.restless = {UNITS[1]: -0.9}
    assert refused(new).startswith(f"release {NEW} of main:app does not start; its log")
    assert clock.now < 5


# Workers with a socket of their own


class Listeners:
    """Stands in for what listens on the sockets of workers: `status` is what it answers, None for nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.status: int | None = 404

    def __call__(self, path: Path) -> probe.Ask:
        """Take the place of `over_unix`."""

        def ask(wanted: probe.Probe) -> probe.Answer:
            self.asked.append((path.name, wanted.path))
            if self.status is None:
                raise ConnectionRefusedError("nobody listens")
            return probe.Answer(self.status, b"")

        return ask


@pytest.fixture
def listeners(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Listeners:
    fake = Listeners()
    monkeypatch.setattr(module, "over_unix", fake)
    return fake


LIVE = [f"hello@{NEW}-live.socket", f"hello@{NEW}-live.service"]


def listening(layout: Layout, systemd: FakeSystemd, **manifest: Any) -> Instance:
    """Return an instance with a worker that has a socket, and one that has none."""
    make_release(layout, NEW, listening=["live"], workers=["mail"], **manifest)
    return Instance(layout, NEW, systemd)


def test_any_response_of_a_listening_worker_lets_a_release_boot(
    layout: Layout, systemd: FakeSystemd, apps: FakeApps, listeners: Listeners
) -> None:
    instance = listening(layout, systemd, listeners={"live": {"path": "/up", "status": []}})
    instance.boot()
    assert instance.listeners == LIVE[1:] and instance.runs()
    assert listeners.asked == [(f"{NEW}.worker-live", "/up")]
    systemd.states[LIVE[0]] = "inactive"
    assert not instance.answers()


@pytest.mark.parametrize(("status", "said"), [(200, "the response was 200, not 204"), (None, "nobody listens")])
def test_a_listening_worker_that_answers_wrongly_or_not_at_all_refuses_the_release(
    layout: Layout, systemd: FakeSystemd, apps: FakeApps, listeners: Listeners, status: int | None, said: str
) -> None:
    listeners.status = status
    instance = listening(layout, systemd, listeners={"live": {"path": "/", "status": [204]}}, start_timeout=3)
    with pytest.raises(Failed, match=f"does not pass its probe, {LIVE[1]}: .*{said}"):
        instance.boot()
    assert not instance.answers()


def test_a_listening_worker_answers_until_its_release_is_retired(
    layout: Layout, systemd: FakeSystemd, apps: FakeApps, listeners: Listeners, old: Instance
) -> None:
    instance = listening(layout, systemd)
    make_way(old, instance)
    instance.stand_down()
    assert instance.answers()
    assert systemd.states[f"hello@{NEW}-mail.service"] == "deactivating"
    replace_link(layout.current, f"releases/{OLD}")
    instance.retire()
    assert systemd.states[LIVE[1]] == "deactivating"
    # Its connections go on: nothing may end it as one that was never live.
    systemd.states[f"hello@{NEW}.service"] = systemd.states[f"hello@{NEW}-mail.service"] = "inactive"
    systemd.states[LIVE[0]] = "active"
    assert instance.is_ending() and not instance.has_ended()


def test_a_release_boots_without_waiting_for_connections_of_its_former_instance(
    layout: Layout, systemd: FakeSystemd, apps: FakeApps, listeners: Listeners
) -> None:
    make_release(layout, NEW, listening=["live"])
    instance = Instance(layout, NEW, systemd)
    instance.boot()
    instance.retire()
    assert systemd.states[LIVE[1]] == "deactivating"
    systemd.calls.clear()
    instance.boot()
    assert systemd.calls.index(f"cut short {LIVE[1]}") < systemd.calls.index(f"stop {LIVE[1]}")
    assert instance.runs()


def test_a_worker_in_place_of_a_callable_is_asked_over_http(
    layout: Layout, systemd: FakeSystemd, listeners: Listeners
) -> None:
    make_release(layout, NEW, front="live", callable="")
    instance = Instance(layout, NEW, systemd)
    with pytest.raises(Failed, match=f"release {NEW} of live does not pass its probe: .*the response was 404"):
        instance.boot()
    listeners.status = 200
    instance.boot()
    assert instance.runs()
    assert set(listeners.asked) == {(f"{NEW}.http", "/")}


# Workers that run only on the first host


def test_a_worker_of_the_first_host_runs_only_there(layout: Layout, systemd: FakeSystemd, apps: FakeApps) -> None:
    make_release(layout, NEW, workers=["beat"], first_only=["beat"])
    beat = f"hello@{NEW}-beat.service"
    Instance(layout, NEW, systemd).boot()
    assert beat not in systemd.states and Instance(layout, NEW, systemd).runs()
    layout.first.touch()
    assert not Instance(layout, NEW, systemd).runs()
    Instance(layout, NEW, systemd).boot()
    assert systemd.states[beat] == "active" and Instance(layout, NEW, systemd).runs()
    Instance(layout, NEW, systemd).leave_first()
    assert systemd.states[beat] == "inactive"


def test_an_exclusive_worker_of_the_first_host_has_its_turn_only_there(
    layout: Layout, systemd: FakeSystemd, apps: FakeApps
) -> None:
    make_release(layout, NEW, workers=["beat"], first_only=["beat"], exclusive=["beat"])
    assert Instance(layout, NEW, systemd).has_its_turn()
    layout.first.touch()
    assert not Instance(layout, NEW, systemd).has_its_turn()
