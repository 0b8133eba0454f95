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
extends_documentation_fragment:
  - wsgi.production.index
  - wsgi.production.step
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

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.build import Builder, Recipe, interpreter_tag
from ansible_collections.wsgi.production.plugins.module_utils.installer import INDEX_OPTIONS, Index, installer
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "source": {"type": "str", "required": True},
    "content": {"type": "dict", "required": True},
    "archive": {"type": "path"},
    "python": {"type": "str", "default": "python3"},
    **INDEX_OPTIONS,
}


def plan(module: AnsibleModule) -> Plan:
    """Make a build. The action plugin of this name prepares the source and calls this on the host."""
    asked = module.params
    recipe = Recipe(asked["source"], asked["content"], interpreter_tag(asked["python"]))
    builder = Builder(Layout(asked["name"]))
    result: dict[str, Any] = {"build": recipe.build, "path": str(builder.builds.path(recipe.build))}
    if builder.exists(recipe):
        return Plan(result=result, settled=f"has build {recipe.build}")
    if asked["archive"] is None and not module.check_mode:
        return Plan(result={**result, "needs_archive": True})

    def make() -> None:
        tool = installer(Index(*(asked[option] for option in INDEX_OPTIONS)))
        if tool.name == "pip":
            module.warn("uv is not to be had from this package index: pip does the work, and takes longer")
        builder.make(recipe, Path(asked["archive"]), asked["python"], tool)

    packages = f"packages {recipe.venv}, {'there already' if builder.has_packages(recipe) else 'which are new'}"
    return Plan([Step(f"build {recipe.build} with {packages}", make)], result)


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
