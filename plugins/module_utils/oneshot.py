# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Oneshots: commands of a release that run to completion once, for its migration or after a switch."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, write_file
from ansible_collections.wsgi.production.plugins.module_utils.log import explained
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd
from ansible_collections.wsgi.production.plugins.module_utils.transient import TransientUnit


class Oneshot(TransientUnit):
    """Commands of a release, which systemd runs to completion even if the run that started them is killed.

    A file in the release's directory records when they were started and whether they succeeded.

    :param part: its name, `migrate` or `after-switch`.
    """

    def __init__(self, layout: Layout, release: str, part: str, systemd: Systemd) -> None:
        super().__init__(layout.transient / layout.unit_of(release, f"-{part}.service"), systemd)
        self.layout = layout
        directory = layout.releases / release
        self.description = directory / f"{part}.service"
        self.memory = directory / f"{part}.json"

    def exists(self) -> bool:
        """Return whether the release has such commands."""
        return self.description.exists()

    def began(self) -> str | None:
        """Return when they were last started, in UTC, or None if they never were."""
        began: str | None = self._remembered().get("began")
        return began

    def is_done(self) -> bool:
        """Return whether they have ever succeeded."""
        return "ended" in self._remembered()

    def run(self) -> None:
        """Run the commands and wait until they have ended; if they are running already, only wait.

        :raises Failed: if a command fails or takes too long, with the end of its output.
        """
        if not self.runs():
            self._remember(began=_now())
            self.place(self.description.read_text(encoding="utf-8"))
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
        """Wait until they have ended, if they are running."""
        if self.runs():
            self.run()

    def end(self) -> None:
        """Kill them, and remove the unit."""
        self.systemd.kill(self.unit)
        self.forget()

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
