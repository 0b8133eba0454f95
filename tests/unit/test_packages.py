"""What packages of the distribution promise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import packages

# Prints the state of the packages that it knows, and like the real one fails for the others.
DPKG_QUERY = """\
#!/bin/sh
status=0
shift 3
for name; do
    case "$name" in
        nginx-light|ca-certificates) echo "$name installed" ;;
        removed) echo "$name config-files" ;;
        broken) echo "$name half-installed" ;;
        *) echo "dpkg-query: no packages found matching $name" >&2; status=1 ;;
    esac
done
exit $status
"""


@pytest.fixture(autouse=True)
def _dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dpkg-query"
    program.write_text(DPKG_QUERY)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("wanted", "lacking"),
    [
        ([], []),
        (["nginx-light", "ca-certificates"], []),
        (["unknown"], ["unknown"]),
        (["unknown", "nginx-light", "other"], ["unknown", "other"]),
        (["removed"], ["removed"]),
        (["broken"], ["broken"]),
    ],
)
def test_a_package_is_missing_unless_it_is_installed(wanted: list[str], lacking: list[str]) -> None:
    assert packages.missing(wanted) == lacking


def test_packages_are_installed_from_fresh_lists_without_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[str], dict[str, str]]] = []

    def run(argv: list[str], purpose: str, env: dict[str, str]) -> str:
        calls.append((argv, env))
        return ""

    monkeypatch.setattr(packages, "run", run)
    packages.install(["one", "two"])
    (update, _), (install, _) = calls
    assert update[-1] == "update"
    assert install[-3:] == ["install", "one", "two"]
    for words, environment in calls:
        assert words[0] == "apt-get" and "--yes" in words
        assert environment["DEBIAN_FRONTEND"] == "noninteractive"


def test_existing_configuration_files_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[str] = []

    def run(argv: list[str], *_: Any, **__: Any) -> str:
        words.extend(argv)
        return ""

    monkeypatch.setattr(packages, "run", run)
    packages.install(["one"])
    assert "Dpkg::Options::=--force-confold" in words
