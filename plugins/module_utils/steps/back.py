# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `back`: returns applications to their state before a failed run."""

from __future__ import annotations

from ansible_collections.wsgi.production.plugins.module_utils.application import Application, go_back
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.nginx import Nginx
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {"names": {"type": "list", "elements": "str", "required": True}}


def plan(module: Module) -> Plan:
    """Go back."""
    systemd, planned = Systemd(), Plan()
    apps = {name: Application(Layout(name), systemd) for name in module.params["names"]}
    nginx = Nginx(systemd)
    serve = Step("restore the configuration of NGINX", nginx.go_back, always=True)
    go_back(planned, apps.values(), [serve] if nginx.is_changing() else [])
    live = {name: app.layout.live() for name, app in apps.items()}
    settled = "; ".join(
        f"{name} has {release or 'nothing'} live, like before the run" for name, release in live.items()
    )
    planned.settled = settled or "no application runs here"
    return planned
