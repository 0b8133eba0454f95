"""What running other programs promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, has, run


def test_has_and_run_search_the_same_directories_and_ignore_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert has("sh")
    assert run(["sh", "-c", "echo fine"], "say so") == "fine\n"
    assert not has("mine")
    with pytest.raises(Failed, match=r"^could not say so: mine is not installed on the host$"):
        run(["mine"], "say so")
