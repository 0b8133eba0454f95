# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of the module `release`: keeps the environment out of what is logged and shown."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.wsgi.production.plugins.action.step import StepAction


class ActionModule(StepAction):
    """Hands the task to its module, with the environment as one text."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; the result is that of the module."""
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        if args.get("env"):
            args["env"] = json.dumps(args["env"])
        return self.step(args, task_vars or {})
