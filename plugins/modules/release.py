#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: release
short_description: Makes a release of an application, one build plus one configuration
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Writes C(uwsgi.ini), the environment and the units of a release, and installs the uWSGI that it runs with.
  - A release is immutable and named by the digest of its build and configuration. Nothing is started here.
options:
  name:
    description: The name of the application, which is its system user's too.
    type: str
    required: true
  build:
    description: The directory of the build, with the code in C(app) and the packages in C(venv).
    type: path
    required: true
  callable:
    description: The WSGI callable, as module, colon, and its name in that module.
    type: str
    required: true
  package:
    description:
      - Where uWSGI comes from, the prebuilt wheel C(pyuwsgi) or the source of C(uwsgi), which needs a compiler.
    type: str
    choices: [pyuwsgi, uwsgi]
    required: true
  processes:
    description: How many processes serve, a number or a dictionary of C(min) and C(max). Unset, twice the processors.
    type: raw
  harakiri:
    description: The seconds after which a request that is not answered is ended.
    type: int
    required: true
  start_timeout:
    description: The seconds within which the application must have been imported.
    type: int
    required: true
  probe:
    description: What the instance must answer before it may go live; the role C(uwsgi) documents the defaults.
    type: dict
    default: {}
    suboptions:
      path:
        description: The path to ask for.
        type: str
      host:
        description: The host name to ask for.
        type: str
      status:
        description: The statuses that pass.
        type: list
        elements: int
      text:
        description: A text that must occur in the answer.
        type: str
      timeout:
        description: The seconds to wait for one answer.
        type: int
      tries:
        description: How often to ask.
        type: int
      interval:
        description: The seconds from one try to the next.
        type: int
  public_data:
    description: Directories below the application's data that the group C(www-data) can read.
    type: list
    elements: str
    default: []
  options:
    description: Further options of uWSGI, by their names.
    type: dict
    default: {}
  memory_max:
    description: The memory that the instance may take, as systemd's C(MemoryMax). Empty for no limit.
    type: str
    default: ""
  cpu_quota:
    description: The processor time that the instance may take, as systemd's C(CPUQuota). Empty for no limit.
    type: str
    default: ""
  tasks_max:
    description: How many processes and threads the instance may have. Unset, systemd's own limit.
    type: int
  memory_deny_write_execute:
    description: Whether memory may never be both writable and executable.
    type: bool
    default: false
  address_families:
    description: The kinds of sockets that the application may open.
    type: list
    elements: str
    default: [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK]
  networks:
    description: The only networks that the application may reach or be reached from. Empty for no restriction.
    type: list
    elements: str
    default: []
  env:
    description:
      - The application's environment variables, a dictionary. It comes to the host as one text, which is neither
        logged nor shown.
    type: raw
    default: {}
extends_documentation_fragment:
  - wsgi.production.index
  - wsgi.production.step
"""

EXAMPLES = """
- name: Make the release
  wsgi.production.release:
    name: hello
    build: /srv/hello/builds/3f9c2a1b7d40
    callable: main:application
    package: pyuwsgi
    harakiri: 60
    start_timeout: 60
"""

RETURN = """
release:
  description: The digest that names the release.
  returned: success
  type: str
  sample: 81d0e77c2b6f
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import INDEX_OPTIONS, Index
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.module_utils.release import Data, Host, Release, Settings

FAMILIES = ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]

# What is not given has the default of `Probe`.
PROBE: dict[str, dict[str, Any]] = {
    "path": {"type": "str"},
    "host": {"type": "str"},
    "status": {"type": "list", "elements": "int"},
    "text": {"type": "str"},
    "timeout": {"type": "int"},
    "tries": {"type": "int"},
    "interval": {"type": "int"},
}

# What the module and `Settings` name alike.
SETTINGS: dict[str, dict[str, Any]] = {
    "callable": {"type": "str", "required": True},
    "package": {"type": "str", "choices": ["pyuwsgi", "uwsgi"], "required": True},
    "processes": {"type": "raw"},
    "harakiri": {"type": "int", "required": True},
    "start_timeout": {"type": "int", "required": True},
    "options": {"type": "dict", "default": {}},
    "memory_max": {"type": "str", "default": ""},
    "cpu_quota": {"type": "str", "default": ""},
    "tasks_max": {"type": "int"},
    "memory_deny_write_execute": {"type": "bool", "default": False},
    "address_families": {"type": "list", "elements": "str", "default": FAMILIES},
    "networks": {"type": "list", "elements": "str", "default": []},
}

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "build": {"type": "path", "required": True},
    "probe": {"type": "dict", "default": {}, "options": PROBE},
    "public_data": {"type": "list", "elements": "str", "default": []},
    # A text, for Ansible masks each value of a secret dictionary wherever it occurs, be it "1".
    "env": {"type": "raw", "default": {}, "no_log": True},
    **SETTINGS,
    **INDEX_OPTIONS,
}


def plan(module: AnsibleModule) -> Plan:
    """Make a release."""
    asked = dict(module.params)
    asked["probe"] = {key: value for key, value in asked["probe"].items() if value is not None}
    with suppress(TypeError, ValueError):
        asked["env"] = json.loads(asked["env"])
    wrong = rules.objections({"name": rules.name, **rules.RUN, **rules.HARDENING}, asked)
    if wrong:
        raise Failed("; ".join(wrong))
    settings = Settings(
        env=asked["env"], probe=Probe(**asked["probe"]), **{setting: asked[setting] for setting in SETTINGS}
    )
    layout, build = Layout(asked["name"]), Path(asked["build"])
    release = Release(layout, build, settings, Host.read(build))
    data = Data(layout, asked["public_data"])
    index = Index(*(asked[option] for option in INDEX_OPTIONS))
    steps = [] if data.is_right() else [Step(f"make {data.path}", data.make)]
    result: dict[str, Any] = {"release": release.id}
    if not release.exists():
        steps.append(Step(f"make release {release.id} of build {build.name}", lambda: release.make(index)))
        result["diff"] = release.difference_from_live()
    return Plan(steps, result, settled=f"has release {release.id}")


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
