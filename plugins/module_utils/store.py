# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Directories that are named by a digest of their content and count only when complete."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import write_file

SEAL = "manifest.json"

# The names and sizes of an entry's files when it was sealed, each followed by a null character.
CONTENTS = ".contents"
END = "end"


def digest(*parts: Any) -> str:
    """Return 12 hexadecimal digits that identify `parts`, which JSON must be able to represent."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Store:
    """A directory of immutable directories.

    An entry is complete when it contains its manifest, because the manifest is written last. Entries are made in their
    place and not moved there: a virtual environment has its own path written into its scripts. An entry that a killed
    run left without a manifest is made again, and so is one that has lost a file.

    :param root: the directory that holds the entries.
    :param mode: the mode of an entry's directory.
    """

    def __init__(self, root: Path, mode: int = 0o755) -> None:
        self.root = root
        self.mode = mode

    def path(self, name: str) -> Path:
        """Return where the entry `name` is, or would be."""
        return self.root / name

    def manifest(self, name: str) -> dict[str, Any] | None:
        """Return the manifest of the entry `name`, or None if there is no complete entry."""
        return read_manifest(self.path(name))

    def is_whole(self, name: str) -> bool:
        """Return whether the entry `name` is complete, and still has all files that it was sealed with."""
        path = self.path(name)
        return self.manifest(name) is not None and all(
            _size(path / file) == size for file, size in _sealed(path).items()
        )

    def names(self) -> list[str]:
        """Return the names of all entries, complete or not, in alphabetical order."""
        paths = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(path.name for path in paths if path.is_dir() and not path.is_symlink())

    def remove(self, name: str) -> None:
        """Remove the entry `name`. Its seal goes first, so that a part of it never counts."""
        path = self.path(name)
        with suppress(NotADirectoryError):
            (path / SEAL).unlink(missing_ok=True)
        remove_tree(path)

    @contextmanager
    def create(self, name: str, manifest: dict[str, Any]) -> Iterator[Path]:
        """Make the entry `name`: yields its empty directory and seals what the caller put there.

        If the body raises an exception, the directory is removed and the caller gets the exception.

        :param manifest: what to record about the entry; `created`, the time in UTC, is added.
        """
        path = self.path(name)
        if self.is_whole(name):
            raise FileExistsError(f"{path} is complete, and must not change")
        if os.path.lexists(path):
            self.remove(name)
        path.mkdir(parents=True)
        path.chmod(self.mode)
        try:
            yield path
            contents = "".join(f"{file}\0{_size(path / file)}\0" for file in _files(path))
            (path / CONTENTS).write_bytes(os.fsencode(contents + END))
            (path / CONTENTS).chmod(0o600)
            os.sync()
            created = datetime.now(UTC).isoformat(timespec="seconds")
            write_file(path / SEAL, json.dumps({**manifest, "created": created}, indent=2) + "\n", 0o600)
        except BaseException:
            # The first failure is the one to report.
            with suppress(Failed):
                remove_tree(path)
            raise


def _files(path: Path) -> Iterator[str]:
    """Yield the names of all files and links below `path`, except byte code, which Python can make again."""
    for directory, below, names in os.walk(path):
        below[:] = [name for name in below if name != "__pycache__"]
        links = [name for name in below if os.path.islink(os.path.join(directory, name))]
        yield from (os.path.relpath(os.path.join(directory, name), path) for name in (*names, *links))


def _sealed(path: Path) -> dict[str, int]:
    """Return the size of each file that an entry was sealed with, by its name."""
    try:
        *words, end = os.fsdecode((path / CONTENTS).read_bytes()).split("\0")
        if end != END:
            raise ValueError(end)
        return {name: int(size) for name, size in zip(words[::2], words[1::2])}
    except (OSError, ValueError):
        # If the list itself is missing or damaged, report it as a missing file.
        return {CONTENTS: -1}


def _size(path: Path) -> int | None:
    """Return the size of a file or link in bytes, or None if it does not exist."""
    try:
        return os.lstat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove_tree(path: Path) -> None:
    """Remove a directory and everything in it, however deeply nested, without following links.

    :raises Failed: if it does not exist, or something cannot be removed.
    """
    run(["rm", "--recursive", "--one-file-system", "--", path], f"remove {path}")


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest in the directory `path`, or None if there is none of ours."""
    try:
        manifest = json.loads((path / SEAL).read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None
