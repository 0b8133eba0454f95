# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of the module `edge`: writes the configuration that the host checks."""

from __future__ import annotations

from typing import Any

from ansible_collections.wsgi.production.plugins.action.step import StepAction
from ansible_collections.wsgi.production.plugins.plugin_utils import description
from ansible_collections.wsgi.production.plugins.plugin_utils.nginx_config import render


class ActionModule(StepAction):
    """Renders the sites and hands the text to the module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; the result is that of the module."""
        super().run(tmp, task_vars)
        _, args = self.validate_argument_spec(
            {
                "sites": {"type": "list", "elements": "dict", "required": True},
                "headers": {"type": "dict", "default": {}},
                "trusted_proxies": {"type": "list", "elements": "str", "default": []},
                "status": {"type": "str", "default": ""},
                "snippet": {"type": "str", "default": ""},
            }
        )
        wrong = description.edge_objections(args)
        if wrong:
            return {"failed": True, "msg": "\n".join(wrong)}
        return self.step({**args, "config": render(args)}, task_vars or {})
