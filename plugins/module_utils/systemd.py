# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The calls to systemd that the collection makes."""

from __future__ import annotations

from contextlib import suppress

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run

# Of these, uWSGI writes a good part each time it starts.
JOURNAL_LINES = 200
STATE = ("ActiveState", "UnitFileState")


class Systemd:
    """The calls to systemd that the collection makes."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def reload(self) -> None:
        """Read the unit files anew."""
        self._tell(["daemon-reload"], "reload systemd")

    def start(self, *units: str, wait: bool = True, seconds: float | None = None) -> None:
        """Start `units`; `wait` is for until they are ready, or have run to their end.

        :param seconds: for how long to wait: an application may ask systemd for more time than its unit gives it.
        """
        options = [] if wait else ["--no-block"]
        self._tell(["start", *options, *units], f"start {units[-1]}", seconds)

    def stop(self, *units: str, wait: bool = True) -> None:
        """Stop `units`; a service ends when its last request does, which `wait` waits for."""
        options = [] if wait else ["--no-block"]
        self._tell(["stop", *options, *units], f"stop {units[-1]}")

    def kill(self, *units: str) -> None:
        """Stop `units` at once, whatever they are doing."""
        self.stop(*units, wait=False)
        # What has ended by itself meanwhile cannot be killed, and need not be.
        for unit in units:
            with suppress(Failed):
                self._tell(["kill", "--signal=KILL", unit], f"end {unit}")
        self.stop(*units)

    def clear(self, *units: str) -> None:
        """Forget that `units` failed, which would keep them listed without their files."""
        # systemd refuses for a unit of which it knows nothing any more, which is just as well.
        with suppress(Failed):
            self._tell(["reset-failed", *units], f"reset the failed state of {units[-1]}")

    def clean(self, *timers: str) -> None:
        """Forget when `timers` last started what they start."""
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
        """Ask for the state of `units` at once; it is remembered until anything is changed."""
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
        """Tell whether `unit` runs."""
        return self.properties(unit, "ActiveState") == ["active"]

    def is_enabled(self, unit: str) -> bool:
        """Tell whether `unit` starts at each boot of the host."""
        return self.properties(unit, "UnitFileState") == ["enabled"]

    def journal(self, unit: str) -> str:
        """Return the last lines that `unit` logged."""
        run(["journalctl", "--sync"], "flush the journal")
        command = ["journalctl", "--unit", unit, "--lines", str(JOURNAL_LINES), "--output", "cat", "--no-pager"]
        return run(command, f"read the journal of {unit}").strip()

    def _tell(self, words: list[str], purpose: str, seconds: float | None = None) -> None:
        self._known = {}
        run(["systemctl", *words], purpose, seconds=seconds)


def _values(said: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
