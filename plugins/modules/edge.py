#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: edge
short_description: Makes NGINX serve sites
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Writes the whole configuration of NGINX beside the live one, checks it there with C(nginx -t), and only then puts
    it in place.
  - Reloads NGINX when the configuration really differs, and looks whether it has new workers then; if not, what was
    served before is put back. Starts it when it does not run. Restarts it once, when it takes an NGINX over that the
    distribution has started, to let systemd hold its ports; from then on, whoever comes while it restarts waits.
  - In check mode it shows the configuration before and after, and does not ask C(nginx -t).
options:
  sites:
    description: The sites to serve, complete, as the role C(nginx) documents them.
    type: list
    elements: dict
    required: true
  headers:
    description: Headers that each site adds to its answers.
    type: dict
    default: {}
  trusted_proxies:
    description: Networks of proxies in front of this host, which are believed.
    type: list
    elements: str
    default: []
  status:
    description: The address on loopback where NGINX tells its number of connections. Empty for none.
    type: str
    default: ""
  snippet:
    description: Directives to add to the C(http) block, as they are.
    type: str
    default: ""
  config:
    description: The text of C(/etc/nginx/nginx.conf). The action plugin of this module writes it; not to be given.
    type: str
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Serve the sites
  wsgi.production.edge:
    sites:
      - name: hello
        server_names: [hello.example.com]
        servers: ["unix:/srv/hello/current/socket"]
        protocol: uwsgi
        read_timeout: 65
"""

RETURN = """# The module returns nothing of its own."""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.edge import Edge
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "sites": {"type": "list", "elements": "dict", "required": True},
    "headers": {"type": "dict", "default": {}},
    "trusted_proxies": {"type": "list", "elements": "str", "default": []},
    "status": {"type": "str", "default": ""},
    "snippet": {"type": "str", "default": ""},
    "config": {"type": "str", "required": True},
}


def plan(module: AnsibleModule) -> Plan:
    """Serve sites."""
    wanted = module.params["config"]
    edge = Edge(Systemd(), max((site["read_timeout"] for site in module.params["sites"]), default=0))
    before = edge.text()
    differs, has_units = before != wanted, edge.has_units()
    steps = []
    if differs:
        steps.append(Step(f"replace {edge.live}", lambda: edge.replace(wanted)))
    if not has_units:
        steps.append(Step("let systemd hold the ports of NGINX and harden it", edge.place_units))
    if differs or not edge.serves():
        steps.append(Step("let NGINX take it up", edge.serve))
    header = str(edge.live)
    diff = {"before_header": header, "after_header": header, "before": before, "after": wanted}
    return Plan(steps, {"diff": diff}, settled="NGINX serves the sites")


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
