# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The directory of an application, and the mark which shows that the collection created it."""

from __future__ import annotations

import pwd

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import PASSABLE, Layout, write_file
from ansible_collections.wsgi.production.plugins.module_utils.store import Store
from ansible_collections.wsgi.production.plugins.module_utils.user import User

SAYS = """\
The Ansible collection wsgi.production created this directory, and removes it once the application has state: absent.
"""


class Home:
    """The directory of an application."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def is_ours(self) -> bool:
        """Return whether the collection created the directory."""
        stores = map(Store, (self.layout.releases, self.layout.builds))
        sealed = (store.manifest(name) is not None for store in stores for name in store.names())
        return self.layout.mark.exists() or any(sealed)

    def check(self) -> None:
        """Reject a user or a directory with the application's name that the collection did not create.

        The data may exist before the application, on its own disk.

        :raises Failed: with advice on what to do.
        """
        user, path, data = User(self.layout), self.layout.home, self.layout.data
        made = user.exists()
        if not path.exists() or self.is_ours():
            return
        if {one.name for one in path.iterdir()} - {data.name}:
            raise Failed(
                f"{path} already exists, and this collection did not create it: choose another name for "
                "the application, or move the directory away"
            )
        # It may belong to a user id that has no name on the host.
        owner = data.stat().st_uid if data.exists() else 0
        if owner != 0 and not (made and owner == pwd.getpwnam(user.name).pw_uid):
            raise Failed(
                f"{data} already exists and belongs to the user {owner}: give it to root, or choose "
                "another name for the application"
            )

    def make(self) -> None:
        """Create the directory and its subdirectories, which other users cannot list."""
        layout = self.layout
        for path in (layout.home, layout.builds, layout.venvs, layout.releases):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(PASSABLE)
        if not layout.mark.exists():
            write_file(layout.mark, SAYS)
