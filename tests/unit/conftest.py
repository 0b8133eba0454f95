"""What several units need: an application's place in a temporary directory, and a systemd for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from tests.unit.fakes import FakeSystemd


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "units").mkdir()
    (tmp_path / "srv/hello/releases").mkdir(parents=True)
    return Layout("hello", root=tmp_path / "srv", units=tmp_path / "units")


@pytest.fixture
def systemd(layout: Layout) -> FakeSystemd:
    return FakeSystemd(layout.units)
