# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""A directory on the controller: which of its files go to the hosts."""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils.checkout import Checkout, is_checkout

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
    ".venv",
    ".vscode",
    "*.pyc",
    "*.swp",
    "__pycache__",
    "node_modules",
    "venv",
)


class Directory:
    """A directory on the controller that holds an application.

    In a git checkout it is what git tracks or would track; elsewhere all but `RUBBISH`.

    :param label: what the operator calls it.
    :ivar files: the names of its files, relative to it, in order.
    :raises Failed: when it has no files, or git cannot tell them.
    """

    def __init__(self, path: Path, label: str) -> None:
        self.path = path
        self.label = label
        self._checkout = Checkout(path, label) if is_checkout(path) else None
        names = self._checkout.files() if self._checkout else self._all()
        self.files = sorted(name for name in names if self._is_content(name))
        if not self.files:
            reason = "git ignores all that is in it" if self._checkout and any(path.iterdir()) else "it is empty"
            raise Failed(f"{label!r} has nothing to deploy: {reason}")

    def ignores(self, name: str) -> bool:
        """Tell whether a file that is none of its files is there, and git leaves it out."""
        return self._checkout is not None and (self.path / name).is_file()

    def commit(self) -> str | None:
        """Return the commit that it is at, with `-dirty` where files differ, or None where git does not tell."""
        return self._checkout.commit() if self._checkout else None

    def _is_content(self, name: str) -> bool:
        """Tell whether a name is that of a file or a link; git also has names of what lies behind a new link."""
        path = self.path / name
        above = path.parents[: name.count("/")]
        return (path.is_symlink() or path.is_file()) and not any(one.is_symlink() for one in above)

    def _all(self) -> set[str]:
        found = set()
        for directory, below, names in os.walk(self.path):
            links = [name for name in below if os.path.islink(os.path.join(directory, name))]
            below[:] = [name for name in below if not _is_rubbish(name) and name not in links]
            found |= {
                os.path.relpath(os.path.join(directory, name), self.path)
                for name in [*names, *links]
                if not _is_rubbish(name)
            }
        return found


def _is_rubbish(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in RUBBISH)
