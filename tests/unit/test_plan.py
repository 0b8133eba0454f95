"""What a plan promises, and the frame of the modules that takes its steps."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import module as frame
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.lock import Lock
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
from tests.unit.fakes import FakeModule

RUN = {"id": "here:1:10", "who": "me on here (process 1)", "hold": True}
OTHER = {"id": "there:2:20", "who": "you on there (process 2)"}


class Host:
    """What steps change: `done` are those that were taken."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def step(self, says: str, failure: BaseException | None = None, of: str = "") -> Step:
        """Return a step of the application `of`, or of the whole host, that is taken, or fails."""

        def do() -> None:
            if failure:
                raise failure
            self.done.append(says)

        return Step(says, do, of)


@pytest.fixture
def host() -> Host:
    return Host()


# Plan


def test_the_steps_are_taken_in_order(host: Host) -> None:
    Plan([host.step("one"), host.step("two"), host.step("three")]).take()
    assert host.done == ["one", "two", "three"]


failures = pytest.mark.parametrize("failure", [Failed("no"), OSError("no")])


def test_by_default_a_step_is_for_the_whole_host() -> None:
    assert Step("create it", list).of == ""


def taken(steps: list[Step]) -> dict[str, str]:
    """Take `steps`, and return what failed."""
    planned = Plan(steps)
    planned.take()
    return planned.failures


def test_successful_steps_leave_no_failure(host: Host) -> None:
    assert taken([host.step("one"), host.step("two", of="a")]) == {}


@failures
def test_a_failed_step_for_the_whole_host_stops_other_such_steps(host: Host, failure: Exception) -> None:
    assert taken([host.step("one"), host.step("two", failure), host.step("three")]) == {"": "no"}
    assert host.done == ["one"]


@failures
def test_a_failed_step_stops_the_others_of_its_application(host: Host, failure: Exception) -> None:
    steps = [host.step("one", of="a"), host.step("two", failure, of="a"), host.step("three", of="a")]
    assert taken(steps) == {"a": "a: no"}
    assert host.done == ["one"]


@failures
def test_a_failed_step_does_not_stop_other_applications(host: Host, failure: Exception) -> None:
    steps = [
        host.step("one", of="b"),
        host.step("two", failure, of="a"),
        host.step("three", of="b"),
        host.step("four", of="a"),
        host.step("five", of="c"),
    ]
    assert taken(steps) == {"a": "a: no"}
    assert host.done == ["one", "three", "five"]


@failures
def test_a_failed_step_of_an_application_stops_those_for_the_whole_host(host: Host, failure: Exception) -> None:
    steps = [host.step("one"), host.step("two", failure, of="a"), host.step("three"), host.step("four", of="b")]
    assert taken(steps) == {"a": "a: no"}
    assert host.done == ["one", "four"]


@failures
def test_a_failed_step_for_the_whole_host_does_not_stop_applications(host: Host, failure: Exception) -> None:
    assert taken([host.step("one", failure), host.step("two", of="a"), host.step("three")]) == {"": "no"}
    assert host.done == ["two"]


@failures
def test_all_failures_name_their_application(host: Host, failure: Exception) -> None:
    steps = [
        host.step("one", failure, of="a"),
        host.step("two", of="b"),
        host.step("three", OSError("neither"), of="c"),
        host.step("four", Failed("not even this"), of="a"),
    ]
    assert taken(steps) == {"a": "a: no", "c": "c: neither"}
    assert host.done == ["two"]


def test_a_failure_names_its_application_only_once(host: Host) -> None:
    assert taken([host.step("one", Failed("a: no"), of="a")]) == {"a": "a: no"}
    assert taken([host.step("one", Failed("ab: no"), of="a")]) == {"a": "a: ab: no"}


def test_an_unexpected_error_is_a_failure_of_its_application(host: Host) -> None:
    failures = taken([host.step("one", RecursionError("deep"), of="a"), host.step("two", of="b"), host.step("three")])
    assert host.done == ["two"]
    assert re.fullmatch(
        r"a: this is a bug in the collection, please report it: RecursionError: deep " r"\(test_plan\.py, line \d+\)",
        failures["a"],
    )


def raising(failure: BaseException) -> Callable[[], list[Step]]:
    """Return a plan that cannot be made."""

    def plan() -> list[Step]:
        raise failure

    return plan


def test_a_plan_takes_steps_of_each_application(host: Host) -> None:
    planned = Plan([host.step("one")])
    planned.add("a", lambda: [host.step("two", of="a"), host.step("three", of="a")])
    planned.add("b", lambda: iter([host.step("four", of="b")]))
    planned.take()
    assert (host.done, planned.failures) == (["one", "two", "three", "four"], {})


