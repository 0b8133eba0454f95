"""What a release promises."""

from __future__ import annotations

import json
import os
import re
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import pins
from ansible_collections.wsgi.production.plugins.module_utils import release as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.release import (
    Data,
    Host,
    Release,
    Settings,
    environment_file,
)
from ansible_collections.wsgi.production.plugins.modules import release as module

SETTINGS = Settings("main:application", "pyuwsgi", 4, 60, 30, {"COLOUR": "blue"})
HOST = Host("cpython-3.11-x86_64", cores=3, backlog=4096)


class Servers:
    """Stands in for the installing of uWSGI; `arguments` is what was asked for each time."""

    def __init__(self) -> None:
        self.arguments: list[tuple[str, ...]] = []
        self.failure: Failed | None = None

    def __call__(self, tool: Any, path: Path, python: str, pin: str, *arguments: str) -> None:
        """Take the place of `install_pinned`."""
        self.arguments.append(arguments)
        (path / "pyuwsgi.so").touch()
        if self.failure:
            raise self.failure


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Servers:
    fake = Servers()
    monkeypatch.setattr(unit, "SERVERS", tmp_path / "servers")
    monkeypatch.setattr(unit, "installer", lambda index: None)
    monkeypatch.setattr(unit, "install_pinned", fake)
    return fake


@pytest.fixture
def build(layout: Layout) -> Path:
    path = layout.builds / "abc123"
    path.mkdir(parents=True)
    manifest = {"source": "app", "commit": "c0ffee", "packages": "def456"}
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


@pytest.fixture
def release(layout: Layout, build: Path, servers: Servers) -> Release:
    return Release(layout, build, SETTINGS, HOST)


def made(release: Release, **settings: Any) -> Release:
    """Return a release like `release` but for `settings`, made."""
    other = Release(release.layout, release.build, replace(release.settings, **settings), release.host)
    other.make(Index())
    return other


def text(release: Release, name: str) -> str:
    return (release.store.path(release.id) / name).read_text(encoding="utf-8")


def ini(release: Release) -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.read_string(text(release, "uwsgi.ini"))
    return dict(parser["uwsgi"])


def said(unit_file: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit_file, re.MULTILINE)


def as_systemd_reads(text: str) -> dict[str, str]:
    """Read an environment file as systemd does, as far as double quotes go (src/basic/env-file.c)."""
    read = {}
    while text:
        name, _, text = text.partition('="')
        value = ""
        while not text.startswith('"'):
            if text[0] == "\\":
                kept = {"\n": ""}.get(text[1], text[1] if text[1] in '"\\`$' else text[:2])
                value, text = value + kept, text[2:]
            else:
                value, text = value + text[0], text[1:]
        assert text.startswith('"\n')
        read[name], text = value, text[2:]
    return read


def test_the_same_input_is_the_same_release(release: Release) -> None:
    assert Release(release.layout, release.build, SETTINGS, HOST).id == release.id


def test_making_a_release_does_not_change_its_name(release: Release) -> None:
    release.make(Index())
    assert Release(release.layout, release.build, SETTINGS, HOST).id == release.id


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("callable", "main:other"),
        ("package", "uwsgi"),
        ("processes", 5),
        ("processes", None),
        ("processes", {"min": 1, "max": 4}),
        ("harakiri", 61),
        ("start_timeout", 31),
        ("env", {"COLOUR": "green"}),
        ("env", {"COLOR": "blue"}),
        ("env", {}),
    ],
)
def test_another_setting_is_another_release(release: Release, setting: str, value: Any) -> None:
    assert Release(release.layout, release.build, replace(SETTINGS, **{setting: value}), HOST).id != release.id


@pytest.mark.parametrize(("setting", "value"), [("interpreter", "cpython-3.13-x86_64"), ("backlog", 128)])
def test_another_host_is_another_release(release: Release, setting: str, value: Any) -> None:
    assert Release(release.layout, release.build, SETTINGS, replace(HOST, **{setting: value})).id != release.id


