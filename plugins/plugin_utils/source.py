# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The source of an application: which files of a directory on the controller go to the hosts."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed

REQUIREMENTS = "requirements.txt"
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


class Source:
    """A directory on the controller that holds an application.

    In a git checkout it is what git tracks or would track; elsewhere all but `RUBBISH`.

    :param path: the directory; a relative one is relative to the current directory.
    :raises Failed: when it does not exist, is empty, or lacks its `requirements.txt`.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser().absolute()
        if not self.path.is_dir():
            raise Failed(f"{path!r} is not a directory on the controller ({self.path})")
        checkout = any((above / ".git").exists() for above in (self.path, *self.path.parents))
        self.files = self._tracked() if checkout else self._all()
        if not self.files:
            reason = "git ignores all that is in it" if checkout and any(self.path.iterdir()) else "it is empty"
            raise Failed(f"{path!r} has nothing to deploy: {reason}")
        if REQUIREMENTS not in self.files:
            hint = "git ignores it" if (self.path / REQUIREMENTS).exists() else "write it, empty if need be"
            raise Failed(f"{path!r} has no {REQUIREMENTS}: {hint}")
        self.commit = self._commit() if checkout else None

    def content(self) -> dict[str, Any]:
        """Return what decides whether a build has to be made, and what its manifest remembers."""
        return {"digest": self.digest(), "commit": self.commit, "requirements": self.requirements()}

    def digest(self) -> str:
        """Return the SHA-256 of names, contents, link targets and executable bits."""
        total = hashlib.sha256()
        for name in self.files:
            path = self.path / name
            if path.is_symlink():
                kind, content = "link", os.fsencode(os.readlink(path))
            else:
                kind, content = ("program" if os.access(path, os.X_OK) else "file"), path.read_bytes()
            total.update(f"{kind} {name!r} {hashlib.sha256(content).hexdigest()}\n".encode())
        return total.hexdigest()

    def requirements(self) -> dict[str, Any]:
        """Return what the packages depend on.

        The keys: `digest`, of `requirements.txt` and all files that it includes; `hashed`, whether
        any of them pins files by hash; `local`, whether a requirement lies in the source itself,
        which makes the packages depend on all of it.
        """
        seen: dict[str, str] = {}
        waiting = [REQUIREMENTS]
        local = False
        while waiting:
            name = os.path.normpath(waiting.pop())
            if name in seen:
                continue
            try:
                seen[name] = (self.path / name).read_text(encoding="utf-8")
            except FileNotFoundError as missing:
                raise Failed(f"{name} is named in {REQUIREMENTS} but not in {str(self.path)!r}") from missing
            for line in seen[name].splitlines():
                option, _, value = line.strip().replace("=", " ", 1).partition(" ")
                if option in ("-r", "-c", "--requirement", "--constraint"):
                    waiting.append(os.path.join(os.path.dirname(name), value.strip()))
                elif option in ("-e", "--editable") or line.lstrip().startswith((".", "/", "file:")):
                    local = True
        text = repr(sorted(seen.items()))
        return {
            "digest": hashlib.sha256(text.encode()).hexdigest(),
            "hashed": "--hash=" in text,
            "local": local,
        }

    def write_archive(self, file: IO[bytes]) -> None:
        """Write the source as a gzipped tar archive in which root owns everything."""
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
            for name in self.files:
                archive.add(self.path / name, arcname=name, recursive=False, filter=_owned_by_root)

    def _all(self) -> list[str]:
        found = []
        for directory, below, names in os.walk(self.path):
            links = [name for name in below if os.path.islink(os.path.join(directory, name))]
            below[:] = [name for name in below if not _is_rubbish(name) and name not in links]
            for name in [*names, *links]:
                if not _is_rubbish(name):
                    found.append(os.path.relpath(os.path.join(directory, name), self.path))
        return sorted(found)

    def _tracked(self) -> list[str]:
        listed = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = {name for name in listed.split("\0") if name}
        return sorted(name for name in names if os.path.lexists(self.path / name) and not (self.path / name).is_dir())

    def _commit(self) -> str | None:
        try:
            return self._git("rev-parse", "HEAD").strip()
        except Failed:
            return None

    def _git(self, *arguments: str) -> str:
        try:
            done = subprocess.run(["git", "-C", self.path, *arguments], capture_output=True, text=True, check=False)
        except FileNotFoundError as missing:
            raise Failed(f"{str(self.path)!r} is a git checkout: install git on the controller") from missing
        if done.returncode != 0:
            raise Failed(f"git cannot read {str(self.path)!r}: {done.stderr.strip()}")
        return done.stdout


def _is_rubbish(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in RUBBISH)


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry
