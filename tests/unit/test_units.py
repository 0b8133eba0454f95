"""What runs at the edges of an instance, run for real."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.units import DRAIN, LAUNCHER

# Seconds after which who waits shows it, and after which who does not wait has long ended.
A_WHILE = 0.3
LONG = 10


class Instance:
    """A release, sockets to stand in line at, and the process that systemd starts before it ends the instance."""

    def __init__(self, path: Path) -> None:
        self.release = "81d0e77c2b6f"
        self.script = path / "drain.py"
        self.script.write_text(DRAIN)
        self.current = path / "current"
        self.sockets = [path / "uwsgi", path / "http"]
        self.listeners = [socket.socket(socket.AF_UNIX) for _ in self.sockets]
        for listener, address in zip(self.listeners, self.sockets, strict=True):
            listener.bind(str(address))
            listener.listen()
            listener.settimeout(LONG)
        self.process: subprocess.Popen[str] | None = None

    def drain(self, **env: str) -> subprocess.Popen[str]:
        """Start what waits until nobody stands in line."""
        words = [self.script, self.current, self.release, *self.sockets]
        command = [sys.executable, "-I", "-S", *map(str, words)]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        return self.process

    def waits(self) -> bool:
        """Tell whether the process is still there after a while."""
        assert self.process
        try:
            self.process.wait(A_WHILE)
        except subprocess.TimeoutExpired:
            return True
        return False

    def serve_one(self, listener: socket.socket) -> bytes:
        """Take who is first in line, and return what they sent before they said that there is no more."""
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(LONG)
            return connection.recv(100)

    def has_a_line(self, listener: socket.socket) -> bool:
        """Tell whether somebody stands in line."""
        listener.setblocking(False)
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    one = Instance(tmp_path)
    yield one
    for listener in one.listeners:
        listener.close()
    if one.process:
        one.process.kill()
        one.process.communicate()


@pytest.mark.parametrize("current", [None, "releases/5c0a9be1f3d2", "81d0e77c2b6f/other"])
def test_an_instance_that_is_no_longer_live_ends_when_both_its_lines_are_empty(
    instance: Instance, current: str | None
) -> None:
    if current:
        instance.current.symlink_to(current)
    process = instance.drain(MAINPID="1")
    for listener in instance.listeners:
        assert instance.waits()
        assert instance.serve_one(listener) == b""
    assert process.wait(LONG) == 0


def test_whoever_is_taken_has_to_be_let_go_too(instance: Instance) -> None:
    instance.drain(MAINPID="1")
    connection, _ = instance.listeners[0].accept()
    assert instance.waits()
    connection.close()
    assert instance.serve_one(instance.listeners[1]) == b""
    assert instance.process
    assert instance.process.wait(LONG) == 0


def test_whoever_stood_in_line_before_is_taken_before_the_instance_ends(instance: Instance) -> None:
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(instance.sockets[0]))
        visitor.sendall(b"a request")
        process = instance.drain(MAINPID="1")
        assert instance.serve_one(instance.listeners[0]) == b"a request"
        assert instance.waits()
        for listener in instance.listeners:
            assert instance.serve_one(listener) == b""
        assert process.wait(LONG) == 0


def test_a_worker_has_a_moment_to_read_the_request_that_it_has_just_taken(instance: Instance) -> None:
    process = instance.drain(MAINPID="1")
    for listener in instance.listeners:
        instance.serve_one(listener)
    taken = time.monotonic()
    assert process.wait(LONG) == 0
    assert time.monotonic() - taken > 0.15


@pytest.mark.parametrize("current", ["releases/81d0e77c2b6f", "/srv/hello/releases/81d0e77c2b6f"])
def test_an_instance_that_is_live_ends_at_once_because_its_line_never_does(instance: Instance, current: str) -> None:
    instance.current.symlink_to(current)
    assert instance.drain(MAINPID="1").wait(LONG) == 0
    assert [instance.has_a_line(listener) for listener in instance.listeners] == [False, False]


def test_an_instance_that_is_dead_ends_at_once_because_it_takes_nobody(instance: Instance) -> None:
    assert instance.drain().wait(LONG) == 0
    assert [instance.has_a_line(listener) for listener in instance.listeners] == [False, False]


def test_a_socket_that_is_not_there_has_no_line(instance: Instance) -> None:
    instance.sockets[0].unlink()
    process = instance.drain(MAINPID="1")
    assert instance.waits()
    assert instance.serve_one(instance.listeners[1]) == b""
    said, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0
    assert f"{instance.sockets[0]}: " in said


def test_sockets_where_nobody_listens_have_no_line(instance: Instance) -> None:
    for listener in instance.listeners:
        listener.close()
    assert instance.drain(MAINPID="1").wait(LONG) == 0


def test_the_launcher_runs_uwsgi_in_the_interpreter_that_starts_it(tmp_path: Path) -> None:
    (tmp_path / "launch.py").write_text(LAUNCHER)
    (tmp_path / "pyuwsgi.py").write_text("import sys\n\ndef run():\n    print(sys.executable, *sys.argv[1:])\n")
    command = [sys.executable, str(tmp_path / "launch.py"), "--ini", "uwsgi.ini"]
    assert subprocess.check_output(command, text=True) == f"{sys.executable} --ini uwsgi.ini\n"