def test_another_build_is_another_release(release: Release) -> None:
    assert Release(release.layout, release.build.with_name("abc124"), SETTINGS, HOST).id != release.id


def test_another_uwsgi_is_another_release(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "PYUWSGI", "pyuwsgi==9.9\n")
    assert Release(release.layout, release.build, SETTINGS, HOST).id != release.id


def test_processors_matter_only_where_they_decide_the_number_of_processes(release: Release) -> None:
    more = replace(HOST, cores=64)
    assert Release(release.layout, release.build, SETTINGS, more).id == release.id


def test_a_release_exists_once_it_is_made(release: Release) -> None:
    assert not release.exists()
    release.make(Index())
    assert release.exists()


def test_a_release_remembers_what_it_is_made_of(release: Release) -> None:
    release.make(Index())
    manifest = release.store.manifest(release.id) or {}
    assert manifest["release"] == release.id
    assert manifest["build"] == str(release.build)
    assert manifest["source"] == "app"
    assert manifest["commit"] == "c0ffee"
    assert manifest["packages"] == "def456"
    assert re.fullmatch(r"pyuwsgi==[0-9.]+\S*", manifest["uwsgi"])


def test_a_release_leads_to_its_build_and_its_sockets(release: Release) -> None:
    release.make(Index())
    path = release.store.path(release.id)
    assert (path / "build").resolve() == release.build
    assert not os.readlink(path / "build").startswith("/")
    assert os.readlink(path / "socket") == f"/run/hello/{release.id}.socket"
    assert os.readlink(path / "http") == f"/run/hello/{release.id}.http"


def test_nobody_but_root_reads_the_environment(release: Release) -> None:
    release.make(Index())
    path = release.store.path(release.id)
    modes = {name: (path / name).stat().st_mode & 0o777 for name in ("env", "uwsgi.ini", "instance.service")}
    assert modes == {"env": 0o600, "uwsgi.ini": 0o644, "instance.service": 0o644}


def test_no_value_of_the_environment_is_in_a_file_that_others_read(release: Release) -> None:
    one = made(release, env={"SECRET": "hunter2"})
    files = [path for path in one.store.path(one.id).iterdir() if path.is_file() and path.name != "env"]
    assert len(files) >= 4
    assert not [path.name for path in files if "hunter2" in path.read_text()]


@pytest.mark.parametrize(
    "value",
    [
        "",
        " spaces around ",
        'it\'s "quoted"',
        "two\nlines",
        "ends with a newline\n",
        "\nbegins with one",
        "100%",
        "%n %%",
        "$HOME ${HOME} $$",
        "# no comment",
        "; no comment either",
        "back\\slash \\n \\\\",
        "ends with a backslash\\",
        "`command`",
        "Grüße, 世界 🎉",
        "tab\tand = sign",
        "\\\n",
        '\\"',
    ],
)
def test_systemd_reads_back_each_value_as_it_was_given(value: str) -> None:
    env = {"BEFORE": "1", "MIDDLE": value, "ZLAST": "2"}
    assert as_systemd_reads(environment_file(env)) == env


@pytest.mark.parametrize(("value", "written"), [(8, "8"), (0.5, "0.5"), (0, "0")])
def test_a_number_in_the_environment_is_its_text(value: float, written: str) -> None:
    assert as_systemd_reads(environment_file({"NUMBER": value})) == {"NUMBER": written}


