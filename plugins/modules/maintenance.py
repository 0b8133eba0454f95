#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: maintenance
short_description: Closes a site for maintenance, or opens it again
version_added: 0.1.0
author: The wsgi.production authors
description:
  - A site that is closed answers with a page that says so and the status 503, but to the networks that may pass.
  - It takes effect at once, with no reload of NGINX and no release, and outlasts every run until the site is opened.
  - It takes no lock, so that a site can be closed while a run is at work.
options:
  name:
    description: The name of the site.
    type: str
    required: true
  closed:
    description: Whether it is to be closed.
    type: bool
    required: true
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Close the site
  wsgi.production.maintenance:
    name: hello
    closed: true
"""

RETURN = """# The module returns nothing of its own."""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.edge import Sign
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "closed": {"type": "bool", "required": True},
}


def plan(module: AnsibleModule) -> Plan:
    """Close a site, or open it."""
    name, closed = module.params["name"], module.params["closed"]
    sign = Sign(name)
    if sign.is_up() == closed:
        return Plan(settled=f"{name} is {'closed' if closed else 'open'}")
    return Plan([Step("close it", sign.put_up, name) if closed else Step("open it", sign.take_down, name)])


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
