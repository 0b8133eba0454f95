# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The calls to systemd that the collection makes."""

from __future__ import annotations

from contextlib import suppress

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run

# uWSGI writes many of these lines each time it starts.
JOURNAL_LINES = 200
STATE = ("ActiveState", "UnitFileState")

# How systemd ends a line about a signal that a run made it send, which says nothing about the cause.
BY_THE_RUN = " on client request."


class Systemd:
    """The calls to systemd that the collection makes."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def reload(self) -> None:
        """Make systemd read the unit files again."""
        self._tell(["daemon-reload"], "reload systemd")

    def start(self, *units: str, wait: bool = True, seconds: float | None = None) -> None:
        """Start `units`; with `wait`, wait until they are ready, or have run to completion.

        :param seconds: how long to wait, because an application may ask systemd for more time than its unit allows.
        """
        options = [] if wait else ["--no-block"]
        self._tell(["start", *options, *units], f"start {units[-1]}", seconds)

    def stop(self, *units: str, wait: bool = True) -> None:
        """Stop `units`; with `wait`, wait until services have ended, which happens after their last request."""
        options = [] if wait else ["--no-block"]
        self._tell(["stop", *options, *units], f"stop {units[-1]}")

    def kill(self, *units: str) -> None:
        """Stop `units` immediately, whatever they are doing."""
        self.stop(*units, wait=False)
        # A unit that has ended in the meantime cannot be killed, and need not be.
        for unit in units:
            with suppress(Failed):
                self._tell(["kill", "--signal=KILL", unit], f"end {unit}")
        self.stop(*units)

    def cut_short(self, *services: str) -> None:
        """End what `services` wait for before they stop, their `ExecStop`."""
        for service in services:
            with suppress(Failed):
                self._tell(["kill", "--kill-whom=control", "--signal=KILL", service], f"stop waiting for {service}")

    def clear(self, *units: str) -> None:
        """Forget that `units` failed, because failed units stay listed without their files."""
        # systemd refuses this for a unit that it no longer knows, which is fine.
        with suppress(Failed):
            self._tell(["reset-failed", *units], f"reset the failed state of {units[-1]}")

    def clean(self, *timers: str) -> None:
        """Forget when `timers` last started their services."""
        for timer in timers:
            with suppress(Failed):
                self._tell(["clean", "--what=state", timer], f"remove the time stamp of {timer}")

    def enable(self, *units: str) -> None:
        """Start `units` at each boot of the host."""
        self._tell(["enable", "--quiet", *units], f"enable {units[-1]}")

    def disable(self, *units: str) -> None:
        """No longer start `units` at a boot of the host."""
        self._tell(["disable", "--quiet", *units], f"disable {units[-1]}")

    def look_at(self, *units: str) -> None:
        """Read the state of all `units` in one call; it is remembered until anything is changed."""
        if units:
            said = run(
                ["systemctl", "show", "--property", ",".join(("Id", *STATE)), *units], "read the states of units"
            )
            blocks = [_values(block) for block in said.split("\n\n")]
            self._known = {block.pop("Id"): block for block in blocks}

    def properties(self, unit: str, *names: str) -> list[str]:
        """Return the values of the properties `names` of `unit`."""
        known = self._known.get(unit, {})
        if not all(name in known for name in names):
            command = ["systemctl", "show", "--property", ",".join(names), unit]
            known = _values(run(command, f"read the state of {unit}"))
        return [known.get(name, "") for name in names]

    def is_active(self, unit: str) -> bool:
        """Return whether `unit` runs."""
        return self.properties(unit, "ActiveState") == ["active"]

    def is_enabled(self, unit: str) -> bool:
        """Return whether `unit` starts at each boot of the host."""
        return self.properties(unit, "UnitFileState") == ["enabled"]

    def journal(self, unit: str) -> str:
        """Return the last lines that `unit` logged."""
        run(["journalctl", "--sync"], "flush the journal")
        command = ["journalctl", "--unit", unit, "--lines", str(JOURNAL_LINES), "--output", "cat", "--no-pager"]
        lines = run(command, f"read the journal of {unit}").strip().splitlines()
        return "\n".join(line for line in lines if not line.endswith(BY_THE_RUN))

    def _tell(self, words: list[str], purpose: str, seconds: float | None = None) -> None:
        self._known = {}
        run(["systemctl", *words], purpose, seconds=seconds)


def _values(said: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
