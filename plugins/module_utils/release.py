# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Releases: one build plus one configuration, immutable, named by the digest of both."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import pins
from ansible_collections.wsgi.production.plugins.module_utils.build import CODE, VENV, interpreter_tag
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, install_pinned, installer
from ansible_collections.wsgi.production.plugins.module_utils.layout import LINKS, SERVERS, Layout, write_file
from ansible_collections.wsgi.production.plugins.module_utils.store import Store, digest, read_manifest

# Seconds between the limits, from the innermost to the outermost: a request that is too slow is
# ended by uWSGI, with a line in the log, before NGINX gives up on it and before systemd kills.
HARAKIRI_TO_STOP = 15

LAUNCHER = """\
# Runs uWSGI inside the interpreter of the virtual environment that starts this file.
from pyuwsgi import run

run()
"""

INI = """\
[uwsgi]
strict = true
master = true
need-app = true
single-interpreter = true
enable-threads = true

socket = fd://3
http-socket = fd://4
listen = {backlog}
buffer-size = 65535
post-buffering = 65536

chdir = {code}
module = {callable}
{virtualenv}py-sys-executable = {venv}/bin/python

{processes}
harakiri = {harakiri}
worker-reload-mercy = {harakiri}
hook-master-start = unix_signal:15 gracefully_kill_them_all

disable-logging = true
; A visitor who leaves early is no error of the application.
ignore-sigpipe = true
ignore-write-errors = true
disable-write-exception = true
"""

SOCKET = """\
[Unit]
Description={name}, release {release}

[Socket]
ListenStream={uwsgi}
ListenStream={http}
SocketUser=root
SocketGroup=www-data
SocketMode=0660
Backlog={backlog}

[Install]
WantedBy=sockets.target
"""

SERVICE = """\
[Unit]
Description={name}, release {release}
Requires={name}@{release}.socket
After=network.target {name}@{release}.socket
StartLimitIntervalSec=0

[Service]
Type=notify
User={name}
Group={name}
WorkingDirectory={code}
Environment=LANG=C.UTF-8
EnvironmentFile={directory}/env
# uwsgi.ini names the two sockets by number; uWSGI would open them a second time by itself.
UnsetEnvironment=LISTEN_FDS LISTEN_FDNAMES LISTEN_PID
ExecStart={command} --ini {directory}/uwsgi.ini
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStartSec={start_timeout}
TimeoutStopSec={stop_timeout}
SyslogIdentifier={name}
LimitNOFILE=65536
UMask=0027

ProtectSystem=strict
ReadWritePaths={data}
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Settings:
    """How an application is called. The types and meanings stand in the role `uwsgi`."""

    callable: str
    package: str
    processes: Any
    harakiri: int
    start_timeout: int
    env: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Host:
    """What a release takes from the host that it is for.

    :param interpreter: the tag of the build's interpreter.
    :param cores: the number of processors.
    :param backlog: how many connections may wait in a socket, `net.core.somaxconn`.
    """

    interpreter: str
    cores: int
    backlog: int

    @classmethod
    def read(cls, build: Path) -> Host:
        """Read this host; where `build` is not there yet, its interpreter is the host's `python3`."""
        python = build / VENV / "bin/python"
        return cls(
            interpreter=interpreter_tag(python if python.exists() else "python3"),
            cores=os.cpu_count() or 1,
            backlog=int(Path("/proc/sys/net/core/somaxconn").read_text(encoding="ascii")),
        )


