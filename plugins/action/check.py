# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Refuses, before any host is changed, a description that could not work."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.wsgi.production.plugins.plugin_utils import description


class ActionModule(ActionBase):
    """Checks the entries of `wsgi_apps` on the controller, and then what the host is."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; it fails with a sentence for each thing that is wrong."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        _, args = self.validate_argument_spec(
            {
                "apps": {"type": "raw", "required": True},
                "app_servers": {"type": "list", "elements": "str", "required": True},
                "load_balancers": {"type": "list", "elements": "str", "required": True},
                "on_failure": {"type": "raw", "default": "stop"},
                "build_host": {"type": "raw", "default": ""},
            }
        )
        apps, host = args["apps"], variables["inventory_hostname"]
        wrong = description.objections(apps) + description.run_objections(
            args["on_failure"], args["build_host"], {*variables["groups"]["all"], "localhost"}
        )
        if not wrong:
            wrong = description.misplaced(apps, args["app_servers"], args["load_balancers"], args["build_host"])
        if not wrong:
            wrong = description.unreachable(apps, host, args["app_servers"])
        if wrong:
            return {"failed": True, "msg": "\n".join(wrong)}
        facts = self._execute_module(
            module_name="ansible.builtin.setup",
            module_args={"gather_subset": ["!all", "!min", "distribution"], "filter": ["ansible_distribution*"]},
            task_vars=task_vars,
        )
        if facts.get("failed") or facts.get("unreachable"):
            return facts
        found = facts["ansible_facts"]
        objection = description.unsupported(
            str(found["ansible_distribution"]), str(found["ansible_distribution_version"])
        )
        if objection:
            return {"failed": True, "msg": f"{host}: {objection}"}
        return {"changed": False}