@failures
def test_a_failed_plan_of_one_application_does_not_stop_the_others(host: Host, failure: Exception) -> None:
    planned = Plan()
    planned.add("a", raising(failure))
    planned.add("b", lambda: [host.step("two", of="b")])
    planned.add("", lambda: [host.step("for all")])
    assert planned.failures == {"a": "a: no"}
    planned.take()
    assert (host.done, planned.failures) == (["two"], {"a": "a: no"})


@failures
def test_a_failed_plan_stops_all_steps_of_its_application(host: Host, failure: Exception) -> None:
    planned = Plan([host.step("one", of="a")])
    planned.add("a", raising(failure))
    planned.take()
    assert host.done == []


@failures
def test_a_failed_plan_for_the_whole_host_does_not_stop_applications(host: Host, failure: Exception) -> None:
    planned = Plan([host.step("one", of="a"), host.step("two")])
    planned.add("", raising(failure))
    assert planned.failures == {"": "no"}
    planned.take()
    assert host.done == ["one"]


def test_an_unexpected_error_in_a_plan_is_a_failure_of_its_application() -> None:
    planned = Plan()
    planned.add("a", raising(RecursionError("deep")))
    assert "RecursionError: deep" in planned.failures["a"]


# The frame


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of the host's lock."""
    path = tmp_path / "wsgi.lock"
    monkeypatch.setattr(frame, "Lock", lambda: Lock(path))
    return path


Carry = Callable[..., dict[str, Any]]


@pytest.fixture
def carry(lock: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Carry]:
    """Return a function that carries out a plan, or one that fails, and returns the result of the module."""
    mask = os.umask(0o077)

    def carry_out(
        planned: Plan | Exception | Callable[[], Plan], check_mode: bool = False, last: bool = False, **params: Any
    ) -> dict[str, Any]:
        module = FakeModule(check_mode, **params)
        specs: list[dict[str, Any]] = []

        def make(**spec: Any) -> FakeModule:
            specs.append(spec)
            return module

        def plan(asked: Any) -> Plan:
            assert asked is module
            if isinstance(planned, Exception):
                raise planned
            return planned if isinstance(planned, Plan) else planned()

        monkeypatch.setattr(frame, "AnsibleModule", make)
        with pytest.raises(SystemExit):
            arguments = {name: {"type": "str"} for name in params if name not in ("run", "on_failure")}
            frame.carry_out(arguments, plan, last=last)
        assert specs[0]["supports_check_mode"]
        assert specs[0]["argument_spec"]["run"] == {"type": "dict"}
        return module.result

    yield carry_out
    os.umask(mask)


def holder(lock: Path) -> str | None:
    """Return the id of the run that holds the lock."""
    text = lock.read_text() if lock.exists() else ""
    return json.loads(text)["id"] if text else None


def test_a_module_that_takes_steps_has_changed_and_says_what_it_did(carry: Carry, host: Host) -> None:
    result = carry(Plan([host.step("boot it"), host.step("switch")], {"live": "aaa111"}, settled="all is well"))
    assert result == {
        "changed": True,
        "msg": "boot it, switch",
        "diff": [{"prepared": "boot it\nswitch\n"}],
        "live": "aaa111",
    }
    assert host.done == ["boot it", "switch"]


def test_a_module_without_steps_reports_no_change_and_the_state(carry: Carry) -> None:
    assert carry(Plan(result={"live": "aaa111"}, settled="all is well")) == {
        "changed": False,
        "msg": "all is well",
        "live": "aaa111",
    }


def test_check_mode_reports_what_a_module_would_do_without_doing_it(carry: Carry, host: Host, lock: Path) -> None:
    result = carry(Plan([host.step("boot it"), host.step("switch")]), check_mode=True, run=RUN)
    assert result["changed"]
    assert result["msg"] == "would boot it, switch"
    assert result["diff"] == [{"prepared": "would boot it\nwould switch\n"}]
    assert host.done == []
    assert holder(lock) is None


def test_check_mode_reports_nothing_to_do_in_the_same_way(carry: Carry) -> None:
    assert carry(Plan(settled="all is well"), check_mode=True) == {"changed": False, "msg": "all is well"}


def test_check_mode_works_while_another_run_is_active(carry: Carry, host: Host, lock: Path) -> None:
    with Lock(lock).during(OTHER):
        assert carry(Plan([host.step("boot it")]), check_mode=True, run=RUN)["msg"] == "would boot it"


def test_a_difference_is_shown_after_the_steps(carry: Carry, host: Host) -> None:
    difference = {"before": "one", "after": "two"}
    for more in (difference, [difference]):
        result = carry(Plan([host.step("create it", of="hello")], {"diff": more}))
        assert result["diff"] == [{"prepared": "hello: create it\n"}, difference]
    result = carry(Plan([host.step("create it"), host.step("and it")], {"diff": [difference, difference]}))
    assert result["diff"] == [{"prepared": "create it\nand it\n"}, difference, difference]


