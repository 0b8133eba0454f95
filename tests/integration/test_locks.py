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


HASHED = [kind for kind, (_, hashed) in FILES.items() if hashed]


def shop(kind: str, source: Path, name: str) -> dict[str, Any]:
    """Return the entry of a project whose packages are locked in one of the ways there are."""
    shutil.copytree(LOCKS / kind, source)
    extras = {"extras": ["sign"]} if kind in ("uv", "poetry", "pyproject") else {}
    return {
        "name": name,
        "build": {"source": str(source), **extras},
        "run": {"callable": "shop:application", "processes": 1},
        "serve": {"server_names": [f"{name}.example.com"]},
    }


@pytest.fixture(scope="module")
def installed(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Bring a project of each kind live in one run, and return what it said."""
    directory = tmp_path_factory.mktemp("locks")
    return site.deploy(apps=[shop(kind, directory / kind, kind) for kind in FILES]).stdout


@pytest.mark.parametrize("kind", FILES)
def test_exactly_the_locked_packages_are_installed(site: Site, installed: str, kind: str) -> None:
    file, hashed = FILES[kind]
    assert (f"{kind} ({file})" in " ".join(installed.split())) != hashed
    packages = site.get(f"{kind}.example.com").split()
    names = {name.partition("-")[0] for name in packages} - {"pyuwsgi"}
    assert names == {"iniconfig", "itsdangerous", *(["shop"] if kind == "uv" else [])}
    if hashed:
        lock = (LOCKS / kind / file).read_text()
        assert all(name.partition("-")[2] in lock for name in packages if name.startswith("i"))


@pytest.fixture(scope="module")
def refused(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Alter the hashes of a project of each kind, and return what one run said of each."""
    apps = []
    for kind in HASHED:
        source = tmp_path_factory.mktemp("altered") / kind
        apps.append(shop(kind, source, f"altered-{kind}"))
        lock = source / FILES[kind][0]
        lock.write_text(re.sub(r'(?<=sha256[:"])[0-9a-f]{64}|(?<=sha256 = ")[0-9a-f]{64}', _altered, lock.read_text()))
    said = site.deploy("-e", "wsgi_on_failure=continue", apps=apps, check=False)
    assert said.returncode != 0
    told = re.split(r"altered-(\w+): ", said.stdout.partition("Report which applications are broken")[2])
    return dict(zip(told[1::2], told[2::2]))


@pytest.mark.parametrize("kind", HASHED)
def test_a_hash_that_does_not_match_stops_the_build_with_the_name_of_the_package(
    site: Site, refused: dict[str, str], kind: str
) -> None:
    assert re.search("iniconfig|itsdangerous", refused[kind])
    assert site.server.shell(f"cd /srv/altered-{kind}; ls venvs; readlink current", check=False) == ""


def _altered(match: re.Match[str]) -> str:
    return match.group()[::-1]
