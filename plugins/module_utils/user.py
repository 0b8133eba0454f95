# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""System users: those that applications run as, and the one that builds."""

from __future__ import annotations

import pwd
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout

# The shells of users that nobody is.
NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")


class Account:
    """A system user, and a group of its own, without a login.

    :param home: the directory that is its home.
    :param advice: what to do where the name is somebody else's.
    """

    def __init__(self, name: str, home: Path, advice: str) -> None:
        self.name = name
        self.home = home
        self.advice = advice

    def exists(self) -> bool:
        """Tell whether the host has the user.

        :raises Failed: when it is not as `make` makes it: it is somebody's, or a service's.
        """
        if self._found() and not self.is_own():
            raise Failed(
                f"the user {self.name} of this host was not created by this collection: it can log in, or "
                f"its home is not {self.home}; {self.advice}"
            )
        return self.is_own()

    def is_own(self) -> bool:
        """Tell whether the host has the user, and it is as `make` makes it."""
        found = self._found()
        return found is not None and found.pw_shell in NO_LOGIN and Path(found.pw_dir) == self.home

    def make(self) -> None:
        """Make the user."""
        options = ["--system", "--user-group", "--no-create-home", "--shell", NO_LOGIN[0]]
        run(["useradd", *options, "--home-dir", self.home, self.name], f"create the user {self.name}")

    def remove(self) -> None:
        """Remove the user, and nothing that belongs to it."""
        run(["userdel", self.name], f"remove the user {self.name}")

    def _found(self) -> pwd.struct_passwd | None:
        try:
            return pwd.getpwnam(self.name)
        except KeyError:
            return None


class User(Account):
    """The user of the application's name."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout.name, layout.data, "choose another name for the application")
