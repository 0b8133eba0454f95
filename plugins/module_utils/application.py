# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What happens to an application's instances around the switch, as steps to report or to carry out."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.door import Door, open_doors
from ansible_collections.wsgi.production.plugins.module_utils.history import History
from ansible_collections.wsgi.production.plugins.module_utils.instance import Instance
from ansible_collections.wsgi.production.plugins.module_utils.layout import LINKS, Layout, replace_link
from ansible_collections.wsgi.production.plugins.module_utils.oneshot import Oneshot
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.rules import PARTS
from ansible_collections.wsgi.production.plugins.module_utils.store import Store
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd


class Application:
    """One application on this host: its releases, and which of them is live."""

    def __init__(self, layout: Layout, systemd: Systemd) -> None:
        self.layout = layout
        self.systemd = systemd
        self.history = History(layout)
        self.releases = Store(layout.releases)

    def instance(self, release: str) -> Instance:
        """Return the instance of `release`."""
        return Instance(self.layout, release, self.systemd)

    def oneshot(self, release: str, part: str) -> Oneshot:
        """Return the commands `part` of `release`."""
        return Oneshot(self.layout, release, part, self.systemd)

    def oneshots(self, release: str) -> list[Oneshot]:
        """Return all commands that `release` may have, whether it has them or not."""
        return [self.oneshot(release, part) for part in PARTS]

    def instances(self) -> list[Instance]:
        """Return all instances whose units are in place, whatever their state."""
        found = [self.instance(release) for release in self.layout.instances()]
        self.systemd.look_at(*(unit for one in found for unit in one.units))
        return found

    def choose(self, wanted: str) -> str:
        """Return the release to go back to.

        :param wanted: its name or the start of its name; empty for the previous release.
        :raises Failed: if no such release exists, or it was never live and healthy; the error lists the possible ones.
        """
        healthy = [release for release in self.history.entries() if self.releases.manifest(release)]
        live = self.layout.live()
        known = ", ".join(release for release in reversed(healthy) if release != live) or "none"
        if not wanted:
            previous = self.history.previous()
            if previous not in healthy:
                raise Failed(f"there is no release before {live or 'the first'} to roll back to")
            return self._reversible(previous)
        matches = [release for release in healthy if release.startswith(wanted)]
        if len(matches) == 1:
            return self._reversible(matches[0])
        if matches:
            raise Failed(f"{wanted} matches {' and '.join(matches)}; write more of the name")
        there = [release for release in self.releases.names() if release.startswith(wanted)]
        why = "was never live and healthy" if there else "is not on this host"
        raise Failed(f"release {(there or [wanted])[0]} {why}; you can roll back to, newest first: {known}")

    def migrate(self, release: str, asked: bool) -> list[Step]:
        """Return the steps that complete the migration of `release`.

        :param asked: whether it has a migration; used in check mode, when the release does not exist yet.
        """
        migration = self.oneshot(release, "migrate")
        made = self.releases.manifest(release) is not None
        if migration.is_done() or not (migration.exists() if made else asked):
            return []
        steps = []
        others = [self.oneshot(other, "migrate") for other in self.releases.names() if other != release]
        for other in [one for one in others if one.runs()]:
            steps.append(self._step(f"wait for {other.unit}, which an earlier run left running", other.wait))
        began = migration.began()
        again = f", which started at {began} and did not complete" if began else ""
        return [*steps, self._step(f"run the migration of {release}{again}", migration.run)]

    def boot(self, release: str) -> list[Step]:
        """Return the steps that start the instance of `release` and probe it."""
        instance, live = self.instance(release), self.layout.live()
        if live == release and instance.runs():
            instance.object_to_restarts()
            return []
        if live == release:
            return [self._step(f"start {release}, which is live but not running", instance.boot)]
        return [self._step(f"start {release} beside {live or 'nothing'} and probe it", instance.boot)]

    def switch(self, release: str) -> list[Step]:
        """Return the steps that make `release` live."""
        instance = self.instance(release)
        if instance.is_live():
            return []
        says = f"switch from {self.layout.live() or 'nothing'} to {release}"
        return [self._step(says, partial(self._switch, instance, is_new=True))]

    def take_turns(self, release: str) -> list[Step]:
        """Return the steps that start the exclusive workers of `release`.

        Carry them out when the release is live and nobody waits for them: workers of the previous release may have to
        finish long jobs.
        """
        instance = self.instance(release)
        if not instance.exclusive or (self.layout.live() == release and instance.has_its_turn()):
            return []
        names = ", ".join(sorted(self.layout.part(unit) for unit in instance.exclusive))
        return [
            self._step(
                f"end {names} of the previous release, and start that of {release}", partial(self._turn, release)
            )
        ]

    def switch_back(self) -> list[Step]:
        """Return the steps that switch back to the release that was last known to be healthy."""
        live, healthy = self.layout.live(), self.history.latest()
        steps = []
        if healthy is None and live is not None:
            steps.append(self._step(f"take {live} out of service, because nothing was live before", self._unlink))
        elif healthy is not None:
            instance = self.instance(healthy)
            if live != healthy:
                if not instance.answers():
                    steps.append(self._step(f"boot {healthy}", instance.boot))
                says = f"switch back from {live or 'nothing'} to {healthy}"
                steps.append(self._step(says, partial(self._switch, instance)))
        return steps

    def settle_back(self) -> list[Step]:
        """Return the steps that restore everything else once that release is live."""
        healthy = self.history.latest()
        steps = [*self.open_doors(self.history.doors()), *self.end_others(healthy)]
        if healthy is not None:
            instance = self.instance(healthy)
            if instance.answers() and not instance.runs():
                # Only now: visitors come first, and a worker may fail again for the same reason.
                steps.append(self._step(f"restart the workers of {healthy}", instance.boot))
            steps += self.take_turns(healthy)
        return steps

    def close_doors(self, addresses: dict[str, str] | None = None) -> list[Step]:
        """Return the steps that close each door that must not be open or must move to another address.

        Carry them out for all applications before one opens a door, which may take over another application's address.

        :param addresses: the wanted address of each door, by protocol; if unset, the addresses in the history.
        """
        wanted = self.history.doors() if addresses is None else addresses
        there, steps = open_doors(self.layout), []
        for protocol in LINKS:
            address, closed = there.get(protocol, ""), self._door(protocol, "")
            if not closed.is_right() and not (address and address == wanted.get(protocol)):
                # If a killed run closed the door only in part, its address is unknown.
                says = f"close {address or f'what is left of the {protocol} port'}"
                steps.append(self._step(says, closed.put_right))
        return steps

    def open_doors(self, addresses: dict[str, str]) -> list[Step]:
        """Return the steps that open the doors at `addresses`."""
        doors = [self._door(protocol, address) for protocol, address in addresses.items() if address]
        return [self._step(f"open {door.address}", door.put_right) for door in doors if not door.is_right()]

    def end_others(self, release: str | None) -> list[Step]:
        """Return the steps that retire or remove all instances except the one of `release`."""
        steps = []
        for other in self.instances():
            if other.release == release:
                continue
            if other.was_live():
                steps.append(self._step(f"retire {other.release}", other.retire))
            elif not other.has_ended() and not other.is_ending():
                says = f"remove {other.release}, which was never live"
                steps.append(self._step(says, partial(other.leave, visited=False)))
        return steps

    def record(self, release: str, keep: int) -> list[Step]:
        """Return the steps that record `release` in the history as live and healthy."""
        doors = open_doors(self.layout)
        if self.history.latest() == release and self.history.doors() == doors:
            return []
        return [self._step(f"record {release} as healthy", lambda: self.history.record(release, doors, keep))]

    def listed(self) -> list[dict[str, Any]]:
        """Return what is known about each release, newest first, with releases that were never healthy last."""
        healthy, live, previous = self.history.entries(), self.layout.live(), self.history.previous()
        states: dict[str | None, str] = {**dict.fromkeys(healthy, "kept"), previous: "previous", live: "live"}
        found = []
        for release in [*reversed(healthy), *(name for name in self.releases.names() if name not in healthy)]:
            manifest = self.releases.manifest(release)
            if manifest is not None:
                found.append(
                    {
                        "release": release,
                        "state": states.get(release, "never healthy"),
                        "live_since": healthy.get(release, {}).get("live"),
                        **{key: manifest.get(key) for key in ("created", "source", "commit", "packages")},
                    }
                )
        return found

    def _reversible(self, wanted: str) -> str:
        """Return the release `wanted`, unless a later release that was live is irreversible.

        :raises Failed: with the reason given for the later release.
        """
        # Include the live release: even if it was not found healthy yet, it has already changed the database.
        were_live = {**self.history.entries(), **dict.fromkeys(filter(None, [self.layout.live()]))}
        made = {release: self.releases.manifest(release) or {} for release in were_live}
        for release, manifest in reversed(made.items()):
            # Compare the order in which they were made, not times: the clock may have been set back.
            if manifest.get("irreversible") and manifest.get("number", 0) > made[wanted].get("number", 0):
                raise Failed(f"{wanted} is older than {release}, which is irreversible: {manifest['irreversible']}")
        return wanted

    def _switch(self, instance: Instance, is_new: bool = False) -> None:
        """Make a release live: from now on, all new requests reach it.

        :param is_new: whether its instance was just booted, and must first run for a while.
        :raises Failed: if its instance does not run.
        """
        if is_new:
            instance.see_it_live()
        self.systemd.look_at(*instance.units)
        if not instance.answers():
            raise Failed(f"the instance of {instance.release} is not running, so it cannot go live")
        instance.enable()
        # A visitor who loaded a page before the switch may still request files of the previous release.
        before = [release for release in self.history.entries() if release != instance.release]
        if before:
            replace_link(self.layout.previous, f"releases/{before[-1]}")
        self._bridge(instance.release)
        replace_link(self.layout.current, f"releases/{instance.release}")
        for other in self.instances():
            if other.release != instance.release:
                other.stand_down()

    def _bridge(self, release: str) -> None:
        """Link the sockets that only the live release has in `release` as well.

        NGINX uses its former configuration until it is reloaded, and the former instance still answers there.
        """
        live = self.layout.live()
        there = (self.layout.releases / live).glob("*") if live else ()
        own = f"/run/{self.layout.name}/{live}."
        for link in [path for path in there if path.is_symlink() and os.readlink(path).startswith(own)]:
            beside = self.layout.releases / release / link.name
            if not os.path.lexists(beside):
                beside.symlink_to(os.readlink(link))

    def _turn(self, release: str) -> None:
        self.instance(release).take_turn(*(one for one in self.instances() if one.release != release))

    def _door(self, protocol: str, address: str) -> Door:
        return Door(self.layout, protocol, address, self.systemd)

    def _unlink(self) -> None:
        self.layout.current.unlink()

    def _step(self, says: str, do: Callable[[], object]) -> Step:
        return Step(says, do, self.layout.name)


def go_back(planned: Plan, apps: Collection[Application], nginx: Iterable[Step] = ()) -> None:
    """Add to a plan the steps that return applications to the state in which they were last known to be healthy.

    If an application cannot go back, its doors stay as they are, because they lead to the live release. All other doors
    close before one opens.

    :param nginx: what to do with NGINX once visitors reach the old releases again.
    """
    for app in apps:
        planned.add(app.layout.name, app.switch_back)
    planned.steps += nginx
    for steps in (Application.close_doors, Application.settle_back):
        for app in apps:
            planned.add(app.layout.name, partial(steps, app))
