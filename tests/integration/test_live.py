"""Workers with a socket of their own: websockets and server-sent events beside WSGI, and ASGI in its place.

A minute and a half.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Site, but_idle
from tests.rig import PROJECT
from tests.rig.server import Server

pytestmark = pytest.mark.on("debian13")

SOURCE = PROJECT / "tests/integration/live"
UVICORN = "uvicorn --fd 3 --no-access-log main:live"
# Each finds the socket that systemd has opened for it.
SERVERS = [
    UVICORN,
    "gunicorn --worker-class uvicorn_worker.UvicornWorker main:live",
    "hypercorn --bind fd://3 main:live",
]


class Live(Site):
    """A server with an application that has a worker with a socket of its own."""

    def __init__(self, server: Server, source: Path) -> None:
        super().__init__(server, source, "live")
        source.mkdir()
        shutil.copy(SOURCE / "main.py", source)
        requirements = ["uvicorn", "websockets", "uvicorn-worker", "gunicorn", "hypercorn"]
        (source / "requirements.txt").write_text("\n".join(requirements))
        self.version = 0
        server.install("python3-websockets")
        script = (SOURCE / "sockets.py").read_text(encoding="utf-8")
        server.shell(f"cat > /sockets.py <<'END'\n{script}\nEND")

    def bring(self, *routes: dict[str, Any], check: bool = True, worker: Any = None, **run: Any) -> Any:
        """Deploy a new version, by default with a callable, and a worker that answers below `/live/`."""
        self.version += 1
        (self.source / "version").write_text(f"v{self.version}\n")
        worker = {"name": "live", "command": UVICORN, "listen": True, "stop_timeout": 600, **(worker or {})}
        self.app["run"] = {"processes": 1, "callable": "main:application", "workers": [worker], **run}
        if run.get("callable", "main:application") is None:
            self.app["run"] = {"workers": [worker]}
        routes = routes or ({"path": "/live/", "worker": "live"},)
        self.app["serve"] = {"server_names": ["live.example.com"], "routes": list(routes)}
        return self.deploy(check=check)

    @contextmanager
    def sockets(self, path: str, staying: int = 10) -> Iterator[dict[str, Any]]:
        """Keep websockets open while the body runs; what they saw is in the result afterwards."""
        seen: dict[str, Any] = {}
        words = ["python3", "/sockets.py", "live.example.com", path, str(staying)]
        command = ["docker", "exec", "--interactive", self.server.name, *words]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                # They have to be open before anything changes.
                time.sleep(2)
                yield seen
            finally:
                said, _ = process.communicate()
        seen.update(json.loads(said))

    def running(self, part: str = "-live") -> list[str]:
        """Return the releases whose worker has not ended."""
        units = f"systemctl list-units --plain --no-legend --state active,deactivating 'live@*{part}.service'"
        return [line.split()[0] for line in self.server.shell(units).splitlines()]

    def curl(self, path: str, *words: str) -> str:
        """Return what the site answers."""
        quoted = " ".join(f"'{word}'" for word in words)
        return self.server.shell(f"curl -sN {quoted} -H 'Host: live.example.com' http://127.0.0.1{path}", check=False)


@pytest.fixture(scope="module")
def live(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Live:
    one = Live(server, tmp_path_factory.mktemp("live") / "source")
    one.bring()
    return one


def wait_until_alone(live: Live, part: str = "-live") -> None:
    """Wait until only the worker of the live release runs."""
    wanted = [f"live@{live.live()}{part}.service"]
    deadline = time.monotonic() + 30
    while live.running(part) != wanted:
        assert time.monotonic() < deadline, (live.running(part), wanted)
        time.sleep(0.5)


def test_deploys_and_a_rollback_fail_no_request_and_close_no_websocket(live: Live) -> None:
    first = f"v{live.version}"
    with live.server.load("live.example.com", rate=100) as load, live.sockets("/live/echo") as sockets:
        live.bring()
        live.bring()
        live.deploy(playbook="rollback")
    assert load.failures == [] and load.requests > 500
    assert sockets["failures"] == []
    # The websockets that were open before stay with the release that has accepted them.
    assert sockets["staying"] == [[first]] * 10
    assert sockets["versions"][:3] == [first, "v2", "v3"] and sockets["short"] > 100
    assert live.get("live.example.com") == "v2"
    # Their workers end when nobody needs them any longer.
    wait_until_alone(live)
    live.bring()
    live.assert_nothing_to_do()


def test_a_websocket_is_closed_at_the_limit_of_its_worker_and_not_before(live: Live) -> None:
    live.bring(worker={"stop_timeout": 6})
    ask = """import asyncio, time, websockets
