# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Instances: the running systemd units of releases."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, TookTooLong
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, write_file
from ansible_collections.wsgi.production.plugins.module_utils.log import explained
from ansible_collections.wsgi.production.plugins.module_utils.probe import (
    Answer,
    AnyResponse,
    Ask,
    Probe,
    over_unix,
    over_uwsgi,
    wait_for,
)
from ansible_collections.wsgi.production.plugins.module_utils.store import read_manifest
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

KINDS = ("socket", "service")
BESIDE = (".service", ".socket", ".timer")
ENDED = ("inactive", "failed", "")

# Seconds that a worker must run before its release may go live, and that the server must run.
TRIAL = 5
FRONT_TRIAL = 2

# Seconds that systemd has to stop a unit that takes too long to start, before the run stops it.
GRACE = 5

# A file in the runtime directory of an instance, which exists until the application is imported.
STARTING = "starting"

# Seconds between two checks whether this file still exists.
POLL = 0.2

# An instance with at least this many restarts, the last one less than this many seconds ago, is watched for another.
RESTARTS, RECENT = 3, 5


class Instance:
    """The instance of one release: the server that answers requests, and the workers and timers beside it.

    :ivar front: the units that answer requests, the service last.
    :ivar sockets: the socket units of the listeners.
    :ivar workers: the services that run all the time beside the server.
    :ivar listeners: the workers that have a socket of their own.
    :ivar exclusive: the workers that never run at the same time as those of another release.
    :ivar first_only: the workers that run only on the first host.
    :ivar elsewhere: the workers that do not run here because this is not the first host.
    :ivar timers: the timer units.
    :ivar jobs: the services that timers start.
    :param ask: how to send it a request; by default, over the uwsgi protocol to its own socket.
    """

    def __init__(self, layout: Layout, release: str, systemd: Systemd, ask: Ask | None = None) -> None:
        self.layout = layout
        self.release = release
        self.systemd = systemd
        self.front = [layout.unit(release, kind) for kind in KINDS]
        self.service = self.front[1]
        beside = self._beside()
        self.sockets = [unit for unit in beside if unit.endswith(".socket")]
        self.timers = [unit for unit in beside if unit.endswith(".timer")]
        self.jobs = [unit.replace(".timer", ".service") for unit in self.timers]
        self.workers = [unit for unit in beside if unit not in (*self.sockets, *self.timers, *self.jobs)]
        self.listeners = [unit for unit in self.workers if unit.replace(".service", ".socket") in self.sockets]
        # Units that are left of a removed release have no manifest.
        self.manifest = read_manifest(layout.releases / release) or {}
        self.first_only = [unit for unit in self.workers if layout.part(unit) in self.manifest.get("first_only", [])]
        self.elsewhere = [] if layout.first.exists() else self.first_only
        exclusive = self.manifest.get("exclusive", [])
        self.exclusive = [
            unit for unit in self.workers if layout.part(unit) in exclusive and unit not in self.elsewhere
        ]
        self.speaks_http = bool(self.manifest.get("front"))
        usual = over_unix(layout.socket(release, "http")) if self.speaks_http else None
        self.ask = ask or usual or over_uwsgi(layout.socket(release, "uwsgi"))

    @property
    def lasting(self) -> list[str]:
        """The units that run for as long as the release is live."""
        return [*self.front, *self.sockets, *self.workers, *self.timers]

    @property
    def units(self) -> list[str]:
        """All units."""
        return [*self.lasting, *self.jobs]

    def probe(self) -> Probe:
        """Return the probe that the release was made with.

        :raises Failed: if the host does not have the release.
        """
        if not self.manifest:
            raise Failed(f"this host has no release {self.release}")
        return Probe.of(self.manifest.get("probe", {}))

    @property
    def shared(self) -> list[str]:
        """The workers that may run beside those of another release, and so start before their release is live."""
        return [unit for unit in self.workers if unit not in (*self.exclusive, *self.elsewhere)]

    def runs(self) -> bool:
        """Return whether all units are in place, and the server and all but the exclusive workers are running."""
        placed = len(self._placed(self.units)) == len(self.units)
        return placed and self.answers() and self._are_active(self.shared)

    def has_its_turn(self) -> bool:
        """Return whether its exclusive workers run."""
        return self._are_active(self.exclusive)

    def answers(self) -> bool:
        """Return whether the server is running and its sockets exist."""
        placed = self.release in self.layout.instances()
        return placed and self._are_active([*self.front, *self.sockets, *self.listeners]) and self._has_sockets()

    def is_live(self) -> bool:
        """Return whether `current` points to the release, its timers run, and it all starts at the host's next boot."""
        enabled = all(self.systemd.is_enabled(unit) for unit in self.lasting)
        return self.layout.live() == self.release and enabled and self._are_active(self.timers)

    def was_live(self) -> bool:
        """Return whether visitors may have reached the instance, because it was enabled and not retired since."""
        return any(self.systemd.is_enabled(unit) for unit in self.front)

    def has_ended(self) -> bool:
        """Return whether no process and no socket of the instance is left."""
        return all(self._has_ended(unit) for unit in self.units)

    def is_ending(self) -> bool:
        """Return whether the instance was told to stop, but has not finished all its requests or jobs."""
        if self._state(self.service) == "deactivating":
            return True
        # A socket unit stops after its service.
        asked = [unit for unit in self.lasting if unit not in self.sockets]
        told = all(self._state(unit) in (*ENDED, "deactivating") for unit in asked)
        return told and all(self._has_ended(unit) for unit in self.front) and not self.has_ended()

    def boot(self) -> None:
        """Start the instance beside the live one, probe it, and check that its workers keep running.

        :raises Failed: if it does not start or does not pass; it is then stopped again, and the error contains the end
            of its log.
        """
        probe = self.probe()
        limit = self.manifest.get("start_timeout", 60)
        visited = self.was_live() or self.is_ending()
        # The service file is written first and removed last, because an instance is found by it.
        for unit in (*reversed(self.front), *self.sockets, *self.workers, *self.timers, *self.jobs):
            text = (self.layout.releases / self.release / self.layout.unit_file(unit)).read_text(encoding="utf-8")
            write_file(self.layout.units / unit, text)
        self.systemd.reload()
        draining = [unit for unit in self._with_own_connections() if self._state(unit) == "deactivating"]
        if draining:
            # A rollback to the release cannot wait until the last websocket is closed.
            self.systemd.cut_short(*draining)
            self.systemd.stop(*draining)
        if not self._has_sockets():
            self.systemd.stop(*reversed(self.front), *self.listeners, *self.sockets)
        if self.sockets:
            self.systemd.start(*self.sockets)
        begun, restarts = self._begin(self.shared)
        # From here on, systemd counts how often it restarts the service.
        self.systemd.clear(self.service)
        deadline = time.monotonic() + limit
        try:
            self.systemd.start(*self.front, seconds=limit + GRACE)
            self._wait_for_application(deadline)
            if self.speaks_http:
                self._wait_for_response(self.service, self.ask, probe, deadline)
        except Failed as failure:
            late = isinstance(failure, TookTooLong)
            if late:
                # It has asked systemd for more time than its limit, and serves nobody.
                self.systemd.kill(self.service)
            late = late or self.systemd.properties(self.service, "Result") == ["timeout"]
            raise self._refused(f"does not start{f' within {limit} s' if late else ''}", visited) from failure
        try:
            wait_for(probe, self.ask, probe.tries, probe.interval)
        except Failed as failure:
            raise self._refused(f"does not pass its probe: {failure}", visited) from failure
        for worker in self.listeners:
            self._see_listener(worker, deadline, visited)
        self._try(begun, restarts, visited)

    def take_turn(self, *before: Instance) -> None:
        """Start the exclusive workers after those of other releases have finished, and check that they keep running.

        :param before: all other instances.
        :raises Failed: if one exits by itself; the error contains the end of its log.
        """
        parts = {self.layout.part(unit) for unit in self.exclusive}
        theirs = [
            unit
            for other in before
            for unit in other._placed(other.workers)
            if unit in other.exclusive or self.layout.part(unit) in parts
        ]
        if theirs:
            self.systemd.stop(*theirs)
        self._try(*self._begin(self.exclusive), visited=True)

    def see_it_live(self) -> None:
        """Wait until the server has run for long enough to be trusted.

        :raises Failed: if it has exited since it was booted; it is then stopped, and the error contains the end of its
            log.
        """
        time.sleep(max(0.0, FRONT_TRIAL - self._age()))
        restarts = self._restarts(self.service)
        if restarts or self._state(self.service) in ("activating", "failed"):
            again = f", and was restarted {_times(restarts)}" if restarts else ""
            raise self._refused(f"exits by itself{again}", self.was_live())

    def object_to_restarts(self) -> None:
        """Fail if the server exits and is restarted again and again.

        :raises Failed: with the end of its log.
        """
        before = self._restarts(self.service)
        if before < RESTARTS or self._age() >= RECENT:
            return
        # The cause may be fixed by now.
        time.sleep(RECENT - self._age())
        restarts = self._restarts(self.service)
        if restarts > before:
            what = f"release {self.release} is live, exits by itself, and was restarted {_times(restarts)}"
            raise Failed(explained(what, self.systemd.journal(self.service), self.layout.data))

    def enable(self) -> None:
        """Make the instance start at each boot of the host, and start its timers now."""
        self.systemd.enable(*self.lasting)
        idle = [timer for timer in self.timers if not self.systemd.is_active(timer)]
        if idle:
            # Jobs that were due while another release was live are not made up for.
            self.systemd.clean(*idle)
            self.systemd.start(*idle)

    def stand_down(self) -> None:
        """Leave the work to another release: timers stop, and workers exit when their jobs are done."""
        # Listeners keep answering until the release is retired, as the server does.
        beside = self._placed([*self.timers, *(unit for unit in self.workers if unit not in self.listeners)])
        if beside:
            self.systemd.stop(*beside, wait=False)

    def leave_first(self) -> None:
        """Stop the workers that run only on the first host, after their last jobs: this host is no longer the first."""
        if self.first_only:
            self.systemd.stop(*self.first_only)

    def retire(self) -> None:
        """Stop the instance after its last requests and jobs, without waiting for that.

        The service's own `ExecStop` waits for requests that are still in the queue.

        :raises Failed: if it is the live one.
        """
        if self.layout.live() == self.release:
            raise Failed(f"release {self.release} is live, so its instance keeps running")
        self.systemd.disable(*self._placed(self.lasting))
        self._deafen()
        self.systemd.stop(*self._placed(self.lasting), wait=False)

    def leave(self, visited: bool) -> None:
        """Retire the instance if requests or jobs of workers may have to be finished; otherwise remove it.

        :param visited: whether visitors may have reached it.
        """
        if visited or self.workers:
            self.retire()
        else:
            self.remove()

    def end(self) -> None:
        """Stop the instance like `retire` does, and wait until it has ended."""
        self.retire()
        self.systemd.stop(*self._placed(self.units))

    def remove(self) -> None:
        """Kill the instance, which nobody has reached, and remove its units."""
        self.systemd.kill(*self._placed(self.units))
        self.forget()
        self.systemd.reload()

    def forget(self) -> None:
        """Remove the unit files; systemd must be reloaded afterwards."""
        placed = self._placed(self.units)
        self.systemd.disable(*placed)
        self.systemd.clear(*placed)
        self.systemd.clean(*self._placed(self.timers))
        for unit in sorted(placed, key=self.front.__contains__):
            (self.layout.units / unit).unlink()

    def _beside(self) -> list[str]:
        """Return the units of workers and timers, both those described in the release and those in place."""
        made = self.layout.releases / self.release
        files = [path for kind in BESIDE for path in made.glob(f"instance-*{kind}")]
        names = {self.layout.unit_of(self.release, path.name) for path in files}
        placed = self.layout.units.glob(f"{self.layout.name}@{self.release}-*")
        return sorted(names | {path.name for path in placed if path.suffix in BESIDE})

    def _with_own_connections(self) -> list[str]:
        """Return the services that wait for the end of their connections when they are told to stop."""
        return [*([self.service] if self.speaks_http else []), *self.listeners]

    def _deafen(self) -> None:
        """Make systemd ignore messages from the service, which could ask for more time to stop."""
        for path in [self.layout.units / unit for unit in self._placed([self.service])]:
            write_file(path, path.read_text(encoding="utf-8").replace("\nType=notify\n", "\nType=exec\n"))
            self.systemd.reload()

    def _begin(self, workers: list[str]) -> tuple[float, dict[str, int]]:
        """Start workers; return the time, and how often systemd had restarted each of them by then."""
        if workers:
            # A worker that is still finishing its last jobs starts again afterwards; nobody waits for that.
            self.systemd.start(*workers, wait=False)
        return time.monotonic(), {worker: self._restarts(worker) for worker in workers}

    def _try(self, begun: float, restarts: dict[str, int], visited: bool) -> None:
        """Fail if a worker that `_begin` started does not run for long enough."""
        if restarts:
            time.sleep(max(0.0, begun + TRIAL - time.monotonic()))
        for worker, before in restarts.items():
            if self._restarts(worker) > before or self._state(worker) not in ("active", "deactivating"):
                raise self._refused(f"has a worker that exits within {TRIAL} s, {worker}", visited, worker)

    def _wait_for_application(self, deadline: float) -> None:
        """Wait until the application is imported: with `lazy-apps`, uWSGI reports earlier that it is ready.

        :param deadline: a time of the monotonic clock.
        :raises TookTooLong: if it is not imported by then.
        :raises Failed: if the service exits before.
        """
        starting = self.layout.runtime(self.release) / STARTING
        while os.path.lexists(starting):
            if self._restarts(self.service) or not self.systemd.is_active(self.service):
                raise Failed(f"{self.service} has exited")
            if time.monotonic() >= deadline:
                raise TookTooLong(f"{self.service} has not imported the application")
            time.sleep(POLL)

    def _see_listener(self, worker: str, deadline: float, visited: bool) -> None:
        """Check that a listener answers as it should.

        :param deadline: the time on the monotonic clock by which it must give any response.
        :raises Failed: if it does not; the error contains the end of its log.
        """
        part = self.layout.part(worker)
        asked = self.manifest.get("listeners", {}).get(part, {"path": "/", "status": []})
        probe = replace(self.probe(), **asked, text="")
        ask = over_unix(self.layout.worker_socket(self.release, part))
        try:
            self._wait_for_response(worker, ask, probe, deadline)
            if probe.status:
                wait_for(probe, ask, probe.tries, probe.interval)
        except Failed as failure:
            raise self._refused(
                f"has a worker that does not pass its probe, {worker}: {failure}", visited, worker
            ) from (failure)

    def _wait_for_response(self, service: str, ask: Ask, probe: Probe, deadline: float) -> None:
        """Wait until a service gives any response over HTTP: systemd does not know when it is ready.

        :param deadline: a time on the monotonic clock.
        :raises TookTooLong: if it has not responded by then.
        :raises Failed: if it has exited.
        """
        before = self._restarts(service)

        def unless_exited(asked: Probe) -> Answer:
            if self._restarts(service) > before or self._has_ended(service):
                raise Failed(f"{service} has exited")
            return ask(asked)

        left = max(1.0, deadline - time.monotonic())
        try:
            wait_for(AnyResponse.of(probe.as_dict()), unless_exited, math.ceil(left / POLL), POLL, left)
        except Failed as failure:
            raise (TookTooLong if time.monotonic() + POLL >= deadline else Failed)(str(failure)) from failure

    def _restarts(self, service: str) -> int:
        """Return how often systemd has restarted a service by itself."""
        return int(self.systemd.properties(service, "NRestarts")[0] or 0)

    def _age(self) -> float:
        """Return for how many seconds the server has been running."""
        since = int(self.systemd.properties(self.service, "ActiveEnterTimestampMonotonic")[0] or 0)
        return time.monotonic() - since / 1e6

    def _has_sockets(self) -> bool:
        """Return whether the socket files of the instance exist."""
        placed = [self.layout.units / unit for unit in (self.front[0], *self.sockets)]
        text = "".join(path.read_text(encoding="utf-8") for path in placed if path.exists())
        return all(Path(path).is_socket() for path in re.findall(r"^ListenStream=(/.+)$", text, re.MULTILINE))

    def _are_active(self, units: Iterable[str]) -> bool:
        return all(self.systemd.is_active(unit) for unit in units)

    def _has_ended(self, unit: str) -> bool:
        return self._state(unit) in ENDED

    def _state(self, unit: str) -> str:
        return self.systemd.properties(unit, "ActiveState")[0]

    def _placed(self, units: Iterable[str]) -> list[str]:
        """Return the `units` whose files exist: a killed run may have left only some of them."""
        return [unit for unit in units if (self.layout.units / unit).exists()]

    def _refused(self, what: str, visited: bool, unit: str = "") -> Failed:
        """Return the failure of a boot, and stop the instance unless its release is live."""
        log = self.systemd.journal(unit or self.service)
        if self.layout.live() != self.release:
            self.leave(visited)
        called = self.manifest.get("callable") or self.manifest.get("front")
        return Failed(explained(f"release {self.release} of {called} {what}", log, self.layout.data, f"{called}"))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
