# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Releases: one build plus one configuration, immutable, named by the digest of both."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.build import CODE, VENV, base_interpreter, interpreter_tag
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, lower_priority, run
from ansible_collections.wsgi.production.plugins.module_utils.environment import environment_file, variables
from ansible_collections.wsgi.production.plugins.module_utils.home import Home
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, install_pinned, installer
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    FILES,
    LINKS,
    PASSABLE,
    SERVERS,
    STATIC,
    Layout,
    static_name,
    worker_link,
    write_file,
)
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.module_utils.store import Store, digest, read_manifest
from ansible_collections.wsgi.production.plugins.module_utils.tokens import fill

# The programs that each release contains.
PROGRAMS = ("entry.py", "start.py", "drain.py")
# In place of the name of a release, in the text that decides its name.
UNNAMED = "-"
LISTENER_PROGRAMS = ("drain_listener.py",)

# The number of the capability to trace any process (capabilities(7)).
CAP_SYS_PTRACE = 19

# The directory of a release with the secrets that the application reads from files.
CREDENTIALS = "credentials"

# Those that not every release has.
KINDS = (f"{FILES}/*", "*.ini", "*.service", "*.socket", "*.timer", f"{CREDENTIALS}/*")


@dataclass(frozen=True)
class Settings:
    """What a release is made of. The role `uwsgi` documents the settings.

    :param pin: the locked requirement of uWSGI.
    :param files: the text of each file that depends on the settings; the host fills in what only it knows.
    :param programs: the text of each program that a release or its uWSGI contains, by its name.
    :param env: the variables of the application, secret ones included.
    :param exclusive: the names of workers that never run beside those of another release.
    :param first_only: the names of workers that run only on the first host.
    :param front: the worker that answers requests in place of a callable; empty if uWSGI does.
    :param listeners: the probes of the other workers with a socket of their own, by their names.
    :param directory: the working directory, below the code.
    """

    callable: str
    package: str
    pin: str
    start_timeout: int
    files: dict[str, str]
    programs: dict[str, str]
    probe: Probe = field(default_factory=Probe)
    env: dict[str, Any] = field(default_factory=dict)
    secret_files: dict[str, str] = field(default_factory=dict)
    irreversible: str = ""
    exclusive: list[str] = field(default_factory=list)
    first_only: list[str] = field(default_factory=list)
    front: str = ""
    listeners: dict[str, dict[str, Any]] = field(default_factory=dict)
    static: list[dict[str, str]] = field(default_factory=list)
    directory: str = ""
    libraries: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Host:
    """The properties of the host that a release depends on.

    :param interpreter: the tag of the build's interpreter.
    :param cores: the number of processors.
    :param backlog: how many connections may wait in a socket, `net.core.somaxconn`.
    :param private_users: whether systemd can run a service in its own user namespace.
    """

    interpreter: str
    cores: int
    backlog: int
    private_users: bool = True

    @classmethod
    def read(cls, build: Path) -> Host:
        """Read this host; if `build` does not exist yet, its interpreter is the host's `python3`."""
        # The manifest's value was determined before packages were installed.
        known = (read_manifest(build) or {}).get("interpreter")
        return cls(
            interpreter=known or interpreter_tag(_python_of(build)),
            cores=os.cpu_count() or 1,
            backlog=int(Path("/proc/sys/net/core/somaxconn").read_text(encoding="ascii")),
            private_users=_has_private_users(),
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
        self.wheel = settings.package == "pyuwsgi"
        self.servers = Store(SERVERS)
        # The libraries on the host decide which features uWSGI has when it is built from source.
        libraries = () if self.wheel else tuple(sorted(settings.libraries))
        self.server = digest("server", self.settings.pin, host.interpreter, *libraries)
        asked = (settings.probe.as_dict(), settings.irreversible, settings.static, settings.exclusive)
        listeners = (settings.listeners,) if settings.listeners else ()
        self.id = digest("release", str(build), self._render(UNNAMED), *asked, *listeners)
        self.store = Store(layout.releases, mode=PASSABLE)

    def exists(self) -> bool:
        """Tell whether the release is there, with its uWSGI, complete."""
        return self.store.is_whole(self.id) and self._has_server()

    def make(self, index: Index, uv: str) -> None:
        """Make the release, and install its uWSGI if the host does not have it yet.

        :param uv: the locked requirement of uv.
        :raises Failed: if uWSGI cannot be installed, or the build lacks the working directory.
        """
        Home(self.layout).make()
        if self.settings.directory and not (self.build / CODE / self.settings.directory).is_dir():
            raise Failed(
                f"directory: the build has no directory {self.settings.directory}: add it to the source, add it to "
                "build.include if git ignores it, or create it with build.commands"
            )
        if not self._has_server():
            self._install_server(index, uv)
        if self.store.is_whole(self.id):
            return
        built = read_manifest(self.build) or {}
        manifest = {
            "release": self.id,
            "build": str(self.build),
            "source": built.get("source"),
            "commit": built.get("commit"),
            "packages": built.get("packages"),
            "callable": self.settings.callable,
            "front": self.settings.front,
            "listeners": self.settings.listeners,
            "uwsgi": "" if self.settings.front else self.settings.pin.split()[0],
            "server": "" if self.settings.front else self.server,
            "probe": self.settings.probe.as_dict(),
            "irreversible": self.settings.irreversible,
            "number": self._next_number(),
            "start_timeout": self.settings.start_timeout,
            "exclusive": self.settings.exclusive,
            "first_only": self.settings.first_only,
        }
        with self.store.create(self.id, manifest) as path:
            if self.settings.secret_files:
                (path / CREDENTIALS).mkdir(mode=0o700)
            if any(name.startswith(f"{FILES}/") for name in self.settings.files):
                (path / FILES).mkdir(mode=0o750)
                os.chown(path / FILES, -1, self.layout.group())
            for name, text in self._render(self.id).items():
                write_file(path / name, text, 0o600 if _is_secret(name) else 0o640)
                os.chown(path / name, -1, self.layout.group())
            (path / "build").symlink_to(os.path.relpath(self.build, path))
            if self.settings.static:
                (path / STATIC).mkdir(mode=PASSABLE)
            for one in self.settings.static:
                (path / STATIC / static_name(one["path"])).symlink_to(Path("../build", CODE, one["directory"]))
            for link, socket in self._links().items():
                (path / link).symlink_to(socket)

    def is_open(self) -> bool:
        """Return whether NGINX can read the directories that it serves itself."""
        return all(path.is_dir() and path.stat().st_mode & 0o005 == 0o005 for path in self._static())

    def open(self) -> None:
        """Make the directories that NGINX serves readable for everybody, and let everybody pass through to them.

        :raises Failed: if the build has no such directory, or a link leads to it.
        """
        for path in self._static():
            code = self.build / CODE
            parts = [code, *(code / parent for parent in reversed(path.relative_to(code).parents) if parent.name), path]
            link = next((part for part in parts if part.is_symlink()), None)
            if link:
                raise Failed(f"static: {link} is a symbolic link, which NGINX does not follow; name its target")
            if not path.is_dir():
                raise Failed(
                    f"static: the build has no directory {path.relative_to(code)}, which NGINX should serve: "
                    "add it to the source, add it to build.include if git ignores it, or create it with "
                    "build.commands"
                )
            for part in parts:
                part.chmod(part.stat().st_mode | 0o001)
            run(["chmod", "--recursive", "o+rX", path], f"let NGINX read {path}")

    def difference_from_live(self) -> dict[str, str]:
        """Return the settings, units and probe of the live release and of this one, and which secrets differ.

        The values of variables and the secrets in files are left out, because logs keep what is shown.
        """
        live = self.layout.live() or "none"
        path = self.layout.releases / live
        manifest = read_manifest(path) or {}
        after = self._render(self.id)
        there = {str(one.relative_to(path)) for kind in KINDS for one in path.glob(kind)}
        before = {name: _read(path / name) for name in {*after, *there}}
        names = {name for name, _value in variables(before["env"]) ^ variables(after["env"])}
        names |= {name for name in before if name.startswith(CREDENTIALS) and before[name] != after.get(name)}
        note = f"secrets and variables that differ: {', '.join(sorted(names))}\n" if names else ""
        return {
            "before": _shown(before, live, manifest.get("probe", {})),
            "after": _shown(after, self.id, self.settings.probe.as_dict()) + note,
        }

    def _has_server(self) -> bool:
        """Return whether the host has the uWSGI of the release, if it needs one."""
        return bool(self.settings.front) or self.servers.is_whole(self.server)

    def _links(self) -> dict[str, Path]:
        """Return the sockets of the release, by the names of the links that lead to them."""
        protocols = ["http"] if self.settings.front else list(LINKS)
        links = {LINKS[protocol]: self.layout.socket(self.id, protocol) for protocol in protocols}
        own = {worker_link(worker): self.layout.worker_socket(self.id, worker) for worker in self.settings.listeners}
        return {**links, **own}

    def _static(self) -> list[Path]:
        return [self.build / CODE / one["directory"] for one in self.settings.static]

    def _next_number(self) -> int:
        """Return a number greater than those of all existing releases, because a clock may go back."""
        manifests = [self.store.manifest(name) or {} for name in self.store.names()]
        return 1 + max((manifest.get("number", 0) for manifest in manifests), default=0)

    def _install_server(self, index: Index, uv: str) -> None:
        python = str(base_interpreter(_python_of(self.build)))
        only = ["--only-binary", ":all:"] if self.wheel else ["--no-binary", "uwsgi"]
        lower_priority()
        with self.servers.create(self.server, {"uwsgi": self.settings.pin.split()[0]}) as path:
            install_pinned(installer(index, uv), path, python, self.settings.pin, *only)
            if self.wheel:
                write_file(path / "launch.py", self.settings.programs["launch.py"])

    def _identity(self, release: str) -> str:
        """Return the variables that tell the application what it is. They do not decide the name of the release."""
        if release == UNNAMED:
            return ""
        commit = str((read_manifest(self.build) or {}).get("commit") or "")
        known = f" WSGI_COMMIT={commit}" if re.fullmatch(r"[0-9A-Za-z-]+", commit) else ""
        return f" WSGI_RELEASE={release}{known}"

    def _programs(self) -> list[str]:
        """Return the names of the programs of the release that are not the application's."""
        settings = self.settings
        own = [] if settings.front else PROGRAMS
        return [*own, *(LISTENER_PROGRAMS if settings.front or settings.listeners else ())]

    def _render(self, release: str) -> dict[str, str]:
        """Return the text of each file, by its name in the directory of the release."""
        settings = self.settings
        known = {
            "release": release,
            "server": self.servers.path(self.server),
            "backlog": self.host.backlog,
            "private_users": "yes" if self.host.private_users else "no",
            "two_per_processor": 2 * self.host.cores,
            "identity": self._identity(release),
        }
        return {
            **{name: fill(text, known) for name, text in settings.files.items()},
            **{name: settings.programs[name] for name in self._programs()},
            **({} if settings.front else {"callable": f"{settings.callable}\n"}),
            "env": environment_file(settings.env),
            **{f"{CREDENTIALS}/{name}": text for name, text in settings.secret_files.items()},
        }


def _python_of(build: Path) -> Path | str:
    """Return the interpreter of `build`: the one in its manifest, or in its virtual environment, or the host's."""
    known = (read_manifest(build) or {}).get("python")
    python = build / VENV / "bin/python"
    return known or (python if python.exists() else "python3")


def _is_secret(name: str) -> bool:
    """Return whether only root may read a file of a release."""
    return name == "env" or name.startswith(f"{CREDENTIALS}/")


def _shown(files: dict[str, str], release: str, probe: dict[str, Any]) -> str:
    """Return the files that contain no secret, without the release's own name, which always differs."""
    text = "".join(text for name, text in sorted(files.items()) if not _is_secret(name))
    asked = "".join(f"probe {name}: {value}\n" for name, value in probe.items())
    return text.replace(release, "<release>") + asked


def _has_private_users(proc: Path = Path("/proc")) -> bool:
    """Return whether systemd can run a service in its own user namespace, for which it needs CAP_SYS_PTRACE."""
    most = proc / "sys/user/max_user_namespaces"
    found = re.search(r"^CapBnd:\s*(\w+)$", (proc / "1/status").read_text(encoding="ascii"), re.MULTILINE)
    capable = found is not None and bool(int(found.group(1), 16) >> CAP_SYS_PTRACE & 1)
    return capable and most.exists() and int(most.read_text(encoding="ascii")) > 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
