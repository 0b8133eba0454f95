"""What a release promises."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
from collections.abc import Callable
from configparser import ConfigParser
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.wsgi.production.plugins.module_utils import pins
from ansible_collections.wsgi.production.plugins.module_utils import release as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.module_utils.release import (
    Data,
    Host,
    Release,
    Settings,
    environment_file,
)
from ansible_collections.wsgi.production.plugins.module_utils.units import DRAIN
from ansible_collections.wsgi.production.plugins.modules import release as module
from tests.unit.fakes import FakeModule

SETTINGS = Settings(
    callable="main:application",
    package="pyuwsgi",
    processes=4,
    harakiri=60,
    start_timeout=30,
    env={"COLOUR": "blue"},
    address_families=["AF_UNIX", "AF_INET"],
)
ARGUMENTS: dict[str, Any] = dict(module.ARGUMENTS)
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


@pytest.fixture(autouse=True)
def nice(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return by how much this process was made nicer, which it is not."""
    found: list[int] = []
    monkeypatch.setattr(os, "nice", found.append)
    return found


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


OTHERS: list[tuple[str, Any]] = [
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
    ("options", {"max-requests": 5000}),
    ("memory_max", "512M"),
    ("cpu_quota", "50%"),
    ("tasks_max", 64),
    ("memory_deny_write_execute", True),
    ("address_families", ["AF_UNIX"]),
    ("networks", ["10.0.0.0/8"]),
    ("probe", Probe(path="/health")),
    ("probe", Probe(host="hello.example.org")),
    ("probe", Probe(status=[200])),
    ("probe", Probe(text="fine")),
    ("probe", Probe(timeout=1)),
    ("probe", Probe(tries=1)),
    ("probe", Probe(interval=2)),
]


@pytest.mark.parametrize(("setting", "value"), OTHERS)
def test_another_setting_is_another_release(release: Release, setting: str, value: Any) -> None:
    assert Release(release.layout, release.build, replace(SETTINGS, **{setting: value}), HOST).id != release.id


def test_no_setting_is_left_out_of_what_names_a_release() -> None:
    assert {setting for setting, _ in OTHERS} == {field.name for field in fields(Settings)}


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


def test_a_release_remembers_the_uwsgi_that_it_runs_with(release: Release) -> None:
    release.make(Index())
    manifest = release.store.manifest(release.id) or {}
    assert release.servers.manifest(manifest["server"]) is not None


@pytest.mark.parametrize("probe", [Probe(), Probe("/health", "hello.example.org", [200], "fine", 1, 2, 3)])
def test_a_release_remembers_what_it_has_to_answer(release: Release, probe: Probe) -> None:
    one = made(release, probe=probe)
    assert Probe(**(one.store.manifest(one.id) or {})["probe"]) == probe


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


OPTIONS = {"max-requests": 5000, "lazy-apps": True, "memory-report": False, "route": ["^/a a:", "^/b b:"], "ratio": 0.5}


def test_further_options_stand_in_the_configuration_of_uwsgi_one_to_a_line(release: Release) -> None:
    lines = text(made(release, options=OPTIONS), "uwsgi.ini").splitlines()
    said = ["max-requests = 5000", "lazy-apps = true", "memory-report = false", "route = ^/a a:", "route = ^/b b:"]
    assert lines[-6:] == [*said, "ratio = 0.5"]


def test_further_options_belong_to_uwsgi_alone(release: Release) -> None:
    plain, one = made(release), made(release, options=OPTIONS)
    for name in ("instance.socket", "instance.service"):
        assert text(one, name).replace(one.id, plain.id) == text(plain, name)


def test_uwsgi_reads_the_value_of_an_option_as_it_was_given(release: Release) -> None:
    # uWSGI takes %% for one, and %n for the name of the file (uwsgi-docs, Configuration.rst).
    assert "log-format = %%(uri) 100%%\n" in text(made(release, options={"log-format": "%(uri) 100%"}), "uwsgi.ini")


