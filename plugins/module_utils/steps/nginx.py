# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `nginx`: makes NGINX serve sites."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.certificate import Acme, Certificate
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import APPLICATIONS
from ansible_collections.wsgi.production.plugins.module_utils.nginx import TAKE_UP, Nginx
from ansible_collections.wsgi.production.plugins.module_utils.nginx_binary import NginxBinary
from ansible_collections.wsgi.production.plugins.module_utils.nginx_text import (
    blocks,
    carry_over,
    left_over,
    put_back,
    undo,
    without,
)
from ansible_collections.wsgi.production.plugins.module_utils.nginx_units import SERVICE
from ansible_collections.wsgi.production.plugins.module_utils.passwords import Passwords
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.removal import left_over as applications_left_over
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
    "take_over": {"type": "bool", "default": False},
    "at_switch": {"type": "bool", "default": False},
    # For the controller, which renders the configuration.
    "templates": {"type": "str", "default": ""},
    # A snippet may hold a secret.
    "config": {"type": "str", "required": True, "no_log": True},
    "units": {"type": "list", "elements": "str", "required": True},
    "certificates": {"type": "list", "elements": "dict", "required": True, "options": CERTIFICATE},
    # A JSON text, because Ansible logs secrets within a list, and masks each value of a secret dictionary wherever it
    # occurs, even "1".
    "secrets": {"type": "str", "required": True, "no_log": True},
}


def plan(module: Module) -> Plan:
    """Serve sites."""
    asked = module.params
    binary = NginxBinary.read()
    objection = binary.objection(asked["sites"])
    if objection:
        raise Failed(objection)
    nginx = Nginx(Systemd())
    foreign = nginx.foreign()
    if foreign and not asked["take_over"]:
        paths = ", ".join(map(str, foreign))
        raise Failed(
            f"NGINX on this host serves sites that this collection did not configure: {paths}. Describe them in "
            "wsgi_apps and set nginx_take_over: true, or use another host. Their files are kept, but NGINX no longer "
            "reads them"
        )
    before = nginx.text()
    known = set(blocks(before) if asked["described"] is None else asked["described"])
    left = left_over(before, known.difference(asked["kept"]).union(site["name"] for site in asked["sites"]))
    _tell_of(module, set(left).difference(asked["kept"]), known)
    secrets = json.loads(asked["secrets"])
    passwords = Passwords(secrets["passwords"])
    wanted = carry_over(left, before, passwords.named(binary.text(json.loads(asked["config"]))))
    wanted = put_back(wanted, before, asked["kept"])
    certificates = [
        Certificate.of(values, secrets["keys"]) for values in asked["certificates"] if f"{values['file']};" in wanted
    ]
    acme = Acme(asked["acme_directory"], asked["acme_email"])
    due = [one for one in certificates if one.source == "acme" and acme.is_due(one)]
    missing = [one for one in certificates if one.source != "acme" and not one.is_placed()]
    units, steps = asked["units"], []
    if not nginx.is_taken_over():
        steps.append(Step("take over NGINX", partial(nginx.take_over, without(wanted, blocks(wanted)), units)))
    if due:
        names = ", ".join(name for one in due for name in one.names)
        steps.append(Step(f"get a certificate for {names}", partial(_obtain, nginx, acme, due)))
    if not passwords.are_there():
        steps.append(Step("write the passwords of sites", passwords.write))
    if steps or before != wanted or missing or not nginx.is_complete(units) or not nginx.serves():
        says = f"replace {nginx.live}{' at the switch' if asked['at_switch'] else ''}"
        steps.append(Step(says, partial(_stage, nginx, missing, wanted, units)))
        if not asked["at_switch"]:
            steps.append(Step(TAKE_UP, partial(_serve, nginx)))
    if not asked["at_switch"]:
        steps = [step._replace(do=partial(_or_go_back, nginx, step.do)) for step in steps]
    return Plan(steps, {"diff": nginx.diff(wanted, units)}, settled="NGINX serves the sites")


def _tell_of(module: Module, left: set[str], known: set[str]) -> None:
    """Warn about the sites that are left over.

    :param known: the applications that are described.
    """
    # At a switch, the end of the run warns about applications that are left over themselves.
    told = left.difference(applications_left_over(APPLICATIONS, known)) if module.params["at_switch"] else left
    for name in sorted(told):
        module.warn(
            f"{name} is left over: NGINX serves its site here, but there is no entry for it. It stays "
            f"as it is. To remove it, {undo(name)}"
        )


def _obtain(nginx: Nginx, acme: Acme, due: list[Certificate]) -> None:
    # The server sends a request to NGINX for each name, even if its site is not served yet.
    if not nginx.systemd.is_active(SERVICE):
        nginx.systemd.start(SERVICE)
    for one in due:
        acme.obtain(one)


def _stage(nginx: Nginx, missing: list[Certificate], wanted: str, units: list[str]) -> None:
    for one in missing:
        one.place()
    nginx.stage(wanted, units)


def _serve(nginx: Nginx) -> None:
    nginx.take_up()
    nginx.settle()


def _or_go_back(nginx: Nginx, do: Callable[[], object]) -> None:
    """Do one part of a change that is made as a whole; if it fails, undo the whole change."""
    try:
        do()
    except (Failed, OSError):
        nginx.go_back()
        raise
