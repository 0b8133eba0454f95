"""What the playbook `status` promises: what runs where, and each thing that is wrong."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import status
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.plugin_utils.status import STATUS, report
from tests.unit.fakes import FakeApps, FakeSystemd, make_build, make_release, take

A = "aaa111"
BUSY = {"status": "busy", "requests": 7}
IDLE = {"status": "idle", "requests": 3}
CHEAP = {"status": "cheap", "requests": 0}


@pytest.fixture
def live(app: Application, systemd: FakeSystemd) -> Application:
    """Return an application with a live release that has a worker."""
    make_build(app.layout, "b", "v")
    make_release(app.layout, A, build="b", server="s", workers=["celery"])
    take(app.boot(A) + app.switch(A) + app.record(A, 9))
    systemd.enabled.update(app.instance(A).lasting)
    return app


@contextmanager
def stats(path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes) -> Iterator[None]:
    """Let a socket send `said` once, in place of the statistics of uWSGI."""
    monkeypatch.setattr(Layout, "stats", lambda *_: path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()


def test_nothing_is_wrong_with_a_healthy_application(live: Application) -> None:
    found = status.of_application(live)
    assert found["problems"] == [] and found["healthy"]
    assert (found["release"], found["restarts"], found["memory"]) == (A, 0, 2 << 20)
    assert set(found["units"].values()) == {"active"} and len(found["units"]) == 3
    # The statistics of uWSGI may be away.
    assert "busy" not in found


def test_an_application_that_was_never_deployed_has_no_release(app: Application) -> None:
    assert status.of_application(app)["problems"] == ["hello: no release is live; deploy it"]


def test_each_thing_that_is_wrong_is_said(live: Application, systemd: FakeSystemd, apps: FakeApps) -> None:
    service, worker = f"hello@{A}.service", f"hello@{A}-celery.service"
    systemd.states[worker] = "failed"
    systemd.enabled.discard(service)
    systemd.restarts[service] = 4
    apps.sick.add(A)
    assert status.of_application(live)["problems"] == [
        f"hello: {worker} is failed",
        f"hello: {service} does not start when the host boots",
        f"hello: {service} was restarted 4 times since {A} went live",
        "hello: the instance is not healthy: asked once for / of localhost, and the response was 500, not a status "
        "from 200 to 399",
    ]


def test_units_that_somebody_has_changed_are_told(live: Application, systemd: FakeSystemd) -> None:
    service, worker = f"hello@{A}.service", f"hello@{A}-celery.service"
    own = "/etc/systemd/system/hello@.service.d/mine.conf"
    systemd.drop_ins[service] = f"/usr/lib/systemd/system/service.d/all.conf {own}"
    systemd.stale.add(worker)
    assert status.of_application(live)["problems"] == [
        f"hello: {service} also has settings from {own}, which no run has written; remove that file, or use "
        "uwsgi_templates",
        f"hello: {worker} was changed on the disk, and systemd has not read it since; run the playbook site again",
    ]


class FakeNginx:
    """An NGINX of ours, which serves."""

    ours, changing, serving = True, False, True

    def is_taken_over(self) -> bool:
        """Return whether it is ours."""
        return self.ours

    def is_changing(self) -> bool:
        """Return whether a run has begun to change it."""
        return self.changing

    def serves(self) -> bool:
        """Return whether it runs."""
        return self.serving

    def text(self) -> str:
        """Return its configuration."""
        return "# from hello: snippet\nnonsense;\n"


def test_an_nginx_that_does_not_serve_or_would_not_load_its_configuration_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nginx: Any = FakeNginx()
    monkeypatch.setattr(status, "run", lambda *_: "")
    assert status.of_nginx(nginx) == []
    nginx.serving = False
    assert status.of_nginx(nginx) == [
        "NGINX does not run, or does not start when the host boots; run the playbook site again"
    ]
    nginx.changing = True
    assert status.of_nginx(nginx) == ["a run has not finished with NGINX; run the playbook site again"]

    def refuse(*_: Any) -> str:
        raise Failed('could not check: nginx: [emerg] unknown directive "nonsense" in /etc/nginx/nginx.conf:2')

    monkeypatch.setattr(status, "run", refuse)
    nginx.changing, nginx.serving = False, True
    assert status.of_nginx(nginx) == [
        'NGINX would not load its configuration: hello: snippet: unknown directive "nonsense"; line 2 of the '
        "configuration is: nonsense;"
    ]
    nginx.ours = False
    assert status.of_nginx(nginx) == []


def test_a_release_that_was_not_verified_is_told(live: Application) -> None:
    (live.layout.home / "history.json").unlink()
    assert status.of_application(live)["problems"] == [
        f"hello: {A} was switched to, but not verified; run the playbook site again"
    ]


def test_busy_processes_and_waiting_requests_are_counted(
    live: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"listen_queue": 5, "workers": [BUSY, BUSY, CHEAP]}
    with stats(tmp_path / "stats", monkeypatch, json.dumps(told).encode()):
        found = status.of_application(live)
    counts = {key: found[key] for key in ("processes", "busy", "queue", "requests")}
    assert counts == {"processes": 2, "busy": 2, "queue": 5, "requests": 14}
    assert found["problems"] == ["hello: all 2 processes are busy, and 5 requests wait"]


def test_waiting_requests_are_no_problem_while_a_process_is_idle(
    live: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"listen_queue": 1, "workers": [BUSY, IDLE]}
    with stats(tmp_path / "stats", monkeypatch, json.dumps(told).encode()):
        assert status.of_application(live)["problems"] == []


@pytest.mark.parametrize(
    "said",
    [b"", b"no JSON", b"[]", b"{}", b'{"workers": 1}', b'{"workers": [1]}', b"[" * 100_000, b"\xff\xfe"],
)
def test_what_an_application_writes_there_breaks_nothing(
    live: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    with stats(tmp_path / "stats", monkeypatch, said):
        found = status.of_application(live)
    assert "busy" not in found and found["problems"] == []


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        f_bavail, f_blocks, f_favail, f_files = 4, 100, 0, 0

    assert status.of_host(Path("/"))["problems"] == []
    monkeypatch.setattr("os.statvfs", lambda _: Found)
    assert status.of_host(Path("/srv"))["problems"] == ["only 4 % of the bytes of /srv are free"]
    Found.f_bavail, Found.f_files = 50, 100
    assert status.of_host(Path("/srv"))["problems"] == ["only 0 % of the inodes of /srv are free"]


def test_a_front_door_that_does_not_answer_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    found = status.of_front({"name": "hello", "address": address, "probe": {"host": "hello.example.org"}})
    assert not found["served"] and found["certificate_days"] is None
    assert found["problems"][0].startswith(f"hello: clients do not reach it at {address}: asked once for / of hello.ex")


# The report of all hosts


def said(release: str = A, **more: Any) -> dict[str, Any]:
    """Return what a host says of its only application."""
    one = {
        **{"name": "hello", "release": release, "live_since": "2026-11-27T10:00:00+00:00", "healthy": True},
        **{"served": True, "restarts": 0, "memory": 50 << 20, "processes": 4, "busy": 1, "queue": 0},
        **{"certificate_days": 60, "problems": []},
        **more,
    }
    return {STATUS: {"applications": [one], "free": {"bytes": 50, "inodes": 50}, "problems": one["problems"]}}


def test_the_report_is_a_table() -> None:
    found = report({"web1": said(), "balancer": said("", memory=None, live_since=None)}, ["web1", "balancer"])
    assert found["problems"] == []
    assert found["lines"] == [
        "host      application  release  live since (UTC)     health   busy  queue  restarts  memory  TLS",
        "web1      hello        aaa111   2026-11-27 10:00:00  healthy  1/4   0      0         50 MiB  60 days",
        "balancer  hello        -        -                    healthy  1/4   0      0         -       60 days",
    ]
    assert found["hosts"]["web1"]["free"] == {"bytes": 50, "inodes": 50}


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"healthy": False, "problems": ["x"]}, "sick"),
        ({"served": False, "healthy": False, "problems": ["x"]}, "sick, not served"),
        ({"problems": ["x"]}, "problems"),
        ({"closed": True}, "closed"),
    ],
)
def test_the_health_of_an_application_is_a_word(more: dict[str, Any], word: str) -> None:
    found = report({"web1": said(**more)}, ["web1"])
    assert f"  {word}  " in found["lines"][1]
    assert found["problems"] == (["web1: x"] if "problems" in more else [])


def test_hosts_with_different_releases_are_told() -> None:
    found = report({"web1": said(), "web2": said("bbb222"), "web3": said()}, ["web1", "web2", "web3"])
    assert found["problems"] == [
        f"hello: hosts have different releases: {A} on web1, web3; bbb222 on web2; run the playbook site"
    ]


def test_a_host_that_says_nothing_is_told() -> None:
    silent = {"web2": {STATUS: {"unreachable": True, "msg": "ssh"}}, "web3": {STATUS: {"msg": "no Python"}}, "web4": {}}
    found = report({"web1": said(), **silent}, ["web1", "web2", "web3", "web4"])
    assert found["problems"] == ["web2: cannot be reached", "web3: no Python", "web4: was not asked"]
    assert list(found["hosts"]) == ["web1"]
