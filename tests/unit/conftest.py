"""What several units need: an application's place in a temporary directory, a systemd for it, and its answers."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from hypothesis import settings

from ansible_collections.wsgi.production.plugins.module_utils import build_user, instance, rules
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from tests.rig import LONG
from tests.unit.fakes import FakeApps, FakeSystemd

# The same examples at every run of `make test`, so that it judges a change and nothing else; many new ones when asked.
settings.register_profile("short", deadline=None, derandomize=True, max_examples=300)
settings.register_profile("long", deadline=None, max_examples=20_000)
settings.load_profile("long" if LONG else "short")


@pytest.fixture(autouse=True)
def builder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the user of this process be the one that builds: only root can become another."""
    own = pwd.struct_passwd((build_user.NAME, "x", os.getuid(), os.getgid(), "", "/", "/usr/sbin/nologin"))
    monkeypatch.setattr(build_user, "ensure", lambda: own)
    monkeypatch.setattr(build_user, "switch", lambda user, group=None: {"umask": 0o022})
    monkeypatch.setattr(Layout, "group", lambda layout: os.getgid())


@pytest.fixture(autouse=True)
def python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let builds have the interpreter of the tests, wherever it lies."""
    monkeypatch.setattr(rules, "HIDDEN", ())


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "units").mkdir()
    (tmp_path / "srv/hello/releases").mkdir(parents=True)
    layout = Layout("hello", root=tmp_path / "srv", units=tmp_path / "units", transient=tmp_path / "transient")
    layout.mark.touch()
    return layout


@pytest.fixture
def systemd(layout: Layout) -> FakeSystemd:
    return FakeSystemd(layout.units, layout.transient)


class Clock:
    """The time of a host, which passes when somebody waits; `slept` are the seconds of each time."""

    def __init__(self, systemd: FakeSystemd) -> None:
        self.systemd = systemd
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass on the host."""
        self.slept.append(seconds)
        self.now += seconds
        self.systemd.pass_by(seconds)


@pytest.fixture
def clock(systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(systemd)
    monkeypatch.setattr(instance, "time", clock)
    return clock


@pytest.fixture
def apps(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> FakeApps:
    fake = FakeApps()
    monkeypatch.setattr(instance, "over_uwsgi", fake.at)
    return fake


@pytest.fixture
def app(layout: Layout, systemd: FakeSystemd, apps: FakeApps) -> Application:
    return Application(layout, systemd)
