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
  - Puts the certificates of the sites in place, and gets them from an ACME server once NGINX answers for their names.
  - Leaves a site that is live but not described as it is, and warns of it, where O(described) says what is described.
  - In check mode it shows the configuration before and after, and does not ask C(nginx -t).
options:
  sites:
    description: The sites to serve, complete, as the role C(nginx) documents them.
    type: list
    elements: dict
    required: true
  described:
    description:
      - The names of all applications that may have a site here. A site of another one that is live is left as it is,
        and told of. Unset, a site that is not in O(sites) is gone.
    type: list
    elements: str
  kept:
    description: The names of sites that are left as they are, if they are live, and not told of.
    type: list
    elements: str
    default: []
  headers:
    description: Headers that each site adds to its answers.
    type: dict
    default: {}
  trusted_proxies:
    description: Networks of proxies in front of this host, which are believed.
    type: list
    elements: str
    default: []
  tls_profile:
    description: Which protocols and ciphers are offered, as the role C(nginx) documents it.
    type: str
    choices: [intermediate, modern]
    default: intermediate
  acme_directory:
    description: The address of the directory of the ACME server.
    type: str
    default: https://acme-v02.api.letsencrypt.org/directory
  acme_email:
    description: Where the ACME server may write to. Empty for nowhere.
    type: str
    default: ""
  status:
    description: The address on loopback where NGINX tells its number of connections. Empty for none.
    type: str
    default: ""
  snippet:
    description: Directives to add to the C(http) block, as they are.
    type: str
    default: ""
  config:
    description:
      - The text of C(/etc/nginx/nginx.conf), by the version of NGINX from which on it is right. The action plugin of
        this module writes it; not to be given.
    type: dict
  certificates:
    description: The certificates of the sites. The action plugin of this module reads them; not to be given.
    type: list
    elements: dict
    suboptions:
      site:
        description: The name of the site.
        type: str
        required: true
      source:
        description: Where the certificate comes from.
        type: str
        required: true
      names:
        description: The host names that it is for.
        type: list
        elements: str
        required: true
      file:
        description: The file on the host.
        type: str
        required: true
      key_file:
        description: That of the key.
        type: str
        required: true
      certificate:
        description: Its text, where the controller has it.
        type: str
        default: ""
  secrets:
    description:
      - The passwords of users and the key that the controller has, by site, as JSON. The action plugin of this module
        writes it; not to be given.
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

import json
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.certificate import Acme, Certificate
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.edge import (
    Edge,
    Nginx,
    blocks,
    carry_over,
    left_over,
    read_timeout,
    undo,
)
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.passwords import Passwords
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

CERTIFICATE: dict[str, dict[str, Any]] = {
    "site": {"type": "str", "required": True},
    "source": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "file": {"type": "str", "required": True},
    "key_file": {"type": "str", "required": True, "no_log": False},
    "certificate": {"type": "str", "default": ""},
}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "sites": {"type": "list", "elements": "dict", "required": True},
    "described": {"type": "list", "elements": "str"},
    "kept": {"type": "list", "elements": "str", "default": []},
    "headers": {"type": "dict", "default": {}},
    "trusted_proxies": {"type": "list", "elements": "str", "default": []},
    "tls_profile": {"type": "str", "choices": ["intermediate", "modern"], "default": "intermediate"},
    "acme_directory": {"type": "str", "default": "https://acme-v02.api.letsencrypt.org/directory"},
    "acme_email": {"type": "str", "default": ""},
    "status": {"type": "str", "default": ""},
    "snippet": {"type": "str", "default": ""},
    "config": {"type": "dict", "required": True},
    "certificates": {"type": "list", "elements": "dict", "required": True, "options": CERTIFICATE},
    # A text, for Ansible logs what is secret within a list, and masks each value of a secret dictionary wherever it
    # occurs, be it "1".
    "secrets": {"type": "str", "required": True, "no_log": True},
}


def plan(module: AnsibleModule) -> Plan:
    """Serve sites."""
    asked = module.params
    nginx = Nginx.read()
    objection = nginx.objection(asked["sites"])
    if objection:
        raise Failed(objection)
    edge = Edge(Systemd())
    before = edge.text()
    known = set(blocks(before) if asked["described"] is None else asked["described"])
    left = left_over(before, known.difference(asked["kept"]).union(site["name"] for site in asked["sites"]))
    for name in sorted(set(left).difference(asked["kept"])):
        module.warn(
            f"{name} is left over: NGINX serves its site here, and no entry describes it. It goes on untouched. To "
            f"remove it, {undo(name)}"
        )
    wanted = carry_over(left, before, nginx.text(asked["config"]))
    timeouts = [*(site["read_timeout"] for site in asked["sites"]), *map(read_timeout, left.values())]
    slowest = max(timeouts, default=0)
    secrets = json.loads(asked["secrets"])
    certificates = [Certificate.of(values, secrets["keys"]) for values in asked["certificates"]]
    missing = [one for one in certificates if not one.is_placed()]
    acme = Acme(asked["acme_directory"], asked["acme_email"])
    due = [one for one in certificates if one.source == "acme" and acme.is_due(one)]
    passwords = Passwords(secrets["passwords"], left=left)
    steps = []
    if before != wanted or missing:
        steps.append(Step(f"replace {edge.live}", lambda: edge.replace(wanted, missing)))
    if not passwords.are_right():
        steps.append(Step("write the passwords of sites", passwords.write))
    if not edge.has_units(slowest):
        steps.append(Step("let systemd hold the ports of NGINX and harden it", partial(edge.place_units, slowest)))
    if before != wanted or missing or due or not edge.serves():
        says = "let NGINX take it up"
        names = ", ".join(name for one in due for name in one.names)
        steps.append(Step(f"{says}, and get a certificate for {names}" if due else says, lambda: edge.serve(acme, due)))
    for site in acme.abandoned(certificates, left):
        steps.append(Step(f"renew the certificate of {site} no longer", partial(acme.abandon, site)))
    header = str(edge.live)
    diff = {"before_header": header, "after_header": header, "before": before, "after": wanted}
    return Plan(steps, {"diff": diff}, settled="NGINX serves the sites")


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
