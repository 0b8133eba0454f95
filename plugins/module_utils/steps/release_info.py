# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `release_info`: lists the releases of an application on a host."""

from __future__ import annotations

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {"name": {"type": "str", "required": True}}

LINE = "{release}  {state:13}  live since {live_since}  packages {packages}  commit {commit}  from {source}"


def plan(module: Module) -> Plan:
    """List the releases."""
    releases = Application(Layout(module.params["name"]), Systemd()).listed()
    lines = [LINE.format(**{key: value or "-" for key, value in one.items()}) for one in releases]
    return Plan(
        result={"releases": releases, "lines": lines}, settled=f"{module.params['name']} has {len(releases)} releases"
    )
