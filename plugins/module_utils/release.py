# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Releases: one build plus one configuration, immutable, named by the digest of both."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import pins
from ansible_collections.wsgi.production.plugins.module_utils.build import CODE, VENV, interpreter_tag
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, give_way
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, install_pinned, installer
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    LINKS,
    SERVERS,
    WEB_SERVER,
    Layout,
    write_file,
)
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.module_utils.store import Store, digest, read_manifest
from ansible_collections.wsgi.production.plugins.module_utils.units import DRAIN, INI, LAUNCHER, SERVICE, SOCKET

# Seconds between the limits, from the innermost to the outermost: a request that is too slow is
# ended by uWSGI, with a line in the log, before NGINX gives up on it and before systemd kills.
HARAKIRI_TO_STOP = 15


@dataclass(frozen=True)
class Settings:
    """How an application is called. The types and meanings stand in the role `uwsgi`."""

    callable: str
    package: str
    processes: Any
    harakiri: int
    start_timeout: int
    probe: Probe = field(default_factory=Probe)
    env: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    memory_max: str = ""
    cpu_quota: str = ""
    tasks_max: int | None = None
    memory_deny_write_execute: bool = False
    address_families: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)


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
        self.id = digest("release", str(build), self._render("-"), settings.probe.as_dict())
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
            "callable": self.settings.callable,
            "uwsgi": self.pin.split()[0],
            "server": self.server,
            "probe": self.settings.probe.as_dict(),
        }
        with self.store.create(self.id, manifest) as path:
            for name, text in self._render(self.id).items():
                write_file(path / name, text, 0o600 if name == "env" else 0o644)
            (path / "build").symlink_to(os.path.relpath(self.build, path))
            for protocol, link in LINKS.items():
                (path / link).symlink_to(self.layout.socket(self.id, protocol))

    def difference_from_live(self) -> dict[str, str]:
        """Return settings, units and probe of the live release and of this one, and which variables differ.

        The values of the variables are left out: what is shown is kept in logs.
        """
        live = self.layout.live() or "none"
        path = self.layout.releases / live
        manifest = read_manifest(path) or {}
        before = {name: _read(path / name) for name in self._render(self.id)}
        after = self._render(self.id)
        names = sorted({name for name, _ in _variables(before["env"]) ^ _variables(after["env"])})
        note = f"variables that differ: {', '.join(names)}\n" if names else ""
        return {
            "before": _shown(before, live, manifest.get("probe", {})),
            "after": _shown(after, self.id, self.settings.probe.as_dict()) + note,
        }

    def _install_server(self, index: Index) -> None:
        python = str(self.build / VENV / "bin/python")
        wheel = self.settings.package == "pyuwsgi"
        only = ["--only-binary", ":all:"] if wheel else ["--no-binary", "uwsgi"]
        give_way()
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
            "current": layout.current,
            "data": layout.data,
            "directory": directory,
            "filters": _filters(settings),
            "harakiri": settings.harakiri,
            "http": layout.socket(release, "http"),
            "limits": _limits(settings),
            "name": layout.name,
            "options": _options(settings.options),
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
            "drain.py": DRAIN,
            "instance.socket": SOCKET.format(**values),
            "instance.service": SERVICE.format(**values),
        }


# The modes of an application's data: NGINX may pass through, and no other user can; and of what it may read there,
# where all that is made is for its group to read.
PASS_THROUGH = 0o710
PUBLIC = 0o2750


class Data:
    """The one directory that the application may write to. It outlives every release.

    :param public: directories below it whose files NGINX may read.
    """

    def __init__(self, layout: Layout, public: list[str]) -> None:
        self.path = layout.data
        self.owner = layout.name
        below = {Path(name) for name in public}
        # Parents before what is in them.
        self.public = sorted(below | {parent for name in below for parent in name.parents if parent.name})

    def is_right(self) -> bool:
        """Tell whether the directories are there and belong to the application's user."""
        try:
            return all(
                stat.S_ISDIR(found.st_mode)
                and (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (*self._ids(), mode)
                for found, mode in [
                    (self.path.stat(), PASS_THROUGH),
                    *(((self.path / name).lstat(), PUBLIC) for name in self.public),
                ]
            )
        except (FileNotFoundError, NotADirectoryError, Failed):
            return False

    def make(self) -> None:
        """Make the directories, and give them to the application's user.

        What lies below belongs to the application, which may put a link to anything there: none is followed.

        :raises Failed: where the host has no user of the application's name, or something else is in their place.
        """
        self._ids()
        self.path.mkdir(parents=True, exist_ok=True)
        self._give(os.open(self.path, os.O_DIRECTORY), PASS_THROUGH)
        for name in self.public:
            parent = os.open(self.path, os.O_DIRECTORY)
            for part in name.parts:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=parent)
                try:
                    inner = os.open(part, os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
                except OSError as wrong:
                    raise Failed(f"{self.path / name} is to be a directory, and {part} is none; remove it") from wrong
                finally:
                    os.close(parent)
                parent = inner
            self._give(parent, PUBLIC)

    def _give(self, directory: int, mode: int) -> None:
        os.fchown(directory, *self._ids())
        os.fchmod(directory, mode)
        os.close(directory)

    def _ids(self) -> tuple[int, int]:
        try:
            return pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(WEB_SERVER).gr_gid
        except KeyError as missing:
            raise Failed(f"the host has no user {self.owner}, or no group {WEB_SERVER}: make them") from missing


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


def _shown(files: dict[str, str], release: str, probe: dict[str, Any]) -> str:
    """Return the files that hold no secret, without the release's own name, which differs in any case."""
    text = "".join(text for name, text in sorted(files.items()) if name != "env")
    asked = "".join(f"probe {name}: {value}\n" for name, value in probe.items())
    return text.replace(release, "<release>") + asked


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


def _options(options: dict[str, Any]) -> str:
    """Return the lines of `uwsgi.ini` for options that the collection does not set itself."""
    lines = []
    for name, value in options.items():
        for item in value if isinstance(value, list) else [value]:
            text = str(item).lower() if isinstance(item, bool) else str(item)
            # uWSGI replaces %x in what it reads; a doubled one stays (uwsgi-docs, Configuration.rst).
            lines.append(f"{name} = {text.replace('%', '%%')}\n")
    return "".join(lines)


def _limits(settings: Settings) -> str:
    """Return the lines of the service that limit what the application takes from the host."""
    limits = {
        "MemoryMax": settings.memory_max,
        "CPUQuota": settings.cpu_quota,
        "TasksMax": settings.tasks_max,
    }
    return "".join(f"{name}={value}\n" for name, value in limits.items() if value)


def _filters(settings: Settings) -> str:
    """Return the lines of the service that an application may need otherwise."""
    lines = [f"RestrictAddressFamilies={' '.join(settings.address_families)}"]
    if settings.memory_deny_write_execute:
        lines.append("MemoryDenyWriteExecute=yes")
    if settings.networks:
        lines.append("IPAddressDeny=any")
        lines.append(f"IPAddressAllow=localhost {' '.join(settings.networks)}")
    return "".join(f"{line}\n" for line in lines)
