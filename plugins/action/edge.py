# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of the module `edge`: writes the configuration that the host checks, and reads certificates."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.wsgi.production.plugins.action.step import StepAction
from ansible_collections.wsgi.production.plugins.modules.edge import ARGUMENTS
from ansible_collections.wsgi.production.plugins.plugin_utils import certificates, description
from ansible_collections.wsgi.production.plugins.plugin_utils.nginx_config import render

# What the module takes that no task says, because it follows from the rest.
FOLLOWS = {"config", "certificates", "secrets"}


class ActionModule(StepAction):
    """Renders the sites and hands the text to the module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; the result is that of the module."""
        super().run(tmp, task_vars)
        _, args = self.validate_argument_spec({key: option for key, option in ARGUMENTS.items() if key not in FOLLOWS})
        wrong = description.edge_objections(args)
        if wrong:
            return {"failed": True, "msg": "\n".join(wrong)}
        sites = args["sites"]
        # What is secret goes to the host in arguments of its own, which nothing logs.
        made = {
            "config": render(args),
            "certificates": [one for site in sites for one in certificates.wanted(site)],
            "secrets": json.dumps(
                {
                    "passwords": {site["name"]: site["basic_auth"] for site in sites},
                    "keys": {site["name"]: certificates.key(site) for site in sites},
                }
            ),
            "sites": [
                {"name": site["name"], "read_timeout": site["read_timeout"], "http3": site["tls"]["http3"]}
                for site in sites
            ],
        }
        return self.step({**args, **made}, task_vars or {})
