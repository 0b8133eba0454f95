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
  - Runs the commands that a release has for after its switch. When they fail, that is a warning.
  - Leaves applications that are broken as they were, like M(wsgi.production.back).
  - Removes releases beyond those to keep, and what nothing that stays or runs uses, such as builds, virtual
    environments and versions of uWSGI.
  - Removes applications that are to be absent, and tells of those on the host that nobody describes.
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
  broken:
    description: The names of applications that are broken, which are left as they were before the run.
    type: list
    elements: str
    default: []
  after_switch:
    description: Whether this is the host that runs the commands after a switch.
    type: bool
    default: true
  absent:
    description: The applications to remove.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the application.
        type: str
        required: true
      remove_data:
        description: Whether its data is removed as well. Otherwise it is left to root.
        type: bool
        default: false
  described:
    description: The names of all applications that are described, to tell of others. Unset, none is told of.
    type: list
    elements: str
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

from ansible_collections.wsgi.production.plugins.module_utils import rules, sections
from ansible_collections.wsgi.production.plugins.module_utils.application import Application, go_back
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.errand import Errand
from ansible_collections.wsgi.production.plugins.module_utils.keep import Keeper, in_use
from ansible_collections.wsgi.production.plugins.module_utils.layout import APPLICATIONS, SERVERS, Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.removal import left_over, removal
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
    "broken": {"type": "list", "elements": "str", "default": []},
    "after_switch": {"type": "bool", "default": True},
    "absent": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "remove_data": {"type": "bool", "default": False},
        },
    },
    "described": {"type": "list", "elements": "str"},
}


def plan(module: AnsibleModule) -> Plan:
    """Retire what is no longer live, and remove what is no longer kept."""
    asked, systemd = module.params, Systemd()
    planned = Plan(settled="nothing is left over")
    go_back(planned, [Application(Layout(name), systemd) for name in asked["broken"]])
    if asked["apps"] or asked["absent"]:
        keeper = Keeper(in_use(APPLICATIONS, SERVERS))
        for absent in asked["absent"]:
            app = Application(Layout(absent["name"]), systemd)
            planned.add(absent["name"], partial(_remove, app, absent["remove_data"]))
            keeper.gone.update(app.layout.releases.glob("*"), app.layout.venvs.glob("*"))
        for one in asked["apps"]:
            app = Application(Layout(one["name"]), systemd)
            planned.add(one["name"], partial(_settle, module, app, keeper, one["keep"]))
        planned.add("", partial(keeper.prune_shared, APPLICATIONS))
    if asked["described"] is not None:
        for name in left_over(APPLICATIONS, asked["described"]):
            module.warn(
                f"{name} is left over: it is on this host, and no entry describes it. It goes on untouched. To remove "
                f"it, add to wsgi_apps: - {{name: {name}, state: absent}}"
            )
    return planned


def _remove(app: Application, remove_data: bool) -> list[Step]:
    wrong = rules.name(app.layout.name)
    if wrong:
        raise Failed(wrong)
    return removal(app, remove_data)


def _settle(module: AnsibleModule, app: Application, keeper: Keeper, keep: int) -> list[Step]:
    live = app.layout.live()
    wrong = sections.objections({"keep": rules.keep}, {"keep": keep})
    if wrong:
        raise Failed(wrong[0])
    if not live:
        return []
    steps = []
    after = app.errand(live, "after-switch")
    if module.params["after_switch"] and after.exists() and app.history.latest() != live:
        steps.append(Step("run its commands after the switch", partial(_run, module, after), app.layout.name))
    return steps + app.record(live, keep) + app.end_others(live) + keeper.prune(app, live, keep)


def _run(module: AnsibleModule, after: Errand) -> None:
    try:
        after.run()
    except Failed as failure:
        module.warn(f"what was to be done after the switch is not done, and nothing else has changed: {failure}")


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan, last=True)


if __name__ == "__main__":
    main()
