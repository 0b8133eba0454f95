"""What several units need: an application's place in a temporary directory, a systemd for it, and its answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import instance
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from tests.unit.fakes import FakeApps, FakeSystemd


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "units").mkdir()
    (tmp_path / "srv/hello/releases").mkdir(parents=True)
    return Layout("hello", root=tmp_path / "srv", units=tmp_path / "units")


@pytest.fixture
def systemd(layout: Layout) -> FakeSystemd:
    return FakeSystemd(layout.units)


@pytest.fixture
def apps(monkeypatch: pytest.MonkeyPatch) -> FakeApps:
    fake = FakeApps()
    monkeypatch.setattr(instance, "over_uwsgi", fake.at)
    return fake


@pytest.fixture
def app(layout: Layout, systemd: FakeSystemd, apps: FakeApps) -> Application:
    return Application(layout, systemd)
