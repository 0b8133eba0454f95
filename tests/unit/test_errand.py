"""What commands that run to their end once promise."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.errand import Errand
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from tests.unit.fakes import FakeSystemd, make_release

A = "aaa111"
UNIT = f"hello@{A}-migrate.service"
PARTS = ["migrate", "after-switch"]


@pytest.fixture
def errand(layout: Layout, systemd: FakeSystemd) -> Errand:
    make_release(layout, A, errands=PARTS)
    return Errand(layout, A, "migrate", systemd)


class Killed(BaseException):
    """Ends a run where it stands, as a signal does."""


def die(*_: object, **__: object) -> None:
    raise Killed


def test_a_release_has_the_errands_whose_files_it_has(layout: Layout, systemd: FakeSystemd) -> None:
    make_release(layout, A, errands=["migrate"])
    assert [Errand(layout, A, part, systemd).exists() for part in PARTS] == [True, False]
    assert not Errand(layout, "bbb222", "migrate", systemd).exists()


def test_an_errand_that_was_never_run_has_neither_begun_nor_ended(errand: Errand, systemd: FakeSystemd) -> None:
    assert (errand.began(), errand.is_done(), errand.runs()) == (None, False, False)
    assert systemd.calls == []


def test_systemd_runs_an_errand_as_a_unit_that_the_next_boot_of_the_host_forgets(
    errand: Errand, layout: Layout, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    start = systemd.start

    def look(unit: str) -> None:
        seen.append((layout.transient / unit).read_text())
        start(unit)

    monkeypatch.setattr(systemd, "start", look)
    errand.run()
    assert seen == [errand.description.read_text()]
    assert systemd.calls == ["reload", f"start {UNIT}", f"clear {UNIT}", "reload"]
    assert systemd.enabled == set()
    assert os.listdir(layout.transient) == os.listdir(layout.units) == []


def test_an_errand_remembers_when_it_began_and_ended(errand: Errand, layout: Layout) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    errand.run()
    times = json.loads((layout.releases / A / "migrate.json").read_text())
    began, ended = (datetime.fromisoformat(times[key]) for key in ("began", "ended"))
    assert before <= began <= ended <= datetime.now(timezone.utc)
    assert (errand.began(), errand.is_done()) == (times["began"], True)


def test_errands_of_a_release_are_remembered_each_by_itself(
    errand: Errand, layout: Layout, systemd: FakeSystemd
) -> None:
    errand.run()
    other = Errand(layout, A, "after-switch", systemd)
    assert (other.began(), other.is_done()) == (None, False)
    assert other.unit == f"hello@{A}-after-switch.service"


def test_an_errand_is_remembered_by_the_next_run(errand: Errand, layout: Layout, systemd: FakeSystemd) -> None:
    errand.run()
    assert Errand(layout, A, "migrate", systemd).is_done()


@pytest.mark.parametrize(("how", "what"), [("broken", "fails"), ("slow", "takes longer than 1min")])
def test_an_errand_that_does_not_end_well_is_told_with_the_end_of_its_log(
    errand: Errand, layout: Layout, systemd: FakeSystemd, how: str, what: str
) -> None:
    setattr(systemd, how, {UNIT})
    with pytest.raises(Failed) as failure:
        errand.run()
    assert str(failure.value) == f"{UNIT} {what}; its log ends with:\nthe log of {UNIT}"
    assert errand.began() and not errand.is_done() and not errand.runs()
    assert os.listdir(layout.transient) == []
    assert "failed" not in systemd.states.values()


def test_an_errand_that_failed_can_be_run_again(errand: Errand, systemd: FakeSystemd) -> None:
    systemd.broken = {UNIT}
    with pytest.raises(Failed):
        errand.run()
    systemd.broken = set()
    errand.run()
    assert errand.is_done()


def test_an_errand_that_is_run_again_is_not_done_until_it_has_ended_again(errand: Errand, systemd: FakeSystemd) -> None:
    errand.run()
    systemd.broken = {UNIT}
    with pytest.raises(Failed):
        errand.run()
    assert not errand.is_done()


def test_an_errand_is_known_to_have_begun_before_systemd_hears_of_it(
    errand: Errand, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "reload", die)
    with pytest.raises(Killed):
        errand.run()
    assert errand.began() and not errand.is_done()


def leave_at_work(errand: Errand, systemd: FakeSystemd, state: str = "activating") -> str:
    """Let an errand be as a run leaves it that is killed while it waits; return when it was begun."""
    began = "2026-01-01T12:00:00+00:00"
    errand.memory.write_text(json.dumps({"began": began}))
    errand.placed.parent.mkdir(exist_ok=True)
    errand.placed.write_text(errand.description.read_text())
    systemd.states[UNIT] = state
    return began


@pytest.mark.parametrize("state", ["activating", "deactivating"])
def test_an_errand_at_work_is_waited_for_and_not_begun_again(
    errand: Errand, layout: Layout, systemd: FakeSystemd, state: str
) -> None:
    began = leave_at_work(errand, systemd, state)
    assert errand.runs()
    errand.run()
    assert systemd.calls[0] == f"start {UNIT}"
    assert errand.is_done() and errand.began() == began
    assert os.listdir(layout.transient) == []


@pytest.mark.parametrize("state", ["inactive", "failed", ""])
def test_an_errand_whose_end_nobody_saw_is_run_again(errand: Errand, systemd: FakeSystemd, state: str) -> None:
    began = leave_at_work(errand, systemd, state)
    assert not errand.runs() and not errand.is_done() and errand.began() == began
    errand.run()
    assert systemd.calls[:2] == ["reload", f"start {UNIT}"]
    assert errand.is_done() and errand.began() != began


def test_what_has_no_unit_in_place_is_not_asked_whether_it_runs(errand: Errand, systemd: FakeSystemd) -> None:
    systemd.states[UNIT] = "activating"
    assert not errand.runs()


def test_an_errand_can_be_forgotten_that_is_not_there(errand: Errand, layout: Layout) -> None:
    errand.forget()
    assert not layout.transient.exists()


@pytest.mark.parametrize("state", ["activating", "deactivating", "failed", "inactive"])
def test_an_errand_that_is_ended_is_killed_and_not_waited_for_and_its_unit_is_gone(
    errand: Errand, layout: Layout, systemd: FakeSystemd, state: str
) -> None:
    began = leave_at_work(errand, systemd, state)
    errand.end()
    assert systemd.calls == [f"kill {UNIT}", f"clear {UNIT}", "reload"]
    assert systemd.states[UNIT] == "inactive"
    assert os.listdir(layout.transient) == []
    assert not errand.is_done() and errand.began() == began


def test_an_errand_whose_end_was_killed_is_ended_by_the_next_run(
    errand: Errand, layout: Layout, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_at_work(errand, systemd)
    with monkeypatch.context() as patch:
        patch.setattr(systemd, "clear", die)
        with pytest.raises(Killed):
            errand.end()
    errand.end()
    assert os.listdir(layout.transient) == [] and "failed" not in systemd.states.values()


def test_an_errand_is_replaced_in_one_step_so_that_systemd_never_reads_half_of_it(
    errand: Errand, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(Killed):
            errand.run()
    assert not errand.memory.exists() and not layout.transient.exists()
    with monkeypatch.context() as patch:
        real = Path.replace
        patch.setattr(Path, "replace", lambda path, to: die() if to == errand.placed else real(path, to))
        with pytest.raises(Killed):
            errand.run()
    assert errand.began() and not errand.placed.exists()
    errand.run()
    assert errand.is_done()
