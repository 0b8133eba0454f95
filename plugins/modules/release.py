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
  env:
    description: The application's environment variables.
    type: dict
    default: {}
extends_documentation_fragment: wsgi.production.index
attributes:
  check_mode:
    description: Tells which release it would make.
    support: full
  diff_mode:
    description: Shows C(uwsgi.ini) of the live release and of the new one, and which variables differ.
    support: full
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

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import INDEX_OPTIONS, Index
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.release import Data, Host, Release, Settings


def main() -> None:
    """Make a release."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "build": {"type": "path", "required": True},
            "callable": {"type": "str", "required": True},
            "package": {"type": "str", "choices": ["pyuwsgi", "uwsgi"], "required": True},
            "processes": {"type": "raw"},
            "harakiri": {"type": "int", "required": True},
            "start_timeout": {"type": "int", "required": True},
            "env": {"type": "dict", "default": {}},
            **INDEX_OPTIONS,
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    asked = module.params
    # What the task prints of its arguments: the names of the variables, never their values.
    invocation = {"module_args": {**asked, "env": sorted(asked["env"])}}
    wrong = rules.objections({"name": rules.name, **rules.RUN}, asked)
    if wrong:
        module.fail_json(msg=f"{asked['name']}: " + "; ".join(wrong), invocation=invocation)
    settings = Settings(
        callable=asked["callable"],
        package=asked["package"],
        processes=asked["processes"],
        harakiri=asked["harakiri"],
        start_timeout=asked["start_timeout"],
        env=asked["env"],
    )
    layout, build = Layout(asked["name"]), Path(asked["build"])
    try:
        release = Release(layout, build, settings, Host.read(build))
        data = Data(layout)
        index = Index(*(asked[option] for option in INDEX_OPTIONS))
        steps = [] if data.is_right() else [data.make]
        steps += [] if release.exists() else [lambda: release.make(index)]
        if not module.check_mode:
            for step in steps:
                step()
    except (Failed, OSError) as failure:
        module.fail_json(msg=f"{asked['name']}: {failure}", invocation=invocation)
    module.exit_json(
        changed=bool(steps),
        release=release.id,
        diff=release.difference_from_live() if steps else {},
        msg=f"{asked['name']}: {'release' if steps else 'has release'} {release.id}",
        invocation=invocation,
    )


if __name__ == "__main__":
    main()
