# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `survey`: plans all other steps of a run, and decides whether the run can end here."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step, sentence
from ansible_collections.wsgi.production.plugins.module_utils.steps import load

ARGUMENTS = {
    # JSON, because Ansible would log secrets within a list.
    "steps": {"type": "str", "required": True, "no_log": True},
    **ON_FAILURE,
}


@dataclass
class Planning:
    """Stands in for the module of a step that is only planned."""

    params: dict[str, Any]
    warn: Callable[[str], None]
    check_mode: bool = True


@dataclass
class Survey:
    """What is known about a host so far.

    :ivar results: the results of the steps planned so far.
    :ivar done: the number and the result of each step that has nothing to do.
    :ivar steps: the planned changes.
    :ivar diff: files before and after them.
    :ivar failures: why something cannot be planned, by application; "" stands for the whole host.
    :ivar unhealthy: why an application fails its probe at the front door.
    """

    results: dict[str, Any] = field(default_factory=dict)
    done: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    diff: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    unhealthy: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to do and nothing wrong."""
        return not self.steps and not self.failures and not self.unhealthy

    def add(self, number: int, name: str, asked: dict[str, Any]) -> None:
        """Plan a step as if the ones before it had been carried out."""
        step = load(name)
        given = ArgumentSpecValidator(step.ARGUMENTS).validate(_after(name, self._without_broken(asked), self.results))
        if given.error_messages:
            raise Failed("; ".join(given.error_messages))
        module = Planning(given.validated_parameters, self.warnings.append)
        # While a change is pending, the front door says nothing about the state after it.
        module.check_mode = name != "verify" or not self.is_settled
        planned = step.plan(module)
        (self.unhealthy if name == "verify" else self.failures).update(planned.failures)
        self.results.update(planned.result)
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
    """Plan each step in turn, with the results that the ones before it would have."""
    survey = Survey()
    for number, (name, asked) in enumerate(json.loads(module.params["steps"])):
        try:
            survey.add(number, name, asked)
        except Exception as failure:
            survey.failures.setdefault("", sentence(failure))
        if "" in survey.failures or (survey.failures and module.params["on_failure"] != "continue"):
            break
    # A step that cannot be planned fails by itself, in its place. In check mode no step probes the front door.
    ends = survey.is_settled or (module.check_mode and not survey.failures)
    for warning in [*survey.warnings, *survey.unhealthy.values()] if ends else []:
        module.warn(warning)
    planned = Plan(survey.steps)
    planned.result = {
        "settled": survey.is_settled,
        "ends": ends,
        "plan": planned.lines("would "),
        "system": _system(),
        "days": survey.results.get("days", {}),
        "missing": survey.results.get("missing", []),
        # If the run goes on, it keeps the lock, so these findings stay true.
        "done": [] if ends else survey.done,
        "diff": survey.diff if ends else [],
    }
    planned.settled = "; ".join([*survey.failures.values(), *survey.unhealthy.values()]) or "there is nothing to do"
    planned.goes_on = not ends
    if not module.check_mode or not ends:
        planned.steps = []
    return planned


def _after(name: str, asked: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a step, completed with the results of the ones before it."""
    releases = results.get("releases", {})
    if name == "release":
        built, folders = results.get("builds", {}), results.get("folders", {})
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
