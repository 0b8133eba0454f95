"""What the edge promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import edge as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.edge import Edge
from tests.unit.fakes import FakeSystemd

NGINX = "nginx.service"


class Nginx:
    """Takes any configuration but one with the word `wrong`; `serving` is the one it took up last."""

    def __init__(self, live: Path, systemd: FakeSystemd) -> None:
        self.live = live
        self.systemd = systemd
        self.serving = ""
        self.checked: list[Path] = []
        self.killed = False

    def __call__(self, argv: list[Any], purpose: str) -> str:
        """Take the place of `run`."""
        if argv[0] == "nginx":
            self.checked.append(Path(argv[-1]))
            if "wrong" in Path(argv[-1]).read_text():
                raise Failed(f"could not {purpose}; nginx said: unknown directive")
        if argv[:2] == ["systemctl", "reload"]:
            if self.killed:
                raise KeyboardInterrupt
            self.serving = self.live.read_text()
        return ""


@pytest.fixture
def edge(tmp_path: Path, systemd: FakeSystemd) -> Edge:
    (systemd.units / NGINX).touch()
    systemd.start(NGINX)
    systemd.enable(NGINX)
    return Edge(systemd, tmp_path)


@pytest.fixture
def nginx(edge: Edge, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch) -> Nginx:
    fake = Nginx(edge.live, systemd)
    monkeypatch.setattr(unit, "run", fake)
    return fake


def test_there_is_no_text_before_the_first_configuration(edge: Edge) -> None:
    assert edge.text() == ""


def test_a_configuration_is_checked_beside_the_live_one_and_then_served(edge: Edge, nginx: Nginx) -> None:
    edge.replace("one")
    edge.serve()
    assert nginx.checked == [edge.trial]
    assert edge.text() == nginx.serving == "one"
    assert edge.serves()


def test_a_configuration_that_nginx_refuses_never_replaces_the_live_one(edge: Edge, nginx: Nginx) -> None:
    edge.replace("one")
    edge.serve()
    with pytest.raises(Failed, match="unknown directive"):
        edge.replace("wrong")
    assert edge.text() == nginx.serving == "one"
    assert not edge.trial.exists()
    assert edge.serves()


def test_a_run_that_is_killed_before_the_reload_is_noticed(edge: Edge, nginx: Nginx) -> None:
    nginx.killed = True
    edge.replace("one")
    with pytest.raises(KeyboardInterrupt):
        edge.serve()
    assert edge.text() == "one"
    assert not edge.serves()
    nginx.killed = False
    edge.serve()
    assert nginx.serving == "one"
    assert edge.serves()


def test_a_reload_that_is_due_is_not_forgotten_over_a_refused_configuration(edge: Edge, nginx: Nginx) -> None:
    edge.replace("one")
    with pytest.raises(Failed):
        edge.replace("wrong")
    assert edge.text() == "one"
    assert not edge.serves()


def test_an_nginx_that_runs_is_reloaded_and_not_started(edge: Edge, nginx: Nginx, systemd: FakeSystemd) -> None:
    systemd.calls.clear()
    edge.replace("one")
    edge.serve()
    assert nginx.serving == "one"
    assert systemd.calls == [f"enable {NGINX}"]


@pytest.mark.usefixtures("nginx")
@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_an_nginx_that_does_not_run_is_started(edge: Edge, systemd: FakeSystemd, state: str) -> None:
    systemd.states[NGINX] = state
    assert not edge.serves()
    edge.serve()
    assert edge.serves()


@pytest.mark.usefixtures("nginx")
def test_an_nginx_that_would_not_start_at_the_next_boot_is_enabled(edge: Edge, systemd: FakeSystemd) -> None:
    edge.replace("one")
    edge.serve()
    systemd.disable(NGINX)
    assert not edge.serves()
    edge.serve()
    assert edge.serves()
