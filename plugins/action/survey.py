# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Checks the description before any host is touched, then finds out what each host needs."""

from __future__ import annotations

import json
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.wsgi.production.plugins.action import check
from ansible_collections.wsgi.production.plugins.action.step import StepAction
from ansible_collections.wsgi.production.plugins.action.verify import tell_days
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils import checks, specification
from ansible_collections.wsgi.production.plugins.plugin_utils.survey import questions, remember

ARGUMENTS = {
    "gathered": {"type": "bool", "default": True},
    "steps": {"type": "list", "elements": "str", "required": True},
}

display = Display()


class ActionModule(StepAction, check.ActionModule):
    """Checks the description like M(wsgi.production.check), then has the host plan all steps."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; it fails with a sentence for each mistake."""
        StepAction.run(self, tmp, task_vars)
        variables = task_vars or {}
        host = variables["inventory_hostname"]
        _result, args = self.validate_argument_spec({**check.ARGUMENTS, **ARGUMENTS})
        wrong = self.objections(args, variables)
        if wrong:
            return {"failed": True, "msg": "\n".join(wrong)}
        try:
            # Not earlier: with a wrong description, a filter would fail with an unhelpful message.
            asked = questions(specification.plain(self._templar.template(variables[name])) for name in args["steps"])
        except Failed as failure:
            raise AnsibleActionFail(str(failure)) from failure
        # One JSON text that is not logged, because it contains secrets.
        result = self.step({"steps": json.dumps(asked), "on_failure": args["on_failure"]}, variables)
        if result.get("failed") or result.get("unreachable"):
            return result
        objection = checks.unsupported(*result.pop("system"))
        if objection:
            return {"failed": True, "msg": f"{host}: {objection}"}
        result["ends"] = result["ends"] and args["gathered"]
        result["done"] = remember(asked, result["done"])
        if result["ends"]:
            tell_days(result)
        if self._task.check_mode and result["ends"] and not self._task.diff:
            for line in result["plan"]:
                display.display(f"{host}: {line}")
        return result