@pytest.mark.parametrize("harakiri", [1, 60, 3600])
def test_a_request_has_its_time_even_when_the_instance_stops(release: Release, harakiri: int) -> None:
    one = made(release, harakiri=harakiri)
    assert int(ini(one)["worker-reload-mercy"]) >= harakiri
    assert int(said(text(one, "instance.service"), "TimeoutStopSec")[0]) > harakiri


def test_the_service_runs_as_the_application_and_starts_in_its_time(release: Release) -> None:
    service = text(made(release), "instance.service")
    assert said(service, "User") == ["hello"]
    assert said(service, "TimeoutStartSec") == ["30"]
    assert said(service, "TimeoutStartFailureMode") == ["kill"]
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


@pytest.mark.parametrize(
    ("setting", "value", "key", "said_"),
    [
        ("memory_max", "512M", "MemoryMax", "512M"),
        ("memory_max", "50%", "MemoryMax", "50%"),
        ("cpu_quota", "150%", "CPUQuota", "150%"),
        ("tasks_max", 64, "TasksMax", "64"),
        ("memory_deny_write_execute", True, "MemoryDenyWriteExecute", "yes"),
    ],
)
def test_a_limit_is_for_systemd_to_keep(release: Release, setting: str, value: Any, key: str, said_: str) -> None:
    assert said(text(made(release), "instance.service"), key) == []
    assert said(text(made(release, **{setting: value}), "instance.service"), key) == [said_]


def test_limits_are_lines_of_the_service_among_others(release: Release) -> None:
    limits = {"memory_max": "1G", "cpu_quota": "50%", "tasks_max": 9, "networks": ["::1"]}
    plain, one = made(release), made(release, **limits)
    before = text(plain, "instance.service").replace(plain.id, one.id).splitlines()
    after = text(one, "instance.service").splitlines()
    assert [line for line in after if line not in before] == [
        "MemoryMax=1G",
        "CPUQuota=50%",
        "TasksMax=9",
        "IPAddressDeny=any",
        "IPAddressAllow=localhost ::1",
    ]
    assert [line for line in before if line not in after] == []
    assert after.index("MemoryMax=1G") > after.index("[Service]")
    assert after.index("IPAddressDeny=any") < after.index("[Install]")


def test_the_application_opens_sockets_of_its_families_alone(release: Release) -> None:
    service = text(made(release), "instance.service")
    assert said(service, "RestrictAddressFamilies") == ["AF_UNIX AF_INET"]


def test_without_networks_the_application_reaches_all(release: Release) -> None:
    assert "IPAddress" not in text(made(release), "instance.service")


def test_with_networks_the_application_reaches_those_and_the_host_alone(release: Release) -> None:
    service = text(made(release, networks=["10.0.0.0/8", "192.0.2.10"]), "instance.service")
    assert said(service, "IPAddressDeny") == ["any"]
    assert said(service, "IPAddressAllow") == ["localhost 10.0.0.0/8 192.0.2.10"]


def test_before_an_instance_ends_it_takes_everyone_in_line_at_its_own_sockets(release: Release) -> None:
    one = made(release)
    path = one.store.path(one.id)
    assert said(text(one, "instance.service"), "ExecStop")[0].split() == [
        f"+{path}/build/venv/bin/python",
        "-I",
        "-S",
        f"{path}/drain.py",
        str(one.layout.current),
        one.id,
        *said(text(one, "instance.socket"), "ListenStream"),
    ]
    assert (path / "drain.py").read_text() == DRAIN


def test_whoever_connects_to_a_release_that_was_retired_is_refused_at_once(release: Release) -> None:
    assert said(text(made(release), "instance.socket"), "RemoveOnStop") == ["yes"]


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


def test_visitors_come_before_the_installing_of_uwsgi(release: Release, nice: list[int]) -> None:
    made(release)
    assert nice == [10]
    made(release, harakiri=30)
    assert nice == [10]


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
    assert "module" not in difference["before"]
    assert "module = main:application" in difference["after"]
    assert "COLOUR" in difference["after"]


