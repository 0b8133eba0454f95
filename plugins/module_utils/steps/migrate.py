# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `migrate`: runs the migrations of releases, before their instances boot."""

from __future__ import annotations

from functools import partial

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "releases": {"type": "dict", "required": True},
    "asked": {"type": "list", "elements": "str", "default": []},
    **ON_FAILURE,
}


def plan(module: Module) -> Plan:
    """Migrate."""
    asked, systemd, planned = module.params["asked"], Systemd(), Plan(settled="there is nothing to migrate")
    for name, release in module.params["releases"].items():
        planned.add(name, partial(Application(Layout(name), systemd).migrate, release, name in asked))
    return planned
