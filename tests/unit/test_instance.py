"""What an instance promises."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import probe
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.instance import Instance
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, replace_link
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
    """Let `new` be live instead of `old`, which runs on."""
    new.boot()
    make_live(new)
    assert old.runs() and old.was_live()


def unit_files(layout: Layout) -> set[str]:
    return set(os.listdir(layout.units))


def test_a_boot_puts_the_units_in_place_and_starts_them(new: Instance, layout: Layout, systemd: FakeSystemd) -> None:
    new.boot()
    assert {name: (layout.units / name).read_text() for name in unit_files(layout)} == {
        UNITS[0]: f"the socket of {NEW}",
        UNITS[1]: f"the service of {NEW}",
    }
    assert systemd.calls == ["reload", f"start {UNITS[0]} {UNITS[1]}"]
    assert new.runs()


def test_a_boot_asks_the_instance_at_its_own_socket(old: Instance, new: Instance, apps: FakeApps) -> None:
    apps.asked.clear()
    new.boot()
    assert apps.asked == [NEW]


def test_a_boot_asks_as_its_release_says(
    layout: Layout, systemd: FakeSystemd, apps: FakeApps, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    make_release(layout, NEW, probe={"path": "/health", "status": [204], "tries": 3, "interval": 7})
    with pytest.raises(Failed, match="asked 3 times for /health of localhost, and the answer was 200, not 204"):
        Instance(layout, NEW, systemd).boot()
    assert (apps.asked, pauses) == ([NEW] * 3, [7, 7])


def test_a_boot_waits_for_an_application_that_needs_a_moment(
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
def test_a_release_that_is_not_there_complete_is_not_booted(layout: Layout, systemd: FakeSystemd, there: bool) -> None:
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
def test_an_instance_runs_only_with_both_of_its_units(
    new: Instance, systemd: FakeSystemd, unit: str, state: str
) -> None:
    new.boot()
    systemd.states[unit] = state
    assert not new.runs()


def test_an_instance_without_its_unit_files_does_not_run(new: Instance, layout: Layout) -> None:
    new.boot()
    for unit in UNITS:
        (layout.units / unit).unlink()
    assert not new.runs()


@pytest.mark.parametrize("half", [UNITS[:1], UNITS])
def test_an_instance_whose_boot_was_killed_half_way_is_booted_by_the_next_run(
    new: Instance, layout: Layout, half: list[str]
) -> None:
    for unit in half:
        (layout.units / unit).write_text("half")
    new.boot()
    assert new.runs()
    assert [(layout.units / unit).read_text() for unit in UNITS] == [f"the socket of {NEW}", f"the service of {NEW}"]


def test_an_instance_whose_probe_was_killed_is_probed_by_the_next_run(new: Instance, apps: FakeApps) -> None:
    new.boot()
    apps.sick = {NEW}
    with pytest.raises(Failed, match="does not pass its probe"):
        new.boot()
    assert not new.runs()


@pytest.mark.parametrize("broken", UNITS)
def test_a_release_that_does_not_start_is_taken_away_and_its_log_is_the_error(
    new: Instance, layout: Layout, systemd: FakeSystemd, broken: str
) -> None:
    systemd.broken = {broken}
    with pytest.raises(Failed) as failure:
        new.boot()
    assert str(failure.value) == f"release {NEW} of main:app does not start{LOG}"
    assert unit_files(layout) == set()
    assert new.has_ended()
    assert systemd.calls[-1] == "reload"


def test_a_release_that_does_not_start_in_time_is_told_the_time(new: Instance, systemd: FakeSystemd) -> None:
    systemd.slow = {UNITS[1]}
    with pytest.raises(Failed, match=f"^release {NEW} of main:app does not start within 1min; its log"):
        new.boot()
    assert new.has_ended()


def test_a_release_that_does_not_start_is_not_asked_anything(
    new: Instance, systemd: FakeSystemd, apps: FakeApps
) -> None:
    systemd.broken = {UNITS[1]}
    with pytest.raises(Failed):
        new.boot()
    assert apps.asked == []


def test_a_release_that_does_not_pass_its_probe_is_taken_away_and_its_log_is_the_error(
    new: Instance, layout: Layout, systemd: FakeSystemd, apps: FakeApps
) -> None:
    apps.sick = {NEW}
    with pytest.raises(Failed) as failure:
        new.boot()
    why = "asked once for / of localhost, and the answer was 500, not one from 200 to 399"
    assert str(failure.value) == f"release {NEW} of main:app does not pass its probe: {why}{LOG}"
    assert unit_files(layout) == set()
    assert new.has_ended()
    assert systemd.calls[-1] == "reload"


@pytest.mark.parametrize("wrong", ["does not start", "does not answer"])
def test_a_release_that_does_not_work_leaves_the_live_one_alone(
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
def test_an_instance_that_visitors_may_use_ends_with_their_requests_when_it_does_not_work(
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
    assert systemd.calls[2:] == [f"disable {units}", f"stop --no-block {units}"]
    assert unit_files(new.layout) == {*old.units, *UNITS}
    assert systemd.enabled == set(old.units)
    assert new.is_ending() or systemd.states[new.service] == "failed"
    assert old.is_live() and old.runs()


@pytest.mark.parametrize("wrong", ["does not start", "does not pass its probe"])
def test_the_live_instance_keeps_its_units_when_it_does_not_work(
    old: Instance, layout: Layout, systemd: FakeSystemd, apps: FakeApps, wrong: str
) -> None:
    systemd.broken = {old.service} if wrong == "does not start" else set()
    apps.sick = {OLD}
    with pytest.raises(Failed, match=f"{wrong}(.|\n)*the log of hello@{OLD}.service"):
        old.boot()
    assert unit_files(layout) == set(old.units)
    assert old.is_live()
    assert not [call for call in systemd.calls if call.startswith(("stop", "kill", "disable"))]


def test_an_instance_is_live_when_current_leads_to_it_and_it_is_enabled(old: Instance, new: Instance) -> None:
    new.boot()
    make_live(new)
    assert new.is_live()
    assert not old.is_live()


@pytest.mark.parametrize("unit", UNITS)
def test_what_the_next_boot_of_the_host_would_not_start_is_not_live(
    new: Instance, systemd: FakeSystemd, unit: str
) -> None:
    new.boot()
    make_live(new)
    systemd.enabled.remove(unit)
    assert not new.is_live()


@pytest.mark.parametrize("unit", UNITS)
def test_visitors_may_have_reached_what_a_killed_switch_enabled(new: Instance, systemd: FakeSystemd, unit: str) -> None:
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
def test_an_instance_is_ending_from_when_it_is_retired_until_its_last_request(
    new: Instance, systemd: FakeSystemd, state: str
) -> None:
    new.boot()
    new.retire()
    assert new.is_ending() and not new.has_ended()
    systemd.states[new.service] = state
    assert not new.is_ending()


def test_a_retired_instance_may_answer_its_last_request(old: Instance, new: Instance, systemd: FakeSystemd) -> None:
    make_way(old, new)
    systemd.calls.clear()
    old.retire()
    units = " ".join(old.units)
    assert systemd.calls == [f"disable {units}", f"stop --no-block {units}"]
    assert unit_files(old.layout) == {*old.units, *new.units}


def test_the_live_instance_is_not_retired(old: Instance, systemd: FakeSystemd) -> None:
    systemd.calls.clear()
    with pytest.raises(Failed, match=f"^release {OLD} is live"):
        old.retire()
    assert systemd.calls == []
    assert old.is_live() and old.runs()


def test_a_retired_instance_does_not_come_back_at_the_next_boot_of_the_host(
    old: Instance, new: Instance, systemd: FakeSystemd
) -> None:
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


def test_an_instance_that_nobody_reached_is_removed_without_waiting_for_its_requests(
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


def test_an_instance_that_failed_is_not_listed_as_failed_once_its_units_are_gone(
    new: Instance, systemd: FakeSystemd
) -> None:
    systemd.broken = {new.service}
    with pytest.raises(Failed):
        new.boot()
    assert "failed" not in systemd.states.values()


@pytest.mark.parametrize("gone", UNITS)
@pytest.mark.parametrize("end", ["retire", "remove", "forget"])
def test_an_instance_of_which_a_killed_run_left_one_unit_is_ended(
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
    """Ends a run where it stands, as a signal does."""


def kill_at(monkeypatch: pytest.MonkeyPatch, change: str, name: str) -> None:
    """Let the run be killed when it is about to change the file `name`."""
    real = getattr(Path, change)

    def touch(path: Path, *args: Path, **kwargs: bool) -> object:
        if name in (path.name, *(target.name for target in args)):
            raise Killed
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, change, touch)


def test_an_instance_is_found_from_the_first_of_its_files_on(
    new: Instance, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, "replace", f"hello@{NEW}.socket")
        with pytest.raises(Killed):
            new.boot()
    assert layout.instances() == [NEW]


def test_an_instance_is_found_until_the_last_of_its_files_is_gone(
    new: Instance, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    new.boot()
    with monkeypatch.context() as patch:
        kill_at(patch, "unlink", f"hello@{NEW}.service")
        with pytest.raises(Killed):
            new.forget()
    assert not (layout.units / f"hello@{NEW}.socket").exists()
    assert layout.instances() == [NEW]