def test_the_order_of_variables_does_not_matter() -> None:
    assert environment_file({"A": "1", "B": "2"}) == environment_file({"B": "2", "A": "1"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("strict", "true"),
        ("need-app", "true"),
        ("module", "main:application"),
        ("processes", "4"),
        ("harakiri", "60"),
        ("listen", "4096"),
        ("hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
    ],
)
def test_the_configuration_of_uwsgi_says(release: Release, key: str, value: str) -> None:
    assert ini(made(release))[key] == value


@pytest.mark.parametrize("key", ["socket", "http-socket"])
def test_uwsgi_opens_no_address_of_its_own(release: Release, key: str) -> None:
    assert re.fullmatch(r"fd://\d", ini(made(release))[key])


def test_without_a_number_of_processes_there_are_two_for_each_processor(release: Release) -> None:
    assert ini(made(release, processes=None))["processes"] == "6"


def test_a_fixed_number_of_processes_is_not_made_cheaper(release: Release) -> None:
    assert "cheaper" not in text(made(release), "uwsgi.ini")


def test_processes_come_and_go_between_a_minimum_and_a_maximum(release: Release) -> None:
    options = ini(made(release, processes={"min": 2, "max": 8}))
    assert (options["cheaper"], options["cheaper-initial"], options["processes"]) == ("2", "2", "8")


@pytest.mark.parametrize("harakiri", [1, 60, 3600])
def test_a_request_has_its_time_even_when_the_instance_stops(release: Release, harakiri: int) -> None:
    one = made(release, harakiri=harakiri)
    assert int(ini(one)["worker-reload-mercy"]) >= harakiri
    assert int(said(text(one, "instance.service"), "TimeoutStopSec")[0]) > harakiri


def test_the_service_runs_as_the_application_and_starts_in_its_time(release: Release) -> None:
    service = text(made(release), "instance.service")
    assert said(service, "User") == ["hello"]
    assert said(service, "TimeoutStartSec") == ["30"]
    assert said(service, "ReadWritePaths") == [str(release.layout.data)]
    assert said(service, "Requires") == [f"hello@{release.id}.socket"]


def test_the_service_finds_its_own_files(release: Release) -> None:
    one = made(release)
    service = text(one, "instance.service")
    words = said(service, "ExecStart")[0].split()
    assert said(service, "EnvironmentFile") == [str(one.store.path(one.id) / "env")]
    assert Path(words[-1]) == one.store.path(one.id) / "uwsgi.ini"
    assert Path(words[-1]).is_file()
    assert Path(words[1]).is_file()


def test_the_filter_of_system_calls_begins_with_what_it_allows(release: Release) -> None:
    lists = said(text(made(release), "instance.service"), "SystemCallFilter")
    assert lists == ["@system-service", "~@privileged @resources"]


def test_the_sockets_are_open_to_nginx_alone(release: Release) -> None:
    socket = text(made(release), "instance.socket")
    assert said(socket, "SocketUser") == ["root"]
    assert said(socket, "SocketGroup") == ["www-data"]
    assert said(socket, "SocketMode") == ["0660"]
    assert said(socket, "ListenStream") == [f"/run/hello/{release.id}.socket", f"/run/hello/{release.id}.http"]


def test_the_wheel_of_uwsgi_runs_inside_the_interpreter_of_the_build(release: Release, servers: Servers) -> None:
    one = made(release)
    command = said(text(one, "instance.service"), "ExecStart")[0].split()
    assert command[0] == str(one.store.path(one.id) / "build/venv/bin/python")
    assert servers.arguments == [("--only-binary", ":all:")]


def test_uwsgi_from_source_is_told_of_the_virtual_environment(release: Release, servers: Servers) -> None:
    one = made(release, package="uwsgi")
    command = said(text(one, "instance.service"), "ExecStart")[0].split()
    assert command[0] == str(one.servers.path(one.server) / "bin/uwsgi")
    assert ini(one)["virtualenv"] == str(one.store.path(one.id) / "build/venv")
    assert servers.arguments == [("--no-binary", "uwsgi")]


def test_releases_share_the_uwsgi_of_a_host(release: Release, servers: Servers) -> None:
    made(release)
    made(release, harakiri=30)
    assert len(servers.arguments) == 1


def test_a_uwsgi_that_cannot_be_installed_leaves_nothing_half_made(release: Release, servers: Servers) -> None:
    servers.failure = Failed("no matching distribution")
    with pytest.raises(Failed, match="no matching distribution"):
        release.make(Index())
    assert list(release.servers.root.iterdir()) == []
    assert not release.exists()
    assert list(release.store.root.iterdir()) == []


def test_what_a_killed_run_left_is_made_anew(release: Release) -> None:
    leftover = release.store.path(release.id) / "half"
    leftover.mkdir(parents=True)
    release.make(Index())
    assert release.exists()
    assert not leftover.exists()


def test_before_the_first_release_the_difference_is_all_of_it(release: Release) -> None:
    difference = release.difference_from_live()
    assert difference["before"] == ""
    assert "module = main:application" in difference["after"]
    assert "COLOUR" in difference["after"]


def test_the_difference_shows_settings_before_and_after(release: Release) -> None:
    live = made(release)
    live.layout.current.symlink_to(f"releases/{live.id}")
    difference = made(release, harakiri=30).difference_from_live()
    assert "harakiri = 60" in difference["before"]
    assert "harakiri = 30" in difference["after"]


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ({"SECRET": "hunter1"}, {"SECRET": "hunter2"}, "SECRET"),
        ({}, {"SECRET": "hunter2"}, "SECRET"),
        ({"SECRET": "hunter1"}, {}, "SECRET"),
        ({"A": "hunter1", "B": "same", "C": "hunter1"}, {"A": "hunter2", "B": "same", "C": "hunter2"}, "A, C"),
        ({"KEY": "begin\nhunter1\nend"}, {"KEY": "begin\nhunter2\nend"}, "KEY"),
        ({"KEY": "begin\nhunter1=\nend"}, {"KEY": "begin\nhunter2=\nend"}, "KEY"),
    ],
)
def test_the_difference_names_the_variables_that_differ_and_never_their_values(
    release: Release, before: dict[str, Any], after: dict[str, Any], names: str
) -> None:
    live = made(release, env=before)
    live.layout.current.symlink_to(f"releases/{live.id}")
    shown = made(release, env=after).difference_from_live()
    assert "hunter" not in str(shown)
    assert f"; variables that differ: {names}\n" in shown["after"]


