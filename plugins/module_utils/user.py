# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""System users: the users that applications run as, and the build user."""

from __future__ import annotations

import pwd
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout

# The shells of users that cannot log in.
NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false")


class Account:
    """A system user without a login, and its own group.

    :param home: its home directory.
    :param advice: what to do if somebody else has the name.
    """

    def __init__(self, name: str, home: Path, advice: str) -> None:
        self.name = name
        self.home = home
        self.advice = advice

    def exists(self) -> bool:
        """Return whether the host has the user.

        :raises Failed: if it differs from what `make` creates: it belongs to a person, or to a service.
        """
        if self._found() and not self.is_own():
            raise Failed(
                f"the user {self.name} of this host was not created by this collection: it can log in, or "
                f"its home is not {self.home}; {self.advice}"
            )
        return self.is_own()

    def is_own(self) -> bool:
        """Return whether the host has the user, with the shell and home that `make` gives it."""
        found = self._found()
        return found is not None and found.pw_shell in NO_LOGIN and Path(found.pw_dir) == self.home

    def make(self) -> None:
        """Create the user."""
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
    """The user with the application's name."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout.name, layout.data, "choose another name for the application")
