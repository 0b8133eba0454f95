"""What the controller's half of a step promises."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader

from ansible_collections.wsgi.production.plugins.action import build, check, step, survey, verify, wheels
from ansible_collections.wsgi.production.plugins.module_utils.layout import NGINX_ADDRESS
from ansible_collections.wsgi.production.plugins.module_utils.steps import build as build_module
from ansible_collections.wsgi.production.plugins.module_utils.steps import nginx as nginx_module
from ansible_collections.wsgi.production.plugins.module_utils.steps import release as release_module
from ansible_collections.wsgi.production.plugins.module_utils.steps import survey as survey_step
from ansible_collections.wsgi.production.plugins.module_utils.steps import wheels as wheels_module
from ansible_collections.wsgi.production.plugins.module_utils.wheels import Wheels
from ansible_collections.wsgi.production.plugins.plugin_utils.role_inputs import fronts
from ansible_collections.wsgi.production.plugins.plugin_utils.run import machine, started, this_run
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source
from ansible_collections.wsgi.production.plugins.plugin_utils.specification import input_spec, inputs, with_defaults
from ansible_collections.wsgi.production.plugins.plugin_utils.survey import SURVEY
from tests.unit.fakes import Pem, certify

DONE = {"changed": True, "msg": "hello: switch"}


class Host:
    """A fake connection to the host: gives each of `results` in turn; `asked` is what modules were asked.

    :ivar files: what lies on it, by path.
    """

    def __init__(self, *results: dict[str, Any], check_mode: bool = False, delegate_to: str | None = None) -> None:
        self.results = list(results)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.check_mode = check_mode
        self.delegate_to = delegate_to
        self.files: dict[str, bytes] = {}
        self._shell = SimpleNamespace(tmpdir="/tmp/ansible-1", join_path=os.path.join)

    def __call__(self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Take the place of `_execute_module`, through which all arguments go as JSON."""
        assert module_name == step.MODULE
        asked = json.loads(json.dumps(module_args))
        self.asked.append((f"wsgi.production.{asked.pop('step')}", asked))
        result = self.results.pop(0)
        if not result.get("failed"):
            self.files.update({path: f"of {name}".encode() for name, path in module_args.get("pack", {}).items()})
        return result

    def put_file(self, here: str, there: str) -> None:
        """Take the place of the connection."""
        self.files[there] = Path(here).read_bytes()

    def fetch_file(self, there: str, here: str) -> None:
        """Take the place of the connection."""
        Path(here).write_bytes(self.files[there])


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
        check_mode=host.check_mode,
        delegate_to=host.delegate_to,
    )
    found = plugin.ActionModule(task, host, None, DataLoader(), None, None)
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
@pytest.mark.parametrize("plugin", [step, build, wheels])
def test_a_play_decides_whether_its_run_keeps_the_lock_between_steps(
    plugin: Any, variables: dict[str, Any] | None, hold: bool
) -> None:
    host = Host(DONE)
    act(plugin, host, variables=variables, apps=[])
    assert host.asked[0][1]["run"]["hold"] is hold


@pytest.mark.parametrize(
    ("delegate_to", "hold"), [(None, True), ("app1", True), ("app2", True), ("build1", False), ("app", False)]
)
@pytest.mark.parametrize("plugin", [step, wheels])
def test_a_run_releases_the_lock_of_a_host_that_it_does_not_return_to(
    plugin: Any, delegate_to: str | None, hold: bool
) -> None:
    host = Host(DONE, delegate_to=delegate_to)
    play = {"__wsgi_production_hold": True, "ansible_play_hosts_all": ["app1", "app2"]}
    act(plugin, host, variables=play, apps=[])
    assert host.asked[0][1]["run"]["hold"] is hold


def test_a_delegated_step_keeps_no_lock_if_its_play_keeps_none() -> None:
    host = Host(DONE, delegate_to="app1")
    act(step, host, variables={"ansible_play_hosts_all": ["app1"]})
    assert host.asked[0][1]["run"]["hold"] is False


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


def test_a_lock_that_another_run_took_over_first_is_left_alone(dead: str) -> None:
    host = Host(held(dead), held(f"{'0' * 12}:1:1"))
    assert act(step, host) == {"failed": True, "msg": "another run is changing this host"}
    assert len(host.asked) == 2


def test_a_worker_that_outlives_its_run_changes_nothing(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "this_run", lambda: {"id": dead, "who": "alice"})
    host = Host(DONE)
    with pytest.raises(AnsibleActionFail, match="ansible-playbook was killed"):
        act(step, host)
    assert host.asked == []


def test_other_failures_remain_unchanged() -> None:
    failure = {"failed": True, "msg": "hello: user and group hello is not installed on the host"}
    host = Host(dict(failure))
    assert act(step, host) == failure
    assert len(host.asked) == 1


# release


SECRETS: dict[str, Any] = {
    "env": {"TEXT": 'it\'s "quoted"\n', "NUMBER": 8},
    "secrets": {"PASSWORD": "hunter2", "PIN": 1},
    "secret_files": {"key.pem": "hunter3\n"},
}


