"""What a host finds out before the first step of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.filter.wiring import surveys
from ansible_collections.wsgi.production.plugins.module_utils import module as frame
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.lock import Lock
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.steps import survey
from tests.unit.fakes import FakeModule

APPS = [{"name": "hello"}, {"name": "world"}]


class Steps:
    """Steps that a test describes: `plans` is what each plans, `asked` what they were asked, in order."""

    def __init__(self) -> None:
        self.plans: dict[str, Callable[[Any], Plan]] = {}
        self.asked: list[tuple[str, dict[str, Any], bool]] = []
        self.known: dict[str, SimpleNamespace] = {}

    def add(self, name: str, plan: Callable[[Any], Plan] | Plan, *arguments: str) -> None:
        """Add a step that plans something."""
        self.plans[name] = plan if callable(plan) else lambda module: plan
        spec: dict[str, Any] = {argument: {"type": "raw"} for argument in arguments}
        self.known[name] = SimpleNamespace(ARGUMENTS=spec, plan=lambda module: self.plan(name, module))

    def plan(self, name: str, module: Any) -> Plan:
        """Take the place of the step itself."""
        self.asked.append((name, module.params, module.check_mode))
        return self.plans[name](module)

    def look(self, *steps: tuple[str, dict[str, Any]], check_mode: bool = False, on_failure: str = "stop") -> Plan:
        """Survey a host."""
        return survey.plan(FakeModule(check_mode, steps=json.dumps(steps), on_failure=on_failure))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    steps = Steps()
    monkeypatch.setattr(survey, "load", steps.known.__getitem__)
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})
    return steps


def does(*says: str, of: str = "hello", **result: Any) -> Plan:
    """Return a plan that does something, or nothing."""
    return Plan([Step(one, lambda: None, of) for one in says], result)


def test_a_run_ends_if_no_step_has_anything_to_do(steps: Steps) -> None:
    steps.add("packages", does(installed=[]))
    steps.add("verify", does(days={"hello.example.org": 89}))
    seen = steps.look(("packages", {}), ("verify", {}))
    assert (seen.steps, seen.goes_on) == ([], False)
    assert seen.result == {
        "settled": True,
        "ends": True,
        "plan": [],
        "system": ["Debian", "12"],
        "days": {"hello.example.org": 89},
        "missing": [],
        "done": [],
        "diff": [],
    }


def test_a_run_continues_if_a_step_has_work_and_knows_which_have_none(steps: Steps) -> None:
    steps.add("packages", does(installed=[]))
    steps.add("build", does("build 3f9c", missing=["hello"]))
    seen = steps.look(("packages", {}), ("build", {}))
    assert (seen.steps, seen.goes_on) == ([], True)
    assert (seen.result["settled"], seen.result["ends"]) == (False, False)
    assert seen.result["plan"] == ["hello: would build 3f9c"]
    assert seen.result["missing"] == ["hello"]
    assert seen.result["done"] == [(0, {"installed": []})]


def test_each_step_is_planned_as_if_those_before_it_had_been_taken(steps: Steps) -> None:
    steps.add("build", does("build", builds={"hello": "/1", "world": "/2"}, folders={"world": "/w"}), "apps")
    steps.add("release", does("release", releases={"hello": "aaa", "world": "bbb"}), "apps")
    steps.add("migrate", does(), "releases", "asked")
    steps.add("boot", does(), "releases")
    steps.add("switch", does(), "apps")
    asked: list[tuple[str, dict[str, Any]]] = [
        ("build", {"apps": APPS}),
        ("release", {"apps": APPS}),
        ("migrate", {"asked": ["world"]}),
    ]
    steps.look(*asked, ("boot", {}), ("switch", {"apps": APPS}))
    assert [(name, params) for name, params, _ in steps.asked[1:]] == [
        ("release", {"apps": [{**APPS[0], "build": "/1", "wheels": ""}, {**APPS[1], "build": "/2", "wheels": "/w"}]}),
        ("migrate", {"asked": ["world"], "releases": {"world": "bbb"}}),
        ("boot", {"releases": {"hello": "aaa", "world": "bbb"}}),
        ("switch", {"apps": [{**APPS[0], "release": "aaa"}, {**APPS[1], "release": "bbb"}]}),
    ]
    assert {check_mode for _, _, check_mode in steps.asked} == {True}


def test_the_front_door_is_asked_only_if_there_is_nothing_to_do(steps: Steps) -> None:
    steps.add("verify", does())
    steps.look(("verify", {}))
    steps.add("boot", does("boot aaa"), "releases")
    steps.look(("boot", {}), ("verify", {}))
    assert [(name, check_mode) for name, _, check_mode in steps.asked] == [
        *[("verify", False), ("boot", True)],
        ("verify", True),
    ]


def test_a_live_release_that_does_not_answer_is_never_settled(steps: Steps) -> None:
    steps.add("verify", Plan(failures={"hello": "hello does not answer at its front door"}))
    seen = steps.look(("verify", {}))
    assert (seen.result["settled"], seen.result["ends"], seen.goes_on) == (False, False, True)
    assert seen.settled == "hello does not answer at its front door"


def test_in_check_mode_a_live_release_that_does_not_answer_is_a_warning(steps: Steps) -> None:
    steps.add("verify", Plan(failures={"hello": "hello does not answer at its front door"}))
    module = FakeModule(True, steps=json.dumps([("verify", {})]), on_failure="stop")
    seen = survey.plan(module)
    assert (seen.result["settled"], seen.result["ends"]) == (False, True)
    assert module.warnings == ["hello does not answer at its front door"]


def refuses(module: Any) -> Plan:
    """Plan what cannot be planned."""
    raise Failed("hello: there is no such interpreter")


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_error_in_a_plan_is_left_to_the_step_itself(steps: Steps, check_mode: bool) -> None:
    steps.add("build", refuses)
    steps.add("boot", does("boot aaa"), "releases")
    seen = steps.look(("build", {}), ("boot", {}), check_mode=check_mode)
    assert (seen.steps, seen.result["ends"], seen.goes_on) == ([], False, True)
    assert [name for name, _, _ in steps.asked] == ["build"]


def test_others_are_surveyed_without_a_broken_application(steps: Steps) -> None:
    steps.add("build", Plan(result={"builds": {"world": "/2"}}, failures={"hello": "hello: no index"}), "apps")
    steps.add("release", does("create release bbb", of="world", releases={"world": "bbb"}), "apps")
    steps.look(("build", {"apps": APPS}), ("release", {"apps": APPS}), on_failure="continue")
    assert [app["name"] for app in steps.asked[1][1]["apps"]] == ["world"]
    steps.asked.clear()
    steps.look(("build", {"apps": APPS}), ("release", {"apps": APPS}))
    assert [name for name, _, _ in steps.asked] == ["build"]


def test_check_mode_shows_the_whole_plan_with_its_differences(steps: Steps) -> None:
    difference = {"before": "one", "after": "two"}
    steps.add("boot", does("boot aaa"), "releases")
    steps.add("nginx", does("replace nginx.conf", of="", diff=difference))
    seen = steps.look(("boot", {}), ("nginx", {}), check_mode=True)
    assert seen.lines("would ") == ["hello: would boot aaa", "would replace nginx.conf"] == seen.result["plan"]
    assert (seen.result["ends"], seen.diff()) == (True, [difference])


def test_a_warning_is_shown_once_by_survey_or_step(steps: Steps) -> None:
    def warns(module: Any) -> Plan:
        module.warn("old is left over")
        return Plan()

    steps.add("retire", warns)
    settled = FakeModule(False, steps=json.dumps([("retire", {})]), on_failure="stop")
    survey.plan(settled)
    assert settled.warnings == ["old is left over"]
    steps.add("boot", does("boot aaa"), "releases")
    due = FakeModule(False, steps=json.dumps([("boot", {}), ("retire", {})]), on_failure="stop")
    survey.plan(due)
    assert due.warnings == []


def test_unknown_arguments_of_a_step_are_refused(steps: Steps) -> None:
    steps.add("boot", does(), "releases")
    assert steps.look(("boot", {"relases": {}})).settled == "relases. Supported parameters include: releases."
    assert steps.asked == []


@pytest.mark.parametrize("goes_on", [True, False])
def test_the_run_keeps_the_lock_only_if_it_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goes_on: bool
) -> None:
    lock = tmp_path / "wsgi.lock"
    module = FakeModule(False, run={"id": "m:1:2", "who": "alice", "hold": True})
    monkeypatch.setattr(frame, "AnsibleModule", lambda **spec: module)
    monkeypatch.setattr(frame, "Lock", lambda: Lock(lock))
    monkeypatch.setattr(FakeModule, "exit_json", lambda module, **result: None, raising=False)
    frame.carry_out({}, lambda module: Plan(goes_on=goes_on), last=True)
    assert bool(lock.read_text()) is goes_on


def test_only_hosts_with_a_completed_survey_count() -> None:
    hostvars = {
        "app1": {"__wsgi_production_survey": {"ends": True}},
        "app2": {"__wsgi_production_survey": {"failed": True, "msg": "another run is changing this host"}},
        "app3": {},
    }
    assert surveys(hostvars, ["app1", "app2", "app3"]) == [{"ends": True}]