class Release:
    """One release of an application.

    :param build: the directory of the build, with the code in `app` and packages in `venv`.
    """

    def __init__(self, layout: Layout, build: Path, settings: Settings, host: Host) -> None:
        self.layout = layout
        self.build = build
        self.settings = settings
        self.host = host
        self.pin = pins.PYUWSGI if settings.package == "pyuwsgi" else pins.UWSGI
        self.servers = Store(SERVERS)
        self.server = digest("server", self.pin, host.interpreter)
        self.id = digest("release", str(build), self._render("-"))
        self.store = Store(layout.releases)

    def exists(self) -> bool:
        """Tell whether the release is there, complete."""
        return self.store.manifest(self.id) is not None

    def make(self, index: Index) -> None:
        """Make the release, and install its uWSGI where the host does not have that one yet.

        :raises Failed: when uWSGI cannot be installed; nothing half-made stays behind.
        """
        if self.servers.manifest(self.server) is None:
            self._install_server(index)
        built = read_manifest(self.build) or {}
        manifest = {
            "release": self.id,
            "build": str(self.build),
            "source": built.get("source"),
            "commit": built.get("commit"),
            "packages": built.get("packages"),
            "uwsgi": self.pin.split()[0],
        }
        with self.store.create(self.id, manifest) as path:
            for name, text in self._render(self.id).items():
                write_file(path / name, text, 0o600 if name == "env" else 0o644)
            (path / "build").symlink_to(os.path.relpath(self.build, path))
            for protocol, link in LINKS.items():
                (path / link).symlink_to(self.layout.socket(self.id, protocol))

    def difference_from_live(self) -> dict[str, str]:
        """Return `uwsgi.ini` of the live release and of this one, and which variables differ.

        The values of the variables are left out: what is shown is kept in logs.
        """
        live = self.layout.releases / (self.layout.live() or "none")
        before = {name: _read(live / name) for name in ("uwsgi.ini", "env")}
        after = self._render(self.id)
        names = sorted({name for name, _ in _variables(before["env"]) ^ _variables(after["env"])})
        note = f"; variables that differ: {', '.join(names)}\n" if names else ""
        return {"before": before["uwsgi.ini"], "after": after["uwsgi.ini"] + note}

    def _install_server(self, index: Index) -> None:
        python = str(self.build / VENV / "bin/python")
        wheel = self.settings.package == "pyuwsgi"
        only = ["--only-binary", ":all:"] if wheel else ["--no-binary", "uwsgi"]
        with self.servers.create(self.server, {"uwsgi": self.pin.split()[0]}) as path:
            install_pinned(installer(index), path, python, self.pin, *only)
            if wheel:
                write_file(path / "launch.py", LAUNCHER)

    def _render(self, release: str) -> dict[str, str]:
        layout, settings = self.layout, self.settings
        directory = layout.releases / release
        venv = directory / "build" / VENV
        server = self.servers.path(self.server)
        wheel = settings.package == "pyuwsgi"
        values = {
            "backlog": self.host.backlog,
            "callable": settings.callable,
            "code": directory / "build" / CODE,
            "command": f"{venv}/bin/python {server}/launch.py" if wheel else f"{server}/bin/uwsgi",
            "data": layout.data,
            "directory": directory,
            "harakiri": settings.harakiri,
            "http": layout.socket(release, "http"),
            "name": layout.name,
            "processes": _processes(settings.processes, self.host.cores),
            "release": release,
            "start_timeout": settings.start_timeout,
            "stop_timeout": settings.harakiri + HARAKIRI_TO_STOP,
            "uwsgi": layout.socket(release, "uwsgi"),
            "venv": venv,
            "virtualenv": "" if wheel else f"virtualenv = {venv}\n",
        }
        return {
            "uwsgi.ini": INI.format(**values),
            "env": environment_file(settings.env),
            "instance.socket": SOCKET.format(**values),
            "instance.service": SERVICE.format(**values),
        }


class Data:
    """The one directory that the application may write to. It outlives every release."""

    def __init__(self, layout: Layout) -> None:
        self.path = layout.data
        self.owner = layout.name

    def is_right(self) -> bool:
        """Tell whether the directory is there and belongs to the application's user."""
        try:
            return self.path.owner() == self.owner
        except (FileNotFoundError, KeyError):
            return False

    def make(self) -> None:
        """Make the directory, and give it to the application's user.

        :raises Failed: where the host has no user and group of the application's name.
        """
        self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            shutil.chown(self.path, self.owner, self.owner)
        except LookupError as missing:
            raise Failed(f"the host has no user and group {self.owner}; make them first") from missing


def environment_file(env: dict[str, Any]) -> str:
    """Return `env` as systemd reads it back from an `EnvironmentFile`, byte for byte.

    Inside double quotes only these four characters take a backslash, and a line may end
    (systemd, src/basic/env-file.c).
    """
    lines = []
    for name, value in sorted(env.items()):
        text = str(value)
        for character in '\\"`$':
            text = text.replace(character, "\\" + character)
        lines.append(f'{name}="{text}"\n')
    return "".join(lines)


def _variables(text: str) -> set[tuple[str, str]]:
    """Return the names and quoted values in what `environment_file` wrote."""
    return set(re.findall(r'^([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"$', text, re.MULTILINE | re.DOTALL))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _processes(processes: Any, cores: int) -> str:
    """Return the lines of `uwsgi.ini` that say how many processes serve."""
    if isinstance(processes, dict):
        low, high = processes["min"], processes["max"]
        return f"processes = {high}\ncheaper = {low}\ncheaper-initial = {low}\ncheaper-algo = spare"
    return f"processes = {processes or 2 * cores}"
