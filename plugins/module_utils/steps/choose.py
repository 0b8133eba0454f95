# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `choose`: chooses the releases to go back to."""

from __future__ import annotations

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "names": {"type": "list", "elements": "str", "required": True},
    "release": {"type": "str", "default": ""},
}


def plan(module: Module) -> Plan:
    """Choose releases."""
    systemd, chosen = Systemd(), {}
    for name in module.params["names"]:
        try:
            chosen[name] = Application(Layout(name), systemd).choose(module.params["release"])
        except Failed as failure:
            raise Failed(f"{name}: {failure}") from failure
    said = ", ".join(f"{name} goes to {release}" for name, release in chosen.items())
    return Plan(result={"releases": chosen}, settled=said or "no application runs here")
