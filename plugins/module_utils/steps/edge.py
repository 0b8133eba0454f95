# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `edge`: makes NGINX serve sites."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

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
from ansible_collections.wsgi.production.plugins.module_utils.passwords import Passwords
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
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


def plan(module: Module) -> Plan:
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
