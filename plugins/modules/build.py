#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: build
short_description: Makes a build of an application, code and virtual environment
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Takes a directory on the controller to the host, and installs the packages of its C(requirements.txt)
    into a virtual environment beside it.
  - A build is immutable and named by the digest of what went into it. What is there already is not made again.
  - Packages are installed with uv, or with pip where the index does not have uv.
options:
  name:
    description: The name of the application. The build is made below C(/srv/<name>).
    type: str
    required: true
  source:
    description:
      - The directory of the application on the controller. A relative path starts at the current directory.
      - In a git checkout, what git ignores stays out.
    type: str
    required: true
  content:
    description: What the source holds. The action plugin of this module finds it out; not to be given.
    type: dict
  archive:
    description: Where the source lies on the host. The action plugin of this module sends it; not to be given.
    type: path
  python:
    description: The interpreter on the host to make the virtual environment with.
    type: str
    default: python3
extends_documentation_fragment: wsgi.production.index
attributes:
  check_mode:
    description: Tells which build it would make.
    support: full
  diff_mode:
    description: Shows the digests of code and packages before and after.
    support: full
"""

EXAMPLES = """
- name: Build the application
  wsgi.production.build:
    name: hello
    source: app
"""

RETURN = """
build:
  description: The digest that names the build.
  returned: success
  type: str
  sample: 3f9c2a1b7d40
path:
  description: The directory of the build, with the code in C(app) and the packages in C(venv).
  returned: success
  type: str
  sample: /srv/hello/builds/3f9c2a1b7d40
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.build import Builder, Plan, interpreter_tag
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import INDEX_OPTIONS, Index, installer
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout


def main() -> None:
    """Make a build. The action plugin of this name prepares the source and calls this on the host."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "source": {"type": "str", "required": True},
            "content": {"type": "dict", "required": True},
            "archive": {"type": "path"},
            "python": {"type": "str", "default": "python3"},
            **INDEX_OPTIONS,
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    asked = module.params
    layout = Layout(asked["name"])
    try:
        plan = Plan(asked["source"], asked["content"], interpreter_tag(asked["python"]))
        builder = Builder(layout)
        result = {"changed": False, "build": plan.build, "path": str(builder.builds.path(plan.build))}
        if not builder.exists(plan):
            result.update(changed=True, msg=f"{asked['name']}: build {plan.build} of packages {plan.venv}")
            result["diff"] = {
                "before": "",
                "after": f"build {plan.build}\ncode {plan.content['digest'][:12]}\npackages {plan.venv}\n",
            }
            if not module.check_mode:
                if asked["archive"] is None:
                    module.exit_json(needs_archive=True, **result)
                index = Index(*(asked[option] for option in INDEX_OPTIONS))
                tool = installer(index)
                if tool.name == "pip":
                    module.warn("uv is not to be had from this package index: pip does the work, and takes longer")
                builder.make(plan, Path(asked["archive"]), asked["python"], tool)
    except (Failed, OSError) as failure:
        module.fail_json(msg=f"{asked['name']}: {failure}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
