# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of the module `release`: keeps secrets out of what is logged and shown."""

from __future__ import annotations

import json
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.wsgi.production.plugins.action.step import StepAction
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils import description

# What may hold a secret.
SECRETS = ("env", "secrets", "secret_files")


class ActionModule(StepAction):
    """Hands the task to its module, with all that may be secret as one text."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; the result is that of the module."""
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        try:
            apps = description.inputs(args["apps"], "uwsgi")
        except Failed as failure:
            raise AnsibleActionFail(str(failure)) from failure
        args["secrets"] = json.dumps({app["name"]: {key: app.pop(key) for key in SECRETS} for app in apps})
        args["apps"] = apps
        return self.step(args, task_vars or {})
