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

from ansible_collections.wsgi.production.plugins.action import edge, release, step, verify
from ansible_collections.wsgi.production.plugins.modules import edge as edge_module
from ansible_collections.wsgi.production.plugins.plugin_utils.description import input_spec, with_defaults
from ansible_collections.wsgi.production.plugins.plugin_utils.run import machine, started, this_run
from tests.unit.fakes import Pem, certify

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


# edge


def site(name: str, **given: Any) -> dict[str, Any]:
    """Return a site, complete."""
    values = {"name": name, "server_names": [f"{name}.example.org"], "servers": [f"unix:/srv/{name}"], **given}
    return with_defaults(values, input_spec("nginx"))


@pytest.fixture
def pem() -> Pem:
    return certify("hello.example.org")


@pytest.fixture
def sites(pem: Pem) -> list[dict[str, Any]]:
    """Return two sites, one of which has secrets."""
    own = {"source": "own", **pem._asdict(), "http3": True}
    return [
        site("hello", tls=own, basic_auth={"alice": "hunter2hunter2"}, read_timeout=90),
        site("world", tls={"source": "acme"}),
        site("plain"),
    ]


def serve(host: Host, sites: list[dict[str, Any]], **given: Any) -> Any:
    """Run the task that serves `sites`, and return its result."""
    return act(edge, host, "edge", sites=sites, **given)


def test_the_edge_is_asked_to_serve_what_the_controller_has_made_of_the_sites(sites: list[dict[str, Any]]) -> None:
    host = Host(DONE)
    assert serve(host, sites, headers={"X-Y": "z"}, acme_email="ops@example.org") == DONE
    ((module, asked),) = host.asked
    assert module == "wsgi.production.edge"
    assert list(asked["config"]) == ["0", "1.25.1"]
    assert all("server_name hello.example.org;" in text and '"z"' in text for text in asked["config"].values())
    assert [one["site"] for one in asked["certificates"]] == ["hello", "world"]
    assert asked["sites"] == [
        {"name": "hello", "read_timeout": 90, "http3": True},
        {"name": "world", "read_timeout": 65, "http3": False},
        {"name": "plain", "read_timeout": 65, "http3": False},
    ]
    assert (asked["acme_email"], asked["tls_profile"], asked["snippet"]) == ("ops@example.org", "intermediate", "")


def test_the_defaults_of_the_edge_have_no_objection() -> None:
    assert act(edge, Host(DONE), "edge", sites=[site("hello")]) == DONE


def test_all_that_the_edge_is_asked_is_known_to_its_module(sites: list[dict[str, Any]]) -> None:
    host = Host(DONE)
    serve(host, sites)
    assert set(host.asked[0][1]) == {*edge_module.ARGUMENTS, "run"}
    for one in host.asked[0][1]["certificates"]:
        assert set(one) <= set(edge_module.CERTIFICATE)


def test_keys_and_passwords_travel_as_one_text_and_nowhere_else(sites: list[dict[str, Any]], pem: Pem) -> None:
    host = Host(DONE)
    serve(host, sites)
    asked = host.asked[0][1]
    secrets = asked.pop("secrets")
    assert json.loads(secrets) == {
        "passwords": {"hello": {"alice": "hunter2hunter2"}, "world": {}, "plain": {}},
        "keys": {"hello": pem.key, "world": "", "plain": ""},
    }
    assert "hunter2" not in json.dumps(asked)
    assert pem.key.splitlines()[1] not in json.dumps(asked)
    assert edge_module.ARGUMENTS["secrets"]["no_log"] is True


def test_a_host_is_not_asked_to_serve_what_is_wrong(sites: list[dict[str, Any]]) -> None:
    host = Host()
    wrong = [*sites, site("world", basic_auth={"alice": "hunter2"}, server_names=["b.example.org"])]
    result = serve(host, wrong, acme_email="ops")
    assert (result["failed"], host.asked) == (True, [])
    assert [line[:40] for line in result["msg"].splitlines()] == [
        "nginx_acme_email: 'ops': write one addre",
        "nginx_sites (world): basic_auth: the pas",
        "nginx_sites: two sites, world and world,",
    ]
    assert "hunter2" not in result["msg"]


# verify


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the operator is told besides the result."""
    found: list[str] = []
    monkeypatch.setattr(verify, "display", SimpleNamespace(display=found.append))
    return found


def test_an_operator_is_told_how_long_each_certificate_is_valid(told: list[str]) -> None:
    result = {"changed": False, "msg": "healthy", "days": {"hello.example.org": 89, "world.example.org": 6}}
    host = Host(dict(result))
    assert act(verify, host, "verify", fronts=[]) == result
    assert host.asked[0][1]["fronts"] == []
    assert told == [
        "hello.example.org: the certificate is valid for 89 more days",
        "world.example.org: the certificate is valid for 6 more days",
    ]


@pytest.mark.parametrize("result", [{"failed": True, "msg": "hello does not answer"}, {"changed": False, "days": {}}])
def test_an_operator_is_told_of_no_certificate_where_none_was_seen(told: list[str], result: dict[str, Any]) -> None:
    assert act(verify, Host(dict(result)), "verify", fronts=[]) == result
    assert told == []
