#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: boot
short_description: Boots the instance of a release beside the live one and probes it
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Starts the units of a release, waits until uWSGI has imported the application, and asks the instance on its own
    socket what a healthy one must answer.
  - The instance that is live goes on serving. When the new one does not start or does not pass, the end of its log is
    the error, and it is taken away again.
options:
  name:
    description: The name of the application.
    type: str
    required: true
  release:
    description: The release to boot.
    type: str
    required: true
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Boot the new release beside the live one
  wsgi.production.boot:
    name: hello
    release: 81d0e77c2b6f
"""

RETURN = """
unit:
  description: The systemd unit of the instance.
  returned: success
  type: str
  sample: hello@81d0e77c2b6f.service
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
}


def plan(module: AnsibleModule) -> Plan:
    """Boot an instance."""
    release = module.params["release"]
    app = Application(Layout(module.params["name"]), Systemd())
    return Plan(app.boot(release), {"unit": app.instance(release).service}, settled=f"{release} runs")


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
