#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: choose
short_description: Chooses the release to go back to
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Returns the release that was live and healthy before the live one, or the one that is named, and refuses one that
    never was live and healthy. Changes nothing.
options:
  name:
    description: The name of the application.
    type: str
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
    name: hello
"""

RETURN = """
release:
  description: The release.
  returned: success
  type: str
  sample: 5c0a9be1f3d2
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "release": {"type": "str", "default": ""},
}


def plan(module: AnsibleModule) -> Plan:
    """Choose a release."""
    app = Application(Layout(module.params["name"]), Systemd())
    release = app.choose(module.params["release"])
    return Plan(result={"release": release}, settled=f"go to {release}")


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
