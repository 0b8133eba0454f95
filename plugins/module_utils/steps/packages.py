# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `packages`: installs packages of the distribution."""

from __future__ import annotations

from ansible_collections.wsgi.production.plugins.module_utils import packages
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step

ARGUMENTS = {"names": {"type": "list", "elements": "str", "required": True}}


def plan(module: Module) -> Plan:
    """Install packages."""
    missing = packages.missing(module.params["names"]) if module.params["names"] else []
    steps = [Step(f"install {', '.join(missing)}", lambda: packages.install(missing))] if missing else []
    return Plan(steps, {"installed": missing}, settled="all packages are installed")
