# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Refuses a description that could not work, before any host is touched; then looks what each host has to do."""

from __future__ import annotations

import json
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.wsgi.production.plugins.action import check
from ansible_collections.wsgi.production.plugins.action.step import StepAction
from ansible_collections.wsgi.production.plugins.action.verify import tell_days
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils import description
from ansible_collections.wsgi.production.plugins.plugin_utils.survey import questions, remember

ARGUMENTS = {
    "gathered": {"type": "bool", "default": True},
    "steps": {"type": "list", "elements": "dict", "required": True},
}

display = Display()


class ActionModule(StepAction, check.ActionModule):
    """Checks the description like M(wsgi.production.check), then asks the host what it is, and what it has to do."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; it fails with a sentence for each thing that is wrong."""
        StepAction.run(self, tmp, task_vars)
        variables = task_vars or {}
        host = variables["inventory_hostname"]
        _, args = self.validate_argument_spec({**check.ARGUMENTS, **ARGUMENTS})
        wrong = self.objections(args, variables)
        if wrong:
            return {"failed": True, "msg": "\n".join(wrong)}
        try:
            asked = questions(description.plain(args["steps"]))
        except Failed as failure:
            raise AnsibleActionFail(str(failure)) from failure
        # One text, which nothing logs: there are secrets in it.
        result = self.step({"steps": json.dumps(asked), "on_failure": args["on_failure"]}, variables)
        if result.get("failed") or result.get("unreachable"):
            return result
        objection = description.unsupported(*result.pop("system"))
        if objection:
            return {"failed": True, "msg": f"{host}: {objection}"}
        result["ends"] = result["ends"] and args["gathered"]
        result["spared"] = remember(asked, result.pop("done"))
        if result["ends"]:
            tell_days(result)
        if self._task.check_mode and result["ends"] and not self._task.diff:
            for line in result["plan"]:
                display.display(f"{host}: {line}")
        return result
