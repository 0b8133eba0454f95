# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Units that exist only while they run."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.layout import write_file
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

RUNS = ("activating", "deactivating")


class TransientUnit:
    """A service that systemd runs to completion; its unit is removed afterwards, or by the next boot of the host.

    :param placed: the path of its unit.
    """

    def __init__(self, placed: Path, systemd: Systemd) -> None:
        self.placed = placed
        self.unit = placed.name
        self.systemd = systemd

    def place(self, text: str) -> None:
        """Write its unit, with the content `text`."""
        self.placed.parent.mkdir(parents=True, exist_ok=True)
        write_file(self.placed, text)
        self.systemd.reload()

    def runs(self) -> bool:
        """Return whether it is running."""
        return self.placed.exists() and self.systemd.properties(self.unit, "ActiveState")[0] in RUNS

    def forget(self) -> None:
        """Remove its unit."""
        self.systemd.clear(self.unit)
        self.placed.unlink(missing_ok=True)
        self.systemd.reload()
