#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: back
short_description: Leaves applications as they were before a run that failed
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Switches each application back to the release that was last live and healthy, if a run has switched away from it
    and was not verified, and takes away instances that were booted and never went live.
  - It is the last step of a run that failed, and lets go of the host's lock.
options:
  names:
    description: The names of the applications.
    type: list
    elements: str
    required: true
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Leave the application as it was
  wsgi.production.back:
    names: [hello]
"""

RETURN = """# The module returns nothing of its own."""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.application import Application, go_back
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {"names": {"type": "list", "elements": "str", "required": True}}


def plan(module: AnsibleModule) -> Plan:
    """Go back."""
    systemd, planned = Systemd(), Plan()
    apps = {name: Application(Layout(name), systemd) for name in module.params["names"]}
    go_back(planned, apps.values())
    live = {name: app.layout.live() for name, app in apps.items()}
    settled = "; ".join(f"{name} has {release or 'nothing'} live, as before" for name, release in live.items())
    planned.settled = settled or "no application runs here"
    return planned


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan, last=True)


if __name__ == "__main__":
    main()
