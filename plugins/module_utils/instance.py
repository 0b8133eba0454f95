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

# Seconds for which a worker must live before its release may go live, and what answers requests.
TRIAL = 5
FRONT_TRIAL = 2

# Seconds that systemd has to end what takes too long to start, before the run does.
GRACE = 5

# In the directory of what an instance needs while it runs: there until the application is imported.
STARTING = "starting"

# Seconds between two looks whether it still is.
POLL = 0.2

# How often an instance must have been started again, the last time so many seconds ago, to be watched for as long.
RESTARTS, RECENT = 3, 5


class Instance:
    """The instance of one release: what answers requests, and the workers and timers beside it.

    :ivar front: the units that answer requests, the service last.
    :ivar sockets: the sockets of workers that have one of their own.
    :ivar workers: the services that run all the time beside them.
    :ivar listeners: the workers that have a socket of their own.
    :ivar exclusive: those of them that never run beside those of another release.
    :ivar timers: the units that say when.
    :ivar jobs: the services that timers start.
    :param ask: how to ask it something; over the uwsgi protocol at its own socket, unless a test knows better.
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
        # What is left in place of a release that is gone has no manifest.
        self.manifest = read_manifest(layout.releases / release) or {}
        self.exclusive = [unit for unit in self.workers if layout.part(unit) in self.manifest.get("exclusive", [])]
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
        """Return how the release asked to be probed when it was made.

        :raises Failed: where the host does not have the release.
        """
        if not self.manifest:
            raise Failed(f"this host has no release {self.release}")
        return Probe.of(self.manifest.get("probe", {}))

    @property
    def shared(self) -> list[str]:
        """The workers that run beside those of another release, and so begin before it is live."""
        return [unit for unit in self.workers if unit not in self.exclusive]

    def runs(self) -> bool:
        """Tell whether the instance is there and answers to systemd, and its workers, but for the exclusive ones."""
        placed = len(self._placed(self.units)) == len(self.units)
        return placed and self.answers() and self._are_active(self.shared)

    def has_its_turn(self) -> bool:
        """Tell whether its exclusive workers run."""
        return self._are_active(self.exclusive)

    def answers(self) -> bool:
        """Tell whether what answers requests is there."""
        placed = self.release in self.layout.instances()
        return placed and self._are_active([*self.front, *self.sockets, *self.listeners]) and self._has_sockets()

    def is_live(self) -> bool:
        """Tell whether `current` points to the release, its timers run, and the host's next boot starts it all."""
        enabled = all(self.systemd.is_enabled(unit) for unit in self.lasting)
        return self.layout.live() == self.release and enabled and self._are_active(self.timers)

    def was_live(self) -> bool:
        """Tell whether visitors may have reached the instance: it was enabled, and not retired since."""
        return any(self.systemd.is_enabled(unit) for unit in self.front)

    def has_ended(self) -> bool:
        """Tell whether no process and no socket of the instance is there."""
        return all(self._has_ended(unit) for unit in self.units)

    def is_ending(self) -> bool:
        """Tell whether the instance was told to end, and requests or jobs of it are not done yet."""
        if self._state(self.service) == "deactivating":
            return True
        # A socket ends after its service.
        asked = [unit for unit in self.lasting if unit not in self.sockets]
        told = all(self._state(unit) in (*ENDED, "deactivating") for unit in asked)
        return told and all(self._has_ended(unit) for unit in self.front) and not self.has_ended()

    def boot(self) -> None:
        """Start the instance beside whatever is live, probe it, and see whether its workers live on.

        :raises Failed: when it does not start or does not pass; it is gone again then, and the error carries the
            end of its log.
        """
        probe = self.probe()
        limit = self.manifest.get("start_timeout", 60)
        visited = self.was_live() or self.is_ending()
        # The service last away and first in place: it is what an instance is found by.
        for unit in (*reversed(self.front), *self.sockets, *self.workers, *self.timers, *self.jobs):
            text = (self.layout.releases / self.release / self.layout.unit_file(unit)).read_text(encoding="utf-8")
            write_file(self.layout.units / unit, text)
        self.systemd.reload()
        if not self._has_sockets():
            self.systemd.stop(*reversed(self.front), *self.listeners, *self.sockets)
        if self.sockets:
            self.systemd.start(*self.sockets)
        begun, restarts = self._begin(self.shared)
        # From here on systemd counts how often it has to start it again.
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
                # It has asked systemd for more time than it has, and nobody is served by it.
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
        """Start the exclusive workers once those of other releases have done their last jobs, and see them live.

        :param before: all other instances.
        :raises Failed: when one ends by itself; the error carries the end of its log.
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
        """Wait until what answers requests has lived for long enough to be trusted.

        :raises Failed: when it has ended since it was booted; it is gone then, and the error carries the end of its
            log.
        """
        time.sleep(max(0.0, FRONT_TRIAL - self._age()))
        restarts = self._restarts(self.service)
        if restarts or self._state(self.service) in ("activating", "failed"):
            again = f", and was restarted {_times(restarts)}" if restarts else ""
            raise self._refused(f"exits by itself{again}", self.was_live())

    def object_to_restarts(self) -> None:
        """Object to what answers requests where it ends and is started again and again.

        :raises Failed: with the end of its log.
        """
        before = self._restarts(self.service)
        if before < RESTARTS or self._age() >= RECENT:
            return
        # What made it end may be mended by now.
        time.sleep(RECENT - self._age())
        restarts = self._restarts(self.service)
        if restarts > before:
            what = f"release {self.release} is live, exits by itself, and was restarted {_times(restarts)}"
            raise Failed(explained(what, self.systemd.journal(self.service), self.layout.data))

    def enable(self) -> None:
        """Start the instance at each boot of the host, and its timers now."""
        self.systemd.enable(*self.lasting)
        idle = [timer for timer in self.timers if not self.systemd.is_active(timer)]
        if idle:
            # What was due while another release was live is not made up for.
            self.systemd.clean(*idle)
            self.systemd.start(*idle)

    def stand_down(self) -> None:
        """Leave the work to another release: no timer starts anything, and workers end when their jobs are done."""
        # A worker with a socket goes on answering, as what answers requests does, until it is retired.
        beside = self._placed([*self.timers, *(unit for unit in self.workers if unit not in self.listeners)])
        if beside:
            self.systemd.stop(*beside, wait=False)

    def retire(self) -> None:
        """Let the instance end when it has answered all who reached it and its jobs are done, without waiting for that.

        The service's own `ExecStop` waits for those who are still in the queue.

        :raises Failed: when it is the live one.
        """
        if self.layout.live() == self.release:
            raise Failed(f"release {self.release} is live, so its instance keeps running")
        self.systemd.disable(*self._placed(self.lasting))
        self._deafen()
        self.systemd.stop(*self._placed(self.lasting), wait=False)

    def leave(self, visited: bool) -> None:
        """Let the instance end as it is fit: what somebody waits for is finished, be it a request or a worker's job.

        :param visited: whether visitors may have reached it.
        """
        if visited or self.workers:
            self.retire()
        else:
            self.remove()

    def end(self) -> None:
        """Let the instance end, as `retire` does, and wait until it has."""
        self.retire()
        self.systemd.stop(*self._placed(self.units))

    def remove(self) -> None:
        """End the instance at once, which nobody has reached, and take its units away."""
        self.systemd.kill(*self._placed(self.units))
        self.forget()
        self.systemd.reload()

    def forget(self) -> None:
        """Take the unit files away; systemd has to be told afterwards."""
        placed = self._placed(self.units)
        self.systemd.disable(*placed)
        self.systemd.clear(*placed)
        self.systemd.clean(*self._placed(self.timers))
        for unit in sorted(placed, key=self.front.__contains__):
            (self.layout.units / unit).unlink()

    def _beside(self) -> list[str]:
        """Return the units beside those that answer requests: those of the release, and those that are in place."""
        made = self.layout.releases / self.release
        files = [path for kind in BESIDE for path in made.glob(f"instance-*{kind}")]
        names = {self.layout.unit_of(self.release, path.name) for path in files}
        placed = self.layout.units.glob(f"{self.layout.name}@{self.release}-*")
        return sorted(names | {path.name for path in placed if path.suffix in BESIDE})

    def _deafen(self) -> None:
        """Let systemd hear the service no more, which could ask it for more time to end."""
        for path in [self.layout.units / unit for unit in self._placed([self.service])]:
            write_file(path, path.read_text(encoding="utf-8").replace("\nType=notify\n", "\nType=exec\n"))
            self.systemd.reload()

    def _begin(self, workers: list[str]) -> tuple[float, dict[str, int]]:
        """Start workers; return when, and how often systemd had started each of them again by then."""
        if workers:
            # One that still finishes its last jobs begins anew when it has, which nobody waits for.
            self.systemd.start(*workers, wait=False)
        return time.monotonic(), {worker: self._restarts(worker) for worker in workers}

    def _try(self, begun: float, restarts: dict[str, int], visited: bool) -> None:
        """Object to a worker that does not live for long enough, as `_begin` has started it."""
        if restarts:
            time.sleep(max(0.0, begun + TRIAL - time.monotonic()))
        for worker, before in restarts.items():
            if self._restarts(worker) > before or self._state(worker) not in ("active", "deactivating"):
                raise self._refused(f"has a worker that exits within {TRIAL} s, {worker}", visited, worker)

    def _wait_for_application(self, deadline: float) -> None:
        """Wait until the application is imported: with `lazy-apps`, uWSGI says before that it is ready.

        :param deadline: a time of the monotonic clock.
        :raises TookTooLong: when it is not by then.
        :raises Failed: when it has ended before.
        """
        starting = self.layout.runtime(self.release) / STARTING
        while os.path.lexists(starting):
            if self._restarts(self.service) or not self.systemd.is_active(self.service):
                raise Failed(f"{self.service} has exited")
            if time.monotonic() >= deadline:
                raise TookTooLong(f"{self.service} has not imported the application")
            time.sleep(POLL)

    def _see_listener(self, worker: str, deadline: float, visited: bool) -> None:
        """Object to a worker with a socket of its own that does not answer as it should.

        :param deadline: the time of the monotonic clock by which it has to answer at all.
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

        :param deadline: a time of the monotonic clock.
        :raises Failed: when it has given none by then, or has exited.
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
        """Return how often systemd has started a service again by itself."""
        return int(self.systemd.properties(service, "NRestarts")[0] or 0)

    def _age(self) -> float:
        """Return the seconds for which what answers requests has been there."""
        since = int(self.systemd.properties(self.service, "ActiveEnterTimestampMonotonic")[0] or 0)
        return time.monotonic() - since / 1e6

    def _has_sockets(self) -> bool:
        """Tell whether the files are there at which the instance is reached."""
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
        """Return those of `units` whose file is there: a run that was killed may have left a part of them."""
        return [unit for unit in units if (self.layout.units / unit).exists()]

    def _refused(self, what: str, visited: bool, unit: str = "") -> Failed:
        """Return the failure of a boot, after which the instance is gone, unless visitors have to do with it."""
        log = self.systemd.journal(unit or self.service)
        if self.layout.live() != self.release:
            self.leave(visited)
        called = self.manifest.get("callable") or self.manifest.get("front")
        return Failed(explained(f"release {self.release} of {called} {what}", log, self.layout.data, f"{called}"))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
