"""What the lock of a host promises."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import lock as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.lock import Held, Lock

MINE: dict[str, Any] = {"id": "here:1:10", "who": "me on here (process 1)"}
THEIRS: dict[str, Any] = {"id": "there:2:20", "who": "you on there (process 2)"}
NEIGHBOUR: dict[str, Any] = {"id": "here:3:30", "who": "you on here (process 3)"}

# Contents that no run has written, or not completely.
STRANGE = [b"", b"{", b'{"id": "there', b"null", b"7", b"[]", b'"text"', b"{}", b'{"id": "there"}', b"\xff\xfe"]
STRANGE += [
    b'{"id": "there:2:20", "who": "you", "since": "this morning", "seen": "long ago"}',
    b'{"id": "there:2:20", "who": "you", "since": "this morning", "seen": null}',
    b'{"id": "there:2:20", "since": "this morning", "seen": 1}',
    b'{"id": "there:2:20", "who": "you", "seen": 1}',
    b'{"who": "you", "since": "this morning", "seen": 1}',
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wsgi.lock"


def step(path: Path, run: dict[str, Any], **more: Any) -> None:
    """Take a step of `run`, under the lock."""
    with Lock(path).during({**run, **more}):
        pass


def silent_for(path: Path, seconds: float) -> None:
    """Make the holder last active `seconds` ago."""
    path.write_text(json.dumps({**json.loads(path.read_text()), "seen": time.monotonic() - seconds}))


@contextmanager
def at_work(path: Path, run: dict[str, Any], seconds: float = 60) -> Iterator[None]:
    """Run a step of `run` during the body, for `seconds` at most."""
    begun, over = threading.Event(), threading.Event()

    def work() -> None:
        with Lock(path).during({**run, "hold": True}):
            begun.set()
            over.wait(seconds)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_the_lock_ends_with_a_reboot_of_the_host() -> None:
    assert Lock().path.parent == Path("/run")


def test_a_run_without_hold_frees_the_lock_after_each_step(path: Path) -> None:
    step(path, MINE)
    step(path, THEIRS)
    step(path, MINE)


def test_a_run_that_holds_it_keeps_others_out_between_its_steps(path: Path) -> None:
    step(path, MINE, hold=True)
    with pytest.raises(Held):
        step(path, THEIRS)
    step(path, MINE, hold=True)


def test_a_run_that_holds_it_keeps_it_after_a_step_without_hold(path: Path) -> None:
    step(path, MINE, hold=True)
    step(path, MINE)
    with pytest.raises(Held):
        step(path, THEIRS)


def test_a_failed_step_leaves_the_lock_with_its_run(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Lock(path).during({**MINE, "hold": True}):
        raise ZeroDivisionError
    with pytest.raises(Held):
        step(path, THEIRS)
    step(path, MINE)


def test_a_failed_step_releases_a_lock_that_its_run_does_not_hold(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Lock(path).during(MINE):
        raise ZeroDivisionError
    step(path, THEIRS)


def test_the_last_step_releases_the_lock_only_at_its_end(path: Path) -> None:
    step(path, MINE, hold=True)
    with Lock(path).during({**MINE, "hold": True}) as lock:
        lock.release()
        with pytest.raises(Held):
            step(path, THEIRS)
    step(path, THEIRS)


def test_a_failed_last_step_frees_the_lock(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Lock(path).during({**MINE, "hold": True}) as lock:
        lock.release()
        raise ZeroDivisionError
    step(path, THEIRS)


def test_releasing_once_does_not_affect_the_next_run(path: Path) -> None:
    lock = Lock(path)
    with lock.during({**MINE, "hold": True}):
        lock.release()
    with lock.during({**MINE, "hold": True}):
        pass
    with pytest.raises(Held):
        step(path, THEIRS)


def test_the_error_says_who_holds_the_lock_and_since_when(path: Path) -> None:
    step(path, MINE, hold=True)
    silent_for(path, 42)
    since = json.loads(path.read_text())["since"]
    with pytest.raises(Held) as held:
        step(path, THEIRS)
    assert str(held.value) == (
        f"another run is changing this host: {MINE['who']} has held the lock since {since}, and "
        "was active 42 s ago. Wait until that run ends; one that was killed on another machine "
        "counts as dead after 600 s"
    )
    assert held.value.holder["id"] == MINE["id"]


def test_a_run_holds_the_lock_since_its_first_step(path: Path) -> None:
    step(path, MINE, hold=True)
    path.write_text(path.read_text().replace(json.loads(path.read_text())["since"], "this morning"))
    step(path, MINE, hold=True)
    assert json.loads(path.read_text())["since"] == "this morning"


def test_a_run_that_takes_over_holds_the_lock_since_then(path: Path) -> None:
    step(path, THEIRS, hold=True)
    path.write_text(path.read_text().replace(json.loads(path.read_text())["since"], "this morning"))
    step(path, MINE, hold=True, dead=[THEIRS["id"]])
    holder = json.loads(path.read_text())
    assert holder["id"] == MINE["id"]
    assert holder["since"] != "this morning"


def test_the_lock_of_a_dead_run_is_taken_over(path: Path) -> None:
    step(path, THEIRS, hold=True)
    step(path, MINE, hold=True, dead=[THEIRS["id"]])
    with pytest.raises(Held):
        step(path, THEIRS, hold=True)


def test_another_dead_run_does_not_free_the_lock(path: Path) -> None:
    step(path, THEIRS, hold=True)
    with pytest.raises(Held):
        step(path, MINE, dead=["there:3:30"])


@pytest.mark.parametrize(("seconds", "dead"), [(500, False), (unit.SILENCE - 10, False), (unit.SILENCE + 1, True)])
def test_a_remote_run_counts_as_dead_after_a_long_silence(path: Path, seconds: int, dead: bool) -> None:
    step(path, THEIRS, hold=True)
    silent_for(path, seconds)
    if dead:
        step(path, MINE)
    else:
        with pytest.raises(Held):
            step(path, MINE)


def test_a_local_run_never_counts_as_dead_because_of_silence(path: Path) -> None:
    step(path, NEIGHBOUR, hold=True)
    silent_for(path, unit.SILENCE * 100)
    with pytest.raises(Held) as held:
        step(path, MINE)
    assert held.value.holder["id"] == NEIGHBOUR["id"]
    step(path, MINE, dead=[NEIGHBOUR["id"]])


def test_a_run_that_takes_over_from_a_silent_one_keeps_others_out(path: Path) -> None:
    step(path, THEIRS, hold=True)
    silent_for(path, unit.SILENCE + 1)
    step(path, MINE, hold=True)
    with pytest.raises(Held):
        step(path, THEIRS)


def test_a_run_is_marked_active_at_the_start_and_end_of_a_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Lock(path).during({**MINE, "hold": True}):
        assert json.loads(path.read_text())["seen"] == now
        now += 1000
    assert json.loads(path.read_text())["seen"] == now


def test_while_a_step_runs_others_are_refused_at_once(path: Path) -> None:
    with at_work(path, THEIRS):
        before = time.monotonic()
        with pytest.raises(Held) as held:
            step(path, MINE)
        assert time.monotonic() - before < 5
    assert held.value.holder["id"] == THEIRS["id"]


def test_the_error_says_that_a_step_is_running(path: Path) -> None:
    with at_work(path, THEIRS):
        silent_for(path, 42)
        since = json.loads(path.read_text())["since"]
        with pytest.raises(Held) as held:
            step(path, MINE)
    assert str(held.value).startswith(
        f"another run is changing this host: {THEIRS['who']} has held the lock since {since}, and is at work. Wait"
    )


def test_a_step_that_runs_for_long_does_not_count_as_dead(path: Path) -> None:
    with at_work(path, THEIRS):
        silent_for(path, unit.SILENCE * 2)
        with pytest.raises(Held):
            step(path, MINE)


def test_a_step_that_a_dead_run_left_running_is_awaited(path: Path) -> None:
    with at_work(path, THEIRS, seconds=0.5):
        before = time.monotonic()
        step(path, MINE, hold=True, dead=[THEIRS["id"]])
        assert time.monotonic() - before > 0.3
    assert json.loads(path.read_text())["id"] == MINE["id"]


def test_the_previous_step_of_the_same_run_is_awaited(path: Path) -> None:
    with at_work(path, MINE, seconds=0.5):
        before = time.monotonic()
        step(path, MINE, hold=True)
        assert time.monotonic() - before > 0.3


def test_a_step_that_a_dead_run_left_running_is_awaited_only_for_a_while(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "PATIENCE", 0.3)
    with at_work(path, THEIRS, seconds=5), pytest.raises(Held, match="is at work"):
        step(path, MINE, dead=[THEIRS["id"]])


def test_the_previous_step_of_the_same_run_is_awaited_only_for_a_while(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "PATIENCE", 0.3)
    with at_work(path, MINE, seconds=5), pytest.raises(Held, match="is at work"):
        step(path, MINE)


@pytest.mark.parametrize("content", STRANGE)
def test_a_lock_of_another_program_is_awaited_only_for_a_while(
    path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(unit, "PATIENCE", 0.3)
    path.write_bytes(content)
    path.chmod(0o600)
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        timer = threading.Timer(5, fcntl.flock, (file, fcntl.LOCK_UN))
        timer.start()
        with pytest.raises(Failed, match=f"^{re.escape(str(path))} is locked by another program$"):
            step(path, MINE)
        timer.cancel()
    assert path.read_bytes() == content


def test_the_lock_of_a_killed_module_goes_only_to_runs_that_know_it_is_dead(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    begun = context.Event()

    def work() -> None:
        with Lock(path).during(THEIRS):
            begun.set()
            time.sleep(60)

    process = context.Process(target=work)
    process.start()
    assert begun.wait(10) and process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with pytest.raises(Held):
        step(path, MINE)
    step(path, MINE, dead=[THEIRS["id"]])


@pytest.mark.parametrize("content", STRANGE)
def test_a_lock_without_a_record_is_free(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    step(path, MINE, hold=True)
    assert json.loads(path.read_text())["id"] == MINE["id"]


@pytest.mark.parametrize("seen", [float("nan"), float("inf"), float("-inf")])
def test_a_lock_with_an_invalid_time_is_free(path: Path, seen: float) -> None:
    path.write_text(json.dumps({**NEIGHBOUR, "since": "this morning", "seen": seen}))
    step(path, MINE, hold=True)
    assert json.loads(path.read_text())["id"] == MINE["id"]


def test_a_shorter_record_fully_replaces_a_longer_one(path: Path) -> None:
    step(path, {**THEIRS, "who": "x" * 1000}, hold=True)
    step(path, MINE, hold=True, dead=[THEIRS["id"]])
    assert json.loads(path.read_text())["who"] == MINE["who"]


def test_a_lock_whose_record_is_not_written_yet_is_awaited(path: Path) -> None:
    path.touch()
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        timer = threading.Timer(0.3, fcntl.flock, (file, fcntl.LOCK_UN))
        timer.start()
        step(path, MINE)
        timer.join()


def test_only_root_can_open_the_file(path: Path) -> None:
    step(path, MINE)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_have_open_is_replaced_and_its_run_keeps_the_lock(path: Path) -> None:
    step(path, THEIRS, hold=True)
    path.chmod(0o644)
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Held, match="you on there"):
            step(path, MINE)
        step(path, MINE, dead=[THEIRS["id"]])
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_in_place_of_the_file_is_not_followed(path: Path) -> None:
    path.with_name("other").touch(mode=0o600)
    path.symlink_to("other")
    step(path, MINE)
    assert not path.is_symlink()
    assert path.with_name("other").read_text() == ""
