# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The data of an application: the one directory that it may write to."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import WEB_SERVER, Layout
from ansible_collections.wsgi.production.plugins.module_utils.store import remove_tree

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
                    raise Failed(f"{self.path / name} must be a directory, but {part} is not one; remove it") from wrong
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
        # Without the group, nothing is its.
        with suppress(KeyError):
            self._hand_over(f":{grp.getgrnam(self.owner).gr_gid}", "root:root")
        self._hand_over("", "root")

    def remove(self) -> None:
        """Remove the data, and the directory or the link to it; a disk of its own is left empty."""
        real = self.path.resolve()
        for one in list(real.iterdir()) if real.is_dir() else []:
            remove_tree(one)
        with suppress(OSError):
            real.rmdir()
        if self.path.is_symlink():
            self.path.unlink()

    def is_removed(self) -> bool:
        """Tell whether `remove` has nothing to do."""
        return not self.path.is_symlink() and not (
            self.path.is_dir() and (any(self.path.iterdir()) or not self.path.is_mount())
        )

    def _adopt(self) -> None:
        """Give what was left to root to the application's user; what NGINX may read stays so."""
        self._hand_over("root:root", f"{self.owner}:{self.owner}")
        self._hand_over("root", self.owner)

    def _hand_over(self, before: str, after: str) -> None:
        """Give what belongs to `before` to `after`, each a user and a group, or one of them; no link is followed.

        However deep it lies, and the directory itself last: by its owner one knows whether all was done.
        """
        options = ["--recursive", "--no-dereference", "-P", *([f"--from={before}"] if before else [])]
        # It may be a link itself, which root has made, to a larger disk.
        run(
            ["chown", *options, "--", after, os.path.realpath(self.path)], f"change the owner of {self.path} to {after}"
        )

    def _give(self, directory: int, mode: int) -> None:
        os.fchown(directory, *self._ids())
        os.fchmod(directory, mode)
        os.close(directory)

    def _ids(self) -> tuple[int, int]:
        try:
            return pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(WEB_SERVER).gr_gid
        except KeyError as missing:
            raise Failed(f"the host has no user {self.owner} or no group {WEB_SERVER}: create them") from missing