async def main():
    async with websockets.connect("ws://live.example.com/live/", host="127.0.0.1", port=80) as connection:
        print("open", flush=True)
        await connection.wait_closed()
        print(time.time())
asyncio.run(main())"""
    live.server.shell(f"cat > /wait.py <<'END'\n{ask}\nEND")
    command = ["docker", "exec", live.server.name, "timeout", "60", "python3", "/wait.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        released = live.live()
        live.bring(worker={"stop_timeout": 6})
        closed = float(process.stdout.readline())
    asked = f"journalctl -o short-unix --no-pager -u 'live@{released}-live.service' | grep 'Stopping' | tail -1"
    stopping = float(live.server.shell(asked).split()[0])
    assert 5.5 <= closed - stopping <= 10


def test_a_rollback_does_not_wait_for_the_websockets_of_the_release_that_it_returns_to(live: Live) -> None:
    live.bring()
    version = live.version
    with live.server.load("live.example.com", rate=50) as load, live.sockets("/live/"):
        live.bring()
        begun = time.monotonic()
        live.deploy(playbook="rollback")
        assert time.monotonic() - begun < 60
    assert load.failures == []
    assert live.get("live.example.com") == f"v{version}"


def test_responses_are_not_buffered_and_headers_are_as_everywhere(live: Live) -> None:
    live.bring()
    # The first of three events, each a second after the other.
    assert live.curl("/live/events", "--max-time", "0.8") == "data: 0\n\n"
    said = live.curl("/live/x", "-H", "X-Forwarded-For: 192.0.2.1", "-H", "Remote-User: root", "-H", "Upgrade: h2c")
    assert "'x-forwarded-for': '127.0.0.1'" in said and "'path': '/live/x'" in said
    assert "remote-user" not in said and "upgrade" not in said and "'connection': 'close'" in said
    assert live.curl("/live") == live.curl("/") == f"v{live.version}"


@pytest.mark.parametrize(
    ("worker", "run", "sentence"),
    [
        ({"probe": {"status": [204]}}, {}, "the response was 200, not 204"),
        ({"command": "python -c 'raise SystemExit(7)'"}, {}, "has exited"),
    ],
)
def test_a_release_whose_worker_does_not_answer_does_not_go_live(
    live: Live, worker: dict[str, Any], run: dict[str, Any], sentence: str
) -> None:
    before = live.live()
    failed = live.bring(worker=worker, check=False, **run)
    assert failed.returncode != 0
    assert f"-live.service: {sentence}" in failed.stdout or sentence in failed.stdout, failed.stdout
    assert live.live() == before
    assert live.running() == [f"live@{before}-live.service"]


def test_an_asgi_application_takes_the_place_of_a_callable_under_load_with_each_server(live: Live) -> None:
    root = {"path": "/", "worker": "live"}
    live.bring()
    first = live.version
    with live.server.load("live.example.com", rate=100) as load:
        for command in SERVERS:
            live.bring(root, callable=None, worker={"command": command})
        live.deploy(playbook="rollback")
        live.bring()
    # NGINX is reloaded when a callable and a worker replace each other, and may close idle connections then.
    assert but_idle(load.failures) == [] and load.requests > 500
    assert set(load.bodies) == {f"v{first + number}" for number in range(5)}
    live.bring(root, callable=None)
    live.assert_nothing_to_do()
    with live.sockets("/echo") as sockets:
        live.bring(root, callable=None)
    assert sockets["failures"] == [] and sockets["staying"] == [[f"v{live.version - 1}"]] * 10
    assert live.server.shell(f"ls /srv/live/releases/{live.live()}").split() == [
        *("build", "drain_listener.py", "env", "http", "instance.service", "instance.socket", "manifest.json"),
    ]
    wait_until_alone(live, "")


def test_a_listener_can_be_reached_by_nobody_but_nginx(live: Live) -> None:
    modes = live.server.shell("stat -c '%U:%G %a' /run/live/*.http")
    assert set(modes.splitlines()) == {"root:www-data 660"}
