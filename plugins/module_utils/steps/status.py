# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `status`: says what runs on a host, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import status
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.layout import APPLICATIONS, Layout
from ansible_collections.wsgi.production.plugins.module_utils.nginx import Nginx
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, sentence
from ansible_collections.wsgi.production.plugins.module_utils.steps.verify import ARGUMENTS as FRONTS
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS: dict[str, Any] = {"names": {"type": "list", "elements": "str", "required": True}, "fronts": FRONTS["fronts"]}


def plan(module: Module) -> Plan:
    """Look at each application, its front door and the host."""
    found: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    systemd, host = Systemd(), status.of_host(APPLICATIONS if APPLICATIONS.exists() else Path("/"))
    for name in module.params["names"]:
        try:
            found[name] = status.of_application(Application(Layout(name), systemd))
        except Exception as failure:
            found[name] = {"name": name, "problems": [f"{name}: {sentence(failure)}"]}
    for front in module.params["fronts"]:
        seen = status.of_front(front)
        before = found.get(front["name"], {"problems": []})
        found[front["name"]] = {**before, **seen, "problems": [*before["problems"], *seen["problems"]]}
    problems += status.of_nginx(Nginx(systemd))
    for one in (host, *found.values()):
        problems += one["problems"]
    result = {"applications": list(found.values()), "free": host["free"], "problems": problems}
    return Plan(result=result, settled=f"{len(problems)} problems")
