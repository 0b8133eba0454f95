# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of the module `verify`: shows how long certificates are valid."""

from __future__ import annotations

from typing import Any

from ansible.utils.display import Display

from ansible_collections.wsgi.production.plugins.action.step import StepAction

display = Display()


class ActionModule(StepAction):
    """Runs the module of a task, and shows what an operator must know of its result."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task, and return the result of the module."""
        super().run(tmp, task_vars)
        result = self.step(self.arguments(), task_vars or {})
        tell_days(result)
        return result


def tell_days(result: dict[str, Any]) -> None:
    """Show how long the certificates at the front doors are still valid."""
    for name, days in result.get("days", {}).items():
        display.display(f"{name}: the certificate is valid for {days} more days")
