# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Instances: the running systemd units of releases."""

from __future__ import annotations

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, write_file
from ansible_collections.wsgi.production.plugins.module_utils.probe import Ask, Probe, over_uwsgi, wait_for
from ansible_collections.wsgi.production.plugins.module_utils.store import read_manifest
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

KINDS = ("socket", "service")
ENDED = ("inactive", "failed", "")


class Instance:
    """The instance of one release.

    :param ask: how to ask it something; over the uwsgi protocol at its own socket, unless a test knows better.
    """

    def __init__(self, layout: Layout, release: str, systemd: Systemd, ask: Ask | None = None) -> None:
        self.layout = layout
        self.release = release
        self.systemd = systemd
        self.units = [layout.unit(release, kind) for kind in KINDS]
        self.service = self.units[1]
        self.ask = ask or over_uwsgi(layout.socket(release, "uwsgi"))

    def probe(self) -> Probe:
        """Return how the release asked to be probed when it was made.

        :raises Failed: where the host does not have the release.
        """
        manifest = read_manifest(self.layout.releases / self.release)
        if manifest is None:
            raise Failed(f"this host has no release {self.release}")
        return Probe.of(manifest.get("probe", {}))

    def runs(self) -> bool:
        """Tell whether the instance is there and answers to systemd."""
        return self.release in self.layout.instances() and all(self.systemd.is_active(unit) for unit in self.units)

    def is_live(self) -> bool:
        """Tell whether `current` points to the release, and the host's next boot will start it."""
        return self.layout.live() == self.release and all(self.systemd.is_enabled(unit) for unit in self.units)

    def was_live(self) -> bool:
        """Tell whether visitors may have reached the instance: it was enabled, and not retired since."""
        return any(self.systemd.is_enabled(unit) for unit in self.units)

    def has_ended(self) -> bool:
        """Tell whether no process and no socket of the instance is there."""
        return all(self.systemd.properties(unit, "ActiveState")[0] in ENDED for unit in self.units)

    def is_ending(self) -> bool:
        """Tell whether the instance was told to end."""
        return self.systemd.properties(self.service, "ActiveState") == ["deactivating"]

    def boot(self) -> None:
        """Start the instance beside whatever is live, and probe it.

        :raises Failed: when it does not start or does not pass; it is gone again then, and the error carries the
            end of its log.
        """
        probe = self.probe()
        visited = self.was_live() or self.is_ending()
        # The service last away and first in place: it is what an instance is found by.
        for kind, unit in reversed(list(zip(KINDS, self.units))):
            text = (self.layout.releases / self.release / f"instance.{kind}").read_text(encoding="utf-8")
            write_file(self.layout.units / unit, text)
        self.systemd.reload()
        try:
            self.systemd.start(*self.units)
        except Failed as failure:
            result, limit = self.systemd.properties(self.service, "Result", "TimeoutStartUSec")
            within = f" within {limit}" if result == "timeout" else ""
            raise self._refused(f"does not start{within}", visited) from failure
        try:
            wait_for(probe, self.ask, probe.tries, probe.interval)
        except Failed as failure:
            raise self._refused(f"does not pass its probe: {failure}", visited) from failure

    def enable(self) -> None:
        """Start the instance at each boot of the host."""
        self.systemd.enable(*self.units)

    def retire(self) -> None:
        """Let the instance end when it has answered all who reached it, without waiting for that.

        The service's own `ExecStop` waits for those who are still in the queue.

        :raises Failed: when it is the live one.
        """
        if self.layout.live() == self.release:
            raise Failed(f"release {self.release} is live, so its instance goes on")
        self.systemd.disable(*self._placed())
        self.systemd.stop(*self._placed(), wait=False)

    def remove(self) -> None:
        """End the instance at once, which nobody has reached, and take its units away."""
        self.systemd.kill(*self._placed())
        self.forget()
        self.systemd.reload()

    def forget(self) -> None:
        """Take the unit files away; systemd has to be told afterwards."""
        placed = self._placed()
        self.systemd.disable(*placed)
        self.systemd.clear(*placed)
        for unit in placed:
            (self.layout.units / unit).unlink()

    def _placed(self) -> list[str]:
        """Return the units whose file is there: a run that was killed may have left one of the two."""
        return [unit for unit in self.units if (self.layout.units / unit).exists()]

    def _refused(self, what: str, visited: bool) -> Failed:
        """Return the failure of a boot, after which the instance is gone, unless visitors have to do with it."""
        log = self.systemd.journal(self.service)
        if self.layout.live() != self.release:
            self.retire() if visited else self.remove()
        manifest = read_manifest(self.layout.releases / self.release) or {}
        return Failed(f"release {self.release} of {manifest.get('callable')} {what}; its log ends with:\n{log}")