def test_the_difference_shows_settings_before_and_after(release: Release) -> None:
    live = made(release)
    live.layout.current.symlink_to(f"releases/{live.id}")
    difference = made(release, harakiri=30).difference_from_live()
    assert "harakiri = 60" in difference["before"]
    assert "harakiri = 30" in difference["after"]


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("memory_max", "1G", "MemoryMax=1G"),
        ("memory_deny_write_execute", True, "MemoryDenyWriteExecute=yes"),
        ("probe", Probe(path="/health"), "probe path: /health"),
    ],
)
def test_the_difference_shows_limits_hardening_and_probe(release: Release, setting: str, value: Any, line: str) -> None:
    live = made(release)
    live.layout.current.symlink_to(f"releases/{live.id}")
    difference = made(release, **{setting: value}).difference_from_live()
    assert line not in difference["before"]
    assert line in difference["after"]


def test_the_difference_leaves_out_what_differs_in_any_case(release: Release) -> None:
    live = made(release)
    live.layout.current.symlink_to(f"releases/{live.id}")
    difference = made(release, env={"COLOUR": "green"}).difference_from_live()
    assert difference["after"] == difference["before"] + "variables that differ: COLOUR\n"


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
    assert f"variables that differ: {names}\n" in shown["after"]


def test_the_difference_names_no_variable_where_none_differs(release: Release) -> None:
    live = made(release)
    live.layout.current.symlink_to(f"releases/{live.id}")
    assert "COLOUR" not in str(made(release, harakiri=30).difference_from_live())


def test_a_host_without_the_user_of_the_application_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"^the host has no user no-such-user, or no group www-data: make them$"):
        Data(Layout("no-such-user", root=tmp_path), []).make()


class Account(NamedTuple):
    """The user that runs the tests, who can give files to nobody but himself, and his group."""

    user: str
    group: str


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    found = Account(pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name)
    monkeypatch.setattr(unit, "WEB_SERVER", found.group)
    return found


def data_of(account: Account, root: Path, *public: str) -> Data:
    """Return the data of an application of the name of that user."""
    return Data(Layout(account.user, root=root), [*public])


def modes(data: Data) -> dict[str, int]:
    """Return the mode of each directory in the data of an application, the whole included."""
    found = [data.path, *(path for path in data.path.rglob("*") if path.is_dir())]
    return {str(path.relative_to(data.path)): path.stat().st_mode & 0o7777 for path in found}


def test_the_data_of_an_application_is_its_own_and_nginx_may_pass_through(account: Account, tmp_path: Path) -> None:
    data = data_of(account, tmp_path)
    assert not data.is_right()
    data.make()
    assert data.is_right()
    assert (data.path.owner(), data.path.group()) == account
    assert modes(data) == {".": 0o710}


def test_nginx_may_read_what_is_public_and_pass_through_to_it(account: Account, tmp_path: Path) -> None:
    data = data_of(account, tmp_path, "media/photos/large", "files")
    data.make()
    assert modes(data) == {
        ".": 0o710,
        "files": 0o2750,
        "media": 0o2750,
        "media/photos": 0o2750,
        "media/photos/large": 0o2750,
    }
    assert data.is_right()


def test_data_outlives_what_becomes_public_or_is_no_longer(account: Account, tmp_path: Path) -> None:
    data_of(account, tmp_path).make()
    (tmp_path / account.user / "data/mine").write_text("mine")
    more = data_of(account, tmp_path, "media")
    assert not more.is_right()
    more.make()
    assert more.is_right()
    assert data_of(account, tmp_path).is_right()
    assert (tmp_path / account.user / "data/mine").read_text() == "mine"


@pytest.mark.parametrize("below", ["", "media", "media/photos"])
def test_a_directory_with_another_mode_is_put_right(account: Account, tmp_path: Path, below: str) -> None:
    data = data_of(account, tmp_path, "media/photos")
    data.make()
    (data.path / below).chmod(0o755)
    assert not data.is_right()
    data.make()
    assert data.is_right()


@pytest.mark.parametrize("other", [(1, 0), (0, 1)])
def test_data_that_belongs_to_another_user_or_group_is_not_right(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: tuple[int, int]
) -> None:
    data = data_of(account, tmp_path, "media")
    data.make()
    ids = os.geteuid() + other[0], os.getegid() + other[1]
    monkeypatch.setattr(Data, "_ids", lambda self: ids)
    assert not data.is_right()


