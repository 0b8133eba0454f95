# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The source of an application: which files of a directory on the controller go to the hosts."""

from __future__ import annotations

import hashlib
import os
import re
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
        if not path:
            raise Failed("no directory is given; write the one that holds the application")
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
            total.update(f"{kind} {name!a} {hashlib.sha256(content).hexdigest()}\n".encode())
        return total.hexdigest()

    def requirements(self) -> dict[str, Any]:
        """Return what the packages depend on.

        The keys: `digest`, of `requirements.txt` and all files that it includes; `hashed`, whether
        any of them pins files by hash; `local`, whether a requirement lies in the source itself,
        which makes the packages depend on all of it.

        :raises Failed: when a file that is included is not part of the source.
        """
        seen: dict[str, str] = {}
        waiting = [REQUIREMENTS]
        local = False
        while waiting:
            name = os.path.normpath(waiting.pop())
            if name in seen:
                continue
            if name not in self.files:
                raise Failed(f"{REQUIREMENTS} includes {name}, which is not part of {str(self.path)!r}")
            seen[name] = (self.path / name).read_text(encoding="utf-8")
            for line in seen[name].splitlines():
                option, value = _split(line)
                if option in ("-r", "-c", "--requirement", "--constraint"):
                    waiting.append(os.path.join(os.path.dirname(name), value))
                elif option in ("-e", "--editable") or value.startswith(("file:", ".")):
                    local = True
                elif option in ("", "-f", "--find-links") and value:
                    local = local or (self.path / value).exists()
        text = repr(sorted(seen.items()))
        return {
            "digest": hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest(),
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
                path = Path(directory, name)
                if not _is_rubbish(name) and _is_content(path):
                    found.append(str(path.relative_to(self.path)))
        return sorted(found)

    def _tracked(self) -> list[str]:
        listed = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = {name for name in listed.split("\0") if name}
        for name in sorted(names):
            if (self.path / name).is_dir() and not (self.path / name).is_symlink():
                raise Failed(f"{name} in {str(self.path)!r} is a git submodule; put its files into the source instead")
        return sorted(name for name in names if _is_content(self.path / name))

    def _commit(self) -> str | None:
        try:
            head = self._git("rev-parse", "HEAD").strip()
        except Failed:
            return None
        return f"{head}-dirty" if self._git("status", "--porcelain", ".") else head

    def _git(self, *arguments: str) -> str:
        try:
            done = subprocess.run(["git", "-C", self.path, *arguments], capture_output=True, check=False)
        except FileNotFoundError as missing:
            raise Failed(f"{str(self.path)!r} is a git checkout: install git on the controller") from missing
        if done.returncode != 0:
            raise Failed(f"git cannot read {str(self.path)!r}: {os.fsdecode(done.stderr).strip()}")
        return os.fsdecode(done.stdout)


def _split(line: str) -> tuple[str, str]:
    """Split a line of a requirements file into its option, if it has one, and the first word after it."""
    match = re.match(r"\s*(--[a-z-]+(?=[\s=])|-[rcef](?=\S|\s))?[\s=]*([^\s#]\S*)?", line)
    assert match, line
    return match.group(1) or "", match.group(2) or ""


def _is_content(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _is_rubbish(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in RUBBISH)


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry
