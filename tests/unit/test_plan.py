"""What a plan promises, and the frame of the modules that takes its steps."""

from __future__ import annotations

import json
import os
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


def test_the_steps_are_taken_in_their_order(host: Host) -> None:
    Plan([host.step("one"), host.step("two"), host.step("three")]).take()
    assert host.done == ["one", "two", "three"]


failures = pytest.mark.parametrize("failure", [Failed("no"), OSError("no")])


def test_a_step_is_for_the_whole_host_unless_it_says_whose_it_is() -> None:
    assert Step("make it", list).of == ""


@failures
def test_after_a_step_for_the_whole_host_that_fails_no_other_such_is_taken(host: Host, failure: Exception) -> None:
    with pytest.raises(Failed, match=r"^no$"):
        Plan([host.step("one"), host.step("two", failure), host.step("three")]).take()
    assert host.done == ["one"]


@failures
def test_after_a_step_that_fails_no_other_of_its_application_is_taken(host: Host, failure: Exception) -> None:
    steps = [host.step("one", of="a"), host.step("two", failure, of="a"), host.step("three", of="a")]
    with pytest.raises(Failed, match=r"^a: no$"):
        Plan(steps).take()
    assert host.done == ["one"]


@failures
def test_a_step_that_fails_ends_those_of_no_other_application(host: Host, failure: Exception) -> None:
    steps = [
        host.step("one", of="b"),
        host.step("two", failure, of="a"),
        host.step("three", of="b"),
        host.step("four", of="a"),
        host.step("five", of="c"),
    ]
    with pytest.raises(Failed, match=r"^a: no$"):
        Plan(steps).take()
    assert host.done == ["one", "three", "five"]


@failures
def test_after_a_step_of_an_application_that_fails_none_for_the_whole_host_is_taken(
    host: Host, failure: Exception
) -> None:
    steps = [host.step("one"), host.step("two", failure, of="a"), host.step("three"), host.step("four", of="b")]
    with pytest.raises(Failed, match=r"^a: no$"):
        Plan(steps).take()
    assert host.done == ["one", "four"]


@failures
def test_a_step_for_the_whole_host_that_fails_ends_those_of_no_application(host: Host, failure: Exception) -> None:
    with pytest.raises(Failed, match=r"^no$"):
        Plan([host.step("one", failure), host.step("two", of="a"), host.step("three")]).take()
    assert host.done == ["two"]


@failures
def test_all_failures_are_told_with_whose_they_are(host: Host, failure: Exception) -> None:
    steps = [
        host.step("one", failure, of="a"),
        host.step("two", of="b"),
        host.step("three", OSError("neither"), of="c"),
        host.step("four", Failed("not even this"), of="a"),
    ]
    with pytest.raises(Failed, match=r"^a: no; c: neither$"):
        Plan(steps).take()
    assert host.done == ["two"]


def test_what_nobody_has_expected_ends_everything(host: Host) -> None:
    with pytest.raises(ValueError, match=r"^no$"):
        Plan([host.step("one", ValueError("no"), of="a"), host.step("two", of="b"), host.step("three")]).take()
    assert host.done == []


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
    """Return what carries out a plan, or what raises when it is made, and returns the result of the module."""
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
            frame.carry_out({name: {"type": "str"} for name in params if name != "run"}, plan, last=last)
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
        "diff": [{"prepared": "boot it, switch\n"}],
        "live": "aaa111",
    }
    assert host.done == ["boot it", "switch"]


def test_a_module_without_steps_has_not_changed_and_says_how_things_are(carry: Carry) -> None:
    assert carry(Plan(result={"live": "aaa111"}, settled="all is well")) == {
        "changed": False,
        "msg": "all is well",
        "live": "aaa111",
    }


def test_in_check_mode_a_module_says_what_it_would_do_and_does_not_do_it(carry: Carry, host: Host, lock: Path) -> None:
    result = carry(Plan([host.step("boot it"), host.step("switch")]), check_mode=True, run=RUN)
    assert result["changed"]
    assert result["msg"] == "would boot it, switch"
    assert result["diff"] == [{"prepared": "would boot it, switch\n"}]
    assert host.done == []
    assert holder(lock) is None


def test_in_check_mode_nothing_to_do_is_said_as_otherwise(carry: Carry) -> None:
    assert carry(Plan(settled="all is well"), check_mode=True) == {"changed": False, "msg": "all is well"}


def test_check_mode_tells_while_another_run_is_at_work(carry: Carry, host: Host, lock: Path) -> None:
    with Lock(lock).during(OTHER):
        assert carry(Plan([host.step("boot it")]), check_mode=True, run=RUN)["msg"] == "would boot it"


def test_a_difference_is_shown_after_what_is_done(carry: Carry, host: Host) -> None:
    difference = {"before": "one", "after": "two"}
    result = carry(Plan([host.step("make it")], {"diff": difference}), name="hello")
    assert result["diff"] == [{"prepared": "hello: make it\n"}, difference]


@pytest.mark.parametrize(
    ("steps", "check_mode", "msg"),
    [(1, False, "hello: boot it"), (1, True, "hello: would boot it"), (0, False, "hello: all is well")],
)
def test_a_module_for_one_application_names_it(
    carry: Carry, host: Host, steps: int, check_mode: bool, msg: str
) -> None:
    assert carry(Plan([host.step("boot it")] * steps, settled="all is well"), check_mode, name="hello")["msg"] == msg