def test_each_directory_of_the_data_is_given_to_the_application_and_to_the_group_of_nginx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Path, int, int]] = []
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {"hello": SimpleNamespace(pw_uid=1234)}[name])
    monkeypatch.setattr(grp, "getgrnam", lambda name: {"www-data": SimpleNamespace(gr_gid=33)}[name])
    monkeypatch.setattr(
        os, "fchown", lambda file, user, group: given.append((Path(os.readlink(f"/proc/self/fd/{file}")), user, group))
    )
    data = Data(Layout("hello", root=tmp_path), ["media"])
    data.make()
    assert given == [(path, 1234, 33) for path in (data.path, data.path / "media")]


@pytest.mark.parametrize("link", ["media", "media/photos"])
def test_a_link_that_the_application_has_put_into_its_data_is_not_followed(
    account: Account, tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "outside"
    (outside / "photos").mkdir(parents=True)
    outside.chmod(0o700)
    data = data_of(account, tmp_path, "media/photos")
    data.make()
    shutil.rmtree(data.path / link)
    (data.path / link).symlink_to(outside)
    assert not data.is_right()
    name = Path(link).name
    with pytest.raises(Failed, match=rf"data/{link} is to be a directory, and {name} is none; remove it"):
        data.make()
    assert outside.stat().st_mode & 0o7777 == 0o700


def test_data_of_a_user_that_is_gone_is_not_right(account: Account, tmp_path: Path) -> None:
    data = data_of(account, tmp_path)
    data.make()
    data.owner = "no-such-user"
    assert not data.is_right()


Planner = Callable[..., Plan]


@pytest.fixture
def planner(release: Release, monkeypatch: pytest.MonkeyPatch) -> Planner:
    """Return what calls the module `release` for the release of that name, but for what it is given."""
    monkeypatch.setattr(module, "Layout", lambda _: release.layout)
    monkeypatch.setattr(Host, "read", lambda _: HOST)
    monkeypatch.setattr(Data, "is_right", lambda data: data.path.is_dir())
    monkeypatch.setattr(Data, "make", lambda data: data.path.mkdir())

    def plan(**given: Any) -> Plan:
        return module.plan(FakeModule(**{**arguments(release), **given}))

    return plan


def arguments(release: Release) -> dict[str, Any]:
    """Return the arguments that ask the module for `release`."""
    defaults = {option: spec.get("default") for option, spec in ARGUMENTS.items()}
    settings = {setting: getattr(release.settings, setting) for setting in module.SETTINGS}
    own = {"name": "hello", "build": str(release.build), "env": json.dumps(release.settings.env)}
    return {**defaults, **settings, "probe": release.settings.probe.as_dict(), **own}


def test_the_module_makes_what_is_missing_and_says_so(release: Release, planner: Planner) -> None:
    planned = planner()
    assert [step.says for step in planned.steps] == [
        f"make {release.layout.data}",
        f"make release {release.id} of build abc123",
    ]
    assert planned.result == {"release": release.id, "diff": release.difference_from_live()}
    assert not release.exists()
    planned.take()
    assert release.exists()
    assert release.layout.data.is_dir()


def test_the_module_has_nothing_to_do_for_a_release_that_exists(release: Release, planner: Planner) -> None:
    planner().take()
    planned = planner()
    assert (planned.steps, planned.result) == ([], {"release": release.id})
    assert planned.settled == f"has release {release.id}"


def test_a_release_that_exists_is_never_made_again_because_it_may_be_live(release: Release, planner: Planner) -> None:
    release.make(Index())
    mark = release.store.path(release.id) / "mark"
    mark.touch()
    planned = planner()
    planned.take()
    assert [step.says for step in planned.steps] == [f"make {release.layout.data}"]
    assert planned.result["release"] == release.id
    assert mark.exists()


def as_argument(value: Any) -> Any:
    """Return a setting as the module takes it."""
    return value.as_dict() if isinstance(value, Probe) else value


@pytest.mark.parametrize(("setting", "value"), OTHERS)
def test_the_module_hands_on_each_setting(release: Release, planner: Planner, setting: str, value: Any) -> None:
    wanted = Release(release.layout, release.build, replace(SETTINGS, **{setting: value}), HOST)
    assert planner(**{setting: as_argument(value)}).result["release"] == wanted.id


def test_the_module_takes_a_part_of_a_probe_for_all_of_it(release: Release, planner: Planner) -> None:
    wanted = Release(release.layout, release.build, replace(SETTINGS, probe=Probe("/health")), HOST)
    assert planner(probe={"path": "/health"}).result["release"] == wanted.id


@pytest.mark.parametrize("env", [{"SECRET": "hunter2", "NUMBER": 8}, {"KEY": 'a "quoted"\nline, Grüße'}, {}])
@pytest.mark.parametrize("encode", [json.dumps, dict])
def test_the_environment_may_come_as_one_text(
    release: Release, planner: Planner, env: dict[str, Any], encode: Callable[[dict[str, Any]], Any]
) -> None:
    planned = planner(env=encode(env))
    planned.take()
    path = release.store.path(planned.result["release"])
    assert (path / "env").read_text() == environment_file(env)


@pytest.mark.parametrize(
    ("given", "objections"),
    [
        ({"name": "root"}, ["name: 'root': that name belongs to the system; choose another"]),
        ({"harakiri": 0}, ["harakiri: 0: write a number above zero"]),
        ({"probe": {"path": "health"}}, ["probe.path: 'health': write a path that begins with /"]),
        ({"address_families": ["AF_INET"]}, ["address_families: ['AF_INET']: AF_UNIX is missing"]),
        (
            {"networks": ["x"], "tasks_max": 0},
            ["networks: ['x']: 'x' is not a network", "tasks_max: 0: write a number"],
        ),
        ({"options": {"master": False}}, ["options: {'master': False}: master belongs to the role"]),
    ],
)
def test_the_module_refuses_what_the_rules_refuse(
    planner: Planner, given: dict[str, Any], objections: list[str]
) -> None:
    with pytest.raises(Failed) as failure:
        planner(**given)
    assert [objection for objection in objections if objection not in str(failure.value)] == []


def test_no_value_of_the_environment_is_in_what_the_module_returns_and_says(release: Release, planner: Planner) -> None:
    live = made(release, env={"SECRET": "hunter1"})
    live.layout.current.symlink_to(f"releases/{live.id}")
    env = json.dumps({"SECRET": "hunter2", "OTHER": "hunter3"})
    for _ in range(2):
        planned = planner(env=env)
        assert "hunter" not in str([planned.result, planned.settled, *(step.says for step in planned.steps)])
        planned.take()


def test_an_objection_to_the_environment_shows_none_of_its_values(planner: Planner) -> None:
    with pytest.raises(Failed) as failure:
        planner(env=json.dumps({"SECRET": "hunter2", "NO-NAME": "hunter3"}))
    assert "NO-NAME" in str(failure.value)
    assert "hunter" not in str(failure.value)


def test_ansible_is_told_that_the_environment_is_secret() -> None:
    assert ARGUMENTS["env"]["no_log"] is True


def test_ansible_masks_the_environment_and_nothing_that_happens_to_be_like_it(
    release: Release, planner: Planner, capsys: pytest.CaptureFixture[str]
) -> None:
    env = {"SECRET": "hunter2", "DEBUG": "1", "NAME": "hello", "BUILD": "abc123", "LETTER": "e"}
    wanted = planner(env=env).result["release"]
    given = {name: value for name, value in arguments(release).items() if value is not None}
    with patch_module_args({**given, "env": json.dumps(env), "_ansible_check_mode": True}), pytest.raises(SystemExit):
        module.main()
    told = capsys.readouterr().out
    result = json.loads(told)
    assert "hunter2" not in told
    assert result["invocation"]["module_args"]["env"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert (result["release"], result["changed"]) == (wanted, True)
    assert result["msg"] == f"hello: would make {release.layout.data}, make release {wanted} of build abc123"
    assert release.store.names() == []