def test_the_difference_names_no_variable_where_none_differs(release: Release) -> None:
    live = made(release)
    live.layout.current.symlink_to(f"releases/{live.id}")
    assert "COLOUR" not in str(made(release, harakiri=30).difference_from_live())


def test_a_host_without_the_user_of_the_application_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="the host has no user and group no-such-user; make them first"):
        Data(Layout("no-such-user", root=tmp_path)).make()


class FakeModule:
    """Runs a module with `params`; leaving it raises SystemExit as the real one does."""

    check_mode = False

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.result: dict[str, Any] = {}

    def exit_json(self, **result: Any) -> None:
        """End in success."""
        self.result = result
        raise SystemExit(0)

    def fail_json(self, **result: Any) -> None:
        """End in failure."""
        self.result = result
        raise SystemExit(1)


def test_a_release_that_exists_is_never_made_again_because_it_may_be_live(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.make(Index())
    mark = release.store.path(release.id) / "mark"
    mark.touch()
    params = {
        **vars(SETTINGS),
        "name": "hello",
        "build": str(release.build),
        "index_url": "",
        "ca_bundle": "",
        "proxy": "",
    }
    fake = FakeModule(params)
    monkeypatch.setattr(module, "AnsibleModule", lambda **_: fake)
    monkeypatch.setattr(module, "Layout", lambda _: release.layout)
    monkeypatch.setattr(Data, "make", lambda data: data.path.mkdir())
    monkeypatch.setattr(Host, "read", lambda _: HOST)
    with pytest.raises(SystemExit):
        module.main()
    assert fake.result["release"] == release.id
    assert release.layout.data.is_dir()
    assert mark.exists()