@pytest.mark.parametrize(
    ("steps", "check_mode", "msg"),
    [(1, False, "hello: boot it"), (1, True, "hello: would boot it"), (0, False, "all is well")],
)
def test_steps_of_an_application_name_it(carry: Carry, host: Host, steps: int, check_mode: bool, msg: str) -> None:
    planned = Plan([host.step("boot it", of="hello")] * steps, settled="all is well")
    assert carry(planned, check_mode)["msg"] == msg


def test_steps_are_reported_together_for_each_application(carry: Carry, host: Host) -> None:
    def plan() -> Plan:
        return Plan(
            [
                host.step("boot it", of="a"),
                host.step("boot it", of="b"),
                host.step("switch", of="a"),
                host.step("prune"),
            ]
        )

    assert carry(plan)["msg"] == "a: boot it, switch; b: boot it; prune"
    result = carry(plan, check_mode=True)
    assert result["msg"] == "a: would boot it, switch; b: would boot it; would prune"
    lines = "a: would boot it\nb: would boot it\na: would switch\nwould prune\n"
    assert result["diff"] == [{"prepared": lines}]


@pytest.mark.parametrize("failure", [None, Failed("it does not start")])
def test_an_application_is_named_once(carry: Carry, host: Host, failure: Exception | None) -> None:
    result = carry(Plan([host.step("boot it", failure, of="hello"), host.step("switch", of="hello")]))
    assert result["msg"] == ("hello: it does not start" if failure else "hello: boot it, switch")


def test_a_step_marked_always_runs_even_if_an_application_failed(host: Host) -> None:
    planned = Plan(
        [
            host.step("boot it", Failed("it does not start"), of="hello"),
            host.step("prune"),
            host.step("go back")._replace(always=True),
        ]
    )
    planned.take()
    assert host.done[-1] == "go back" and "prune" not in host.done


def test_a_step_can_add_to_the_result(carry: Carry) -> None:
    result: dict[str, Any] = {}
    assert carry(Plan([Step("ask", lambda: result.update(answer=42))], result))["answer"] == 42


def test_files_of_a_module_are_readable_with_any_umask(carry: Carry, tmp_path: Path) -> None:
    carry(Plan([Step("create it", (tmp_path / "made").touch)]))
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("failure", [Failed("it does not start"), OSError("it does not start")])
@pytest.mark.parametrize("run", [None, RUN])
def test_a_failed_step_fails_the_module(
    carry: Carry, host: Host, failure: Exception, run: dict[str, Any] | None
) -> None:
    result = carry(Plan([host.step("boot it", failure), host.step("switch")]), run=run)
    assert result == {"failed": True, "msg": "it does not start"}
    assert host.done == []


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("on_failure", [None, "stop", "continue"])
def test_a_failure_of_the_whole_host_always_fails_the_module(
    carry: Carry, host: Host, on_failure: str | None, check_mode: bool
) -> None:
    planned = Plan([host.step("boot it", of="a")], failures={"a": "a: no", "": "no room"})
    more = {"on_failure": on_failure} if on_failure else {}
    assert carry(planned, check_mode, **more) == {"failed": True, "msg": "a: no; no room"}


@pytest.mark.parametrize("more", [{}, {"on_failure": "stop"}])
def test_a_broken_application_fails_a_module_that_should_stop(carry: Carry, host: Host, more: dict[str, str]) -> None:
    steps = [
        host.step("boot it", Failed("no"), of="a"),
        host.step("boot it too", of="b"),
        host.step("go", Failed("never"), of="c"),
    ]
    assert carry(Plan(steps), **more) == {"failed": True, "msg": "a: no; c: never"}
    assert host.done == ["boot it too"]


def test_a_module_that_should_continue_returns_broken_applications_and_why(carry: Carry, host: Host) -> None:
    steps = [host.step("boot it", Failed("no"), of="a"), host.step("boot it too", of="b")]
    result = carry(Plan(steps, {"live": "aaa111"}), on_failure="continue")
    assert (result["changed"], result["live"], result["broken"]) == (True, "aaa111", {"a": "a: no"})
    assert result["msg"].endswith("; a: no") and "b: boot it too" in result["msg"]
    assert host.done == ["boot it too"]


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_module_that_should_continue_reports_failed_plans(carry: Carry, host: Host, check_mode: bool) -> None:
    planned = Plan([], failures={"a": "a: no"}, settled="b runs")
    result = carry(planned, check_mode, on_failure="continue")
    assert result == {"changed": False, "msg": "b runs; a: no", "broken": {"a": "a: no"}}


