"""What a release promises."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from configparser import ConfigParser
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.wsgi.production.plugins.module_utils import release as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.data import Data
from ansible_collections.wsgi.production.plugins.module_utils.environment import environment_file
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, write_file
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.module_utils.release import Host, Release, Settings
from ansible_collections.wsgi.production.plugins.module_utils.steps import release as module
from ansible_collections.wsgi.production.plugins.module_utils.wheels import Folder
from ansible_collections.wsgi.production.plugins.plugin_utils import steps
from ansible_collections.wsgi.production.plugins.plugin_utils.release_files import (
    AFTER_SWITCH_TIMEOUT,
    files,
    programs,
)
from tests.unit.fakes import FakeModule

HARDENING = (
    *("address_families", "networks", "memory_deny_write_execute", "writable_paths", "groups", "system_calls"),
)


@dataclass(frozen=True)
class App:
    """The settings of an application, and the libraries of its host for uWSGI from source."""

    callable: str
    package: str
    processes: Any
    threads: int
    harakiri: int
    start_timeout: int
    probe: Probe = field(default_factory=Probe)
    env: dict[str, Any] = field(default_factory=dict)
    secret_files: dict[str, str] = field(default_factory=dict)
    migrate: list[str] = field(default_factory=list)
    migrate_timeout: int = 600
    irreversible: str = ""
    after_switch: list[str] = field(default_factory=list)
    workers: list[dict[str, Any]] = field(default_factory=list)
    timers: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    memory_max: str = ""
    cpu_quota: str = ""
    tasks_max: int | None = None
    cpu_affinity: str = ""
    nice: int = 0
    writable_paths: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    system_calls: list[str] = field(default_factory=list)
    memory_deny_write_execute: bool = False
    address_families: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    static: list[dict[str, str]] = field(default_factory=list)
    directory: str = ""
    front: str = ""
    configuration: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)
    pin: str = "pyuwsgi==2.0.30 --hash=sha256:00\n"

    def settings(self, layout: Layout) -> Settings:
        """Return what a release is made of, as the controller sends it and the step reads it."""
        hardening = {name: getattr(self, name) for name in HARDENING}
        rendered = files(
            {
                **vars(self),
                "files": self.configuration,
                "probe": self.probe.as_dict(),
                "name": layout.name,
                "hardening": hardening,
            },
            layout=layout,
        )
        exclusive = sorted(one["name"] for one in self.workers if one["exclusive"])
        first_only = sorted(one["name"] for one in self.workers if not one["every_host"])
        listeners = {one["name"]: one["probe"] for one in self.workers if one["listen"] and one["name"] != self.front}
        same = (
            "callable",
            "package",
            "start_timeout",
            "probe",
            "env",
            "secret_files",
            "irreversible",
            "static",
            "directory",
            "front",
        )
        return Settings(
            files=rendered,
            programs=programs(),
            exclusive=exclusive,
            listeners=listeners,
            first_only=first_only,
            libraries=self.libraries,
            pin=self.pin,
            **{name: getattr(self, name) for name in same},
        )


class Given(Release):
    """The release of an application."""

    def __init__(self, layout: Layout, build: Path, app: App, host: Host) -> None:
        super().__init__(layout, build, app.settings(layout), host)
        self.app = app


def worker(name: str, command: str, stop_timeout: int, **more: Any) -> dict[str, Any]:
    """Return a worker with all that the role knows of it."""
    probe = {"path": "/", "status": []}
    known = {"name": name, "command": command, "stop_timeout": stop_timeout}
    return {**known, "exclusive": False, "every_host": True, "listen": False, "probe": probe, **more}


SETTINGS = App(
    callable="main:application",
    package="pyuwsgi",
    processes=4,
    threads=1,
    harakiri=60,
    start_timeout=30,
    env={"COLOUR": "blue"},
    secret_files={"key.pem": "the key"},
    migrate=["python manage.py migrate"],
    after_switch=["python manage.py warm"],
    workers=[worker("mail", "python -m mail", 600)],
    timers=[{"name": "nightly", "command": "python -m nightly", "on_calendar": "*-*-* 03:00", "every_host": False}],
    address_families=["AF_UNIX", "AF_INET"],
)
ARGUMENTS: dict[str, Any] = dict(module.ARGUMENTS)
HOST = Host("cpython-3.11-x86_64", cores=3, backlog=4096)


class Servers:
    """Stands in for the installation of uWSGI; `arguments` is what was asked for each time."""

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
    """Return the requested changes of niceness; none of them is made."""
    found: list[int] = []
    monkeypatch.setattr(os, "nice", found.append)
    return found


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Servers:
    fake = Servers()
    monkeypatch.setattr(unit, "SERVERS", tmp_path / "servers")
    monkeypatch.setattr(unit, "installer", lambda index, pin: None)
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
def release(layout: Layout, build: Path, servers: Servers) -> Given:
    return Given(layout, build, SETTINGS, HOST)


def made(release: Given, **settings: Any) -> Given:
    """Make and return a release like `release` with other `settings`."""
    other = Given(release.layout, release.build, replace(release.app, **settings), release.host)
    other.make(Index(), "uv==1\n")
    return other


def text(release: Given, name: str) -> str:
    return (release.store.path(release.id) / name).read_text(encoding="utf-8")


def ini(release: Given) -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.read_string(text(release, "uwsgi.ini"))
    return dict(parser["uwsgi"])


def said(unit_file: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit_file, re.MULTILINE)


def test_same_input_gives_the_same_release(release: Given) -> None:
    assert Given(release.layout, release.build, SETTINGS, HOST).id == release.id


def test_making_a_release_does_not_change_its_name(release: Given) -> None:
    release.make(Index(), "uv==1\n")
    assert Given(release.layout, release.build, SETTINGS, HOST).id == release.id


OTHERS: list[tuple[str, Any]] = [
    ("callable", "main:other"),
    ("package", "uwsgi"),
    ("processes", 5),
    ("processes", None),
    ("processes", {"min": 1, "max": 4}),
    ("threads", 4),
    ("directory", "app"),
    ("harakiri", 61),
    ("start_timeout", 31),
    ("env", {"COLOUR": "green"}),
    ("env", {"COLOR": "blue"}),
    ("env", {}),
    ("secret_files", {"key.pem": "another"}),
    ("secret_files", {"key": "the key"}),
    ("secret_files", {}),
    ("migrate", ["python manage.py migrate --fake"]),
    ("migrate", ["python manage.py migrate", "python manage.py check"]),
    ("migrate", []),
    ("migrate_timeout", 601),
    ("irreversible", "it drops a column"),
    ("after_switch", ["python manage.py warm", "true"]),
    ("after_switch", []),
    ("workers", [worker("mail", "python -m mail", 601)]),
    ("workers", [worker("mail", "python -m email", 600)]),
    ("workers", [worker("email", "python -m mail", 600)]),
    ("workers", [worker("mail", "python -m mail", 600, exclusive=True)]),
    ("workers", []),
    ("workers", [worker("mail", "python -m mail", 600, listen=True)]),
    ("workers", [worker("mail", "python -m mail", 600, every_host=False)]),
    ("workers", [worker("mail", "python -m mail", 600, listen=True, probe={"path": "/up", "status": []})]),
    ("front", "mail"),
    ("configuration", {"app.cfg": "a = 1"}),
    ("paths", {"KEY": "key.pem"}),
    ("timers", [{"name": "nightly", "command": "python -m nightly", "on_calendar": "daily", "every_host": False}]),
    ("timers", [{"name": "nightly", "command": "python -m daily", "on_calendar": "*-*-* 03:00", "every_host": False}]),
    ("timers", [{"name": "daily", "command": "python -m nightly", "on_calendar": "*-*-* 03:00", "every_host": False}]),
    ("timers", [{**SETTINGS.timers[0], "every_host": True}]),
    ("timers", []),
    ("options", {"max-requests": 5000}),
    ("memory_max", "512M"),
    ("cpu_quota", "50%"),
    ("tasks_max", 64),
    ("cpu_affinity", "0-3"),
    ("nice", 10),
    ("writable_paths", ["/mnt/shared"]),
    ("groups", ["redis"]),
    ("system_calls", ["@resources"]),
    ("memory_deny_write_execute", True),
    ("address_families", ["AF_UNIX"]),
    ("networks", ["10.0.0.0/8"]),
    ("static", [{"path": "/static/", "directory": "static"}]),
    ("probe", Probe(path="/health")),
    ("probe", Probe(host="hello.example.org")),
    ("probe", Probe(status=[200])),
    ("probe", Probe(text="fine")),
    ("probe", Probe(timeout=1)),
    ("probe", Probe(tries=1)),
    ("probe", Probe(interval=2)),
]


@pytest.mark.parametrize(("setting", "value"), OTHERS)
def test_another_setting_is_another_release(release: Given, setting: str, value: Any) -> None:
    assert Given(release.layout, release.build, replace(SETTINGS, **{setting: value}), HOST).id != release.id


def test_every_setting_changes_the_name_of_a_release() -> None:
    assert {setting for setting, _ in OTHERS} == {one.name for one in fields(App)} - {"libraries", "pin"}


@pytest.mark.parametrize(("package", "differs"), [("uwsgi", True), ("pyuwsgi", False)])
def test_uwsgi_from_source_changes_with_its_libraries(release: Given, package: str, differs: bool) -> None:
    one, other = (
        Given(release.layout, release.build, replace(SETTINGS, package=package, libraries=libraries), HOST)
        for libraries in ([], ["libpcre2-dev"])
    )
    assert [(one.server != other.server), (one.id != other.id)] == [differs, differs]


def test_a_static_directory_missing_in_the_build_is_refused_with_advice(release: Given) -> None:
    static = [{"path": "/static/", "directory": "web/dist"}]
    one = Given(release.layout, release.build, replace(SETTINGS, static=static), HOST)
    assert not one.is_open()
    with pytest.raises(
        Failed, match=r"^static: the build has no directory web/dist, .*build\.include.*build\.commands"
    ):
        one.open()


@pytest.mark.parametrize(
    ("setting", "value"), [("interpreter", "cpython-3.13-x86_64"), ("backlog", 128), ("private_users", False)]
)
def test_another_host_is_another_release(release: Given, setting: str, value: Any) -> None:
    assert Given(release.layout, release.build, SETTINGS, replace(HOST, **{setting: value})).id != release.id


def test_another_build_is_another_release(release: Given) -> None:
    assert Given(release.layout, release.build.with_name("abc124"), SETTINGS, HOST).id != release.id


def test_another_uwsgi_is_another_release(release: Given) -> None:
    assert Given(release.layout, release.build, replace(SETTINGS, pin="pyuwsgi==9.9\n"), HOST).id != release.id


def test_processors_matter_only_if_they_set_the_number_of_processes(release: Given) -> None:
    more = replace(HOST, cores=64)
    assert Given(release.layout, release.build, SETTINGS, more).id == release.id


def test_a_release_exists_once_it_is_made(release: Given) -> None:
    assert not release.exists()
    release.make(Index(), "uv==1\n")
    assert release.exists()


def test_a_release_remembers_what_it_is_made_of(release: Given) -> None:
    release.make(Index(), "uv==1\n")
    manifest = release.store.manifest(release.id) or {}
    assert manifest["release"] == release.id
    assert manifest["build"] == str(release.build)
    assert manifest["source"] == "app"
    assert manifest["commit"] == "c0ffee"
    assert manifest["packages"] == "def456"
    assert re.fullmatch(r"pyuwsgi==[0-9.]+\S*", manifest["uwsgi"])


def test_a_release_remembers_the_uwsgi_that_it_runs_with(release: Given) -> None:
    release.make(Index(), "uv==1\n")
    manifest = release.store.manifest(release.id) or {}
    assert release.servers.manifest(manifest["server"]) is not None


@pytest.mark.parametrize("probe", [Probe(), Probe("/health", "hello.example.org", [200], "fine", 1, 2, 3)])
def test_a_release_remembers_its_probe(release: Given, probe: Probe) -> None:
    one = made(release, probe=probe)
    assert Probe(**(one.store.manifest(one.id) or {})["probe"]) == probe


@pytest.mark.parametrize("irreversible", ["", "it drops a column"])
def test_a_release_remembers_why_it_is_irreversible(release: Given, irreversible: str) -> None:
    one = made(release, irreversible=irreversible)
    assert (one.store.manifest(one.id) or {})["irreversible"] == irreversible


def test_a_release_links_to_its_build_and_its_sockets(release: Given) -> None:
    release.make(Index(), "uv==1\n")
    path = release.store.path(release.id)
    assert (path / "build").resolve() == release.build
    assert not os.readlink(path / "build").startswith("/")
    assert os.readlink(path / "socket") == f"/run/hello/{release.id}.socket"
    assert os.readlink(path / "http") == f"/run/hello/{release.id}.http"


def test_a_release_has_the_files_that_its_settings_need(release: Given) -> None:
    def found(one: Given) -> set[str]:
        path = one.store.path(one.id)
        return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file() and not file.is_symlink()}

    least = {"uwsgi.ini", "start.py", "entry.py", "callable", "env", "drain.py", "instance.socket", "instance.service"}
    least |= {"manifest.json", ".contents"}
    plain = made(release, secret_files={}, migrate=[], after_switch=[], workers=[], timers=[])
    assert found(plain) == least
    assert not (plain.store.path(plain.id) / "credentials").exists()
    assert found(made(release)) == {
        *least,
        "credentials/key.pem",
        "migrate.service",
        "after-switch.service",
        "instance-mail.service",
        "instance-nightly.timer",
        "instance-nightly.service",
    }


def test_only_root_can_read_the_environment_and_secret_files(release: Given) -> None:
    release.make(Index(), "uv==1\n")
    path = release.store.path(release.id)
    secret = {"env", "credentials/key.pem", "manifest.json", ".contents"}
    modes = {str(one.relative_to(path)): one.lstat().st_mode & 0o777 for one in path.rglob("*")}
    links = {"build", "socket", "http"}
    assert modes.pop("credentials") == 0o700
    assert {name: mode for name, mode in modes.items() if name not in links} == {
        name: 0o600 if name in secret else 0o640 for name in modes if name not in links
    }
    assert secret <= set(modes)


def test_the_directory_of_secrets_is_closed_before_it_is_filled(
    release: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def look(path: Path, text: str, mode: int = 0o644) -> None:
        if path.parent.name == "credentials":
            seen.append(path.parent.stat().st_mode & 0o777)
        write_file(path, text, mode)

    monkeypatch.setattr(unit, "write_file", look)
    release.make(Index(), "uv==1\n")
    assert seen == [0o700]


@pytest.mark.parametrize("value", ["the key", "two\nlines\n", "", "Grüße, {braces} and 100% $HOME"])
def test_a_secret_file_has_exactly_the_given_text(release: Given, value: str) -> None:
    assert text(made(release, secret_files={"key": value}), "credentials/key") == value


def test_no_secret_is_in_a_file_that_others_read(release: Given) -> None:
    one = made(release, env={"SECRET": "hunter2"}, secret_files={"key": "hunter3"})
    secret = ("env", "key")
    files = [path for path in one.store.path(one.id).rglob("*") if path.is_file() and path.name not in secret]
    assert len(files) >= 11
    assert not [path.name for path in files if "hunter" in path.read_text()]


def test_the_environment_of_a_release_is_written_as_systemd_reads_it(release: Given) -> None:
    env = {"SECRET": 'a "quoted"\nline', "NUMBER": 8}
    assert text(made(release, env=env), "env") == environment_file(env)


SERVICES = ["instance.service", "instance-mail.service", "instance-nightly.service"]
SERVICES += ["migrate.service", "after-switch.service"]


# Without one of these, `systemd-analyze security` would rate a unit only a little worse.
SWITCHED_ON = [
    "LockPersonality",
    "NoNewPrivileges",
    "PrivateDevices",
    "PrivateTmp",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "RemoveIPC",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
]


@pytest.mark.parametrize("name", SERVICES)
def test_each_process_of_a_release_has_its_user_environment_limits_and_sandbox(release: Given, name: str) -> None:
    one = made(release, memory_max="512M", networks=["10.0.0.0/8"], memory_deny_write_execute=True)
    path = one.store.path(one.id)
    service = text(one, name)
    expected = {
        "User": ["hello"],
        "Group": ["hello"],
        "WorkingDirectory": [f"{path}/build/app"],
        "Environment": [
            f"LANG=C.UTF-8 DATA_DIRECTORY={one.layout.data} PYTHONUNBUFFERED=1 WSGI_RELEASE={one.id} WSGI_COMMIT=c0ffee"
        ],
        "EnvironmentFile": [f"{path}/env"],
        "ExecSearchPath": [f"{path}/build/venv/bin:/usr/local/bin:/usr/bin:/bin"],
        "LoadCredential": [f"key.pem:{path}/credentials/key.pem"],
        "MemoryMax": ["512M"],
        "MemoryDenyWriteExecute": ["yes"],
        "IPAddressDeny": ["any"],
        "RestrictAddressFamilies": ["AF_UNIX AF_INET"],
        "ProtectSystem": ["strict"],
        "ReadWritePaths": [str(one.layout.data)],
        "CapabilityBoundingSet": [""],
        "SystemCallFilter": ["@system-service", "~@privileged @resources"],
        "UMask": ["0027"],
        **{key: ["yes"] for key in SWITCHED_ON},
    }
    assert {key: said(service, key) for key in expected} == expected
    lines = service.splitlines()
    sections = [line for line in lines if line.startswith("[")]
    assert sections[:2] == ["[Unit]", "[Service]"] and sections.count("[Service]") == 1
    assert lines.index("[Service]") < lines.index("User=hello")


@pytest.mark.parametrize("name", SERVICES)
def test_an_instance_outlives_a_worker_that_needs_too_much_memory(release: Given, name: str) -> None:
    assert said(text(made(release, memory_max="512M"), name), "OOMPolicy") == ["continue"]


@pytest.mark.parametrize("name", SERVICES)
def test_instances_have_a_user_namespace_if_the_host_supports_it(release: Given, name: str) -> None:
    assert said(text(made(release), name), "PrivateUsers") == ["yes"]
    release.host = replace(release.host, private_users=False)
    assert said(text(made(release, tasks_max=5), name), "PrivateUsers") == ["no"]


def test_secrets_are_passed_by_name_in_sorted_order(release: Given) -> None:
    one = made(release, secret_files={"b": "2", "a.pem": "1"})
    path = one.store.path(one.id)
    for name in SERVICES:
        assert said(text(one, name), "LoadCredential") == [
            f"a.pem:{path}/credentials/a.pem",
            f"b:{path}/credentials/b",
        ]


@pytest.mark.parametrize("name", SERVICES)
def test_without_secret_files_none_is_passed(release: Given, name: str) -> None:
    assert "LoadCredential" not in text(made(release, secret_files={}), name)


HARD = "python -m 'a b' \"it's 100%\" '$HOME' 'back\\slash' 'Grüße;' \";\""
HARD_QUOTED = '"python" "-m" "a b" "it\'s 100%%" "$$HOME" "back\\\\slash" "Grüße;" ";"'


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("instance-x.service", "workers", [worker("x", HARD, 5)]),
        ("instance-x.service", "timers", [{"name": "x", "command": HARD, "on_calendar": "daily", "every_host": False}]),
        ("migrate.service", "migrate", [HARD]),
        ("after-switch.service", "after_switch", [HARD]),
    ],
)
def test_a_command_is_written_as_systemd_reads_it(release: Given, name: str, setting: str, value: Any) -> None:
    assert said(text(made(release, **{setting: value}), name), "ExecStart") == [HARD_QUOTED]


def test_a_program_of_the_source_is_run_from_the_release(release: Given) -> None:
    one = made(release, migrate=["./manage.py migrate"])
    assert said(text(one, "migrate.service"), "ExecStart") == [
        f'"{one.store.path(one.id)}/build/app/manage.py" "migrate"'
    ]


def test_a_stop_signals_only_uwsgi_and_kills_the_rest_after_a_timeout(release: Given) -> None:
    service = text(made(release), "instance.service")
    expected = {"Type": ["notify"], "Restart": ["always"], "StartLimitIntervalSec": ["0"], "KillMode": ["mixed"]}
    assert {key: said(service, key) for key in expected} == expected


def test_a_worker_always_runs_and_has_its_own_time_to_finish(release: Given) -> None:
    worker = text(made(release), "instance-mail.service")
    expected = {
        "Type": ["exec"],
        "ExecStart": ['"python" "-m" "mail"'],
        "Restart": ["always"],
        "StartLimitIntervalSec": ["0"],
        "KillMode": ["mixed"],
        "TimeoutStopSec": ["600"],
        "SyslogIdentifier": ["hello-mail"],
        "WantedBy": ["multi-user.target"],
    }
    assert {key: said(worker, key) for key in expected} == expected


def test_a_timer_starts_its_job_when_due_and_catches_up_after_downtime(release: Given) -> None:
    one = made(release)
    timer, job = text(one, "instance-nightly.timer"), text(one, "instance-nightly.service")
    expected = {"OnCalendar": ["*-*-* 03:00"], "Persistent": ["yes"], "WantedBy": ["timers.target"], "Unit": []}
    assert {key: said(timer, key) for key in expected} == expected
    expected = {"Type": ["oneshot"], "ExecStart": ['"python" "-m" "nightly"'], "TimeoutStartSec": ["infinity"]}
    assert {key: said(job, key) for key in expected} == expected
    assert said(job, "SyslogIdentifier") == ["hello-nightly"]
    assert "[Install]" not in job


def test_a_timer_that_is_not_for_every_host_runs_only_on_the_first(release: Given) -> None:
    timers = [{**SETTINGS.timers[0], "name": name, "every_host": name == "each"} for name in ("once", "each")]
    one = made(release, timers=timers)
    once, each = (text(one, f"instance-{name}.service") for name in ("once", "each"))
    assert said(once, "ConditionPathExists") == [str(one.layout.home / "first")]
    assert once.index("ConditionPathExists=") < once.index("[Service]")
    assert said(each, "ConditionPathExists") == []
    others = ("migrate.service", "after-switch.service", "instance.service", "instance-mail.service")
    assert [name for name in others if "ConditionPathExists" in text(one, name)] == []


@pytest.mark.parametrize(
    ("name", "setting", "logged", "timeout"),
    [
        ("migrate.service", "migrate", "migration", 900),
        ("after-switch.service", "after_switch", "after-switch", AFTER_SWITCH_TIMEOUT),
    ],
)
def test_commands_around_a_switch_run_in_sequence(
    release: Given, name: str, setting: str, logged: str, timeout: int
) -> None:
    service = text(made(release, **{setting: ["one", "two x"], "migrate_timeout": 900}), name)
    expected = {
        "Type": ["oneshot"],
        "ExecStart": ['"one"', '"two" "x"'],
        "TimeoutStartSec": [str(timeout)],
        "SyslogIdentifier": [f"hello-{logged}"],
        "Restart": [],
    }
    assert {key: said(service, key) for key in expected} == expected
    assert "[Install]" not in service


def test_each_worker_and_timer_has_its_own_unit(release: Given) -> None:
    workers = [worker(name, name, 5) for name in ("a", "b-2")]
    timers = [{"name": name, "command": name, "on_calendar": "daily", "every_host": False} for name in ("c", "d")]
    one = made(release, workers=workers, timers=timers)
    commands = {name: said(text(one, f"instance-{name}.service"), "ExecStart") for name in ("a", "b-2", "c", "d")}
    assert commands == {name: [f'"{name}"'] for name in commands}
    assert {path.name for path in one.store.path(one.id).glob("*.timer")} == {"instance-c.timer", "instance-d.timer"}


def test_uwsgi_finds_the_callable_through_the_entry_file(release: Given) -> None:
    wanted = "main:create(name='{x}')"
    one = made(release, callable=wanted)
    assert ini(one)["wsgi-file"] == f"{one.store.path(one.id)}/entry.py"
    assert ini(one)["chdir"] == f"{one.store.path(one.id)}/build/app"
    assert (text(one, "entry.py"), text(one, "callable")) == (programs()["entry.py"], f"{wanted}\n")
    assert not {"module", "callable"} & set(ini(one))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("strict", "true"),
        ("need-app", "true"),
        ("processes", "4"),
        ("harakiri", "60"),
        ("listen", "4096"),
        ("hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
    ],
)
def test_the_configuration_of_uwsgi_sets(release: Given, key: str, value: str) -> None:
    assert ini(made(release))[key] == value


@pytest.mark.parametrize("key", ["socket", "http-socket"])
def test_uwsgi_opens_no_address_of_its_own(release: Given, key: str) -> None:
    assert re.fullmatch(r"fd://\d", ini(made(release))[key])


def test_by_default_there_are_two_processes_for_each_processor(release: Given) -> None:
    assert ini(made(release, processes=None))["processes"] == "6"


def test_a_fixed_number_of_processes_never_shrinks(release: Given) -> None:
    assert "cheaper" not in text(made(release), "uwsgi.ini")


def test_processes_come_and_go_between_a_minimum_and_a_maximum(release: Given) -> None:
    options = ini(made(release, processes={"min": 2, "max": 8}))
    assert (options["cheaper"], options["cheaper-initial"], options["processes"]) == ("2", "2", "8")


OPTIONS = {"max-requests": 5000, "lazy-apps": True, "memory-report": False, "route": ["^/a a:", "^/b b:"], "ratio": 0.5}


def test_more_options_are_written_to_the_configuration_one_per_line(release: Given) -> None:
    lines = text(made(release, options=OPTIONS), "uwsgi.ini").splitlines()
    said = ["max-requests = 5000", "lazy-apps = true", "memory-report = false", "route = ^/a a:", "route = ^/b b:"]
    assert lines[-6:] == [*said, "ratio = 0.5"]


def test_more_options_affect_only_uwsgi(release: Given) -> None:
    plain, one = made(release), made(release, options=OPTIONS)
    for name in ("instance.socket", "instance.service"):
        assert text(one, name).replace(one.id, plain.id) == text(plain, name)


def test_uwsgi_reads_the_value_of_an_option_unchanged(release: Given) -> None:
    # uWSGI takes %% for one, and %n for the name of the file (uwsgi-docs, Configuration.rst).
    assert "log-format = %%(uri) 100%%\n" in text(made(release, options={"log-format": "%(uri) 100%"}), "uwsgi.ini")


@pytest.mark.parametrize("harakiri", [1, 60, 3600])
def test_a_request_can_finish_even_when_the_instance_stops(release: Given, harakiri: int) -> None:
    one = made(release, harakiri=harakiri)
    assert int(ini(one)["worker-reload-mercy"]) >= harakiri
    assert int(said(text(one, "instance.service"), "TimeoutStopSec")[0]) > harakiri


def test_the_service_runs_as_its_user_and_must_start_in_time(release: Given) -> None:
    service = text(made(release), "instance.service")
    assert said(service, "User") == ["hello"]
    assert said(service, "TimeoutStartSec") == ["30"]
    assert said(service, "TimeoutStartFailureMode") == ["kill"]
    assert said(service, "ReadWritePaths") == [str(release.layout.data)]
    assert said(service, "Requires") == [f"hello@{release.id}.socket"]


def test_the_service_finds_its_own_files(release: Given) -> None:
    one = made(release)
    service = text(one, "instance.service")
    words = said(service, "ExecStart")[0].split()
    assert said(service, "EnvironmentFile") == [str(one.store.path(one.id) / "env")]
    assert Path(words[-1]) == one.store.path(one.id) / "uwsgi.ini"
    assert Path(words[-1]).is_file()
    assert Path(words[3]) == one.store.path(one.id) / "start.py"
    assert Path(words[5]) == one.servers.path(one.server) / "launch.py" and Path(words[5]).is_file()


@pytest.mark.parametrize(
    ("setting", "value", "key", "said_"),
    [
        ("memory_max", "512M", "MemoryMax", "512M"),
        ("memory_max", "50%", "MemoryMax", "50%"),
        ("cpu_quota", "150%", "CPUQuota", "150%"),
        ("tasks_max", 64, "TasksMax", "64"),
        ("cpu_affinity", "0-3", "CPUAffinity", "0-3"),
        ("nice", 10, "Nice", "10"),
        ("groups", ["redis"], "SupplementaryGroups", "redis"),
        ("memory_deny_write_execute", True, "MemoryDenyWriteExecute", "yes"),
    ],
)
def test_systemd_enforces_a_limit(release: Given, setting: str, value: Any, key: str, said_: str) -> None:
    assert said(text(made(release), "instance.service"), key) == []
    assert said(text(made(release, **{setting: value}), "instance.service"), key) == [said_]


def test_limits_only_add_lines_to_the_service(release: Given) -> None:
    limits = {"memory_max": "1G", "cpu_quota": "50%", "tasks_max": 9, "networks": ["::1"]}
    needs = {"writable_paths": ["/mnt/a", "/mnt/b"], "system_calls": ["@resources", "bpf"]}
    plain, one = made(release), made(release, **limits, **needs)
    before = text(plain, "instance.service").replace(plain.id, one.id).splitlines()
    after = text(one, "instance.service").splitlines()
    assert [line for line in after if line not in before] == [
        "MemoryMax=1G",
        "CPUQuota=50%",
        "TasksMax=9",
        "ReadWritePaths=/mnt/a",
        "ReadWritePaths=/mnt/b",
        "IPAddressDeny=any",
        "IPAddressAllow=localhost ::1",
        "SystemCallFilter=@resources",
        "SystemCallFilter=bpf",
    ]
    assert [line for line in before if line not in after] == []
    assert after.index("MemoryMax=1G") > after.index("[Service]")
    assert after.index("IPAddressDeny=any") < after.index("[Install]")


def test_the_application_can_open_only_its_address_families(release: Given) -> None:
    service = text(made(release), "instance.service")
    assert said(service, "RestrictAddressFamilies") == ["AF_UNIX AF_INET"]


def test_without_networks_nothing_is_blocked(release: Given) -> None:
    assert "IPAddress" not in text(made(release), "instance.service")


def test_with_networks_only_those_and_the_host_can_be_reached(release: Given) -> None:
    service = text(made(release, networks=["10.0.0.0/8", "192.0.2.10"]), "instance.service")
    assert said(service, "IPAddressDeny") == ["any"]
    assert said(service, "IPAddressAllow") == ["localhost 10.0.0.0/8 192.0.2.10"]


def test_an_instance_drains_the_queues_of_its_sockets_before_it_ends(release: Given) -> None:
    one = made(release)
    path = one.store.path(one.id)
    assert said(text(one, "instance.service"), "ExecStop")[0].split() == [
        # The interpreter of the host: root runs none that packages could have changed.
        "+/usr/bin/python3",
        "-I",
        "-S",
        f"{path}/drain.py",
        str(one.layout.current),
        one.id,
        *said(text(one, "instance.socket"), "ListenStream"),
    ]
    assert (path / "drain.py").read_text() == programs()["drain.py"]


def test_connections_to_a_retired_release_are_refused_at_once(release: Given) -> None:
    assert said(text(made(release), "instance.socket"), "RemoveOnStop") == ["yes"]


def test_the_system_call_filter_begins_with_its_allow_list(release: Given) -> None:
    lists = said(text(made(release), "instance.service"), "SystemCallFilter")
    assert lists == ["@system-service", "~@privileged @resources"]


def test_only_nginx_can_open_the_sockets(release: Given) -> None:
    socket = text(made(release), "instance.socket")
    assert said(socket, "SocketUser") == ["root"]
    assert said(socket, "SocketGroup") == ["www-data"]
    assert said(socket, "SocketMode") == ["0660"]
    assert said(socket, "ListenStream") == [f"/run/hello/{release.id}.socket", f"/run/hello/{release.id}.http"]


def test_the_wheel_of_uwsgi_runs_inside_the_interpreter_of_the_build(release: Given, servers: Servers) -> None:
    one = made(release)
    command = said(text(one, "instance.service"), "ExecStart")[0].split()
    assert command[4] == str(one.store.path(one.id) / "build/venv/bin/python")
    assert servers.arguments == [("--only-binary", ":all:")]


def test_uwsgi_from_source_gets_the_virtual_environment(release: Given, servers: Servers) -> None:
    one = made(release, package="uwsgi")
    command = said(text(one, "instance.service"), "ExecStart")[0].split()
    assert command[4] == str(one.servers.path(one.server) / "bin/uwsgi")
    assert ini(one)["virtualenv"] == str(one.store.path(one.id) / "build/venv")
    assert servers.arguments == [("--no-binary", "uwsgi")]


def test_releases_share_the_uwsgi_of_a_host(release: Given, servers: Servers) -> None:
    made(release)
    made(release, harakiri=30)
    assert len(servers.arguments) == 1


def test_uwsgi_is_installed_at_low_priority(release: Given, nice: list[int]) -> None:
    made(release)
    assert nice == [10]
    made(release, harakiri=30)
    assert nice == [10]


def test_a_failed_installation_of_uwsgi_leaves_nothing(release: Given, servers: Servers) -> None:
    servers.failure = Failed("no matching distribution")
    with pytest.raises(Failed, match="no matching distribution"):
        release.make(Index(), "uv==1\n")
    assert list(release.servers.root.iterdir()) == []
    assert not release.exists()
    assert list(release.store.root.iterdir()) == []


def test_an_incomplete_release_is_made_again(release: Given) -> None:
    leftover = release.store.path(release.id) / "half"
    leftover.mkdir(parents=True)
    release.make(Index(), "uv==1\n")
    assert release.exists()
    assert not leftover.exists()


def test_the_difference_of_the_first_release_shows_all_of_it(release: Given) -> None:
    difference = release.difference_from_live()
    assert "main:application" not in difference["before"]
    assert "main:application\n" in difference["after"]
    assert "differ: COLOUR, credentials/key.pem\n" in difference["after"]


def test_the_difference_shows_settings_before_and_after(release: Given) -> None:
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
        ("migrate", ["python -m other"], 'ExecStart="python" "-m" "other"'),
        ("after_switch", ["python -m other"], 'ExecStart="python" "-m" "other"'),
        (
            "workers",
            [worker("x", "python x", 7)],
            "SyslogIdentifier=hello-x",
        ),
        (
            "timers",
            [{"name": "x", "command": "python x", "on_calendar": "daily", "every_host": False}],
            "OnCalendar=daily",
        ),
    ],
)
def test_the_difference_shows_limits_hardening_and_probe(release: Given, setting: str, value: Any, line: str) -> None:
    live = made(release)
    live.layout.current.symlink_to(f"releases/{live.id}")
    difference = made(release, **{setting: value}).difference_from_live()
    assert line not in difference["before"]
    assert line in difference["after"]


def test_the_difference_shows_parts_that_the_new_release_lacks(release: Given) -> None:
    live = made(release)
    live.layout.current.symlink_to(f"releases/{live.id}")
    difference = made(release, workers=[], timers=[], migrate=[], after_switch=[]).difference_from_live()
    for line in ('"mail"', "OnCalendar=", '"nightly"', '"migrate"', '"warm"'):
        assert line in difference["before"]
        assert line not in difference["after"]


def test_the_difference_omits_values_that_always_differ(release: Given) -> None:
    live = made(release)
    live.layout.current.symlink_to(f"releases/{live.id}")
    difference = made(release, env={"COLOUR": "green"}).difference_from_live()
    assert difference["after"] == difference["before"] + "secrets and variables that differ: COLOUR\n"


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
def test_the_difference_names_changed_variables_without_their_values(
    release: Given, before: dict[str, Any], after: dict[str, Any], names: str
) -> None:
    live = made(release, env=before)
    live.layout.current.symlink_to(f"releases/{live.id}")
    shown = made(release, env=after).difference_from_live()
    assert "hunter" not in str(shown)
    assert f"secrets and variables that differ: {names}\n" in shown["after"]


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ({"key": "hunter1"}, {"key": "hunter2"}, "credentials/key"),
        ({}, {"key": "hunter2"}, "credentials/key"),
        ({"key": "hunter1"}, {}, "credentials/key"),
        ({"a": "hunter1", "b": "hunter3"}, {"a": "hunter2", "b": "hunter3"}, "credentials/a"),
    ],
)
def test_the_difference_names_changed_secret_files_without_their_contents(
    release: Given, before: dict[str, str], after: dict[str, str], names: str
) -> None:
    live = made(release, secret_files=before)
    live.layout.current.symlink_to(f"releases/{live.id}")
    shown = made(release, secret_files=after).difference_from_live()
    assert "hunter" not in str(shown)
    assert f"secrets and variables that differ: {names}\n" in shown["after"]


def test_the_difference_names_no_variable_if_none_differs(release: Given) -> None:
    live = made(release)
    live.layout.current.symlink_to(f"releases/{live.id}")
    assert "that differ" not in str(made(release, harakiri=30).difference_from_live())


Planner = Callable[..., Plan]

SECRETS = ("env", "secrets", "secret_files")
LET, LEAVE = "run its timers on this host", "stop running its timers on this host"


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return what systemd was asked about times; it understands all but "never"."""
    asked: list[list[str]] = []

    def run(argv: list[str], purpose: str) -> str:
        asked.append(argv)
        if "never" in argv:
            raise Failed(f"could not {purpose}; systemd-analyze said:\nFailed to parse")
        return ""

    monkeypatch.setattr(module, "run", run)
    return asked


