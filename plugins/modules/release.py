#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: release
short_description: Makes releases of applications, each one build plus one configuration
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Writes C(uwsgi.ini), the environment and the units of each release, and installs the uWSGI that it runs with.
  - A release is immutable and named by the digest of its build and configuration. Nothing is started here.
options:
  apps:
    description: The applications, as the role C(uwsgi) documents them, which also says what each setting means.
    type: list
    elements: dict
    required: true
  first:
    description: Whether this host is the one that runs the timers which do not run on every host.
    type: bool
    default: true
  secrets:
    description:
      - The environment of each application and its secrets in files. The action plugin of this module takes them out of
        O(apps); not to be given.
    type: str
extends_documentation_fragment:
  - wsgi.production.index
  - wsgi.production.on_failure
  - wsgi.production.step
"""

EXAMPLES = """
- name: Make the release
  wsgi.production.release:
    apps:
      - name: hello
        build: /srv/hello/builds/3f9c2a1b7d40
        callable: main:application
"""

RETURN = """
releases:
  description: The digest that names the release of each application, by the application's name.
  returned: success
  type: dict
  sample: {hello: 81d0e77c2b6f}
broken:
  description: Why an application's release was not made, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils import rules, sections
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.data import Data
from ansible_collections.wsgi.production.plugins.module_utils.installer import INDEX_OPTIONS, Index
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE, carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.module_utils.release import Host, Release, Settings
from ansible_collections.wsgi.production.plugins.module_utils.wheels import Folder

ARGUMENTS = {
    # In the types of the role, with its defaults: the action plugin sees to that.
    "apps": {"type": "list", "elements": "dict", "required": True},
    # A text, for Ansible logs what is secret within a list, and masks each value of a secret dictionary wherever it
    # occurs, be it "1".
    "secrets": {"type": "str", "required": True, "no_log": True},
    "first": {"type": "bool", "default": True},
    **ON_FAILURE,
    **INDEX_OPTIONS,
}

# What `Settings` takes from the same key of an application.
SETTINGS = (
    *("callable", "package", "processes", "harakiri", "start_timeout", "options"),
    *("migrate", "migrate_timeout", "irreversible", "after_switch", "workers", "timers"),
    *("memory_max", "cpu_quota", "tasks_max"),
)


def plan(module: AnsibleModule) -> Plan:
    """Make releases."""
    secrets = json.loads(module.params["secrets"])
    planned = Plan(result={"releases": {}, "diff": []})
    for app in module.params["apps"]:
        planned.add(app["name"], partial(_plan, module, planned, {**app, **secrets.get(app["name"], {})}))
    releases = planned.result["releases"]
    planned.settled = "; ".join(f"{name}: has release {release}" for name, release in releases.items())
    return planned


def _plan(module: AnsibleModule, planned: Plan, app: dict[str, Any]) -> list[Step]:
    wrong = sections.objections({"name": rules.name, **sections.RUN}, app) + sections.conflicts(app)
    if wrong:
        raise Failed("; ".join(wrong))
    for timer in app["timers"]:
        run(
            ["systemd-analyze", "calendar", "--", timer["on_calendar"]],
            f"understand when the timer {timer['name']} is due",
        )
    settings = Settings(
        env={**app["env"], **app["secrets"]},
        secret_files=app["secret_files"],
        probe=Probe(**app["probe"]),
        **app["hardening"],
        **{setting: app[setting] for setting in SETTINGS},
    )
    layout, build = Layout(app["name"]), Path(app["build"])
    release = Release(layout, build, settings, Host.read(build))
    data = Data(layout, app["public_data"])
    wheels = app["wheels"]
    index = Folder(Path(wheels)) if wheels else Index(*(module.params[option] for option in INDEX_OPTIONS))
    steps = [] if data.is_right() else [Step(f"make {data.path}", data.make, layout.name)]
    is_first = module.params["first"] and not all(timer["every_host"] for timer in app["timers"])
    if is_first and not layout.first.exists():
        steps.append(Step("let its timers run on this host", layout.first.touch, layout.name))
    elif not is_first and layout.first.exists():
        steps.append(Step("leave its timers to another host", layout.first.unlink, layout.name))
    planned.result["releases"][layout.name] = release.id
    if not release.exists():
        steps.append(
            Step(f"make release {release.id} of build {build.name}", partial(release.make, index), layout.name)
        )
        planned.result["diff"].append(release.difference_from_live())
    return steps


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
