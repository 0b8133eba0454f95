# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The system user that an application runs as."""

from __future__ import annotations

import pwd

from ansible_collections.wsgi.production.plugins.module_utils.command import run
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout


class User:
    """A user of the application's name, and a group of its own, without a login."""

    def __init__(self, layout: Layout) -> None:
        self.name = layout.name
        self.home = layout.data

    def exists(self) -> bool:
        """Tell whether the host has the user."""
        try:
            pwd.getpwnam(self.name)
        except KeyError:
            return False
        return True

    def make(self) -> None:
        """Make the user."""
        options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        run(["useradd", *options, "--home-dir", self.home, self.name], f"make the user {self.name}")

    def remove(self) -> None:
        """Remove the user, and nothing that belongs to it."""
        run(["userdel", self.name], f"remove the user {self.name}")