def released(name: str, **given: Any) -> dict[str, Any]:
    """Return an application to release."""
    return {"name": name, "build": f"/srv/{name}/builds/1", "callable": "main:application", **given}


def test_possible_secrets_are_sent_as_one_string_so_that_ansible_masks_all_of_it() -> None:
    host = Host(DONE)
    assert act(step, host, "release", apps=[released("hello", **SECRETS), released("world")]) == DONE
    ((module, asked),) = host.asked
    assert module == "wsgi.production.release"
    secrets = asked.pop("secrets")
    assert isinstance(secrets, str)
    assert json.loads(secrets) == {"hello": SECRETS, "world": {"env": {}, "secrets": {}, "secret_files": {}}}
    assert "hunter" not in json.dumps(asked)
    assert not [key for app in asked["apps"] for key in SECRETS if key in app]
    option: Any = release_module.ARGUMENTS["secrets"]
    assert option["no_log"] is True


def test_a_release_is_requested_with_the_types_and_defaults_of_the_role() -> None:
    host = Host(DONE)
    apps = [released("hello", harakiri="30", **SECRETS), released("world")]
    act(step, host, "release", apps=apps, on_failure="continue", index_url="https://pypi.example.org/simple")
    asked = host.asked[0][1]
    assert asked["apps"] == [
        {key: value for key, value in app.items() if key not in SECRETS} for app in inputs(apps, "uwsgi")
    ]
    assert asked["apps"][0]["harakiri"] == 30
    assert (asked["on_failure"], asked["index_url"]) == ("continue", "https://pypi.example.org/simple")
    assert set(asked) <= {*release_module.ARGUMENTS, "run"}


def test_releasing_no_application_sends_no_secrets() -> None:
    host = Host(DONE)
    assert act(step, host, "release", apps=[]) == DONE
    assert (host.asked[0][1]["apps"], json.loads(host.asked[0][1]["secrets"])) == ([], {})


def test_a_retried_release_sends_the_same_secrets() -> None:
    host = Host(DONE, DONE)
    retried = action(step, host, "release", {"apps": [released("hello", **SECRETS)]})
    retried.run()
    retried.run()
    assert [json.loads(asked["secrets"]) for _, asked in host.asked] == [{"hello": SECRETS}] * 2


def test_a_release_that_takes_over_a_lock_sends_the_same_secrets(dead: str) -> None:
    host = Host(held(dead), DONE)
    assert act(step, host, "release", apps=[released("hello", **SECRETS)]) == DONE
    assert [json.loads(asked["secrets"]) for _, asked in host.asked] == [{"hello": SECRETS}] * 2


@pytest.mark.parametrize("key", SECRETS)
def test_an_invalid_release_is_reported_without_its_secrets(key: str) -> None:
    host = Host()
    with pytest.raises(AnsibleActionFail, match=key) as failure:
        act(step, host, "release", apps=[released("hello", **{**SECRETS, key: ["hunter2"]})])
    assert "hunter" not in str(failure.value)
    assert host.asked == []


# build


POETRY = {"poetry.lock": "", "pyproject.toml": '[project]\nname = "hello"\n'}
PIPENV = {"Pipfile.lock": "{}", "Pipfile": ""}
PLAIN = {"requirements.txt": ""}


class Sources:
    """Sources of applications, on the controller."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def app(self, name: str, files: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
        """Return an application to build, and write its source."""
        directory = self.root / name
        directory.mkdir()
        for file, text in {"main.py": f"# {name}\n", **(PLAIN if files is None else files)}.items():
            (directory / file).write_text(text)
        return {"name": name, "source": str(directory), **given}


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "sources").mkdir()
    return Sources(tmp_path / "sources")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the controller has its temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def lacks(*names: str, **given: Any) -> dict[str, Any]:
    """Return what a module says that has to be asked again with `names`."""
    return {"changed": False, "msg": "", "missing": [*names], **given}


def packed(archive: bytes) -> dict[str, str]:
    """Return the files of an archive, and what is in them."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        return {one.name: read.read().decode() for one in files if (read := files.extractfile(one))}


def test_sources_of_existing_builds_are_not_sent(sources: Sources) -> None:
    host, apps = Host({**lacks(), "builds": {"hello": "/1"}}), [sources.app("hello"), sources.app("world")]
    assert act(build, host, "build", apps=apps) == {"changed": False, "msg": "", "builds": {"hello": "/1"}}
    ((module, asked),) = host.asked
    assert module == "wsgi.production.build"
    without_env = [{key: value for key, value in app.items() if key != "env"} for app in inputs(apps, "python_app")]
    assert asked["apps"] == without_env
    assert asked["contents"] == {app["name"]: Source.of(app).content() for app in apps}
    assert set(asked) == {"apps", "contents", "secrets", "pins", "run"}
    assert host.files == {}


@pytest.mark.parametrize(("plugin", "step_name"), [(build, "build"), (wheels, "wheels")])
def test_the_environment_of_a_build_is_never_logged(sources: Sources, plugin: Any, step_name: str) -> None:
    host = Host({**DONE, "wheels": {}})
    act(plugin, host, step_name, apps=[sources.app("hello", env={"TOKEN": "hunter2"})])
    ((_, asked),) = host.asked
    if step_name == "build":
        assert json.loads(asked.pop("secrets")) == {"hello": {"env": {"TOKEN": "hunter2"}}}
        option: Any = build_module.ARGUMENTS["secrets"]
        assert option["no_log"] is True
    assert "hunter2" not in json.dumps(asked)


