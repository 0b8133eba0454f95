"""What the programs of a release promise, run for real."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.plugin_utils.release_files import programs

# Seconds after which a process that still runs is waiting, and within which any other has ended.
A_WHILE = 0.3
LONG = 10


class Instance:
    """A release, its sockets with their queues, and the process that systemd starts before it ends the instance."""

    def __init__(self, path: Path) -> None:
        self.release = "81d0e77c2b6f"
        self.script = path / "drain.py"
        self.script.write_text(programs()["drain.py"])
        self.current = path / "current"
        self.sockets = [path / "uwsgi", path / "http"]
        self.listeners = [socket.socket(socket.AF_UNIX) for _ in self.sockets]
        for listener, address in zip(self.listeners, self.sockets, strict=True):
            listener.bind(str(address))
            listener.listen()
            listener.settimeout(LONG)
        self.process: subprocess.Popen[str] | None = None

    def drain(self, **env: str) -> subprocess.Popen[str]:
        """Start the process that waits until the queues are empty."""
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
        """Accept the first connection in the queue, and return all that it sends."""
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(LONG)
            return connection.recv(100)

    def has_a_line(self, listener: socket.socket) -> bool:
        """Tell whether a connection is in the queue."""
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
def test_an_instance_that_is_no_longer_live_ends_when_both_queues_are_empty(
    instance: Instance, current: str | None
) -> None:
    if current:
        instance.current.symlink_to(current)
    process = instance.drain(MAINPID="1")
    for listener in instance.listeners:
        assert instance.waits()
        assert instance.serve_one(listener) == b""
    assert process.wait(LONG) == 0


def test_an_accepted_connection_must_end_too(instance: Instance) -> None:
    instance.drain(MAINPID="1")
    connection, _ = instance.listeners[0].accept()
    assert instance.waits()
    connection.close()
    assert instance.serve_one(instance.listeners[1]) == b""
    assert instance.process
    assert instance.process.wait(LONG) == 0


def test_queued_visitors_are_served_before_the_instance_ends(instance: Instance) -> None:
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(instance.sockets[0]))
        visitor.sendall(b"a request")
        process = instance.drain(MAINPID="1")
        assert instance.serve_one(instance.listeners[0]) == b"a request"
        assert instance.waits()
        for listener in instance.listeners:
            assert instance.serve_one(listener) == b""
        assert process.wait(LONG) == 0


def test_a_worker_has_time_to_read_the_request_that_it_just_accepted(instance: Instance) -> None:
    process = instance.drain(MAINPID="1")
    for listener in instance.listeners:
        instance.serve_one(listener)
    taken = time.monotonic()
    assert process.wait(LONG) == 0
    assert time.monotonic() - taken > 0.15


@pytest.mark.parametrize("current", ["releases/81d0e77c2b6f", "/srv/hello/releases/81d0e77c2b6f"])
def test_a_live_instance_ends_at_once_because_its_queue_never_ends(instance: Instance, current: str) -> None:
    instance.current.symlink_to(current)
    assert instance.drain(MAINPID="1").wait(LONG) == 0
    assert [instance.has_a_line(listener) for listener in instance.listeners] == [False, False]


def test_a_dead_instance_ends_at_once_because_it_accepts_nothing(instance: Instance) -> None:
    assert instance.drain().wait(LONG) == 0
    assert [instance.has_a_line(listener) for listener in instance.listeners] == [False, False]


def test_a_missing_socket_has_no_queue(instance: Instance) -> None:
    instance.sockets[0].unlink()
    process = instance.drain(MAINPID="1")
    assert instance.waits()
    assert instance.serve_one(instance.listeners[1]) == b""
    said, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0
    assert f"{instance.sockets[0]}: " in said


def test_closed_sockets_have_no_queue(instance: Instance) -> None:
    for listener in instance.listeners:
        listener.close()
    assert instance.drain(MAINPID="1").wait(LONG) == 0


def test_the_launcher_runs_uwsgi_in_the_interpreter_that_starts_it(tmp_path: Path) -> None:
    (tmp_path / "launch.py").write_text(programs()["launch.py"])
    (tmp_path / "pyuwsgi.py").write_text("import sys\n\ndef run():\n    print(sys.executable, *sys.argv[1:])\n")
    command = [sys.executable, str(tmp_path / "launch.py"), "--ini", "uwsgi.ini"]
    assert subprocess.check_output(command, text=True) == f"{sys.executable} --ini uwsgi.ini\n"


# The entry


class Source:
    """The source of an application, and the file of a release that finds its callable."""

    def __init__(self, path: Path) -> None:
        self.code = path / "code"
        self.code.mkdir()
        self.entry = path / "release/entry.py"
        self.entry.parent.mkdir()

    def write(self, name: str, *lines: str) -> None:
        """Write a file of the source."""
        file = self.code / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines))

    def run(self, wanted: str) -> subprocess.CompletedProcess[str]:
        """Run the file as uWSGI does, with the source first in the path, and call what it has found."""
        self.entry.write_text(programs()["entry.py"])
        self.entry.with_name("callable").write_text(f"{wanted}\n")
        call = f"import runpy; print(runpy.run_path({str(self.entry)!r})['application']({{}}, print))"
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); {call}"]
        env = {**os.environ, "RUNTIME_DIRECTORY": str(self.entry.parent)}
        return subprocess.run(command, cwd=self.code, env=env, capture_output=True, text=True, check=False)

    def answer(self, wanted: str) -> str:
        """Return what the callable answers."""
        done = self.run(wanted)
        assert not done.returncode, done.stderr
        return done.stdout.removesuffix("\n")

    def objection(self, wanted: str) -> str:
        """Return the message with which the instance fails to start."""
        done = self.run(wanted)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        return done.stderr.removesuffix("\n")

    def traceback(self, wanted: str) -> str:
        """Return the traceback with which the instance fails to start."""
        done = self.run(wanted)
        assert done.returncode == 1
        assert done.stderr.startswith("Traceback")
        return done.stderr


APP = "def app(environ, start_response): return 'the app'"
FACTORY = "def create(*args, **named): return lambda environ, start_response: f'{args} {named}'"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


@pytest.mark.parametrize("place", ["main", "pkg", "pkg.main", "pkg.below.main", "_m1", "main.py", "pkg/main.py"])
def test_the_callable_of_a_module_or_a_file_is_found(source: Source, place: str) -> None:
    file = "pkg/__init__.py" if place == "pkg" else place if place.endswith(".py") else place.replace(".", "/") + ".py"
    source.write(file, APP)
    assert source.answer(f"{place}:app") == "the app"


@pytest.mark.parametrize("file", ["wsgi.py", "deploy/wsgi.py", "my-app.py"])
def test_a_file_without_a_name_uses_the_default_callable(source: Source, file: str) -> None:
    source.write(file, APP, "application = app")
    assert source.answer(file) == "the app"


def test_a_nested_attribute_of_a_module_is_found(source: Source) -> None:
    source.write("main.py", APP, "class Site: pass", "site = Site()", "site.inner = Site()", "site.inner.app = app")
    assert source.answer("main:site.inner.app") == "the app"


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("create()", "() {}"),
        ("create('production', 2)", "('production', 2) {}"),
        ("create(debug=False, hosts=['a', 'b'])", "() {'debug': False, 'hosts': ['a', 'b']}"),
        ("create(None, -1.5, {'a': (1, 2)}, size={3})", "(None, -1.5, {'a': (1, 2)}) {'size': {3}}"),
        ('create("it\'s {0} and \\\\ %s")', repr(("it's {0} and \\ %s",)) + " {}"),
    ],
)
def test_a_factory_is_called_with_its_literal_arguments(source: Source, call: str, answer: str) -> None:
    source.write("main.py", FACTORY)
    source.write("wsgi.py", FACTORY)
    assert source.answer(f"main:{call}") == answer
    assert source.answer(f"wsgi.py:{call}") == answer


def test_a_factory_that_is_an_attribute_is_called(source: Source) -> None:
    source.write("main.py", "class Site:", "    @classmethod", "    def create(cls, x): return lambda *_: x")
    assert source.answer("main:Site.create('made')") == "made"


def test_a_class_may_be_the_callable(source: Source) -> None:
    source.write("main.py", "class App:", "    def __init__(self, *args): pass", "    def __repr__(self): return 'it'")
    assert source.answer("main:App") == "it"


def test_a_file_imports_from_its_directory_and_the_source(source: Source) -> None:
    source.write("deploy/wsgi.py", "import beside, within", "application = lambda *_: beside.A + within.B")
    source.write("deploy/beside.py", "A = 'beside '")
    source.write("within.py", "B = 'within'")
    assert source.answer("deploy/wsgi.py") == "beside within"


def test_a_file_is_a_module_that_others_can_import(source: Source) -> None:
    source.write("counter.py", "times = []")
    source.write("deploy/wsgi.py", "import counter", "counter.times.append(1)", "import other", "app = other.app")
    source.write("other.py", "import wsgi", "def app(*_): return wsgi.counter.times")
    assert source.answer("deploy/wsgi.py:app") == "[1]"


@pytest.mark.parametrize(
    ("wanted", "missing"), [("mian:app", "mian"), ("mian.site:app", "mian"), ("pkg.mian:app", "pkg.mian")]
)
def test_a_missing_module_is_reported_with_the_existing_ones(source: Source, wanted: str, missing: str) -> None:
    for name in ("main.py", "pkg/__init__.py", "another.py", "no-module/x.py", "text.txt"):
        source.write(name)
    there = "another, main, pkg"
    assert source.objection(wanted) == f"{wanted}: there is no module {missing}; in the source there are: {there}"


def test_a_plain_module_has_no_submodules(source: Source) -> None:
    source.write("main.py")
    assert (
        source.objection("main.app:app") == "main.app:app: there is no module main.app; in the source there are: main"
    )


def test_a_source_without_modules_is_reported(source: Source) -> None:
    assert source.objection("main:app") == "main:app: there is no module main; in the source there are: none"
    assert source.objection("main.py") == "main.py: there is no file main.py; in the source there are: none"


@pytest.mark.parametrize("file", ["wsig.py", "deploy/wsgi.py", "folder.py"])
def test_a_missing_file_is_reported_with_the_existing_ones(source: Source, file: str) -> None:
    for name in ("wsgi.py", "manage.py", "text.txt", "folder.py/x.txt"):
        source.write(name)
    objection = source.objection(f"{file}:app")
    assert objection.startswith(f"{file}:app: there is no file {file}; in the source there are: ")
    assert "manage.py, wsgi.py" in objection and "text.txt" not in objection


@pytest.mark.parametrize("call", ["ap", "ap()", "ap.inner"])
def test_a_missing_name_is_reported_with_the_possible_callables(source: Source, call: str) -> None:
    source.write("main.py", APP, "def create(): pass", "class Site: pass", "number = 1", "def _inner(): pass")
    assert (
        source.objection(f"main:{call}") == f"main:{call}: there is no ap; what can be called there: Site, app, create"
    )


def test_a_file_without_the_default_name_lists_the_possible_callables(source: Source) -> None:
    source.write("wsgi.py", APP)
    assert source.objection("wsgi.py") == "wsgi.py: there is no application; what can be called there: app"


def test_a_missing_attribute_is_reported_with_those_of_its_owner(source: Source) -> None:
    source.write("main.py", "class Site:", "    def app(self): pass", "site = Site()")
    assert source.objection("main:site.ap") == "main:site.ap: there is no ap; what can be called there: app"


def test_a_module_without_callables_is_reported(source: Source) -> None:
    source.write("main.py", "number = 1")
    assert source.objection("main:app") == "main:app: there is no app; what can be called there: nothing"


@pytest.mark.parametrize(
    ("wanted", "kind"), [("main:number", "int"), ("main:create()", "dict"), ("main:none", "NoneType")]
)
def test_a_wrong_callable_is_reported_with_its_type(source: Source, wanted: str, kind: str) -> None:
    source.write("main.py", "number = 1", "none = None", "def create(): return {}")
    assert source.objection(wanted) == f"{wanted} is a {kind}, which cannot be called"


@pytest.mark.parametrize("wanted", ["main:app", "pkg.main:app", "main.py:app", "pkg/main.py:app"])
@pytest.mark.parametrize("missing", ["requests_not_there", "pkg.settings", "main_", "mai", "pk"])
def test_a_missing_dependency_stays_a_traceback(source: Source, wanted: str, missing: str) -> None:
    source.write("pkg/__init__.py")
    for file in ("main.py", "pkg/main.py"):
        source.write(file, f"import {missing}", APP)
    said = source.traceback(wanted)
    assert f"No module named '{missing}'" in said and "main.py" in said


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("from os import no_such_name", "ImportError: cannot import name 'no_such_name'"),
        ("raise ModuleNotFoundError('by hand')", "ModuleNotFoundError: by hand"),
        ("raise RuntimeError('no settings')", "RuntimeError: no settings"),
        ("def", "SyntaxError"),
        ("None.nothing", "AttributeError: 'NoneType' object has no attribute 'nothing'"),
    ],
)
@pytest.mark.parametrize("wanted", ["main:app", "main.py:app"])
def test_an_error_inside_the_module_stays_a_traceback(source: Source, wanted: str, line: str, error: str) -> None:
    source.write("main.py", line, APP)
    said = source.traceback(wanted)
    assert error in said and "main.py" in said


@pytest.mark.parametrize(
    ("call", "error"), [("create(1)", "TypeError"), ("create()", "AttributeError: 'NoneType' object has no")]
)
def test_a_failing_factory_stays_a_traceback(source: Source, call: str, error: str) -> None:
    source.write("main.py", "def create(): return None.nothing")
    assert error in source.traceback(f"main:{call}")


@pytest.mark.parametrize(
    "code",
    [
        "async def application(scope, receive, send): pass",
        "class App:\n    async def __call__(self, scope, receive, send): pass\n\n\napplication = App()",
    ],
)
def test_an_asgi_application_is_refused_with_alternatives(source: Source, code: str) -> None:
    source.write("main.py", code)
    assert source.objection("main:application") == (
        "main:application is an ASGI application, and uWSGI runs WSGI. With Django, name the callable of wsgi.py; with "
        "others, add a2wsgi to the dependencies and name wsgi = a2wsgi.ASGIMiddleware(application)"
    )


# The connections of a worker with a socket of its own


class Listener:
    """The socket of a worker, and the process that systemd starts before it stops the worker."""

    def __init__(self, path: Path) -> None:
        self.script = path / "drain_listener.py"
        self.script.write_text(programs()["drain_listener.py"])
        self.current = path / "current"
        self.address = path / "worker"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.address))
        self.listener.listen()

    def drain(self, seconds: int, **env: str) -> float:
        """Run the process to its end, and return how many seconds it took."""
        words = [self.script, self.current, "81d0e77c2b6f", seconds, self.address]
        begun = time.monotonic()
        command = [sys.executable, "-I", "-S", *map(str, words)]
        subprocess.run(command, env=env, check=True, timeout=LONG)
        return time.monotonic() - begun


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    one = Listener(tmp_path)
    yield one
    one.listener.close()


@pytest.mark.parametrize("accepted", [True, False])
def test_a_worker_is_stopped_only_after_its_last_connection_or_its_limit(listener: Listener, accepted: bool) -> None:
    assert listener.drain(5, MAINPID="1") < 2
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(listener.address))
        connection = listener.listener.accept()[0] if accepted else None
        assert 1 <= listener.drain(1, MAINPID="1") < 4
        if connection:
            connection.close()
    listener.listener.setblocking(False)
    if not accepted:
        listener.listener.accept()[0].close()
    assert listener.drain(5, MAINPID="1") < 2


def test_a_worker_that_is_restarted_or_gone_does_not_wait(listener: Listener) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(listener.address))
        assert listener.drain(5) < 2
        listener.current.symlink_to("releases/81d0e77c2b6f")
        assert listener.drain(5, MAINPID="1") < 2


@pytest.mark.parametrize("name", ["x\n\n", "x\n{}", "x\n03 {}", "x\na b c d e 02 {}"])
def test_no_name_of_another_socket_confuses_the_count(listener: Listener, tmp_path: Path, name: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        # Without a file: any user can do this.
        other.bind("\0" + name.format(listener.address))
        assert listener.drain(5, MAINPID="1") < 2
