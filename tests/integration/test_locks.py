"""Every kind of file that says what to install, each from the tool that owns it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Site
from tests.rig import PROJECT

# Python 3.11 is the older one, which the tools that own the locks will give up first.
pytestmark = pytest.mark.on("debian12")

LOCKS = PROJECT / "tests/integration/locks"

# The file, and whether it has the hash of each package.
FILES = {
    "requirements": ("requirements.txt", True),
    "uv": ("uv.lock", True),
    "pylock": ("pylock.toml", True),
    "poetry": ("poetry.lock", True),
    "pipenv": ("Pipfile.lock", True),
    "pyproject": ("pyproject.toml", False),
}


def shop(kind: str, source: Path) -> list[dict[str, Any]]:
    """Return the entry of a project whose packages are locked in one of the ways there are."""
    shutil.copytree(LOCKS / kind, source)
    extras = {"extras": ["sign"]} if kind in ("uv", "poetry", "pyproject") else {}
    return [
        {
            "name": "shop",
            "build": {"source": str(source), **extras},
            "run": {"callable": "shop:application", "processes": 1},
            "serve": {"server_names": ["shop.example.com"]},
        }
    ]


@pytest.mark.parametrize("kind", FILES)
def test_what_is_locked_is_installed_and_nothing_else(site: Site, tmp_path: Path, kind: str) -> None:
    file, hashed = FILES[kind]
    said = site.deploy(apps=shop(kind, tmp_path / "shop")).stdout
    assert ("has no hashes" in said) != hashed
    packages = site.get("shop.example.com").split()
    installed = {name.partition("-")[0] for name in packages} - {"pyuwsgi"}
    assert installed == {"iniconfig", "itsdangerous", *(["shop"] if kind == "uv" else [])}
    if hashed:
        lock = (LOCKS / kind / file).read_text()
        assert all(name.partition("-")[2] in lock for name in packages if name.startswith("i"))


@pytest.mark.parametrize("kind", [kind for kind, (_, hashed) in FILES.items() if hashed])
def test_a_hash_that_does_not_match_stops_the_build_with_the_name_of_the_package(
    site: Site, tmp_path: Path, kind: str
) -> None:
    apps = shop(kind, tmp_path / "shop")
    lock = tmp_path / "shop" / FILES[kind][0]
    lock.write_text(re.sub(r'(?<=sha256[:"])[0-9a-f]{64}|(?<=sha256 = ")[0-9a-f]{64}', _altered, lock.read_text()))
    said = site.deploy(apps=apps, check=False)
    assert said.returncode != 0
    assert re.search("iniconfig|itsdangerous", said.stdout.partition("Have a build of each")[2])


def _altered(match: re.Match[str]) -> str:
    return match.group()[::-1]
