# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Directories that are named by a digest of their content and count only when complete."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import write_file

SEAL = "manifest.json"


def digest(*parts: Any) -> str:
    """Return 12 hexadecimal digits that stand for `parts`, which JSON must be able to express."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Store:
    """A directory of immutable directories.

    An entry is complete when its manifest lies in it, because the manifest is written last.
    Entries are made in their place and not moved into it: a virtual environment has its own
    path written into its scripts. What a killed run left without a manifest is made anew.

    :param root: the directory that holds the entries.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """Return where the entry `name` is, or would be."""
        return self.root / name

    def manifest(self, name: str) -> dict[str, Any] | None:
        """Return the manifest of the entry `name`, or None where no complete entry is."""
        return read_manifest(self.path(name))

    def names(self) -> list[str]:
        """Return the names of all entries, complete or not, in alphabetical order."""
        paths = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(path.name for path in paths if path.is_dir() and not path.is_symlink())

    def remove(self, name: str) -> None:
        """Remove the entry `name`. Its seal goes first, so that a part of it never counts."""
        path = self.path(name)
        (path / SEAL).unlink(missing_ok=True)
        remove_tree(path)

    @contextmanager
    def create(self, name: str, manifest: dict[str, Any]) -> Iterator[Path]:
        """Make the entry `name`: yields its empty directory and seals what the caller put there.

        An exception in the body removes the directory and goes on to the caller.

        :param manifest: what to remember of the entry; `created`, the time in UTC, is added.
        """
        path = self.path(name)
        if self.manifest(name) is not None:
            raise FileExistsError(f"{path} is complete, and what is complete never changes")
        if os.path.lexists(path):
            remove_tree(path)
        path.mkdir(parents=True)
        try:
            yield path
            os.sync()
            created = datetime.now(timezone.utc).isoformat(timespec="seconds")
            write_file(path / SEAL, json.dumps({**manifest, "created": created}, indent=2) + "\n")
        except BaseException:
            # The first failure is the one to tell of.
            with suppress(Failed):
                remove_tree(path)
            raise


def remove_tree(path: Path) -> None:
    """Remove a directory and all that is in it, however deep a stranger has nested it. No link is followed.

    :raises Failed: when it is not there, or something cannot be removed.
    """
    run(["rm", "--recursive", "--one-file-system", "--", path], f"remove {path}")


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest in the directory `path`, or None where there is none of ours."""
    try:
        manifest = json.loads((path / SEAL).read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None
