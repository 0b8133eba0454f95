# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `boot`: boots the instances of releases beside the live ones and probes them."""

from __future__ import annotations

from functools import partial

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {"releases": {"type": "dict", "required": True}, **ON_FAILURE}


def plan(module: Module) -> Plan:
    """Boot instances."""
    releases, systemd = module.params["releases"], Systemd()
    planned = Plan(settled="; ".join(f"{name}: {release} runs" for name, release in releases.items()))
    for name, release in releases.items():
        planned.add(name, partial(Application(Layout(name), systemd).boot, release))
    return planned
