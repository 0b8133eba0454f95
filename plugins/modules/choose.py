#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: choose
short_description: Chooses the releases to go back to
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Returns the release of each application that was live and healthy before the live one, or the one that is named.
  - Refuses one that never was live and healthy, and one before a release that is marked as irreversible. Changes
    nothing.
options:
  names:
    description: The names of the applications.
    type: list
    elements: str
    required: true
  release:
    description: The release to go back to, or the beginning of its name. Empty for the previous one.
    type: str
    default: ""
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Choose the previous release
  wsgi.production.choose:
    names: [hello]
"""

RETURN = """
releases:
  description: The releases, by the names of their applications.
  returned: success
  type: dict
  sample: {hello: 5c0a9be1f3d2}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "names": {"type": "list", "elements": "str", "required": True},
    "release": {"type": "str", "default": ""},
}


def plan(module: AnsibleModule) -> Plan:
    """Choose releases."""
    systemd, chosen = Systemd(), {}
    for name in module.params["names"]:
        try:
            chosen[name] = Application(Layout(name), systemd).choose(module.params["release"])
        except Failed as failure:
            raise Failed(f"{name}: {failure}") from failure
    said = ", ".join(f"{name} goes to {release}" for name, release in chosen.items())
    return Plan(result={"releases": chosen}, settled=said or "no application runs here")


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
