#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: retire
short_description: Ends what a change leaves behind
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Remembers the live release of each application as healthy, and tells the instances before it to end when they have
    answered all requests that reached them. It does not wait for that.
  - Removes releases beyond those to keep, and what nothing that stays or runs uses, such as builds, virtual
    environments and versions of uWSGI.
  - It is the last step of a run, and lets go of the host's lock.
options:
  apps:
    description: The applications.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the application.
        type: str
        required: true
      keep:
        description: How many releases stay, the live one and the one before it among them.
        type: int
        default: 7
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Let the instances before the live one end
  wsgi.production.retire:
    apps: [{name: hello, keep: 5}]
"""

RETURN = """# The module returns nothing of its own."""


from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.keep import Keeper, in_use
from ansible_collections.wsgi.production.plugins.module_utils.layout import APPLICATIONS, SERVERS, Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step, plan_for
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "apps": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "keep": {"type": "int", "default": 7},
        },
    },
}


def plan(module: AnsibleModule) -> Plan:
    """Retire what is no longer live, and remove what is no longer kept."""
    apps, steps = module.params["apps"], []
    if apps:
        systemd, keeper = Systemd(), Keeper(in_use(APPLICATIONS, SERVERS))
        for asked in apps:
            wrong = rules.objections({"keep": rules.keep}, asked)
            if wrong:
                raise Failed(f"{asked['name']}: {wrong[0]}")
            app = Application(Layout(asked["name"]), systemd)
            steps += plan_for(asked["name"], partial(_settle, app, keeper, asked["keep"]))
        steps += keeper.prune_shared(APPLICATIONS)
    return Plan(steps, settled="nothing is left over")


def _settle(app: Application, keeper: Keeper, keep: int) -> list[Step]:
    live = app.layout.live()
    return app.record(live, keep) + app.end_others(live) + keeper.prune(app, live, keep) if live else []


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan, last=True)


if __name__ == "__main__":
    main()
