# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `verify`: probes applications at their front doors."""

from __future__ import annotations

from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.certificate import served
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import NGINX_ADDRESS, NGINX_HTTPS_ADDRESS
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.nginx import verify_token
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe, over_http, wait_for

SECONDS = 2
INTERVAL = 0.5
MOST_TRIES = 100

ARGUMENTS = {
    "fronts": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "probe": {"type": "dict", "required": True},
        },
    },
    **ON_FAILURE,
}


def plan(module: Module) -> Plan:
    """Probe each front door."""
    fronts = [] if module.check_mode else module.params["fronts"]
    planned, days = Plan(), {}
    for front in fronts:
        try:
            days.update(_days(front))
        except Failed as failure:
            where = f"{front['name']} is not healthy at {front['address']}"
            planned.failures.setdefault(front["name"], f"{where}: {failure}")
    planned.result = {"days": days}
    planned.settled = f"healthy for clients: {', '.join(front['name'] for front in fronts) or 'none asked'}"
    return planned


def _days(front: dict[str, Any]) -> dict[str, int]:
    """Probe a front door, and return for how many days its certificate is valid, if it has one."""
    address, probe = front["address"], Probe.of(front["probe"])
    tls = address == NGINX_HTTPS_ADDRESS
    ask = over_http(address, verify_token() if address in (NGINX_ADDRESS, NGINX_HTTPS_ADDRESS) else "", tls)
    wait_for(probe, ask, MOST_TRIES, INTERVAL, SECONDS)
    return {probe.host: served(address, probe.host.partition(":")[0]).left.days} if tls else {}