def test_what_is_done_is_told_of_each_application_together(carry: Carry, host: Host) -> None:
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
    said = "a: would boot it, switch; b: would boot it; would prune"
    result = carry(plan, check_mode=True)
    assert (result["msg"], result["diff"]) == (said, [{"prepared": f"{said}\n"}])


@pytest.mark.parametrize("failure", [None, Failed("it does not start")])
def test_a_module_for_one_application_names_it_once(carry: Carry, host: Host, failure: Exception | None) -> None:
    result = carry(Plan([host.step("boot it", failure, of="hello"), host.step("switch", of="hello")]), name="hello")
    assert result["msg"] == ("hello: it does not start" if failure else "hello: boot it, switch")


def test_what_a_step_adds_to_the_result_is_returned(carry: Carry) -> None:
    result: dict[str, Any] = {}
    assert carry(Plan([Step("ask", lambda: result.update(answer=42))], result))["answer"] == 42


def test_what_a_module_makes_can_be_read_whatever_the_umask_is(carry: Carry, tmp_path: Path) -> None:
    carry(Plan([Step("make it", (tmp_path / "made").touch)]))
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("failure", [Failed("it does not start"), OSError("it does not start")])
@pytest.mark.parametrize("run", [None, RUN])
def test_a_step_that_fails_is_the_error_of_the_module(
    carry: Carry, host: Host, failure: Exception, run: dict[str, Any] | None
) -> None:
    result = carry(Plan([host.step("boot it", failure), host.step("switch")]), name="hello", run=run)
    assert result == {"failed": True, "msg": "hello: it does not start"}
    assert host.done == []


@pytest.mark.parametrize("failure", [Failed("no such release"), OSError("no such release")])
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_plan_that_cannot_be_made_is_the_error_of_the_module(
    carry: Carry, failure: Exception, check_mode: bool
) -> None:
    assert carry(failure, check_mode, name="hello", run=RUN) == {"failed": True, "msg": "hello: no such release"}


def test_a_module_that_another_run_keeps_out_does_nothing_and_tells_whom_to_ask(
    carry: Carry, host: Host, lock: Path
) -> None:
    with Lock(lock).during({**OTHER, "hold": True}):
        pass
    result = carry(Plan([host.step("boot it")]), name="hello", run=RUN)
    assert result["failed"]
    assert result["holder"]["id"] == OTHER["id"]
    assert result["msg"].startswith(f"another run is changing this host: {OTHER['who']} has held the lock since ")
    assert host.done == []
    assert holder(lock) == OTHER["id"]


def test_a_module_whose_run_knows_that_the_other_one_is_dead_goes_on(carry: Carry, host: Host, lock: Path) -> None:
    with Lock(lock).during({**OTHER, "hold": True}):
        pass
    carry(Plan([host.step("boot it")]), run={**RUN, "dead": [OTHER["id"]]})
    assert host.done == ["boot it"]
    assert holder(lock) == RUN["id"]


@pytest.mark.parametrize("last", [False, True])
def test_the_plan_is_made_under_the_lock_and_so_are_the_steps_taken(carry: Carry, lock: Path, last: bool) -> None:
    seen: list[str | None] = []

    def plan() -> Plan:
        seen.append(holder(lock))
        return Plan([Step("look", lambda: seen.append(holder(lock)))])

    carry(plan, last=last, run={**RUN, "hold": False})
    assert seen == [RUN["id"]] * 2
    assert holder(lock) is None


@pytest.mark.parametrize("failure", [None, Failed("no")])
def test_a_run_that_holds_the_lock_keeps_it_after_a_step_in_its_middle(
    carry: Carry, host: Host, lock: Path, failure: Exception | None
) -> None:
    carry(Plan([host.step("boot it", failure)]), run=RUN)
    assert holder(lock) == RUN["id"]


def test_a_run_that_holds_the_lock_keeps_it_where_a_plan_in_its_middle_cannot_be_made(carry: Carry, lock: Path) -> None:
    carry(Failed("no such release"), run=RUN)
    assert holder(lock) == RUN["id"]


@pytest.mark.parametrize("failure", [None, Failed("no"), OSError("no")])
def test_the_last_module_of_a_run_lets_go_of_the_lock_even_when_it_fails(
    carry: Carry, host: Host, lock: Path, failure: Exception | None
) -> None:
    with Lock(lock).during(RUN):
        pass
    result = carry(Plan([host.step("retire it", failure, of="a"), host.step("prune", of="b")]), last=True, run=RUN)
    assert bool(result.get("failed")) is bool(failure)
    assert host.done[-1] == "prune"
    assert holder(lock) is None


@pytest.mark.parametrize("failure", [Failed("no"), OSError("no")])
def test_the_last_module_of_a_run_lets_go_of_the_lock_even_when_its_plan_cannot_be_made(
    carry: Carry, lock: Path, failure: Exception
) -> None:
    with Lock(lock).during(RUN):
        pass
    assert carry(failure, last=True, run=RUN) == {"failed": True, "msg": "no"}
    assert holder(lock) is None


def test_the_last_module_of_a_run_lets_go_of_no_lock_but_its_own(carry: Carry, host: Host, lock: Path) -> None:
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