def test_only_missing_sources_are_sent_with_the_retry(sources: Sources, temporary: Path) -> None:
    host, apps = Host(lacks("world"), dict(DONE)), [sources.app("hello"), sources.app("world")]
    assert act(build, host, "build", apps=apps, on_failure="continue") == DONE
    (_, first), (module, second) = host.asked
    assert module == "wsgi.production.build"
    assert second == {
        **first,
        "archives": {"world": "/tmp/ansible-1/world.tar.gz"},
        "wheel_archives": {},
    }
    assert {path: packed(archive) for path, archive in host.files.items()} == {
        "/tmp/ansible-1/world.tar.gz": {"main.py": "# world\n", "requirements.txt": ""}
    }
    assert list(temporary.iterdir()) == []


def test_the_operator_does_not_see_the_list_of_missing_builds(sources: Sources) -> None:
    host = Host(lacks("hello"), lacks("hello", changed=True))
    assert act(build, host, "build", apps=[sources.app("hello")]) == {"changed": True, "msg": ""}


def test_nothing_is_sent_in_check_mode(sources: Sources) -> None:
    host = Host(lacks("hello", changed=True, builds={"hello": "/1"}), check_mode=True)
    result = act(build, host, "build", apps=[sources.app("hello")])
    assert result == {"changed": True, "msg": "", "builds": {"hello": "/1"}}
    assert (len(host.asked), host.files) == (1, {})


@pytest.mark.parametrize("plugin", [build, wheels])
def test_a_failed_host_is_not_asked_again(plugin: Any, sources: Sources) -> None:
    host = Host(lacks("hello", failed=True))
    assert act(plugin, host, "build", apps=[sources.app("hello")])["failed"]
    assert (len(host.asked), host.files) == (1, {})


def test_a_failed_build_is_reported_and_leaves_no_temporary_file(sources: Sources, temporary: Path) -> None:
    failure = {"failed": True, "msg": "hello: no such package"}
    host = Host(lacks("hello"), dict(failure))
    assert act(build, host, "build", apps=[sources.app("hello")]) == failure
    assert list(temporary.iterdir()) == []