@pytest.fixture
def planner(release: Given, monkeypatch: pytest.MonkeyPatch, calendar: list[list[str]]) -> Planner:
    """Return a function that calls the module for `release` with changes, and for other applications."""
    monkeypatch.setattr(module, "Layout", lambda name: Layout(name, root=release.layout.home.parent))
    monkeypatch.setattr(Host, "read", lambda _: HOST)
    monkeypatch.setattr(Data, "is_right", lambda data: data.path.is_dir())
    monkeypatch.setattr(Data, "make", lambda data: data.path.mkdir(parents=True))
    command = release.layout.home.parent / "wsgi"
    command.write_text(module.INTERPRETER + programs()["wsgi.py"])
    monkeypatch.setattr(module, "COMMAND", command)

    def plan(others: tuple[dict[str, Any], ...] = (), first: bool = True, **given: Any) -> Plan:
        return module.plan(FakeModule(**{**arguments(described(release, **given), *others), "first": first}))

    return plan


def described(release: Given, **given: Any) -> dict[str, Any]:
    """Return an application as the action plugin has it: that of `release`, with changes."""
    elsewhere = (*HARDENING, "env", "secret_files", "probe", "libraries", "pin", "configuration")
    settings = {setting: value for setting, value in vars(release.app).items() if setting not in elsewhere}
    hardening = {setting: getattr(release.app, setting) for setting in HARDENING}
    secret = {"env": release.app.env, "secrets": {}, "secret_files": release.app.secret_files}
    secret["files"] = release.app.configuration
    given = {"files" if key == "configuration" else key: value for key, value in given.items()}
    app = {
        "name": "hello",
        "build": str(release.build),
        "wheels": "",
        "public_data": [],
        "probe": release.app.probe.as_dict(),
    }
    app = {**app, "hardening": hardening, **settings, **secret}
    for key, value in given.items():
        if key in HARDENING:
            app["hardening"] = {**hardening, key: value}
        else:
            app[key] = value.as_dict() if isinstance(value, Probe) else value
    return app


