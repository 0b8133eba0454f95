# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Before any host is touched, refuses a description that could not work."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils import checks, specification
from ansible_collections.wsgi.production.plugins.plugin_utils.libraries import require_all

ARGUMENTS = {
    "apps": {"type": "raw", "required": True},
    "app_servers": {"type": "list", "elements": "str", "required": True},
    "load_balancers": {"type": "list", "elements": "str", "required": True},
    "on_failure": {"type": "raw", "default": "stop"},
    "build_host": {"type": "raw", "default": ""},
}


class ActionModule(ActionBase):
    """Checks the entries of `wsgi_apps` on the controller, and what the host would have to do for them."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; it fails with a sentence for each mistake."""
        super().run(tmp, task_vars)
        _result, args = self.validate_argument_spec(ARGUMENTS)
        wrong = self.objections(args, task_vars or {})
        return {"failed": True, "msg": "\n".join(wrong)} if wrong else {"changed": False}

    def objections(self, args: dict[str, Any], task_vars: dict[str, Any]) -> list[str]:
        """Return a sentence for each mistake in the description, in itself and for this host."""
        try:
            require_all()
        except Failed as failure:
            return [str(failure)]
        apps, app_servers, load_balancers = args["apps"], args["app_servers"], args["load_balancers"]
        hosts = {*task_vars["groups"]["all"], "localhost"}
        return (
            checks.objections(apps)
            + checks.settings_objections(self._settings(task_vars))
            + checks.run_objections(args["on_failure"], args["build_host"], hosts)
            or checks.misplaced(apps, app_servers, load_balancers, args["build_host"])
            or checks.unreachable(apps, task_vars["inventory_hostname"], app_servers)
        )

    def _settings(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the role variables that apply to all applications."""
        return {
            name: self._templar.template(task_vars[name]) for name in specification.settings_spec() if name in task_vars
        }
