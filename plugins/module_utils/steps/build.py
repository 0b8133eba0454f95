# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `build`: makes builds of applications, each with code and a virtual environment."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import rules, sections
from ansible_collections.wsgi.production.plugins.module_utils.build import Builder, Recipe, interpreter_tag
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.formats import FromIndex, Wanted
from ansible_collections.wsgi.production.plugins.module_utils.home import Home
from ansible_collections.wsgi.production.plugins.module_utils.installer import (
    INDEX_OPTIONS,
    PINS_OPTION,
    Index,
    installer,
)
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.managed_python import MIRROR_OPTION, ManagedPython
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.user import User
from ansible_collections.wsgi.production.plugins.module_utils.wheels import WHEELS, Folder, FromFolder, Wheels, unpack

ARGUMENTS = {
    # With the types and defaults of the role, which the action plugin applies.
    "apps": {"type": "list", "elements": "dict", "required": True},
    # A JSON text, like in the step `release`.
    "secrets": {"type": "str", "default": "{}", "no_log": True},
    "contents": {"type": "dict", "required": True},
    "archives": {"type": "dict"},
    "wheels": {"type": "dict", "default": {}},
    "wheel_archives": {"type": "dict", "default": {}},
    **ON_FAILURE,
    **INDEX_OPTIONS,
    **PINS_OPTION,
    **MIRROR_OPTION,
}


class Build:
    """The build to make for one application on this host."""

    def __init__(self, module: Module, app: dict[str, Any]) -> None:
        self.module = module
        self.name = app["name"]
        self.python = app["python"]
        self.content = module.params["contents"][self.name]
        told = module.params["wheels"].get(self.name)
        self.wheels = Wheels.of(told) if told else None
        digest = self.wheels.digest if self.wheels else ""
        self.managed = ManagedPython.of(app["python"], module.params["pins"]["uv"])
        if self.managed:
            self.python = str(self.managed.path)
        tag = self.managed.tag if self.managed else interpreter_tag(self.python)
        self.packages = FromFolder(self.wheels, WHEELS / self.wheels.folder, tag) if self.wheels else None
        self.recipe = Recipe(app["source"], self.content, tag, app["commands"], app["env"], digest, app["revision"])
        self.builder = Builder(Layout(self.name))

    @property
    def path(self) -> Path:
        """The directory of the build."""
        return self.builder.builds.path(self.recipe.build)

    @property
    def unhashed(self) -> str:
        """The application and its dependency file, if packages must be installed without hashes; otherwise empty."""
        dependencies = self.content["dependencies"]
        installs = not self.wheels and not self.builder.has_packages(self.recipe)
        if not installs or dependencies["hashed"] or dependencies["format"] == "none":
            return ""
        return f"{self.name} ({dependencies['label']})"

    def says(self) -> str:
        """Return what `make` does."""
        there = "there already" if self.builder.has_packages(self.recipe) else "which are new"
        python = f", and Python {self.managed.version}" if self.managed and not self.managed.is_whole() else ""
        return f"build {self.recipe.build} with packages {self.recipe.venv}, {there}{python}"

    def exists(self) -> bool:
        """Return whether the build is complete, and so is its interpreter."""
        return self.builder.exists(self.recipe) and (self.managed is None or self.managed.is_whole())

    def make(self) -> None:
        """Make the build."""
        archive, dependencies = Path(self.module.params["archives"][self.name]), self.content["dependencies"]
        pins = self.module.params["pins"]
        index = Index(*(self.module.params[option] for option in INDEX_OPTIONS))
        if self.managed and not self.managed.is_whole():
            self.managed.install(index, self.module.params["python_mirror"])
        if self.wheels and self.packages:
            sent = f"{self.module.params['wheels'][self.name].get('archive')} on the controller"
            folder = unpack(Path(self.module.params["wheel_archives"][self.name]), self.wheels, sent)
            self.builder.make(self.recipe, archive, self.python, installer(Folder(folder), pins["uv"]), self.packages)
            return
        tool = installer(index, pins["uv"])
        if tool.name == "pip":
            self.module.warn("this package index has no uv; using pip, which is slower")
        packages = FromIndex(Wanted.of(dependencies), pins)
        self.builder.make(self.recipe, archive, self.python, tool, packages)
        # pip gives many warnings that mean nothing here.
        for warning in tool.index.warnings if tool.name == "uv" else []:
            self.module.warn(f"{self.name}: {warning}")


def plan(module: Module) -> Plan:
    """Make builds. The action plugin of this name prepares the sources and calls this on the host."""
    planned = Plan(result={"builds": {}, "folders": {}, "missing": []})
    unhashed: list[str] = []
    secrets = json.loads(module.params["secrets"])
    for app in module.params["apps"]:
        planned.add(app["name"], partial(_plan, module, planned, unhashed, {**app, **secrets.get(app["name"], {})}))
    builds = planned.result["builds"]
    planned.settled = "; ".join(f"{name}: has build {Path(path).name}" for name, path in builds.items())
    if planned.result["missing"] and module.params["archives"] is None and not module.check_mode:
        # The step is called again, with what is missing.
        planned.steps, planned.failures = [], {}
    elif unhashed and not module.check_mode:
        module.warn(
            f"the packages of {', '.join(unhashed)} are not pinned by hash, so they may differ from "
            "the ones that you tested; `uv pip compile --generate-hashes` pins them"
        )
    return planned


def _plan(module: Module, planned: Plan, unhashed: list[str], app: dict[str, Any]) -> list[Step]:
    wrong = sections.objections({"name": rules.name, **sections.BUILD}, app)
    if wrong:
        raise Failed("; ".join(wrong))
    layout = Layout(app["name"])
    Home(layout).check()
    user, build = User(layout), Build(module, app)
    steps = [] if user.exists() else [Step(f"create the user {user.name}", user.make, build.name)]
    planned.result["builds"][build.name] = str(build.path)
    if build.wheels:
        planned.result["folders"][build.name] = str(WHEELS / build.wheels.folder)
    if build.exists():
        return steps
    planned.result["missing"].append(build.name)
    if build.unhashed:
        unhashed.append(build.unhashed)
    if "--extra-index-url" in build.content["dependencies"]["options"] and build.unhashed:
        module.warn(
            f"{build.name}: a package comes from the index that has its newest version, like with "
            "pip, so anyone who can publish a package of this name on one of them decides what you "
            "run; pin hashes, or set python_app_index_url to a single index that has all packages"
        )
    return [*steps, Step(build.says(), build.make, build.name)]
