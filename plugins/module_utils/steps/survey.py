# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `survey`: looks what all other steps of a run would do, and whether the run can end here."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.steps import load

ARGUMENTS = {
    # A text, for Ansible would log what is secret within a list.
    "steps": {"type": "str", "required": True, "no_log": True},
    **ON_FAILURE,
}


@dataclass
class Look:
    """What a step sees of its module when it is only to tell what it would do."""

    params: dict[str, Any]
    warn: Callable[[str], None]
    check_mode: bool = True


@dataclass
class Survey:
    """What is known of a host so far.

    :ivar told: the results of the steps that were looked at.
    :ivar done: the number of each step that has nothing to do, and its result.
    :ivar steps: what is to be done.
    :ivar diff: what files are and would be.
    :ivar failures: why something cannot be done, by the application; empty for the whole host.
    :ivar sick: what applications answer at the front door that they should not.
    """

    told: dict[str, Any] = field(default_factory=dict)
    done: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    diff: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    sick: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to do, and nothing wrong."""
        return not self.steps and not self.failures and not self.sick

    def look(self, number: int, name: str, asked: dict[str, Any]) -> None:
        """Plan a step as if those before it had been taken."""
        step = load(name)
        given = ArgumentSpecValidator(step.ARGUMENTS).validate(_after(name, self._without_broken(asked), self.told))
        if given.error_messages:
            raise Failed("; ".join(given.error_messages))
        look = Look(given.validated_parameters, self.warnings.append)
        # Where something is to be done, the front door is not what it will be.
        look.check_mode = name != "verify" or not self.is_settled
        planned = step.plan(look)
        (self.sick if name == "verify" else self.failures).update(planned.failures)
        self.told.update(planned.result)
        if planned.steps:
            self.steps += planned.steps
            self.diff += planned.diff()
        elif not planned.failures:
            self.done.append((number, planned.result))

    def _without_broken(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a step without the applications that are broken."""
        if not isinstance(asked.get("apps"), list):
            return asked
        return {**asked, "apps": [app for app in asked["apps"] if app["name"] not in self.failures]}


def plan(module: Module) -> Plan:
    """Look at each step in turn, with what those before it would leave behind."""
    survey = Survey()
    for number, (name, asked) in enumerate(json.loads(module.params["steps"])):
        try:
            survey.look(number, name, asked)
        except (Failed, OSError) as failure:
            survey.failures.setdefault("", str(failure))
        if "" in survey.failures or (survey.failures and module.params["on_failure"] != "continue"):
            break
    # What cannot be done is told of by the step itself, in its place. In check mode none asks at the front door.
    ends = survey.is_settled or (module.check_mode and not survey.failures)
    for warning in [*survey.warnings, *survey.sick.values()] if ends else []:
        module.warn(warning)
    planned = Plan(survey.steps)
    planned.result = {
        "settled": survey.is_settled,
        "ends": ends,
        "plan": planned.lines("would "),
        "system": _system(),
        "days": survey.told.get("days", {}),
        "missing": survey.told.get("missing", []),
        # A run that does not end here keeps the lock, so what was seen remains true.
        "done": [] if ends else survey.done,
        "diff": survey.diff if ends else [],
    }
    planned.settled = "; ".join([*survey.failures.values(), *survey.sick.values()]) or "nothing is to be done"
    planned.goes_on = not ends
    if not module.check_mode or not ends:
        planned.steps = []
    return planned


def _after(name: str, asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a step, with what follows from the results of those before it."""
    releases = told.get("releases", {})
    if name == "release":
        built, folders = told.get("builds", {}), told.get("folders", {})
        apps = [{**app, "build": built[app["name"]], "wheels": folders.get(app["name"], "")} for app in asked["apps"]]
        return {**asked, "apps": apps}
    if name == "migrate":
        return {**asked, "releases": {app: release for app, release in releases.items() if app in asked["asked"]}}
    if name == "boot":
        return {**asked, "releases": releases}
    if name == "switch":
        return {**asked, "apps": [{**app, "release": releases[app["name"]]} for app in asked["apps"]]}
    return asked


def _system() -> list[str]:
    """Return the distribution of this host, and its version."""
    system = platform.freedesktop_os_release()
    names = {"debian": "Debian", "ubuntu": "Ubuntu"}
    return [names.get(system["ID"], system.get("NAME", "")), system.get("VERSION_ID", "")]
