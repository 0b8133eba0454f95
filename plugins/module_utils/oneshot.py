# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Oneshots: commands of a release that run to their end once, its migration and those after a switch."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, write_file
from ansible_collections.wsgi.production.plugins.module_utils.log import explained
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

RUNS = ("activating", "deactivating")


class Oneshot:
    """Commands of a release, as a unit that systemd runs to its end, be the run that asked for it alive or not.

    What became of it is remembered beside the release.

    :param part: its name, `migrate` or `after-switch`.
    """

    def __init__(self, layout: Layout, release: str, part: str, systemd: Systemd) -> None:
        self.layout = layout
        directory = layout.releases / release
        self.description = directory / f"{part}.service"
        self.memory = directory / f"{part}.json"
        self.unit = layout.unit_of(release, f"-{part}.service")
        self.placed = layout.transient / self.unit
        self.systemd = systemd

    def exists(self) -> bool:
        """Tell whether the release has such commands."""
        return self.description.exists()

    def began(self) -> str | None:
        """Return when it was last begun, in UTC, or None where it never was."""
        began: str | None = self._remembered().get("began")
        return began

    def is_done(self) -> bool:
        """Tell whether it has once been done to its end."""
        return "ended" in self._remembered()

    def runs(self) -> bool:
        """Tell whether it is at work."""
        return self.placed.exists() and self.systemd.properties(self.unit, "ActiveState")[0] in RUNS

    def run(self) -> None:
        """Let systemd run it, and wait for its end; where it is at work already, wait for that end.

        :raises Failed: when a command fails or takes too long, with the end of what it said.
        """
        if not self.runs():
            self._remember(began=_now())
            self.placed.parent.mkdir(parents=True, exist_ok=True)
            write_file(self.placed, self.description.read_text(encoding="utf-8"))
            self.systemd.reload()
        try:
            self.systemd.start(self.unit)
        except Failed as failure:
            result, limit = self.systemd.properties(self.unit, "Result", "TimeoutStartUSec")
            what = f"takes longer than {limit}" if result == "timeout" else "fails"
            said = explained(f"{self.unit} {what}", self.systemd.journal(self.unit), self.layout.data)
            raise Failed(said) from failure
        else:
            self._remember(began=self.began(), ended=_now())
        finally:
            self.forget()

    def wait(self) -> None:
        """Wait for its end, if it still is at work."""
        if self.runs():
            self.run()

    def end(self) -> None:
        """End it at once, whatever it is doing, and take the unit away."""
        self.systemd.kill(self.unit)
        self.forget()

    def forget(self) -> None:
        """Take the unit away."""
        self.systemd.clear(self.unit)
        self.placed.unlink(missing_ok=True)
        self.systemd.reload()

    def _remembered(self) -> dict[str, Any]:
        try:
            remembered: dict[str, Any] = json.loads(self.memory.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return remembered

    def _remember(self, **times: str | None) -> None:
        write_file(self.memory, json.dumps(times) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
