"""Replacements for systemd, applications, certificates and Ansible in the tests, as strict as the real ones."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.wsgi.production.plugins.module_utils.application import Application, go_back
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, TookTooLong
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.probe import Answer, Ask, Probe
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd


class AtWork:
    """Replaces `at_work` if no program really runs.

    `writes` has the directories that each program may write to.
    """

    def __init__(self) -> None:
        self.writes: list[tuple[Path, ...]] = []

    @contextmanager
    def __call__(self, *directories: Path) -> Iterator[tuple[pwd.struct_passwd, dict[str, str]]]:
        """Record the directories, but do not change their owner."""
        self.writes.append(directories)
        yield pwd.getpwuid(os.getuid()), {"HOME": "/home/of/a/build"}


class FakeSystemd(Systemd):
    """A systemd that runs nothing but, like the real one, refuses units without a file and ports that are taken.

    `broken` are the units that fail to start or to succeed, `slow` those that time out, `restless` the seconds after
    which a service always ends, `begging` those that ask for more time to start, `since` the times in seconds at which
    they became active; `calls` are all commands that it got, `main` the main process of units, `restarts` how often
    services were restarted, `due` the timers whose last run is remembered, `drop_ins` the paths of those of units,
    `stale` the units that systemd has not read since they changed.
    """

    def __init__(self, units: Path, transient: Path | None = None) -> None:
        self.units = units
        self.transient = transient or units
        self.states: dict[str, str] = {}
        self.enabled: set[str] = set()
        self.broken: set[str] = set()
        self.slow: set[str] = set()
        self.restless: dict[str, float] = {}
        self.restarts: dict[str, int] = {}
        self.due: set[str] = set()
        self.calls: list[str] = []
        self.main: dict[str, str] = {}
        self.waiting: set[str] = set()
        self.begging: set[str] = set()
        self.since: dict[str, float] = {}
        self.drop_ins: dict[str, str] = {}
        self.stale: set[str] = set()

    def reload(self) -> None:
        """Record the call."""
        self.calls.append("reload")

    def start(self, *units: str, wait: bool = True, seconds: float | None = None) -> None:
        """Make `units` active, up to the first that fails; with `wait`, a oneshot service runs to its end."""
        self._told("start" if wait else "start --no-block", *units)
        for unit in units:
            if unit in self.broken | self.slow | self.begging or self._is_taken(unit):
                self.states[unit] = "failed"
                if wait and unit in self.begging:
                    self.states[unit] = "activating"
                    raise TookTooLong(f"could not start {unit} within {seconds} s")
                if wait:
                    raise Failed(f"could not start {unit}")
            elif self.states.get(unit) == "deactivating" and not wait:
                self.waiting.add(unit)
            elif self._has_an_end(unit):
                self.states[unit] = "inactive" if wait else "activating"
            else:
                self._begin(unit)

    def stop(self, *units: str, wait: bool = True) -> None:
        """Make those of `units` inactive that have not ended; without `wait`, services are only deactivating."""
        self._told("stop" if wait else "stop --no-block", *units)
        self.waiting.difference_update(units)
        for unit in units:
            if self.states.get(unit) not in (None, "inactive", "failed"):
                self.states[unit] = "inactive" if wait or not unit.endswith(".service") else "deactivating"

    def kill(self, *units: str) -> None:
        """End `units` immediately; a service that had to be killed has failed."""
        self._told("kill", *units)
        self.waiting.difference_update(units)
        for unit in units:
            running = self.states.get(unit) not in (None, "inactive", "failed")
            self.states[unit] = "failed" if running and unit.endswith(".service") else "inactive"

    def cut_short(self, *services: str) -> None:
        """Note the call."""
        self._told("cut short", *services)

    def clear(self, *units: str) -> None:
        """Reset the failed state of `units`."""
        self._named("clear", *units)
        for unit in units:
            self.restarts.pop(unit, None)
        self.states.update({unit: "inactive" for unit in units if self.states.get(unit) == "failed"})

    def clean(self, *timers: str) -> None:
        """Forget the last run of each of `timers` that exists and is not active."""
        for timer in timers:
            self.calls.append(f"clean {timer}")
            if self._file(timer) and self.states.get(timer) != "active":
                self.due.discard(timer)

    def enable(self, *units: str) -> None:
        """Enable `units`, except those that nothing starts at boot."""
        self._told("enable", *units)
        self.enabled.update(unit for unit in units if not self._has_an_end(unit))

    def disable(self, *units: str) -> None:
        """Disable `units`."""
        self._told("disable", *units)
        self.enabled.difference_update(units)

    def look_at(self, *units: str) -> None:
        """Do nothing: asking costs nothing here."""

    def properties(self, unit: str, *names: str) -> list[str]:
        """Return the properties `names` of `unit`."""
        known = {
            "ActiveState": self.states.get(unit, "inactive"),
            "UnitFileState": "enabled" if unit in self.enabled else "disabled",
            "Result": "timeout" if unit in self.slow else "exit-code" if unit in self.broken else "success",
            "TimeoutStartUSec": "1min",
            "MainPID": self.main.get(unit, "0"),
            "NRestarts": str(self.restarts.get(unit, 0)),
            "MemoryCurrent": "1048576" if unit.endswith(".service") else "[not set]",
            "DropInPaths": self.drop_ins.get(unit, ""),
            "NeedDaemonReload": "yes" if unit in self.stale else "no",
            "ActiveEnterTimestampMonotonic": f"{self.since.get(unit, 0) * 1e6:.0f}",
        }
        return [known[name] for name in names]

    def journal(self, unit: str) -> str:
        """Return a text that only this unit has."""
        return f"the log of {unit}"

    def pass_by(self, seconds: float) -> None:
        """Let time pass: restless services end, and are restarted."""
        for unit, lives in self.restless.items():
            if self.states.get(unit) == "active" and lives < seconds:
                self.restarts[unit] = self.restarts.get(unit, 0) + int(seconds // (lives + 1))

    def finish(self, *units: str) -> None:
        """End those of `units`, or of all units, that are about to end; start again those that wait for this."""
        for unit in units or list(self.states):
            at_work = self.states.get(unit) == "activating" and self._has_an_end(unit)
            if at_work or self.states.get(unit) == "deactivating":
                self.states[unit] = "inactive"
            if unit in self.waiting:
                self.waiting.remove(unit)
                self._begin(unit)

    def _begin(self, unit: str) -> None:
        if self.states.get(unit) not in ("active", "deactivating"):
            # systemd resets the counter at each requested start (src/core/service.c, flush_n_restarts).
            self.restarts.pop(unit, None)
        self.states[unit] = "active"
        if unit.endswith(".timer"):
            self.due.add(unit)

    def _has_an_end(self, unit: str) -> bool:
        file = self._file(unit)
        return file is not None and "Type=oneshot" in file.read_text()

    def _is_taken(self, unit: str) -> bool:
        wanted = self._listens(unit)
        others = [other for other, state in self.states.items() if state == "active" and other != unit]
        return bool(wanted) and any(self._listens(other) == wanted for other in others)

    def _listens(self, unit: str) -> list[str]:
        file = self._file(unit) if unit.endswith(".socket") else None
        return [line for line in file.read_text().splitlines() if line.startswith("ListenStream=")] if file else []

    def _file(self, unit: str) -> Path | None:
        places = (self.units / unit, self.transient / unit)
        return next((place for place in places if place.exists()), None)

    def _named(self, verb: str, *units: str) -> None:
        self.calls.append(" ".join([verb, *units]))
        if not units:
            raise Failed("Too few arguments.")

    def _told(self, verb: str, *units: str) -> None:
        self._named(verb, *units)
        for unit in units:
            if not self._file(unit):
                raise Failed(f"Unit {unit} not loaded.")


class FakeApps:
    """The applications of a host, which answer at the sockets of their instances.

    `asked` are the releases that got a request, `sick` those whose answer no probe accepts.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.sick: set[str] = set()

    def at(self, socket: Path) -> Ask:
        """Replace `over_uwsgi`."""

        def ask(probe: Probe) -> Answer:
            self.asked.append(socket.stem)
            return Answer(500 if socket.stem in self.sick else 200, b"")

        return ask


