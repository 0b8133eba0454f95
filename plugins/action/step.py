# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of a step: adds the run it belongs to, and calls the module on the host."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils.libraries import require_all
from ansible_collections.wsgi.production.plugins.plugin_utils.run import is_dead, this_run
from ansible_collections.wsgi.production.plugins.plugin_utils.steps import arguments
from ansible_collections.wsgi.production.plugins.plugin_utils.survey import SURVEY, known_result

# The module that runs on the host for every step. Ansible packs a module and its imports once per run.
MODULE = "wsgi.production.step"

# Steps that touch nothing that a run works on, so they do not wait for a run.
UNLOCKED = ("command", "maintenance", "release_info", "status")

# A play sets this variable to keep the lock of its hosts from the first step to the last.
HOLD = "__wsgi_production_hold"


class StepAction(ActionBase):
    """Runs a step on the host, under the host's lock."""

    TRANSFERS_FILES = False

    @property
    def name(self) -> str:
        """The name of the step."""
        name: str = self._task.resolved_action.rpartition(".")[2]
        return name

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that the step gets on the host.

        :raises AnsibleActionFail: with a sentence for each mistake in the arguments of the task.
        """
        try:
            require_all()
            return arguments(self.name, dict(self._task.args))
        except Failed as failure:
            raise AnsibleActionFail(str(failure)) from failure

    def step(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the step with `args`, unless the survey knows its result; take over the lock of a dead run."""
        known = known_result(task_vars.get(SURVEY), self.name, args)
        if known is not None:
            return known
        args = {**args, "step": self.name}
        if self.name not in UNLOCKED:
            run: dict[str, Any] = {**this_run(), "hold": bool(task_vars.get(HOLD)) and self._returns(task_vars)}
            if is_dead(run["id"]):
                raise AnsibleActionFail("ansible-playbook was killed, so this worker does nothing more")
            args["run"] = run
        result = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        holder = result.pop("holder", None)
        if holder and is_dead(holder["id"]):
            args["run"] = {**args["run"], "dead": [holder["id"]]}
            result = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
            result.pop("holder", None)
        return result

    def _returns(self, task_vars: dict[str, Any]) -> bool:
        """Return whether the run returns to this host later, and then releases its lock."""
        host = self._task.delegate_to
        return not host or host in task_vars.get("ansible_play_hosts_all", [])


class ActionModule(StepAction):
    """Runs the step of a task."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task, and return the result of the step."""
        super().run(tmp, task_vars)
        return self.step(self.arguments(), task_vars or {})
