# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""History: which releases have been live and healthy, and since when."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, write_file


class History:
    """The releases of an application that answered at the front door, each with the last time it went live.

    `current` points to the live release, and moves before that release is known to be healthy. The history is written
    afterwards, so the two differ until a switch is verified.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.path = layout.home / "history.json"

    def entries(self) -> dict[str, dict[str, Any]]:
        """Return the releases, oldest first: `live`, the time in UTC at which each went live, and its `doors`.

        :raises Failed: if the file is damaged.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            listed = json.loads(text)
            found = {entry["release"]: {"live": entry["live"], "doors": dict(entry["doors"])} for entry in listed}
            if not all(isinstance(release, str) for release in found) or not found:
                raise TypeError("no releases")
        except (KeyError, TypeError, ValueError) as wrong:
            raise Failed(f"{self.path} is damaged: {wrong!r}; restore it, or remove it") from wrong
        return found

    def latest(self) -> str | None:
        """Return the release that was last known to be live and healthy."""
        return next(reversed(self.entries()), None)

    def previous(self) -> str | None:
        """Return the release that was live and healthy before the one that is live now."""
        before = [release for release in self.entries() if release != self.layout.live()]
        return before[-1] if before else None

    def doors(self) -> dict[str, str]:
        """Return the address of each door that was open when a release was last known to be healthy."""
        latest = self.latest()
        return self.entries()[latest]["doors"] if latest else {}

    def kept(self, release: str, keep: int) -> list[str]:
        """Return the newest `keep` releases, oldest first, once `release` is the latest."""
        others = [name for name in self.entries() if name != release]
        return [*others, release][-keep:]

    def record(self, release: str, doors: dict[str, str], keep: int) -> None:
        """Make `release` the latest, and remember `keep` releases in total."""
        entries = self.entries()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        since = entries[release]["live"] if release == self.latest() else now
        entries[release] = {"live": since, "doors": doors}
        listed = [{"release": name, **entries[name]} for name in self.kept(release, keep)]
        write_file(self.path, json.dumps(listed, indent=2) + "\n", 0o600)
