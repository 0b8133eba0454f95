"""What the controller's half of a step promises."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader

from ansible_collections.wsgi.production.plugins.action import release, step
from ansible_collections.wsgi.production.plugins.plugin_utils.run import machine, started, this_run

DONE = {"changed": True, "msg": "hello: switch"}


class Host:
    """Stands in for Ansible's way to the host: gives each of `results` in turn; `asked` is what modules were asked."""

    def __init__(self, *results: dict[str, Any]) -> None:
        self.results = list(results)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Take the place of `_execute_module`, through which all arguments go as JSON."""
        self.asked.append((module_name, json.loads(json.dumps(module_args))))
        return self.results.pop(0)


def held(holder: str) -> dict[str, Any]:
    """Return what a module says when the run `holder` holds the lock of its host."""
    return {"failed": True, "msg": "another run is changing this host", "holder": {"id": holder, "who": "alice"}}


def action(plugin: Any, host: Host, module: str, args: dict[str, Any]) -> Any:
    """Return the action plugin of `plugin` for a task."""
    task = SimpleNamespace(
        args=args,
        action=f"wsgi.production.{module}",
        resolved_action=f"wsgi.production.{module}",
        async_val=0,
        check_mode=False,
    )
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp"))
    found = plugin.ActionModule(task, connection, None, DataLoader(), None, None)
    found._execute_module = host
    return found


def act(plugin: Any, host: Host, module: str = "switch", variables: dict[str, Any] | None = None, **args: Any) -> Any:
    """Run a task with the action plugin of `plugin`, and return its result."""
    return action(plugin, host, module, args).run(task_vars=variables)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Return a process that lives until a test ends it."""
    with subprocess.Popen(["sleep", "600"]) as one:
        yield one
        one.kill()


@pytest.fixture
def alive(process: subprocess.Popen[bytes]) -> str:
    return f"{machine()}:{process.pid}:{started(process.pid)}"


@pytest.fixture
def dead(process: subprocess.Popen[bytes], alive: str) -> str:
    process.kill()
    process.wait()
    return alive


def test_a_task_runs_its_module_with_its_arguments_and_its_run() -> None:
    host = Host(DONE)
    assert act(step, host, "switch", name="hello", release="81d0e77c2b6f") == DONE
    assert host.asked == [
        ("wsgi.production.switch", {"name": "hello", "release": "81d0e77c2b6f", "run": {**this_run(), "hold": False}})
    ]


@pytest.mark.parametrize(
    ("variables", "hold"),
    [(None, False), ({}, False), ({"__wsgi_production_hold": False}, False), ({"__wsgi_production_hold": True}, True)],
)
@pytest.mark.parametrize("plugin", [step, release])
def test_a_play_decides_whether_its_run_keeps_the_lock_from_step_to_step(
    plugin: Any, variables: dict[str, Any] | None, hold: bool
) -> None:
    host = Host(DONE)
    act(plugin, host, variables=variables)
    assert host.asked[0][1]["run"]["hold"] is hold


def test_the_lock_of_a_dead_run_is_taken_over(dead: str) -> None:
    host = Host(held(dead), DONE)
    assert act(step, host, name="hello") == DONE
    (_, first), (_, second) = host.asked
    assert "dead" not in first["run"]
    assert second == {**first, "run": {**first["run"], "dead": [dead]}}


def test_the_lock_of_a_living_run_is_left_alone(alive: str) -> None:
    host = Host(held(alive))
    assert act(step, host) == {"failed": True, "msg": "another run is changing this host"}
    assert len(host.asked) == 1


def test_the_lock_of_a_run_on_another_machine_is_left_alone(dead: str) -> None:
    host = Host(held(dead.replace(machine(), "0" * 12)))
    assert act(step, host)["failed"]
    assert len(host.asked) == 1


def test_a_lock_that_another_run_has_taken_over_first_is_left_alone(dead: str) -> None:
    host = Host(held(dead), held(f"{'0' * 12}:1:1"))
    assert act(step, host) == {"failed": True, "msg": "another run is changing this host"}
    assert len(host.asked) == 2


def test_a_worker_that_outlives_its_run_changes_nothing(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "this_run", lambda: {"id": dead, "who": "alice"})
    host = Host(DONE)
    with pytest.raises(AnsibleActionFail, match="ansible-playbook was killed"):
        act(step, host)
    assert host.asked == []


def test_another_failure_is_told_as_it_is() -> None:
    failure = {"failed": True, "msg": "hello: the host has no user and group hello"}
    host = Host(dict(failure))
    assert act(step, host) == failure
    assert len(host.asked) == 1


def test_the_environment_travels_as_one_text_so_that_ansible_masks_it_as_a_whole() -> None:
    env = {"SECRET": "hunter2", "NUMBER": 8, "TEXT": 'it\'s "quoted"\n'}
    host = Host(DONE)
    act(release, host, "release", name="hello", env=env)
    ((module, asked),) = host.asked
    assert module == "wsgi.production.release"
    assert isinstance(asked["env"], str)
    assert json.loads(asked["env"]) == env
    assert asked["name"] == "hello"


@pytest.mark.parametrize("args", [{}, {"env": {}}])
def test_no_environment_is_no_text(args: dict[str, Any]) -> None:
    host = Host(DONE)
    act(release, host, "release", **args)
    assert not host.asked[0][1].get("env")


def test_a_task_that_is_tried_again_sends_the_same_environment() -> None:
    host = Host(DONE, DONE)
    retried = action(release, host, "release", {"env": {"SECRET": "hunter2"}})
    retried.run()
    retried.run()
    assert [json.loads(asked["env"]) for _, asked in host.asked] == [{"SECRET": "hunter2"}] * 2


def test_the_lock_of_a_dead_run_is_taken_over_by_a_release_with_the_same_environment(dead: str) -> None:
    host = Host(held(dead), DONE)
    assert act(release, host, "release", env={"SECRET": "hunter2"}) == DONE
    assert [json.loads(asked["env"]) for _, asked in host.asked] == [{"SECRET": "hunter2"}] * 2
