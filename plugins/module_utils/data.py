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

# The modes of an application's data, which NGINX may pass through but other users may not, and of the directories that
# NGINX may read, where new files belong to its group.
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
        # Parents come before the directories in them.
        self.public = sorted(below | {parent for name in below for parent in name.parents if parent.name})

    def is_right(self) -> bool:
        """Return whether the directories exist, with the right owner, group and mode."""
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
        """Create the directories, and give them to the application's user.

        The application owns everything below, and may create a link to anything there, so no link is followed.

        :raises Failed: if the host has no user of the application's name, or something else is in their place.
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
        """Return whether the data belongs to root, and only root can access it."""
        found = self.path.stat()
        return (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o700)

    def leave(self) -> None:
        """Give the data to root, because the application's user id may belong to another user one day."""
        self.path.chmod(0o700)
        # If the group does not exist, nothing belongs to it.
        with suppress(KeyError):
            self._hand_over(f":{grp.getgrnam(self.owner).gr_gid}", "root:root")
        self._hand_over("", "root")

    def remove(self) -> None:
        """Remove the data, and the directory or the link to it; a disk that is mounted there is only emptied."""
        real = self.path.resolve()
        for one in list(real.iterdir()) if real.is_dir() else []:
            remove_tree(one)
        with suppress(OSError):
            real.rmdir()
        if self.path.is_symlink():
            self.path.unlink()

    def is_removed(self) -> bool:
        """Return whether `remove` has nothing left to do."""
        return not self.path.is_symlink() and not (
            self.path.is_dir() and (any(self.path.iterdir()) or not self.path.is_mount())
        )

    def _adopt(self) -> None:
        """Give data that was left to root back to the application's user; NGINX can still read the same files."""
        self._hand_over("root:root", f"{self.owner}:{self.owner}")
        self._hand_over("root", self.owner)

    def _hand_over(self, before: str, after: str) -> None:
        """Give files of `before` to `after`, each a user, a group, or both; no link is followed.

        This covers all levels, and the directory itself comes last: its owner shows whether everything was done.
        """
        options = ["--recursive", "--no-dereference", "-P", *([f"--from={before}"] if before else [])]
        # The path itself may be a link that root has made to a larger disk.
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
