# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of the module `verify`: tells for how long certificates are valid."""

from __future__ import annotations

from typing import Any

from ansible.utils.display import Display

from ansible_collections.wsgi.production.plugins.action.step import StepAction

display = Display()


class ActionModule(StepAction):
    """Hands the task to its module, and says what it found out that an operator has to know."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; the result is that of the module."""
        super().run(tmp, task_vars)
        result = self.step(self.arguments(), task_vars or {})
        tell_days(result)
        return result


def tell_days(result: dict[str, Any]) -> None:
    """Tell for how long the certificates are valid that were seen at front doors."""
    for name, days in result.get("days", {}).items():
        display.display(f"{name}: the certificate is valid for {days} more days")
