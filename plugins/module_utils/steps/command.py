# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `command`: runs a command of the operator in the live release."""

from __future__ import annotations

from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.operator_command import OperatorCommand
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "command": {"type": "str", "required": True},
}


def plan(module: Module) -> Plan:
    """Run a command."""
    name, command = module.params["name"], module.params["command"]
    objection = rules.command(command)
    if objection:
        raise Failed(f"wsgi_command: {command!r}: {objection}")
    layout = Layout(name)
    live = layout.live()
    if not live:
        raise Failed(f"{name} has no live release on this host: deploy it first")
    run = OperatorCommand(layout, live, command, Systemd()).run
    result: dict[str, Any] = {"output": ""}
    return Plan([Step(f"run {command!r} in release {live}", lambda: result.update(output=run()), name)], result)
