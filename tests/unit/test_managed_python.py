"""What the collection promises of a Python that uv installs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import managed_python
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, Pip, Uv
from ansible_collections.wsgi.production.plugins.module_utils.managed_python import ManagedPython

# A program in place of uv, which installs an interpreter and shows what it was told.
UV = """\
#!/bin/sh
env > "$4.seen"
printf '%s ' "$@" >> "$4.seen"
touch "$5/.lock"
[ "$3" = 3.99 ] && exit 0
[ "$3" = 3.98 ] && { echo "error: cannot fetch https://ci:hunter2@mirror.example.org/x" >&2; exit 1; }
mkdir -p "$5/cpython-3.13.5-linux-x86_64-gnu/bin"
touch "$5/cpython-3.13.5-linux-x86_64-gnu/bin/python3.13"
"""


class Host:
    """A host without a Python of ours."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uv = root / "uv"
        self.uv.write_text(UV.replace('"$4.seen"', f"{root}/seen"))
        self.uv.chmod(0o755)

    def python(self, version: str = "3.13", pin: str = "uv==1") -> ManagedPython:
        """Return a Python of this host."""
        return ManagedPython(version, pin, self.root / "pythons")

    def seen(self) -> str:
        """Return what uv was told."""
        return (self.root / "seen").read_text()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    one = Host(tmp_path)
    monkeypatch.setattr(managed_python, "installer", lambda index, _pin: Uv(index, one.uv))
    return one


def test_only_a_version_is_installed() -> None:
    found = ManagedPython.of("3.13.5", "uv==1")
    assert found is not None and (found.version, found.minor) == ("3.13.5", "3.13")
    for other in ("python3", "python3.13", "/opt/python/bin/python3"):
        assert ManagedPython.of(other, "uv==1") is None


def test_its_name_says_which_version_was_asked_for_and_of_which_uv(host: Host) -> None:
    names = {host.python(*asked).name for asked in (("3.13",), ("3.13.5",), ("3.13", "uv==2"))}
    assert len(names) == 3 and all(name.startswith("3.13") for name in names)
    assert host.python().tag.endswith(f"-{host.python().name}")


def test_it_is_installed_whole(host: Host) -> None:
    python = host.python()
    assert not python.is_whole()
    python.install(Index("https://pypi.example.org", "", "http://proxy"), "")
    assert python.is_whole() and python.path.is_file() and python.path.name == "python3.13"
    assert json.loads((python.path.parents[1] / "manifest.json").read_text())["version"] == "3.13"
    assert not os.path.lexists(python.store.path(python.name) / ".lock")
    seen = host.seen()
    assert "UV_PYTHON_DOWNLOADS=manual\n" in seen and "HTTPS_PROXY=http://proxy\n" in seen
    assert "MIRROR" not in seen and "JSON" not in seen


@pytest.mark.parametrize(
    ("mirror", "variable"),
    [
        ("https://mirror.example.org/python", "UV_PYTHON_INSTALL_MIRROR"),
        ("https://mirror.example.org/table.json", "UV_PYTHON_DOWNLOADS_JSON_URL"),
    ],
)
def test_it_comes_from_a_mirror_if_one_is_set(host: Host, mirror: str, variable: str) -> None:
    host.python().install(Index(), mirror)
    assert f"{variable}={mirror}\n" in host.seen()


def test_nothing_remains_of_one_that_could_not_be_installed(host: Host) -> None:
    for version, sentence in (("3.99", "uv installed no Python 3.99"), ("3.98", "could not install Python 3.98")):
        python = host.python(version)
        with pytest.raises(Failed) as failure:
            python.install(Index(), "https://ci:hunter2@mirror.example.org/")
        assert sentence in str(failure.value) and "hunter2" not in str(failure.value)
        assert not python.is_whole() and os.listdir(python.store.root) == []


def test_an_index_without_uv_cannot_install_one(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(managed_python, "installer", lambda index, _pin: Pip(index))
    with pytest.raises(Failed, match="add uv to the index, or set build"):
        host.python().install(Index(), "")
