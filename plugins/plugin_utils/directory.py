# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""A directory on the controller: which of its files go to the hosts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils.checkout import Checkout, is_checkout

# Files and directories that no build needs and nobody misses.
RUBBISH = (
    ".DS_Store",
    ".git",
    ".hg",
    ".idea",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".vscode",
    "*.pyc",
    "*.swp",
    "__pycache__",
)

# A developer's private files, which no build needs. A warning names them, because somebody may expect them.
PRIVATE = (".direnv", ".env", ".envrc", ".venv", "db.sqlite3*", "node_modules", "venv")

# The file that marks a directory as a virtual environment, whatever its name.
VENV = "pyvenv.cfg"


class Directory:
    """A directory on the controller that holds an application.

    In a git checkout, its files are those that git tracks or would track; elsewhere, all except `RUBBISH`, `PRIVATE`,
    and virtual environments.

    :param label: the operator's name for it.
    :param include: names of files and directories below it that are included although they would be left out.
    :ivar files: the names of its files, relative to it, in order.
    :ivar left_out: the names of what is left out although somebody may expect it; a directory ends with a slash.
    :raises Failed: when it has no files, git cannot list them, or a name in `include` does not exist.
    """

    def __init__(self, path: Path, label: str, include: Iterable[str] = ()) -> None:
        self.path = path
        self.label = label
        self.left_out: list[str] = []
        self._include = [os.path.normpath(name) for name in include]
        self._checkout = Checkout(path, label) if is_checkout(path) else None
        names = self._checkout.files() if self._checkout else self._all(path)
        for name in self._include:
            names |= self._included(name)
        self.files = sorted(name for name in names if self._is_content(name))
        self.left_out.sort()
        if not self.files:
            reason = "git ignores all files in it" if self._checkout and any(path.iterdir()) else "it is empty"
            raise Failed(f"{label!r} has nothing to deploy: {reason}")

    def ignores(self, name: str) -> bool:
        """Return whether `name`, which is not among its files, exists but is ignored by git."""
        return self._checkout is not None and (self.path / name).is_file()

    def commit(self) -> str | None:
        """Return the commit that it is at, with `-dirty` if files differ from it, or None if git knows none."""
        return self._checkout.commit() if self._checkout else None

    def _is_content(self, name: str) -> bool:
        """Return whether `name` is a file or a link; git also lists names below a directory that is now a link."""
        path = self.path / name
        above = path.parents[: name.count("/")]
        return (path.is_symlink() or path.is_file()) and not any(one.is_symlink() for one in above)

    def _included(self, name: str) -> set[str]:
        """Return the names that `name` stands for: itself, or everything in it except `RUBBISH`.

        :raises Failed: when it does not exist.
        """
        path = self.path / name
        if path.is_dir() and not path.is_symlink():
            return self._all(path)
        if not os.path.lexists(path):
            raise Failed(
                f"build.include: {self.label!r} has no {name}; create it first, or remove it from build.include"
            )
        return {name}

    def _all(self, top: Path) -> set[str]:
        found = set()
        for directory, below, names in os.walk(top):
            here = os.path.relpath(directory, self.path)
            links = [name for name in below if os.path.islink(os.path.join(directory, name))]
            below[:] = [name for name in below if name not in links and not self._is_left_out(here, name, True)]
            found |= {
                os.path.normpath(os.path.join(here, name))
                for name in [*names, *links]
                if not self._is_left_out(here, name)
            }
        return found

    def _is_left_out(self, here: str, name: str, is_directory: bool = False) -> bool:
        if _is_one_of(name, RUBBISH):
            return True
        place = os.path.normpath(os.path.join(here, name))
        if any(place == one or place.startswith(f"{one}/") for one in self._include):
            return False
        private = _is_one_of(name, PRIVATE) or (is_directory and (self.path / place / VENV).is_file())
        if private and place not in self.left_out:
            self.left_out.append(f"{place}/" if is_directory else place)
        return private


def _is_one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
