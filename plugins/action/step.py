# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of the modules that need nothing from it but the run that they belong to."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.wsgi.production.plugins.plugin_utils.run import is_dead, this_run

# A play sets this variable to keep the lock of its hosts from the first step to the last.
HOLD = "__wsgi_production_hold"


class StepAction(ActionBase):
    """Runs a module that changes the host, under the host's lock."""

    TRANSFERS_FILES = False

    def step(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the task's module with `args`; the lock of a run that is dead is taken over."""
        run: dict[str, Any] = {**this_run(), "hold": bool(task_vars.get(HOLD)) and self._returns(task_vars)}
        if is_dead(run["id"]):
            raise AnsibleActionFail("ansible-playbook was killed; what it left to this worker is not done")
        module = self._task.resolved_action
        result = self._execute_module(module_name=module, module_args={**args, "run": run}, task_vars=task_vars)
        holder = result.pop("holder", None)
        if holder and is_dead(holder["id"]):
            run["dead"] = [holder["id"]]
            result = self._execute_module(module_name=module, module_args={**args, "run": run}, task_vars=task_vars)
            result.pop("holder", None)
        return result

    def _returns(self, task_vars: dict[str, Any]) -> bool:
        """Tell whether the run comes back to this host, and lets go of its lock."""
        host = self._task.delegate_to
        return not host or host in task_vars.get("ansible_play_hosts_all", [])


class ActionModule(StepAction):
    """Hands the task to its module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; the result is that of the module."""
        super().run(tmp, task_vars)
        return self.step(self._task.args, task_vars or {})
