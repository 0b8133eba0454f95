# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The data of an application: the one directory that it may write to."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import WEB_SERVER, Layout

# The modes of an application's data: NGINX may pass through, and no other user can; and of what it may read there,
# where all that is made is for its group to read.
PASS_THROUGH = 0o710
PUBLIC = 0o2750


class Data:
    """The one directory that the application may write to. It outlives every release.

    :param public: directories below it whose files NGINX may read.
    """

    def __init__(self, layout: Layout, public: list[str]) -> None:
        self.path = layout.data
        self.owner = layout.name
        below = {Path(name) for name in public}
        # Parents before what is in them.
        self.public = sorted(below | {parent for name in below for parent in name.parents if parent.name})

    def is_right(self) -> bool:
        """Tell whether the directories are there and belong to the application's user."""
        try:
            return all(
                stat.S_ISDIR(found.st_mode)
                and (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (*self._ids(), mode)
                for found, mode in [
                    (self.path.stat(), PASS_THROUGH),
                    *(((self.path / name).lstat(), PUBLIC) for name in self.public),
                ]
            )
        except (FileNotFoundError, NotADirectoryError, Failed):
            return False

    def make(self) -> None:
        """Make the directories, and give them to the application's user.

        What lies below belongs to the application, which may put a link to anything there: none is followed.

        :raises Failed: where the host has no user of the application's name, or something else is in their place.
        """
        self._ids()
        self.path.mkdir(parents=True, exist_ok=True)
        if self.path.stat().st_uid == 0:
            self._adopt()
        self._give(os.open(self.path, os.O_DIRECTORY), PASS_THROUGH)
        for name in self.public:
            parent = os.open(self.path, os.O_DIRECTORY)
            for part in name.parts:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=parent)
                try:
                    inner = os.open(part, os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
                except OSError as wrong:
                    raise Failed(f"{self.path / name} is to be a directory, and {part} is none; remove it") from wrong
                finally:
                    os.close(parent)
                parent = inner
            self._give(parent, PUBLIC)

    def is_left(self) -> bool:
        """Tell whether the data belongs to root alone."""
        found = self.path.stat()
        return (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o700)

    def leave(self) -> None:
        """Give the data to root alone: a user of the application's number may be somebody else one day."""
        self.path.chmod(0o700)
        for name, directory in self._all():
            os.chown(name, 0, -1, dir_fd=directory, follow_symlinks=False)

    def _adopt(self) -> None:
        """Give what was left to root to the application's user; what NGINX may read stays so."""
        user = pwd.getpwnam(self.owner)
        _, web_server = self._ids()
        for name, directory in self._all():
            group = os.stat(name, dir_fd=directory, follow_symlinks=False).st_gid
            kept = -1 if group == web_server else user.pw_gid
            os.chown(name, user.pw_uid, kept, dir_fd=directory, follow_symlinks=False)

    def _all(self) -> Iterator[tuple[str, int]]:
        """Yield all that lies here, each name with its opened directory, which nobody can exchange for another.

        The directory itself comes last: by its owner one knows whether all was done.
        """
        # It may be a link itself, which root has made, to a larger disk.
        for _, below, files, opened in os.fwalk(os.path.realpath(self.path), topdown=False):
            yield from ((name, opened) for name in (*below, *files, "."))

    def _give(self, directory: int, mode: int) -> None:
        os.fchown(directory, *self._ids())
        os.fchmod(directory, mode)
        os.close(directory)

    def _ids(self) -> tuple[int, int]:
        try:
            return pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(WEB_SERVER).gr_gid
        except KeyError as missing:
            raise Failed(f"the host has no user {self.owner}, or no group {WEB_SERVER}: make them") from missing
