"""What commands that run once promise."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.oneshot import Oneshot
from tests.unit.fakes import FakeSystemd, make_release

A = "aaa111"
UNIT = f"hello@{A}-migrate.service"
PARTS = ["migrate", "after-switch"]


@pytest.fixture
def oneshot(layout: Layout, systemd: FakeSystemd) -> Oneshot:
    make_release(layout, A, oneshots=PARTS)
    return Oneshot(layout, A, "migrate", systemd)


class Killed(BaseException):
    """Ends a run at once, as a signal does."""


def die(*_: object, **__: object) -> None:
    raise Killed


def test_a_release_has_the_oneshots_whose_files_it_has(layout: Layout, systemd: FakeSystemd) -> None:
    make_release(layout, A, oneshots=["migrate"])
    assert [Oneshot(layout, A, part, systemd).exists() for part in PARTS] == [True, False]
    assert not Oneshot(layout, "bbb222", "migrate", systemd).exists()


def test_a_oneshot_that_was_never_run_has_neither_begun_nor_ended(oneshot: Oneshot, systemd: FakeSystemd) -> None:
    assert (oneshot.began(), oneshot.is_done(), oneshot.runs()) == (None, False, False)
    assert systemd.calls == []


def test_systemd_runs_a_oneshot_as_a_unit_that_a_reboot_removes(
    oneshot: Oneshot, layout: Layout, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    start = systemd.start

    def look(unit: str) -> None:
        seen.append((layout.transient / unit).read_text())
        start(unit)

    monkeypatch.setattr(systemd, "start", look)
    oneshot.run()
    assert seen == [oneshot.description.read_text()]
    assert systemd.calls == ["reload", f"start {UNIT}", f"clear {UNIT}", "reload"]
    assert systemd.enabled == set()
    assert os.listdir(layout.transient) == os.listdir(layout.units) == []


def test_a_oneshot_remembers_when_it_began_and_ended(oneshot: Oneshot, layout: Layout) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    oneshot.run()
    times = json.loads((layout.releases / A / "migrate.json").read_text())
    began, ended = (datetime.fromisoformat(times[key]) for key in ("began", "ended"))
    assert before <= began <= ended <= datetime.now(UTC)
    assert (oneshot.began(), oneshot.is_done()) == (times["began"], True)


def test_each_oneshot_of_a_release_is_remembered_separately(
    oneshot: Oneshot, layout: Layout, systemd: FakeSystemd
) -> None:
    oneshot.run()
    other = Oneshot(layout, A, "after-switch", systemd)
    assert (other.began(), other.is_done()) == (None, False)
    assert other.unit == f"hello@{A}-after-switch.service"


def test_the_next_run_remembers_a_oneshot(oneshot: Oneshot, layout: Layout, systemd: FakeSystemd) -> None:
    oneshot.run()
    assert Oneshot(layout, A, "migrate", systemd).is_done()


@pytest.mark.parametrize(("how", "what"), [("broken", "fails"), ("slow", "takes longer than 1min")])
def test_a_failed_oneshot_is_reported_with_the_end_of_its_log(
    oneshot: Oneshot, layout: Layout, systemd: FakeSystemd, how: str, what: str
) -> None:
    setattr(systemd, how, {UNIT})
    with pytest.raises(Failed) as failure:
        oneshot.run()
    assert str(failure.value) == f"{UNIT} {what}; its log ends with:\nthe log of {UNIT}"
    assert oneshot.began() and not oneshot.is_done() and not oneshot.runs()
    assert os.listdir(layout.transient) == []
    assert "failed" not in systemd.states.values()


def test_a_failed_oneshot_can_run_again(oneshot: Oneshot, systemd: FakeSystemd) -> None:
    systemd.broken = {UNIT}
    with pytest.raises(Failed):
        oneshot.run()
    systemd.broken = set()
    oneshot.run()
    assert oneshot.is_done()


def test_a_repeated_oneshot_is_not_done_until_it_ends_again(oneshot: Oneshot, systemd: FakeSystemd) -> None:
    oneshot.run()
    systemd.broken = {UNIT}
    with pytest.raises(Failed):
        oneshot.run()
    assert not oneshot.is_done()


def test_the_start_of_a_oneshot_is_recorded_before_systemd_runs_it(
    oneshot: Oneshot, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "reload", die)
    with pytest.raises(Killed):
        oneshot.run()
    assert oneshot.began() and not oneshot.is_done()


def leave_at_work(oneshot: Oneshot, systemd: FakeSystemd, state: str = "activating") -> str:
    """Leave a oneshot as a run that is killed while it waits does; return when it was started."""
    began = "2026-01-01T12:00:00+00:00"
    oneshot.memory.write_text(json.dumps({"began": began}))
    oneshot.placed.parent.mkdir(exist_ok=True)
    oneshot.placed.write_text(oneshot.description.read_text())
    systemd.states[UNIT] = state
    return began


@pytest.mark.parametrize("state", ["activating", "deactivating"])
def test_a_running_oneshot_is_awaited_and_not_restarted(
    oneshot: Oneshot, layout: Layout, systemd: FakeSystemd, state: str
) -> None:
    began = leave_at_work(oneshot, systemd, state)
    assert oneshot.runs()
    oneshot.run()
    assert systemd.calls[0] == f"start {UNIT}"
    assert oneshot.is_done() and oneshot.began() == began
    assert os.listdir(layout.transient) == []


@pytest.mark.parametrize("state", ["inactive", "failed", ""])
def test_a_oneshot_whose_end_was_not_seen_runs_again(oneshot: Oneshot, systemd: FakeSystemd, state: str) -> None:
    began = leave_at_work(oneshot, systemd, state)
    assert not oneshot.runs() and not oneshot.is_done() and oneshot.began() == began
    oneshot.run()
    assert systemd.calls[:2] == ["reload", f"start {UNIT}"]
    assert oneshot.is_done() and oneshot.began() != began


def test_a_oneshot_without_a_unit_does_not_run(oneshot: Oneshot, systemd: FakeSystemd) -> None:
    systemd.states[UNIT] = "activating"
    assert not oneshot.runs()


def test_a_missing_oneshot_can_be_forgotten(oneshot: Oneshot, layout: Layout) -> None:
    oneshot.forget()
    assert not layout.transient.exists()


@pytest.mark.parametrize("state", ["activating", "deactivating", "failed", "inactive"])
def test_ending_a_oneshot_kills_it_without_waiting_and_removes_its_unit(
    oneshot: Oneshot, layout: Layout, systemd: FakeSystemd, state: str
) -> None:
    began = leave_at_work(oneshot, systemd, state)
    oneshot.end()
    assert systemd.calls == [f"kill {UNIT}", f"clear {UNIT}", "reload"]
    assert systemd.states[UNIT] == "inactive"
    assert os.listdir(layout.transient) == []
    assert not oneshot.is_done() and oneshot.began() == began


def test_the_next_run_ends_a_oneshot_whose_end_was_killed(
    oneshot: Oneshot, layout: Layout, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_at_work(oneshot, systemd)
    with monkeypatch.context() as patch:
        patch.setattr(systemd, "clear", die)
        with pytest.raises(Killed):
            oneshot.end()
    oneshot.end()
    assert os.listdir(layout.transient) == [] and "failed" not in systemd.states.values()


def test_a_unit_is_replaced_atomically_so_that_systemd_never_reads_half_of_it(
    oneshot: Oneshot, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(Killed):
            oneshot.run()
    assert not oneshot.memory.exists() and not layout.transient.exists()
    with monkeypatch.context() as patch:
        real = Path.replace
        patch.setattr(Path, "replace", lambda path, to: die() if to == oneshot.placed else real(path, to))
        with pytest.raises(Killed):
            oneshot.run()
    assert oneshot.began() and not oneshot.placed.exists()
    oneshot.run()
    assert oneshot.is_done()
