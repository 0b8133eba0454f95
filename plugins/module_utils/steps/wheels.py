# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `wheels`: gathers the wheels of applications, for hosts that fetch nothing themselves."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import packages
from ansible_collections.wsgi.production.plugins.module_utils.build import Recipe, interpreter_tag
from ansible_collections.wsgi.production.plugins.module_utils.installer import (
    INDEX_OPTIONS,
    PINS_OPTION,
    Index,
    installer,
)
from ansible_collections.wsgi.production.plugins.module_utils.managed_python import MIRROR_OPTION, ManagedPython
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.wheels import Gatherer, pack

ARGUMENTS = {
    # With the types and defaults of the role, which the action plugin applies.
    "apps": {"type": "list", "elements": "dict", "required": True},
    "packages": {"type": "list", "elements": "str", "default": []},
    "contents": {"type": "dict", "required": True},
    "archives": {"type": "dict"},
    "pack": {"type": "dict", "default": {}},
    **ON_FAILURE,
    **INDEX_OPTIONS,
    **PINS_OPTION,
    **MIRROR_OPTION,
}


def plan(module: Module) -> Plan:
    """Gather wheels. The action plugin of this name prepares the sources and calls this on the host."""
    planned = Plan(result={"wheels": {}, "missing": []})
    needed = packages.missing(module.params["packages"]) if module.params["packages"] else []
    if needed:
        planned.steps.append(Step(f"install {', '.join(needed)}", partial(packages.install, needed)))
    for app in module.params["apps"]:
        planned.add(app["name"], partial(_plan, module, planned, app))
    planned.settled = "; ".join(f"{name}: the wheels exist" for name in planned.result["wheels"])
    if planned.result["missing"] and module.params["archives"] is None and not module.check_mode:
        # The step is called again, with what is missing.
        planned.steps, planned.failures = [], {}
    return planned


def _plan(module: Module, planned: Plan, app: dict[str, Any]) -> list[Step]:
    name, python, pins = app["name"], app["python"], module.params["pins"]
    managed = ManagedPython.of(python, pins["uv"])
    tag = managed.tag if managed else interpreter_tag(python)
    gatherer = Gatherer(Recipe(app["source"], module.params["contents"][name], tag), pins)
    found, told = gatherer.find(), planned.result["wheels"]
    if found:
        told[name] = found.as_dict()
        if name in module.params["pack"]:
            # For the controller to fetch, which does not change this host.
            pack(gatherer.path, found, Path(module.params["pack"][name]))
        return []
    planned.result["missing"].append(name)

    def gather() -> None:
        index = Index(*(module.params[option] for option in INDEX_OPTIONS))
        if managed and not managed.is_whole():
            managed.install(index, module.params["python_mirror"])
        tool = installer(index, pins["uv"])
        archive = Path(module.params["archives"][name])
        # Two applications that need the same wheels share a folder.
        gathered = gatherer.find() or gatherer.make(archive, str(managed.path) if managed else python, tool)
        told[name] = gathered.as_dict()

    return [Step(f"gather the wheels {gatherer.name}", gather, name)]
