#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: verify
short_description: Asks applications at their front doors what a healthy one must answer
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Sends the request of each application's probe to the address where visitors reach it, and fails when the answer is
    not what the probe expects. A moment's failure is forgiven, for it asks again for two seconds.
  - Changes nothing, and asks nothing in check mode.
options:
  fronts:
    description: The front doors to ask at.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the application.
        type: str
        required: true
      address:
        description: The address and port that speak HTTP there. A wildcard such as 0.0.0.0 means this host.
        type: str
        required: true
      probe:
        description: What to ask and what to expect, as M(wsgi.production.switch) returns it.
        type: dict
        required: true
extends_documentation_fragment:
  - wsgi.production.on_failure
  - wsgi.production.step
"""

EXAMPLES = """
- name: Verify what visitors see
  wsgi.production.verify:
    fronts:
      - name: hello
        address: 127.0.0.1:80
        probe: {host: hello.example.com, path: /health}
"""

RETURN = """
days:
  description: For how many more days the certificate is valid that visitors of each host name are shown.
  returned: success
  type: dict
  sample: {hello.example.com: 89}
broken:
  description: What an application answers that is not healthy, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.certificate import served
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.edge import verify_token
from ansible_collections.wsgi.production.plugins.module_utils.layout import EDGE, EDGE_TLS
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE, carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
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


def plan(module: AnsibleModule) -> Plan:
    """Ask at each front door."""
    fronts = [] if module.check_mode else module.params["fronts"]
    planned, days = Plan(), {}
    for front in fronts:
        try:
            days.update(_days(front))
        except Failed as failure:
            where = f"{front['name']} does not answer at its front door, {front['address']}"
            planned.failures.setdefault(front["name"], f"{where}: {failure}")
    planned.result = {"days": days}
    planned.settled = f"healthy at the front door: {', '.join(front['name'] for front in fronts) or 'none asked'}"
    return planned


def _days(front: dict[str, Any]) -> dict[str, int]:
    """Ask at a front door, and return for how many days its certificate is valid, if it has one."""
    address, probe = front["address"], Probe.of(front["probe"])
    tls = address == EDGE_TLS
    ask = over_http(address, verify_token() if address in (EDGE, EDGE_TLS) else "", tls)
    wait_for(probe, ask, MOST_TRIES, INTERVAL, SECONDS)
    return {probe.host: served(address, probe.host.partition(":")[0]).left.days} if tls else {}


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