def arguments(*apps: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the module as the action plugin passes them."""
    defaults = {option: spec.get("default") for option, spec in ARGUMENTS.items()}
    secrets = {app["name"]: {key: app[key] for key in SECRETS} for app in apps}
    plain = [{key: value for key, value in app.items() if key not in SECRETS} for app in apps]
    rendered = {app["name"]: files(app, layout=Layout(app["name"], root=Path(app["build"]).parents[2])) for app in apps}
    sent = json.dumps({"programs": programs(), "apps": rendered})
    pins = {"uv": "uv==1\n", "pyuwsgi": SETTINGS.pin, "uwsgi": SETTINGS.pin}
    return {**defaults, "apps": plain, "secrets": json.dumps(secrets), "files": sent, "pins": pins}


def test_the_module_makes_what_is_missing_and_says_so(release: Given, planner: Planner) -> None:
    planned = planner()
    assert [(step.says, step.of) for step in planned.steps] == [
        (f"create {release.layout.data}", "hello"),
        (LET, "hello"),
        (f"create release {release.id} from build abc123", "hello"),
    ]
    assert planned.result == {"releases": {"hello": release.id}, "diff": [release.difference_from_live()]}
    assert not release.exists()
    planned.take()
    assert release.exists()
    assert release.layout.data.is_dir()


def test_the_command_for_operators_is_brought_up_to_date(planner: Planner, release: Given) -> None:
    planner().take()
    command = module.COMMAND
    command.write_text("of another version")
    planned = planner()
    assert [(step.says, step.of) for step in planned.steps] == [(f"install {command}", "")]
    planned.take()
    assert command.read_text() == module.INTERPRETER + programs()["wsgi.py"] and command.stat().st_mode & 0o777 == 0o755
    assert planner().steps == []


def test_the_module_makes_the_release_of_each_application(release: Given, planner: Planner) -> None:
    other = described(release, name="other", env={"COLOUR": "green"})
    planned = planner(others=(other,))
    assert [step.of for step in planned.steps] == ["hello"] * 3 + ["other"] * 3
    planned.take()
    releases = planned.result["releases"]
    assert (list(releases), releases["hello"]) == (["hello", "other"], release.id)
    assert len(planned.result["diff"]) == 2
    path = release.layout.home.parent / "other/releases" / releases["other"]
    assert (path / "env").read_text() == environment_file({"COLOUR": "green"})
    planned = planner(others=(other,))
    settled = f"hello: has release {release.id}; other: has release {releases['other']}"
    assert (planned.steps, planned.settled, planned.result["diff"]) == ([], settled, [])


def test_a_broken_application_does_not_stop_the_release_of_another(release: Given, planner: Planner) -> None:
    never = [{"name": "a", "command": "a", "on_calendar": "never", "every_host": False}]
    planned = planner(others=(described(release, name="other", timers=never),))
    assert set(planned.failures) == {"other"}
    assert planned.result["releases"] == {"hello": release.id}
    planned.take()
    assert release.exists()


def test_the_module_has_nothing_to_do_for_an_existing_release(release: Given, planner: Planner) -> None:
    planner().take()
    planned = planner()
    assert (planned.steps, planned.result) == ([], {"releases": {"hello": release.id}, "diff": []})
    assert planned.settled == f"hello: has release {release.id}"


def test_an_existing_release_is_never_made_again_because_it_may_be_live(release: Given, planner: Planner) -> None:
    release.make(Index(), "uv==1\n")
    release.layout.first.touch()
    mark = release.store.path(release.id) / "mark"
    mark.touch()
    planned = planner()
    planned.take()
    assert [step.says for step in planned.steps] == [f"create {release.layout.data}"]
    assert planned.result["releases"] == {"hello": release.id}
    assert mark.exists()


@pytest.mark.parametrize(("setting", "value"), OTHERS)
def test_the_module_uses_each_setting(release: Given, planner: Planner, setting: str, value: Any) -> None:
    wanted = Given(release.layout, release.build, replace(SETTINGS, **{setting: value}), HOST)
    assert planner(**{setting: value}).result["releases"] == {"hello": wanted.id}


ONCE, EACH = ([{**SETTINGS.timers[0], "every_host": every_host}] for every_host in (False, True))


def test_the_release_is_the_same_on_all_hosts(release: Given, planner: Planner) -> None:
    for first in (True, False):
        planned = planner(first=first)
        planned.take()
        assert planned.result["releases"] == {"hello": release.id}
    assert (release.store.path(release.id) / "instance-nightly.timer").exists()


@pytest.mark.parametrize(
    ("first", "timers", "runs"), [(True, ONCE, True), (False, ONCE, False), (True, EACH, False), (True, [], False)]
)
@pytest.mark.parametrize("before", [True, False])
def test_a_host_is_marked_as_the_first_only_if_a_timer_needs_that(
    release: Given, planner: Planner, first: bool, timers: list[Any], runs: bool, before: bool
) -> None:
    planner(first=first, timers=timers).take()
    release.layout.first.unlink(missing_ok=True)
    if before:
        release.layout.first.touch()
    planned = planner(first=first, timers=timers)
    assert [step.says for step in planned.steps] == ([] if before is runs else [LET if runs else LEAVE])
    planned.take()
    assert (planned.failures, release.layout.first.exists()) == ({}, runs)
    assert planner(first=first, timers=timers).steps == []


def test_timers_of_an_existing_release_move_with_the_first_host(release: Given, planner: Planner) -> None:
    planner().take()
    planned = planner(first=False)
    assert [(step.says, step.of) for step in planned.steps] == [(LEAVE, "hello")]
    planned.take()
    assert not release.layout.first.exists()
    planned = planner()
    assert [(step.says, step.of) for step in planned.steps] == [(LET, "hello")]
    planned.take()
    assert release.layout.first.exists()


def test_each_application_has_its_own_timers_on_the_first_host(release: Given, planner: Planner) -> None:
    planner(others=(described(release, name="other", timers=EACH),)).take()
    assert release.layout.first.exists()
    assert not (release.layout.home.parent / "other/first").exists()


def test_the_module_completes_a_partial_probe(release: Given, planner: Planner) -> None:
    wanted = Given(release.layout, release.build, replace(SETTINGS, probe=Probe("/health")), HOST)
    assert planner(probe={"path": "/health"}).result["releases"] == {"hello": wanted.id}


@pytest.mark.parametrize(
    ("env", "secrets", "merged"),
    [
        ({"A": "1"}, {"B": "hunter2"}, {"A": "1", "B": "hunter2"}),
        ({}, {"KEY": 'a "quoted"\nline, Grüße', "NUMBER": 8}, {"KEY": 'a "quoted"\nline, Grüße', "NUMBER": 8}),
        ({}, {}, {}),
    ],
)
def test_variables_and_secrets_are_one_environment(
    release: Given, planner: Planner, env: dict[str, Any], secrets: dict[str, Any], merged: dict[str, Any]
) -> None:
    planned = planner(env=env, secrets=secrets)
    planned.take()
    path = release.store.path(planned.result["releases"]["hello"])
    assert (path / "env").read_text() == environment_file(merged)


@pytest.mark.parametrize("wheels", ["", "/var/cache/wsgi/wheels/abc123"])
def test_uwsgi_comes_from_the_index_unless_wheels_were_gathered(
    planner: Planner, monkeypatch: pytest.MonkeyPatch, wheels: str
) -> None:
    indexes: list[Index] = []
    monkeypatch.setattr(Release, "make", lambda release, index, uv: indexes.append(index))
    planner(wheels=wheels).take()
    (index,) = indexes
    assert isinstance(index, Folder) is bool(wheels)
    assert not isinstance(index, Folder) or index.path == Path(wheels)


def test_systemd_checks_the_calendar_of_each_timer(release: Given, planner: Planner, calendar: list[list[str]]) -> None:
    timers = [{"name": "a", "command": "a", "on_calendar": "daily", "every_host": False}]
    timers.append({"name": "b", "command": "b", "on_calendar": "never", "every_host": False})
    planned = planner(timers=timers)
    assert [argv[:2] for argv in calendar] == [["systemd-analyze", "calendar"]] * 2
    assert [argv[-1] for argv in calendar] == ["daily", "never"]
    why = "hello: could not parse on_calendar of the timer b; systemd-analyze said:\nFailed to parse"
    assert (planned.failures, planned.steps) == ({"hello": why}, [])


@pytest.mark.parametrize(
    ("given", "objections"),
    [
        ({"name": "root"}, ["name: 'root': the system uses this name; choose another"]),
        ({"harakiri": 0}, ["harakiri: 0: write a number above zero"]),
        ({"probe": {"path": "health"}}, ["probe.path: 'health': write a path that begins with /"]),
        ({"address_families": ["AF_INET"]}, ["hardening.address_families: ['AF_INET']: AF_UNIX is missing"]),
        (
            {"networks": ["x"], "tasks_max": 0},
            ["networks: ['x']: 'x' is not a network", "tasks_max: 0: write a number"],
        ),
        ({"options": {"master": False}}, ["options: {'master': False}: master is set by the role"]),
        ({"callable": "main"}, ["callable: 'main': write a module, a colon"]),
        ({"migrate": ["a; b", "c |"]}, ["migrate: 'a; b': 'a;' is not the name of a program"]),
        ({"after_switch": [""]}, ["after_switch: '': write a command in one line"]),
        ({"irreversible": "a\nb"}, ["irreversible: 'a\\nb': write it on one line"]),
        ({"migrate_timeout": 0}, ["migrate_timeout: 0: write a number above zero"]),
        (
            {"workers": [worker("A", "a", 1)]},
            ["workers[0] (A).name: 'A': use up to 31"],
        ),
        (
            {"timers": [{"name": "a", "command": "", "on_calendar": "daily", "every_host": False}]},
            ["timers[0] (a).command: '': write a"],
        ),
        ({"secret_files": {"a/b": "x"}}, ["secret_files: 'a/b' is not a valid file name"]),
        ({"secrets": {"A-B": "x"}}, ["secrets: 'A-B' is not the name of an environment variable"]),
        ({"public_data": ["../x"]}, ["public_data: '../x': write a directory"]),
    ],
)
def test_invalid_values_reach_no_host(release: Given, given: dict[str, Any], objections: list[str]) -> None:
    failure = refused(release, **given)
    assert [objection for objection in objections if objection not in failure] == []


def refused(release: Given, **given: Any) -> str:
    """Return why an application is refused on the controller."""
    with pytest.raises(Failed) as failed:
        steps.arguments("release", {"apps": [described(release, **given)]})
    return str(failed.value)


def test_a_worker_and_a_timer_cannot_share_a_name(release: Given) -> None:
    failure = refused(
        release,
        workers=[worker("mail", "python -m a", 5)],
        timers=[{"name": "mail", "command": "python -m b", "on_calendar": "daily", "every_host": False}],
    )
    assert "mail" in failure


def test_the_module_returns_and_reports_no_secret(release: Given, planner: Planner) -> None:
    live = made(release, env={"SECRET": "hunter1"}, secret_files={"key": "hunter4"})
    live.layout.current.symlink_to(f"releases/{live.id}")
    given = {"env": {"SECRET": "hunter2"}, "secrets": {"OTHER": "hunter3"}, "secret_files": {"key": "hunter5"}}
    for _ in range(2):
        planned = planner(**given)
        assert "hunter" not in str([planned.result, planned.settled, *(step.says for step in planned.steps)])
        planned.take()
        assert planned.failures == {}
    assert "hunter" not in str(release.store.manifest(planned.result["releases"]["hello"]))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"env": {"SECRET": "hunter2", "NO-NAME": "hunter3"}}, "NO-NAME"),
        ({"secrets": {"SECRET": "hunter2", "NO-NAME": "hunter3"}}, "NO-NAME"),
        ({"secret_files": {"key": "hunter2", "no/name": "hunter3"}}, "no/name"),
        ({"secret_files": {"key": ["hunter2"]}}, "key is a list"),
    ],
)
def test_an_error_about_a_secret_shows_no_secret(release: Given, given: dict[str, Any], named: str) -> None:
    failure = refused(release, **given)
    assert named in failure
    assert "hunter" not in failure


def test_ansible_knows_what_is_secret() -> None:
    assert ARGUMENTS["secrets"]["no_log"] is True


def test_ansible_masks_only_the_secrets_and_no_similar_values(
    release: Given, planner: Planner, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = {
        "env": {"DEBUG": "1", "NAME": "hello", "BUILD": "abc123", "LETTER": "e"},
        "secrets": {"SECRET": "hunter2"},
        "secret_files": {"key": "hunter3"},
    }
    wanted = planner(**secret).result["releases"]["hello"]
    given = {name: value for name, value in arguments(described(release, **secret)).items() if value is not None}
    with patch_module_args({**given, "_ansible_check_mode": True}), pytest.raises(SystemExit):
        carry_out(module.ARGUMENTS, module.plan)
    told = capsys.readouterr().out
    result = json.loads(told)
    assert "hunter" not in told
    assert result["invocation"]["module_args"]["secrets"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert (result["releases"], result["changed"], result["broken"]) == ({"hello": wanted}, True, {})
    would = f"create {release.layout.data}, {LET}, create release {wanted} from build abc123"
    assert result["msg"] == f"hello: would {would}"
    assert release.store.names() == []


def test_a_working_directory_missing_in_the_build_is_refused_with_advice(release: Given) -> None:
    with pytest.raises(Failed, match=r"^directory: the build has no directory src: add it to the source, add it to"):
        made(release, directory="src")


def test_the_name_and_the_commit_of_a_release_do_not_decide_its_name(release: Given, build: Path) -> None:
    before = release.id
    manifest = json.loads((build / "manifest.json").read_text())
    for commit, said_ in (("abc123-dirty", " WSGI_COMMIT=abc123-dirty"), (None, ""), ("x y; z", "")):
        (build / "manifest.json").write_text(json.dumps({**manifest, "commit": commit}))
        one = Given(release.layout, build, SETTINGS, HOST)
        assert one.id == before
        assert f" WSGI_RELEASE={before}{said_}\n" in one._render(before)["instance.service"]


def test_files_and_their_paths_belong_to_a_release(release: Given) -> None:
    one = made(release, configuration={"app.cfg": "a = 1\n"}, paths={"CONFIG": "app.cfg", "KEY": "key.pem"})
    path = one.store.path(one.id)
    assert (path / "files/app.cfg").read_text() == "a = 1\n"
    assert [(path / name).stat().st_mode & 0o777 for name in ("files", "files/app.cfg")] == [0o750, 0o640]
    environment = said(text(one, "instance.service"), "Environment")
    assert environment[1:] == [f"CONFIG={path}/files/app.cfg", "KEY=%d/key.pem"]
