"""What a step knows about its run."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.plugin_utils import run as unit
from ansible_collections.wsgi.production.plugins.plugin_utils.run import is_dead, machine, started, this_run


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Return a process that lives until a test ends it."""
    with subprocess.Popen(["sleep", "600"]) as one:
        yield one
        one.kill()


def run_of(pid: int) -> str:
    """Return the id of a run whose `ansible-playbook` is the process `pid`."""
    return f"{machine()}:{pid}:{started(pid)}"


def test_a_run_whose_process_lives_is_not_dead(process: subprocess.Popen[bytes]) -> None:
    assert not is_dead(run_of(process.pid))


def test_a_run_whose_process_has_ended_is_dead(process: subprocess.Popen[bytes]) -> None:
    run = run_of(process.pid)
    process.kill()
    process.wait()
    assert is_dead(run)


def test_a_run_whose_process_is_a_zombie_is_dead(process: subprocess.Popen[bytes]) -> None:
    run = run_of(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "Z"
    assert is_dead(run)


def test_a_run_named_only_after_its_process_ended_is_dead(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(run_of(process.pid))
    process.wait()
    assert is_dead(run_of(process.pid))


def test_a_run_whose_process_id_was_reused_is_dead(process: subprocess.Popen[bytes]) -> None:
    assert is_dead(f"{machine()}:{process.pid}:{int(started(process.pid)) - 1}")


def test_a_run_of_another_machine_never_counts_as_dead(process: subprocess.Popen[bytes]) -> None:
    run = f"{'0' * 12}:{process.pid}:{started(process.pid)}"
    assert not is_dead(run)
    process.kill()
    process.wait()
    assert not is_dead(run)


@pytest.mark.parametrize(("later", "dead"), [(0, False), (1, True)])
def test_a_run_of_another_user_is_checked_too(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, later: int, dead: bool
) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    run = f"{machine()}:{process.pid}:{int(started(process.pid)) - later}"
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", refuse)
        assert is_dead(run) is dead


def test_without_a_start_time_only_a_living_process_counts(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "started", lambda _: "")
    run = f"{machine()}:{process.pid}:"
    assert not is_dead(run)
    process.kill()
    process.wait()
    assert is_dead(run)


@pytest.mark.parametrize("name", ["sleep", "a b", "a) S 1 (b", ")))"])
def test_the_start_time_of_a_process_is_read_with_any_name(tmp_path: Path, name: str) -> None:
    program = shutil.copy(shutil.which("sleep") or "", tmp_path / name)
    with subprocess.Popen([program, "600"]) as process:
        ticks = os.sysconf("SC_CLK_TCK")
        age = float(Path("/proc/uptime").read_text().split()[0]) - int(started(process.pid)) / ticks
        process.kill()
    assert abs(age) < 5


def test_a_missing_process_has_no_start_time(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert started(process.pid) == ""


def test_all_processes_of_a_machine_see_the_same_name() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(machine) == machine()


def test_machines_with_other_names_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    here = machine()
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    assert machine() != here


def test_containers_with_other_process_namespaces_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    here = machine()
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[1]")
    assert machine() != here


def test_a_worker_names_its_run() -> None:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        run: Any = pool.apply(this_run)
    assert run["id"] == run_of(os.getpid())
    assert not is_dead(run["id"])


def test_a_worker_that_outlives_its_run_still_names_it_and_knows_that_it_is_dead() -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    playbook = context.Process(target=_playbook, args=(there,))
    playbook.start()
    assert here.poll(10) and here.recv() == "a worker is there"
    playbook.kill()
    playbook.join()
    here.send("tell me")
    assert here.poll(10)
    pid, dead = here.recv()
    assert (pid, dead) == (str(playbook.pid), True)


def _playbook(there: Any) -> None:
    """Have a worker, and wait to be killed."""
    multiprocessing.get_context("fork").Process(target=_worker, args=(there,)).start()
    time.sleep(600)


def _worker(there: Any) -> None:
    """Tell which run this is, and whether it is dead, when asked for it."""
    there.send("a worker is there")
    there.recv()
    run = this_run()["id"]
    there.send((run.split(":")[1], is_dead(run)))


def test_a_run_without_workers_names_itself() -> None:
    assert this_run()["id"] == run_of(os.getpid())


def test_all_workers_name_the_same_run() -> None:
    found = []
    for _ in range(2):
        time.sleep(0.02)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            found.append(pool.apply(this_run))
    assert found[0] == found[1]


def test_a_run_names_its_user() -> None:
    assert this_run()["who"] == f"{getpass.getuser()} on {socket.gethostname()} (process {os.getpid()})"