@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_a_module_for_several_applications_says_if_none_is_broken(carry: Carry, host: Host, on_failure: str) -> None:
    assert carry(Plan([host.step("boot it", of="a")]), on_failure=on_failure)["broken"] == {}
    assert carry(Plan(settled="all is well"), on_failure=on_failure) == {
        "changed": False,
        "msg": "all is well",
        "broken": {},
    }


def test_a_module_for_the_whole_host_does_not_report_broken_applications(carry: Carry, host: Host) -> None:
    assert "broken" not in carry(Plan([host.step("boot it")]))


@pytest.mark.parametrize("failure", [Failed("no such release"), OSError("no such release")])
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_failed_plan_fails_the_module(carry: Carry, failure: Exception, check_mode: bool) -> None:
    for more in ({}, {"on_failure": "continue"}):
        assert carry(failure, check_mode, run=RUN, **more) == {"failed": True, "msg": "no such release"}


def test_a_module_locked_out_by_another_run_does_nothing_and_names_that_run(
    carry: Carry, host: Host, lock: Path
) -> None:
    with Lock(lock).during({**OTHER, "hold": True}):
        pass
    result = carry(Plan([host.step("boot it")]), on_failure="continue", run=RUN)
    assert result["failed"]
    assert result["holder"]["id"] == OTHER["id"]
    assert result["msg"].startswith(f"another run is changing this host: {OTHER['who']} has held the lock since ")
    assert host.done == []
    assert holder(lock) == OTHER["id"]


def test_a_module_continues_if_its_run_knows_that_the_other_is_dead(carry: Carry, host: Host, lock: Path) -> None:
    with Lock(lock).during({**OTHER, "hold": True}):
        pass
    carry(Plan([host.step("boot it")]), run={**RUN, "dead": [OTHER["id"]]})
    assert host.done == ["boot it"]
    assert holder(lock) == RUN["id"]


@pytest.mark.parametrize("last", [False, True])
def test_the_plan_is_made_and_taken_under_the_lock(carry: Carry, lock: Path, last: bool) -> None:
    seen: list[str | None] = []

    def plan() -> Plan:
        seen.append(holder(lock))
        return Plan([Step("look", lambda: seen.append(holder(lock)))])

    carry(plan, last=last, run={**RUN, "hold": False})
    assert seen == [RUN["id"]] * 2
    assert holder(lock) is None


@pytest.mark.parametrize("failure", [None, Failed("no")])
def test_a_run_that_holds_the_lock_keeps_it_between_steps(
    carry: Carry, host: Host, lock: Path, failure: Exception | None
) -> None:
    carry(Plan([host.step("boot it", failure)]), run=RUN)
    assert holder(lock) == RUN["id"]


def test_a_run_that_holds_the_lock_keeps_it_if_a_plan_fails(carry: Carry, lock: Path) -> None:
    carry(Failed("no such release"), run=RUN)
    assert holder(lock) == RUN["id"]


@pytest.mark.parametrize("failure", [None, Failed("no"), OSError("no")])
def test_the_last_module_of_a_run_releases_the_lock_even_when_it_fails(
    carry: Carry, host: Host, lock: Path, failure: Exception | None
) -> None:
    with Lock(lock).during(RUN):
        pass
    result = carry(Plan([host.step("retire it", failure, of="a"), host.step("prune", of="b")]), last=True, run=RUN)
    assert bool(result.get("failed")) is bool(failure)
    assert host.done[-1] == "prune"
    assert holder(lock) is None


@pytest.mark.parametrize("failure", [Failed("no"), OSError("no")])
def test_the_last_module_of_a_run_releases_the_lock_even_when_its_plan_fails(
    carry: Carry, lock: Path, failure: Exception
) -> None:
    with Lock(lock).during(RUN):
        pass
    assert carry(failure, last=True, run=RUN) == {"failed": True, "msg": "no"}
    assert holder(lock) is None


def test_the_last_module_of_a_run_releases_only_its_own_lock(carry: Carry, host: Host, lock: Path) -> None:
    with Lock(lock).during({**OTHER, "hold": True}):
        pass
    assert carry(Plan([host.step("retire it")]), last=True, run=RUN)["failed"]
    assert host.done == []
    assert holder(lock) == OTHER["id"]


def test_in_check_mode_the_last_module_of_a_run_touches_no_lock(carry: Carry, host: Host, lock: Path) -> None:
    with Lock(lock).during(RUN):
        pass
    carry(Plan([host.step("retire it")]), check_mode=True, last=True, run=RUN)
    assert holder(lock) == RUN["id"]


def test_a_module_without_a_run_takes_no_lock(carry: Carry, host: Host, lock: Path) -> None:
    with Lock(lock).during(OTHER):
        carry(Plan([host.step("boot it")]))
    assert host.done == ["boot it"]
