#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: wheels
short_description: Gathers the wheels of applications, for hosts that fetch nothing themselves
version_added: 0.1.0
author: The wsgi.production authors
description:
  - On one host, downloads or builds a wheel of everything that each application needs, and of uv and uWSGI, and brings
    them to the controller. M(wsgi.production.build) installs from them on all hosts of the same kind.
options:
  apps:
    description: The applications, as the role C(python_app) documents them.
    type: list
    elements: dict
    required: true
  packages:
    description: The packages of the distribution that this needs on the host.
    type: list
    elements: str
    default: []
  pack:
    description: Where to pack the wheels of each application. The action plugin says so; not to be given.
    type: dict
    default: {}
extends_documentation_fragment:
  - wsgi.production.index
  - wsgi.production.on_failure
  - wsgi.production.sources
  - wsgi.production.step
"""

EXAMPLES = """
- name: Gather the wheels once
  wsgi.production.wheels:
    apps:
      - name: hello
        source: app
  delegate_to: build1.example.com
  run_once: true
"""

RETURN = """
wheels:
  description: What has been gathered for each application, by its name, with the SHA-256 of each wheel.
  returned: success
  type: dict
broken:
  description: Why an application's wheels could not be gathered, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""

from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils import packages
from ansible_collections.wsgi.production.plugins.module_utils.build import Recipe, interpreter_tag
from ansible_collections.wsgi.production.plugins.module_utils.installer import INDEX_OPTIONS, Index, installer
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE, carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.wheels import Gatherer, pack

ARGUMENTS = {
    # In the types of the role, with its defaults: the action plugin sees to that.
    "apps": {"type": "list", "elements": "dict", "required": True},
    "packages": {"type": "list", "elements": "str", "default": []},
    "contents": {"type": "dict", "required": True},
    "archives": {"type": "dict"},
    # No secret, but too long for a log.
    "lock_pins": {"type": "dict", "default": {}, "no_log": True},
    "pack": {"type": "dict", "default": {}},
    **ON_FAILURE,
    **INDEX_OPTIONS,
}


def plan(module: AnsibleModule) -> Plan:
    """Gather wheels. The action plugin of this name prepares the sources and calls this on the host."""
    planned = Plan(result={"wheels": {}, "missing": []})
    needed = packages.missing(module.params["packages"]) if module.params["packages"] else []
    if needed:
        planned.steps.append(Step(f"install {', '.join(needed)}", partial(packages.install, needed)))
    for app in module.params["apps"]:
        planned.add(app["name"], partial(_plan, module, planned, app))
    planned.settled = "; ".join(f"{name}: has its wheels" for name in planned.result["wheels"])
    if planned.result["missing"] and module.params["archives"] is None and not module.check_mode:
        # To be asked again, with what is missing.
        planned.steps, planned.failures = [], {}
    return planned


def _plan(module: AnsibleModule, planned: Plan, app: dict[str, Any]) -> list[Step]:
    name, python = app["name"], app["python"]
    gatherer = Gatherer(Recipe(app["source"], module.params["contents"][name], interpreter_tag(python)))
    found, told = gatherer.find(), planned.result["wheels"]
    if found:
        told[name] = found.as_dict()
        if name in module.params["pack"]:
            # On the way to the controller, which is no change of this host.
            pack(gatherer.path, found, Path(module.params["pack"][name]))
        return []
    planned.result["missing"].append(name)

    def gather() -> None:
        tool = installer(Index(*(module.params[option] for option in INDEX_OPTIONS)))
        archive = Path(module.params["archives"][name])
        # Two applications that need the same have one folder.
        gathered = gatherer.find() or gatherer.make(archive, python, tool, module.params["lock_pins"])
        told[name] = gathered.as_dict()

    return [Step(f"gather the wheels {gatherer.name}", gather, name)]


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