class FakeModule:
    """Replaces Ansible's module: leaving it with a `result` raises SystemExit, as with the real one."""

    def __init__(self, check_mode: bool = False, **params: Any) -> None:
        self.check_mode = check_mode
        self.params: dict[str, Any] = {"run": None, **params}
        self.result: dict[str, Any] = {}
        self.warnings: list[str] = []

    def warn(self, warning: str) -> None:
        """Record a warning."""
        self.warnings.append(warning)

    def exit_json(self, **result: Any) -> None:
        """End successfully."""
        self.result = result
        raise SystemExit(0)

    def fail_json(self, **result: Any) -> None:
        """End with a failure."""
        self.result = {"failed": True, **result}
        raise SystemExit(1)


class Pem(NamedTuple):
    """A certificate and its key, as text."""

    certificate: str
    key: str


def certify(
    *names: str, days: float = 90, age: float = 1, begins: datetime | None = None, ends: datetime | None = None
) -> Pem:
    """Make a self-signed certificate for `names`, and its key.

    :param days: for how many more days it is valid.
    :param age: for how many days it has been valid.
    """
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    owner = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "of a test")])
    builder = (
        x509.CertificateBuilder(owner, owner, key.public_key(), x509.random_serial_number())
        .not_valid_before(begins or now - timedelta(days=age))
        .not_valid_after(ends or now + timedelta(days=days))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    certificate = builder.sign(key, hashes.SHA256())
    return Pem(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


class TlsServer:
    """Answers each TLS client, with the certificate for the host that it names, and closes the connection.

    `named` are the hosts that clients named, `asked` the requests.
    """

    def __init__(self, root: Path, answer: bytes, hosts: dict[str, Pem]) -> None:
        self.answer = answer
        self.named: list[str | None] = []
        self.asked: list[bytes] = []
        self.contexts = {name: self._context(root, pem) for name, pem in hosts.items()}
        self.first = next(iter(self.contexts.values()))
        self.first.sni_callback = self._choose
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Stop listening."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def _context(self, root: Path, pem: Pem) -> ssl.SSLContext:
        path = root / "server.pem"
        path.write_text(pem.certificate + pem.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        self.named.append(name)
        connection.context = self.contexts.get(name or "", self.first)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self.listener.accept()
                with suppress(OSError), self.first.wrap_socket(plain, server_side=True) as connection:
                    self.asked.append(connection.recv(65536))
                    connection.sendall(self.answer)


def make_release(
    layout: Layout,
    release: str,
    *,
    sealed: bool = True,
    build: str = "b1",
    workers: Iterable[str] = (),
    timers: Iterable[str] = (),
    listening: Iterable[str] = (),
    oneshots: Iterable[str] = (),
    **manifest: Any,
) -> Path:
    """Make the release that `manifest` describes; if it is not `sealed`, it looks as if a run was killed."""
    path = layout.releases / release
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    lasting = {"instance.socket", "instance.service", *(f"instance-{name}.service" for name in workers)}
    lasting |= {f"instance-{name}.timer" for name in timers}
    lasting |= {f"instance-{name}.{kind}" for name in listening for kind in ("socket", "service")}
    for file in lasting:
        (path / file).write_text(f"the {file} of {release}")
    for file in (*(f"instance-{name}.service" for name in timers), *(f"{name}.service" for name in oneshots)):
        (path / file).write_text(f"the {file} of {release}\nType=oneshot")
    os.symlink(f"../../builds/{build}", path / "build")
    if sealed:
        known = {
            "created": "2026-01-01T00:00:00+00:00",
            "source": "app",
            "commit": "c0ffee",
            "packages": "v1",
            "callable": "main:app",
        }
        text = json.dumps({**known, "server": "s1", "probe": {"tries": 1}, **manifest})
        (path / "manifest.json").write_text(text)
    return path


def make_build(layout: Layout, build: str, venv: str) -> None:
    """Make a build whose packages are in `venv`, both complete."""
    for path in (layout.builds / build, layout.venvs / venv):
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        (path / "manifest.json").write_text("{}")
    os.symlink(f"../../venvs/{venv}", layout.builds / build / "venv")


def say(steps: list[Step]) -> list[str]:
    """Return the texts of `steps`."""
    return [step.says for step in steps]


def take(steps: list[Step]) -> list[str]:
    """Take `steps`, and return their texts.

    :raises Failed: when one of them fails.
    """
    planned = Plan(steps)
    planned.take()
    if planned.failures:
        raise Failed("; ".join(planned.failures.values()))
    return say(steps)


def way_back(app: Application) -> list[Step]:
    """Return the steps that roll an application back."""
    planned = Plan()
    go_back(planned, [app])
    return planned.steps
