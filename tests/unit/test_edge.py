"""What the edge promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import edge as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.edge import Edge, Workers, explain
from tests.unit.fakes import FakeSystemd

SERVICE, SOCKET = "nginx.service", "nginx.socket"

# What `nginx -t` refuses, and what it lets pass but a reload does not take up, in two ways.
WRONG, CONFLICTS, HANGS = "wrong", "conflicts", "hangs"


class Nginx(Workers):
    """Takes up any configuration but such with the words above; `serving` is the one it took up last."""

    def __init__(self, systemd: FakeSystemd, root: Path) -> None:
        self.systemd = systemd
        self.live = root / "nginx.conf"
        self.log = root / "error.log"
        self.serving = ""
        self.checked: list[Path] = []
        self.killed = False
        self.worker = 100

    def pids(self) -> set[int]:
        """Return its one worker."""
        return {self.worker}

    def __call__(self, argv: list[Any], purpose: str) -> str:
        """Take the place of `run`."""
        if argv[0] == "nginx":
            self.checked.append(Path(argv[-1]))
            if WRONG in Path(argv[-1]).read_text():
                raise Failed(f"could not {purpose}; nginx said:\nnginx: [emerg] no {WRONG} in {argv[-1]}:1")
        if argv[:2] == ["systemctl", "reload"]:
            if self.killed:
                raise KeyboardInterrupt
            self.take_up()
        return ""

    def take_up(self) -> None:
        """Do what NGINX does when it is reloaded."""
        text = self.live.read_text()
        if CONFLICTS in text:
            with self.log.open("a") as log:
                log.write('2026/11/24 04:00:00 [emerg] 7#7: the size 2 of shared memory zone "one" conflicts with 1\n')
        elif HANGS not in text:
            self.serving = text
            self.worker += 1


@pytest.fixture
def nginx(systemd: FakeSystemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nginx:
    fake = Nginx(systemd, tmp_path)
    monkeypatch.setattr(unit, "run", fake)
    monkeypatch.setattr(unit, "RELOAD_SECONDS", 0.1)
    return fake


@pytest.fixture
def bare(systemd: FakeSystemd, tmp_path: Path, nginx: Nginx) -> Edge:
    """Return the edge of a host on which the distribution has just started NGINX."""
    (systemd.units / SERVICE).touch()
    systemd.start(SERVICE)
    systemd.enable(SERVICE)
    nginx.live.write_text("distribution")
    return Edge(systemd, 60, tmp_path, systemd.units, nginx, nginx.log)


@pytest.fixture
def edge(bare: Edge, nginx: Nginx) -> Edge:
    """Return an edge that serves the configuration `one`."""
    bring(bare, "one")
    nginx.serving = "one"
    return bare


def bring(edge: Edge, text: str) -> None:
    """Take the steps that the module takes."""
    if edge.text() != text:
        edge.replace(text)
    if not edge.has_units():
        edge.place_units()
    edge.serve()


def test_there_is_no_text_before_the_first_configuration(bare: Edge) -> None:
    bare.live.unlink()
    assert bare.text() == ""


def test_an_nginx_of_the_distribution_is_taken_over_once(bare: Edge, systemd: FakeSystemd) -> None:
    assert not bare.has_units()
    assert not bare.serves()
    systemd.calls.clear()
    bring(bare, "one")
    assert bare.has_units()
    assert bare.serves()
    starts = [call for call in systemd.calls if not call.startswith("enable")]
    assert starts == ["reload", f"stop {SERVICE}", f"start {SOCKET} {SERVICE}"]
    systemd.calls.clear()
    bring(bare, "two")
    assert [call for call in systemd.calls if not call.startswith("enable")] == []


def test_a_configuration_is_checked_beside_the_live_one_and_then_served(edge: Edge, nginx: Nginx) -> None:
    nginx.checked.clear()
    bring(edge, "two")
    assert nginx.checked == [edge.trial]
    assert edge.text() == nginx.serving == "two"
    assert edge.serves()
    assert not edge.trial.exists()
    assert not edge.before.exists()


def test_a_configuration_that_nginx_refuses_never_replaces_the_live_one(edge: Edge, nginx: Nginx) -> None:
    with pytest.raises(Failed, match=f"^no {WRONG}; line 1 of the configuration is: {WRONG}$"):
        edge.replace(WRONG)
    assert edge.text() == nginx.serving == "one"
    assert not edge.trial.exists()
    assert edge.serves()


@pytest.mark.parametrize(
    ("text", "why"), [(CONFLICTS, 'size 2 of shared memory zone "one" conflicts'), (HANGS, "no new workers")]
)
def test_a_configuration_that_a_reload_does_not_take_up_is_taken_back(
    edge: Edge, nginx: Nginx, text: str, why: str
) -> None:
    nginx.log.write_text("2026/11/24 03:00:00 [emerg] 7#7: something of old\n")
    with pytest.raises(Failed, match=why) as failure:
        bring(edge, text)
    assert "something of old" not in str(failure.value)
    assert edge.text() == nginx.serving == "one"
    assert edge.serves()


def test_what_was_served_is_known_after_a_run_that_was_killed(edge: Edge, nginx: Nginx) -> None:
    nginx.killed = True
    with pytest.raises(KeyboardInterrupt):
        bring(edge, CONFLICTS)
    nginx.killed = False
    assert not edge.serves()
    with pytest.raises(Failed):
        bring(edge, CONFLICTS)
    assert edge.text() == nginx.serving == "one"
    assert edge.serves()


def test_a_run_that_is_killed_before_the_reload_is_noticed(edge: Edge, nginx: Nginx) -> None:
    nginx.killed = True
    edge.replace("two")
    with pytest.raises(KeyboardInterrupt):
        edge.serve()
    assert edge.text() == "two"
    assert not edge.serves()
    nginx.killed = False
    edge.serve()
    assert nginx.serving == "two"
    assert edge.serves()


def test_a_reload_that_is_due_is_not_forgotten_over_a_refused_configuration(edge: Edge) -> None:
    edge.replace("two")
    with pytest.raises(Failed):
        edge.replace(WRONG)
    assert edge.text() == "two"
    assert not edge.serves()


@pytest.mark.parametrize("broken", [SOCKET, SERVICE])
def test_a_host_that_cannot_be_taken_over_serves_as_before(bare: Edge, systemd: FakeSystemd, broken: str) -> None:
    systemd.broken.add(broken)
    with pytest.raises(Failed, match=f"could not start {broken}; the log of {broken} ends with:\nthe log of {broken}"):
        bring(bare, "one")
    assert bare.text() == "distribution"
    assert not bare.before.exists()
    if broken == SOCKET:
        assert systemd.is_active(SERVICE)
        assert not any(path.exists() for path in bare.units)


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_an_nginx_that_does_not_run_is_started(edge: Edge, systemd: FakeSystemd, state: str) -> None:
    systemd.states[SERVICE] = state
    assert not edge.serves()
    edge.serve()
    assert edge.serves()


@pytest.mark.parametrize("unit_name", [SERVICE, SOCKET])
def test_what_would_not_start_at_the_next_boot_is_enabled(edge: Edge, systemd: FakeSystemd, unit_name: str) -> None:
    systemd.disable(unit_name)
    assert not edge.serves()
    edge.serve()
    assert edge.serves()


def test_a_changed_unit_is_put_right(edge: Edge, systemd: FakeSystemd) -> None:
    path = next(iter(edge.units))
    path.write_text("mine")
    assert not edge.has_units()
    systemd.calls.clear()
    edge.place_units()
    assert edge.has_units()
    assert systemd.calls == ["reload"]


def test_a_stop_waits_for_the_slowest_answer(edge: Edge, systemd: FakeSystemd) -> None:
    slower = Edge(systemd, 300, edge.live.parent, systemd.units, edge.workers, edge.log)
    assert not slower.has_units()
    slower.place_units()
    assert "\nTimeoutStopSec=305\n" in (systemd.units / f"{SERVICE}.d/wsgi.conf").read_text()


def test_only_workers_that_accept_count(tmp_path: Path, systemd: FakeSystemd) -> None:
    systemd.main[SERVICE] = "10"
    processes = {
        (10, 1): "nginx: master process /usr/sbin/nginx",
        (11, 10): "nginx: worker process",
        (12, 10): "nginx: worker process is shutting down",
        (13, 10): "nginx: cache manager process",
        (14, 9): "nginx: worker process",
    }
    for (pid, parent), title in processes.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (nginx: (x) y) S {parent} 10 10 0")
        (tmp_path / str(pid) / "cmdline").write_bytes(title.encode() + b"\0")
    (tmp_path / "15").mkdir()
    assert Workers(systemd, tmp_path).pids() == {11}


CONFIG = """\
http {
    # from hello
    server {
        listen 80;
        # from hello: tls
        ssl_certificate /etc/nginx/absent.pem;
        # from hello: snippet
        fooo bar;
        # zone by another name: one, $request_uri
        limit_req_zone $request_uri zone=one:1m rate=1r/s;
    }
}
"""


@pytest.mark.parametrize(
    ("said", "explained"),
    [
        (
            'nginx: [emerg] unknown directive "fooo" in /etc/nginx/nginx.conf.trial:8\nnginx: test failed',
            'hello: snippet: unknown directive "fooo"; line 8 of the configuration is: fooo bar;',
        ),
        (
            'nginx: [emerg] cannot load certificate "/etc/nginx/absent.pem": BIO_new_file() failed',
            'hello: tls: cannot load certificate "/etc/nginx/absent.pem": BIO_new_file() failed; '
            "line 6 of the configuration is: ssl_certificate /etc/nginx/absent.pem;",
        ),
        (
            "nginx: [emerg] no port in /etc/nginx/nginx.conf:4",
            "hello: no port; line 4 of the configuration is: listen 80;",
        ),
        ("nginx: [emerg] no block in /etc/nginx/nginx.conf:1", "no block; line 1 of the configuration is: http {"),
        (
            '2026/11/24 04:00:00 [emerg] 7#7: limit_req "one" uses the "$request_uri" key and not "$uri"',
            'hello: snippet: limit_req "one" uses the "$request_uri" key and not "$uri"; '
            "line 10 of the configuration is: limit_req_zone $request_uri zone=one:1m rate=1r/s;",
        ),
        ('2026/11/24 04:00:00 [emerg] 7#7: zone "two" is gone', 'zone "two" is gone'),
        ("nginx: [emerg] odd in /etc/nginx/nginx.conf:99", "odd"),
        ("could not reload NGINX", "could not reload NGINX"),
    ],
)
def test_an_error_says_what_is_wrong_and_where_it_was_described(said: str, explained: str) -> None:
    assert explain(said, CONFIG) == explained