def test_a_source_that_cannot_be_sent_leaves_no_temporary_file(
    sources: Sources, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(here: str, there: str) -> None:
        raise AnsibleActionFail("the connection is gone")

    host = Host(lacks("hello"))
    monkeypatch.setattr(host, "put_file", refuse)
    with pytest.raises(AnsibleActionFail, match="connection is gone"):
        act(build, host, "build", apps=[sources.app("hello")])
    assert list(temporary.iterdir()) == []


def test_a_host_without_a_temporary_directory_gets_one(sources: Sources) -> None:
    host = Host(lacks("hello"), dict(DONE))
    host._shell.tmpdir = None
    task = action(build, host, "build", {"apps": [sources.app("hello")]})
    task._make_tmp_path = lambda: setattr(host._shell, "tmpdir", "/tmp/ansible-2")
    assert task.run() == DONE
    assert host.asked[1][1]["archives"] == {"hello": "/tmp/ansible-2/hello.tar.gz"}


@pytest.mark.parametrize(
    ("missing", "tools"),
    [
        (["plain"], set()),
        (["poems"], {"poetry"}),
        (["pipes"], {"pipenv"}),
        (["plain", "poems", "pipes"], {"poetry", "pipenv"}),
    ],
)
@pytest.mark.parametrize("plugin", [build, wheels])
def test_missing_builds_get_the_pins_of_their_lock_tools(
    plugin: Any, missing: list[str], tools: set[str], sources: Sources
) -> None:
    apps = [sources.app("plain"), sources.app("poems", POETRY), sources.app("pipes", PIPENV)]
    host = Host(lacks(*missing), dict(DONE))
    act(plugin, host, "build", apps=apps)
    first, pins = (asked["pins"] for _, asked in host.asked)
    assert set(pins) - set(first) == tools
    assert not [tool for tool, text in pins.items() if f"{tool}==" not in text or "--hash=sha256:" not in text]


def test_the_wheels_of_missing_builds_are_sent_too(sources: Sources, tmp_path: Path) -> None:
    apps = [sources.app("hello"), sources.app("world"), sources.app("other")]
    gathered = {}
    for name in ("hello", "world"):
        archive = tmp_path / f"{name}.tar"
        archive.write_text(f"wheels of {name}")
        gathered[name] = {"folder": "0f3a", "archive": str(archive)}
    host = Host(lacks("world", "other"), dict(DONE))
    assert act(build, host, "build", apps=apps, wheels=gathered) == DONE
    (_, first), (_, second) = host.asked
    assert first["wheels"] == second["wheels"] == gathered
    assert set(second["archives"]) == {"world", "other"}
    assert second["wheel_archives"] == {"world": "/tmp/ansible-1/world.wheels.tar"}
    assert host.files["/tmp/ansible-1/world.wheels.tar"] == b"wheels of world"
    assert set(second) <= {*build_module.ARGUMENTS, "run"}


@pytest.mark.parametrize("plugin", [build, wheels])
def test_a_missing_source_is_an_error_that_names_its_application(plugin: Any, sources: Sources, tmp_path: Path) -> None:
    host = Host()
    with pytest.raises(AnsibleActionFail, match=r"^world: build.source: '.*/gone' is not a directory"):
        act(plugin, host, "build", apps=[sources.app("hello"), {"name": "world", "source": f"{tmp_path}/gone"}])
    assert host.asked == []


@pytest.mark.parametrize("plugin", [build, wheels])
def test_an_unknown_key_is_an_error_that_names_it(plugin: Any, sources: Sources) -> None:
    host = Host()
    with pytest.raises(AnsibleActionFail, match="sauce"):
        act(plugin, host, "build", apps=[sources.app("hello", sauce="x")])
    assert host.asked == []


def test_sent_sources_are_kept_when_the_lock_of_a_dead_run_is_taken_over(sources: Sources, dead: str) -> None:
    host = Host(lacks("hello"), held(dead), dict(DONE))
    assert act(build, host, "build", apps=[sources.app("hello")]) == DONE
    assert host.asked[1][1]["archives"] == host.asked[2][1]["archives"] == {"hello": "/tmp/ansible-1/hello.tar.gz"}


# wheels


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the controller keeps archives of wheels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/wsgi.production/wheels"


def wheels_in(folder: str) -> Wheels:
    """Return the wheels in a folder, as the module tells of them."""
    return Wheels(folder, "cpython-3.11-x86_64", {"six-1-py3-none-any.whl": folder}, {})


A, B = "a" * 12, "b" * 12
AAA, BBB = (wheels_in(folder).packed for folder in (A, B))


def gathered(**folders: str) -> dict[str, Any]:
    """Return what the module says that has the wheels of applications in `folders`."""
    told = {name: wheels_in(folder).as_dict() for name, folder in folders.items()}
    return {"changed": False, "msg": "", "wheels": told, "missing": []}


def keep(kept: Path, *archives: str) -> None:
    """Let the controller have archives already, the oldest first."""
    kept.mkdir(parents=True, exist_ok=True)
    for number, archive in enumerate(archives):
        (kept / f"{archive}.tar").write_text("old")
        os.utime(kept / f"{archive}.tar", (1000 + number, 1000 + number))


def gather(host: Host, sources: Sources, *names: str) -> Any:
    """Run the task that gathers the wheels of applications, and return its result."""
    return act(wheels, host, "wheels", apps=[sources.app(name) for name in names])


def test_wheels_that_the_controller_lacks_are_fetched(sources: Sources, kept: Path) -> None:
    keep(kept, AAA)
    host = Host(gathered(hello=A, world=B), gathered(hello=A, world=B))
    result = gather(host, sources, "hello", "world")
    (_, first), (module, second) = host.asked
    assert module == "wsgi.production.wheels"
    assert [app["name"] for app in second["apps"]] == ["world"]
    assert second == {**first, "apps": second["apps"], "pack": {"world": "/tmp/ansible-1/world.wheels.tar"}}
    assert {name: told["archive"] for name, told in result["wheels"].items()} == {
        "hello": f"{kept}/{AAA}.tar",
        "world": f"{kept}/{BBB}.tar",
    }
    assert {path.name: path.read_text() for path in kept.iterdir()} == {f"{AAA}.tar": "old", f"{BBB}.tar": "of world"}
    assert set(second) <= {*wheels_module.ARGUMENTS, "run"}


def test_wheels_that_the_controller_has_are_not_fetched(sources: Sources, kept: Path) -> None:
    keep(kept, AAA)
    host = Host(gathered(hello=A))
    assert gather(host, sources, "hello") == {
        "changed": False,
        "msg": "",
        "wheels": {
            **gathered(hello=A)["wheels"],
            "hello": {**gathered(hello=A)["wheels"]["hello"], "archive": f"{kept}/{AAA}.tar"},
        },
    }
    assert (len(host.asked), host.files) == (1, {})


def test_wheels_that_had_to_be_gathered_first_are_fetched_too(sources: Sources, kept: Path) -> None:
    host = Host(lacks("hello", wheels={}), {**gathered(hello=A), "changed": True}, gathered(hello=A))
    result = gather(host, sources, "hello")
    assert result["changed"]
    assert [set(asked) - {"apps", "contents", "pins", "run"} for _, asked in host.asked] == [
        set(),
        {"archives"},
        {"archives", "pack"},
    ]
    assert (kept / f"{AAA}.tar").read_text() == "of hello"


@pytest.mark.parametrize("result", [{"failed": True, "msg": "no such package"}, {**gathered(a=A), "failed": True}])
def test_nothing_is_fetched_if_gathering_failed(sources: Sources, kept: Path, result: dict[str, Any]) -> None:
    host = Host(lacks("hello"), result)
    assert gather(host, sources, "hello")["failed"]
    assert (len(host.asked), kept.exists()) == (2, False)


def test_wheels_that_cannot_be_packed_are_an_error(sources: Sources, kept: Path) -> None:
    failure = {"failed": True, "msg": "No space left on device"}
    host = Host(gathered(hello=A), dict(failure))
    assert gather(host, sources, "hello") == failure
    assert not kept.exists()


def test_wheels_that_cannot_be_packed_do_not_affect_others(sources: Sources, kept: Path) -> None:
    first = {**gathered(hello=A, world=B), "broken": {"third": "third: no such package"}}
    host = Host(first, {**gathered(world=B), "broken": {"hello": "hello: the wheel of six==1.0 is another one"}})
    result = gather(host, sources, "hello", "world", "third")
    assert list(result["wheels"]) == ["world"]
    assert set(result["broken"]) == {"hello", "third"}
    assert [path.name for path in kept.iterdir()] == [f"{BBB}.tar"]


def test_a_partial_archive_is_never_used(sources: Sources, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(there: str, here: str) -> None:
        Path(here).write_text("half")
        raise AnsibleActionFail("the connection is gone")

    host = Host(gathered(hello=A), gathered(hello=A))
    monkeypatch.setattr(host, "fetch_file", break_off)
    with pytest.raises(AnsibleActionFail):
        gather(host, sources, "hello")
    assert list(kept.glob("*.tar")) == []


def test_the_oldest_archives_are_removed(sources: Sources, kept: Path) -> None:
    keep(kept, *(f"old{number:02}" for number in range(wheels.KEPT + 2)))
    (kept / "README").touch()
    gather(Host(gathered(hello=A), gathered(hello=A)), sources, "hello")
    assert sorted(path.stem for path in kept.glob("*.tar")) == [
        AAA,
        *(f"old{number:02}" for number in range(2, wheels.KEPT + 2)),
    ]
    assert (kept / "README").exists()


def test_an_archive_that_this_run_needs_is_kept_even_if_it_is_old(sources: Sources, kept: Path) -> None:
    keep(kept, AAA, *(f"old{number:02}" for number in range(wheels.KEPT)))
    told = {"hello": A, "world": B}
    result = gather(Host(gathered(**told), gathered(**told)), sources, "hello", "world")
    assert [name for name, one in result["wheels"].items() if not Path(one["archive"]).exists()] == []


def test_a_run_with_many_applications_keeps_all_their_archives(sources: Sources, kept: Path) -> None:
    told = {f"app{number}": f"{number:012}" for number in range(wheels.KEPT + 5)}
    result = gather(Host(gathered(**told), gathered(**told)), sources, *told)
    assert [name for name, one in result["wheels"].items() if not Path(one["archive"]).exists()] == []


def test_only_the_operator_can_read_the_archives(sources: Sources, kept: Path) -> None:
    before = os.umask(0)
    try:
        gather(Host(gathered(hello=A), gathered(hello=A)), sources, "hello")
    finally:
        os.umask(before)
    assert kept.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "told",
    [
        {"folder": "../../../home/alice/.ssh/x"},
        {"folder": "/etc/cron.d/x"},
        {"folder": "old"},
        {"files": {"../six-1-py3-none-any.whl": "0"}},
        {"tools": {"passwd": "0"}},
    ],
)
def test_invalid_names_from_a_host_are_refused_before_anything_is_fetched(
    sources: Sources, kept: Path, told: dict[str, Any]
) -> None:
    said = gathered(hello=A)
    said["wheels"]["hello"].update(told, packed="../../x")
    host = Host(said, said)
    with pytest.raises(AnsibleActionFail, match="is not the name of a"):
        gather(host, sources, "hello")
    assert (len(host.asked), kept.parent.exists()) == (1, False)


def test_a_host_cannot_choose_where_the_controller_puts_its_archive(sources: Sources, kept: Path) -> None:
    said = gathered(hello=A)
    said["wheels"]["hello"].update(packed="../../x", archive="/etc/passwd")
    result = gather(Host(said, said), sources, "hello")
    assert result["wheels"]["hello"]["archive"] == f"{kept}/{AAA}.tar"
    assert [path.name for path in kept.iterdir()] == [f"{AAA}.tar"]


def test_different_wheels_in_the_same_folder_get_their_own_archive(sources: Sources, kept: Path) -> None:
    keep(kept, AAA)
    said = gathered(hello=A)
    said["wheels"]["hello"]["files"] = {"six-1-py3-none-any.whl": "other"}
    gather(Host(said, said), sources, "hello")
    assert sorted(path.read_text() for path in kept.iterdir()) == ["of hello", "old"]


# nginx


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
    return act(step, host, "nginx", sites=sites, **given)


def test_the_nginx_module_gets_the_rendered_configuration_of_the_sites(sites: list[dict[str, Any]]) -> None:
    host = Host(DONE)
    assert serve(host, sites, headers={"X-Y": "z"}, acme_email="ops@example.org") == DONE
    ((module, asked),) = host.asked
    assert module == "wsgi.production.nginx"
    config = json.loads(asked["config"])
    assert list(config) == ["0", "1.25.1"]
    assert all("server_name hello.example.org;" in text and '"z"' in text for text in config.values())
    assert [one["site"] for one in asked["certificates"]] == ["hello", "world"]
    assert asked["sites"] == [
        {"name": "hello", "http3": True},
        {"name": "world", "http3": False},
        {"name": "plain", "http3": False},
    ]
    assert (asked["acme_email"], asked["tls_profile"], asked["snippet"]) == ("ops@example.org", "intermediate", "")


def test_the_defaults_of_nginx_are_accepted() -> None:
    assert act(step, Host(DONE), "nginx", sites=[site("hello")]) == DONE


def test_the_nginx_module_knows_all_its_arguments(sites: list[dict[str, Any]]) -> None:
    host = Host(DONE)
    serve(host, sites)
    assert set(host.asked[0][1]) == {*nginx_module.ARGUMENTS, "run"}
    for one in host.asked[0][1]["certificates"]:
        assert set(one) <= set(nginx_module.CERTIFICATE)


def test_keys_and_passwords_are_sent_in_one_secret_string_only(sites: list[dict[str, Any]], pem: Pem) -> None:
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
    assert nginx_module.ARGUMENTS["secrets"]["no_log"] is True


def test_invalid_sites_are_not_sent_to_the_host(sites: list[dict[str, Any]]) -> None:
    host = Host()
    wrong = [*sites, site("world", basic_auth={"alice": "hunter2"}, server_names=["b.example.org"])]
    with pytest.raises(AnsibleActionFail) as failure:
        serve(host, wrong, acme_email="ops")
    assert host.asked == []
    assert [line[:40] for line in str(failure.value).splitlines()] == [
        "nginx_acme_email: 'ops': write one addre",
        "nginx_sites (world): basic_auth: the pas",
        "nginx_sites: two sites, world and world,",
    ]
    assert "hunter2" not in str(failure.value)


# check


LB: dict[str, Any] = {"inventory_hostname": "lb", "groups": {"all": ["app1", "lb", "build1"]}}


def described(sources: Sources, name: str, **given: Any) -> dict[str, Any]:
    """Return an entry of an application that is served on other hosts than the load balancer."""
    built = {"source": sources.app(name)["source"]}
    return {"name": name, "build": built, "run": {"callable": "main:app"}, "serve": {"server_names": [name]}, **given}


def without_serve(app: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of an application without its site."""
    return {key: value for key, value in app.items() if key != "serve"}


def refuse(host: Host, apps: Any, on: str = "lb", **given: Any) -> Any:
    """Run the task that refuses a description that could not work on the host `on`, and return its result."""
    args = {"apps": apps, "app_servers": ["app1"], "load_balancers": ["lb"], **given}
    return act(check, host, "check", variables={**LB, "inventory_hostname": on}, **args)


def test_a_valid_description_passes(sources: Sources) -> None:
    host = Host()
    apps = [
        described(
            sources,
            "hello",
            run={"callable": "main:app", "listen_http": "0.0.0.0:9000", "listen_networks": ["10.0.0.0/8"]},
        )
    ]
    assert refuse(host, apps) == {"changed": False}
    assert host.asked == []


@pytest.mark.parametrize("host", ["app1", "lb"])
def test_an_application_to_remove_needs_only_its_name(host: str) -> None:
    apps = [{"name": "hello", "state": "absent"}]
    assert refuse(Host(), apps, host) == {"changed": False}


def test_invalid_descriptions_are_not_sent_to_the_host(sources: Sources) -> None:
    host = Host()
    wrong = [described(sources, "hello", state="gone"), {"name": "world", "state": "present"}]
    assert refuse(host, wrong) == {
        "failed": True,
        "msg": "wsgi_apps[0] (hello): state: 'gone': write present or absent\nwsgi_apps[1] (world): "
        "build is missing; add it\nwsgi_apps[1] (world): run is missing; add it",
    }
    assert host.asked == []


def test_apps_no_load_balancer_can_reach_are_refused(sources: Sources) -> None:
    host = Host()
    result = refuse(host, [described(sources, "hello")])
    assert result["failed"]
    assert result["msg"].startswith("wsgi_apps (hello): run.listen_http is missing: the load balancer lb is not")
    assert host.asked == []


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"on_failure": "stopp"}, "wsgi_on_failure: 'stopp': write stop or continue"),
        ({"on_failure": ""}, "wsgi_on_failure: '': write stop or continue"),
        ({"on_failure": True}, "wsgi_on_failure: True: write stop or continue"),
        (
            {"build_host": "build2"},
            "python_app_build_host: 'build2': the inventory has no such host; add it",
        ),
    ],
)
def test_invalid_run_settings_are_reported_before_any_host_is_changed(given: dict[str, Any], wrong: str) -> None:
    host = Host()
    assert refuse(host, [], **given) == {"failed": True, "msg": wrong}
    assert host.asked == []


def test_errors_of_the_run_and_of_its_applications_are_reported_together() -> None:
    result = refuse(Host(), [{"name": "world"}], on_failure="go", build_host="build2")
    assert [line.split(":")[0] for line in result["msg"].splitlines()] == [
        *["wsgi_apps[0] (world)"] * 2,
        "wsgi_on_failure",
        "python_app_build_host",
    ]


@pytest.mark.parametrize(
    "given", [{}, {"on_failure": "continue"}, {"build_host": "build1"}, {"build_host": "localhost"}]
)
def test_a_valid_run_passes(sources: Sources, given: dict[str, Any]) -> None:
    app = described(
        sources, "hello", run={"callable": "main:app", "listen_http": "0.0.0.0:9000", "listen_networks": ["10.0.0.0/8"]}
    )
    assert refuse(Host(), [app], **given) == {"changed": False}


def test_an_inventory_without_app_servers_is_refused(sources: Sources) -> None:
    host = Host()
    result = refuse(host, [described(sources, "hello")], "localhost", app_servers=[], load_balancers=[])
    assert (result["failed"], host.asked) == (True, [])
    assert result["msg"].startswith("the inventory has no host in the group app_servers; ")


def test_settings_that_no_host_can_apply_are_refused(sources: Sources) -> None:
    host = Host()
    plain = without_serve(described(sources, "plain"))
    source = without_serve(described(sources, "source", run={"callable": "main:app", "package": "uwsgi"}))
    apps = [described(sources, "hello"), plain, {"name": "away", "state": "absent"}]
    result = refuse(host, [*apps, source], "app1", load_balancers=[], build_host="build1")
    assert (result["failed"], host.asked) == (True, [])
    assert result["msg"].splitlines() == [
        "wsgi_apps (hello): serve: the inventory has no host in the group load_balancers; add "
        "the hosts that run NGINX, or remove serve",
        "wsgi_apps (source): run.package: 'uwsgi': python_app_build_host gathers the wheel of "
        "uWSGI; remove one of the two settings",
    ]
    assert refuse(Host(), [plain, source], "app1", load_balancers=[]) == {"changed": False}


@pytest.mark.parametrize(
    ("groups", "host", "address"),
    [
        ({"app_servers": ["app1"]}, "app1", "0.0.0.0:9000"),
        ({"app_servers": ["app1"], "load_balancers": ["app1"]}, "app1", NGINX_ADDRESS),
        ({"load_balancers": ["lb"]}, "lb", NGINX_ADDRESS),
        ({}, "app1", None),
    ],
)
def test_an_inventory_may_lack_a_group(groups: dict[str, list[str]], host: str, address: str | None) -> None:
    served = {"run": {"listen_http": "0.0.0.0:9000"}, "serve": {"server_names": ["hello"]}}
    switched = {"uwsgi_switched": {"switched": [{"name": "hello", "probe": {}}]}}
    found = fronts([{"name": "hello", **served}], host, groups, {"app1": switched, "lb": {}})
    assert [front["address"] for front in found] == ([address] if address else [])


@pytest.mark.parametrize(
    ("variable", "value", "wrong"),
    [
        ("python_app_packages", "gcc, make", "python_app_packages: write a list, such as [one, two]"),
        ("nginx_headers", "X-Y", "nginx_headers: write a dictionary, such as {name: value}"),
        ("nginx_tls_profile", "old", "nginx_tls_profile: 'old': write intermediate or modern"),
    ],
)
def test_an_invalid_role_variable_is_refused_before_asking_any_host(variable: str, value: Any, wrong: str) -> None:
    host = Host()
    args = {"apps": [], "app_servers": ["app1"], "load_balancers": ["lb"]}
    refused = action(check, host, "check", args)
    refused._templar = SimpleNamespace(template=lambda text: text)
    assert refused.run(task_vars={**LB, variable: value}) == {"failed": True, "msg": wrong}
    assert host.asked == []


# survey


SEEN: dict[str, Any] = {"settled": False, "ends": False, "plan": [], "system": ["Debian", "12"], "days": {}, "done": []}


def look(host: Host, steps: list[dict[str, Any]], **given: Any) -> Any:
    """Run the task that surveys a host for `steps`, and return its result."""
    said = {f"steps_{number}": group for number, group in enumerate(steps)}
    args = {"apps": [], "app_servers": ["app1"], "load_balancers": ["lb"], "steps": list(said), **given}
    surveyor = action(survey, host, "survey", args)
    surveyor._templar = SimpleNamespace(template=lambda text: text)
    return surveyor.run(task_vars={**LB, **said})


def test_a_survey_refuses_an_invalid_entry_and_asks_no_host() -> None:
    host = Host()
    result = look(host, [{"boot": {}}], apps=[{"name": "world"}])
    assert (result["failed"], host.asked) == (True, [])
    assert result["msg"].startswith("wsgi_apps[0] (world): build is missing")


def test_a_survey_sends_all_steps_in_the_order_of_a_run_as_one_string(sources: Sources) -> None:
    host, app = Host(dict(SEEN)), sources.app("hello")
    roles: list[dict[str, Any]] = [
        {"packages": {"names": ["gcc"]}, "build": {"apps": [app], "wheels": {}}},
        {"release": {"apps": [released("hello", **SECRETS)]}, "retire": {"apps": []}, "boot": {}},
        {"packages": {"names": ["nginx"]}},
    ]
    look(host, roles)
    ((module, asked),) = host.asked
    assert module == "wsgi.production.survey"
    steps = json.loads(asked["steps"])
    assert [name for name, _ in steps] == ["packages", "packages", "build", "release", "boot", "retire"]
    assert steps[2][1]["contents"] == {"hello": Source.of(app).content()}
    assert json.loads(steps[3][1]["secrets"]) == {"hello": SECRETS}
    option: Any = survey_step.ARGUMENTS["steps"]
    assert option["no_log"] is True


def test_the_survey_asks_each_step_the_same_as_its_task(sources: Sources, sites: list[Any]) -> None:
    app = sources.app("hello")
    said: dict[str, dict[str, Any]] = {
        "packages": {"names": ["gcc"]},
        "build": {"apps": [app], "wheels": {}},
        "release": {"apps": [released("hello", **SECRETS)], "first": True},
        "nginx": {"sites": sites, "described": None, "kept": []},
    }
    host = Host(dict(SEEN), *[{**DONE, **lacks()}] * 4)
    look(host, [said])
    for name, args in said.items():
        act(build if name == "build" else step, host, name, **args)
    asked = json.loads(host.asked[0][1]["steps"])
    taken = [[module.rpartition(".")[2], {**args, "run": None}] for module, args in host.asked[1:]]
    assert [[name, {**args, "run": None}] for name, args in asked] == taken


def test_a_step_that_the_survey_found_done_does_not_ask_the_host_again(sources: Sources) -> None:
    app, result = sources.app("hello"), {"builds": {"hello": "/srv/hello/builds/1"}, "missing": []}
    host = Host({**SEEN, "done": [[0, {"installed": []}], [1, result]]}, DONE, DONE)
    said = {"packages": {"names": ["gcc"]}, "build": {"apps": [app], "wheels": {}}, "boot": {}}
    variables = {SURVEY: look(host, [said])}
    assert act(step, host, "packages", variables, names=["gcc"], on_failure="stop") == {
        "installed": [],
        "changed": False,
    }
    assert act(build, host, "build", variables, apps=[app], wheels={}) == {
        "builds": {"hello": "/srv/hello/builds/1"},
        "changed": False,
    }
    assert len(host.asked) == 1
    # Another question, a step that others decide, and a play without a survey.
    act(step, host, "packages", variables, names=["gcc", "make"])
    act(step, host, "boot", variables)
    assert len(host.asked) == 3


def test_a_build_that_the_survey_found_missing_is_sent_at_once(sources: Sources) -> None:
    app = sources.app("hello")
    host = Host({**SEEN, "missing": ["hello"]}, dict(DONE))
    variables = {SURVEY: look(host, [{"build": {"apps": [app], "wheels": {}}}])}
    assert act(build, host, "build", variables, apps=[app], wheels={}) == DONE
    assert host.asked[1][1]["archives"] == {"hello": "/tmp/ansible-1/hello.tar.gz"}


def test_the_survey_remembers_no_secrets(sites: list[Any], pem: Pem) -> None:
    host = Host({**SEEN, "done": [[0, {}]]}, {**SEEN, "done": [[0, {}]]})
    nginx = {"sites": sites, "described": None, "kept": []}
    others = [{**one, "basic_auth": {"alice": "another password"} if one["basic_auth"] else {}} for one in sites]
    assert look(host, [{"nginx": nginx}])["done"] == look(host, [{"nginx": {**nginx, "sites": others}}])["done"] != {}


def test_a_run_continues_if_the_build_host_has_not_gathered_all_wheels() -> None:
    settled = {**SEEN, "settled": True, "ends": True}
    assert look(Host(dict(settled)), [], gathered=True)["ends"] is True
    assert look(Host(dict(settled)), [], gathered=False)["ends"] is False


def test_an_unsupported_operating_system_is_refused() -> None:
    result = look(Host({**SEEN, "system": ["Debian", "11"]}), [])
    assert result["failed"]
    assert result["msg"].startswith("lb: Debian 11 is not supported; use one of Debian 12, Debian 13")


@pytest.mark.parametrize("said", [{"failed": True, "msg": "no Python"}, {"unreachable": True, "msg": "no route"}])
def test_a_host_that_fails_the_survey_is_reported_unchanged(said: dict[str, Any]) -> None:
    assert look(Host(dict(said)), []) == said


# verify


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the operator is told besides the result."""
    found: list[str] = []
    monkeypatch.setattr(verify, "display", SimpleNamespace(display=found.append))
    return found


def test_the_operator_sees_how_long_each_certificate_is_valid(told: list[str]) -> None:
    result = {"changed": False, "msg": "healthy", "days": {"hello.example.org": 89, "world.example.org": 6}}
    host = Host(dict(result))
    assert act(verify, host, "verify", fronts=[]) == result
    assert host.asked[0][1]["fronts"] == []
    assert told == [
        "hello.example.org: the certificate is valid for 89 more days",
        "world.example.org: the certificate is valid for 6 more days",
    ]


@pytest.mark.parametrize("result", [{"failed": True, "msg": "hello does not answer"}, {"changed": False, "days": {}}])
def test_the_operator_sees_no_certificate_if_none_was_found(told: list[str], result: dict[str, Any]) -> None:
    assert act(verify, Host(dict(result)), "verify", fronts=[]) == result
    assert told == []
