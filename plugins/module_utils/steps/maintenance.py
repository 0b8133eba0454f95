# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `maintenance`: closes a site for maintenance, or opens it again."""

from __future__ import annotations

from ansible_collections.wsgi.production.plugins.module_utils.nginx import MaintenanceFlag
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "closed": {"type": "bool", "required": True},
}


def plan(module: Module) -> Plan:
    """Close a site, or open it."""
    name, closed = module.params["name"], module.params["closed"]
    sign = MaintenanceFlag(name)
    if sign.is_set() == closed:
        return Plan(settled=f"{name} is {'closed' if closed else 'open'}")
    return Plan([Step("close it", sign.set, name) if closed else Step("open it", sign.clear, name)])
