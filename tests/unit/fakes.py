"""What stands in for systemd in the tests, as strict as the real one."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.instance import Systemd


class FakeSystemd(Systemd):
    """A systemd that runs nothing, and like the real one refuses what has no unit file.

    `broken` are the units that do not start; `calls` is all that it was told to do.
    """

    def __init__(self, units: Path) -> None:
        self.units = units
        self.states: dict[str, str] = {}
        self.enabled: set[str] = set()
        self.broken: set[str] = set()
        self.calls: list[str] = []

    def reload(self) -> None:
        """Note the call."""
        self.calls.append("reload")

    def start(self, *units: str) -> None:
        """Let `units` be active, up to one that is broken."""
        self._told("start", *units)
        for unit in units:
            if unit in self.broken:
                self.states[unit] = "failed"
                raise Failed(f"could not start {unit}")
            self.states[unit] = "active"

    def stop(self, *units: str, wait: bool = True) -> None:
        """Let `units` be inactive, or on their way to it."""
        self._told("stop" if wait else "stop --no-block", *units)
        for unit in units:
            self.states[unit] = "inactive" if wait else "deactivating"

    def enable(self, *units: str) -> None:
        """Let `units` be enabled."""
        self._told("enable", *units)
        self.enabled.update(units)

    def disable(self, *units: str) -> None:
        """Let `units` be disabled."""
        self._told("disable", *units)
        self.enabled.difference_update(units)

    def properties(self, unit: str, *names: str) -> list[str]:
        """Return the state of `unit`."""
        known = {
            "ActiveState": self.states.get(unit, "inactive"),
            "UnitFileState": "enabled" if unit in self.enabled else "disabled",
        }
        return [known[name] for name in names]

    def journal(self, unit: str) -> str:
        """Return a text that only this unit has."""
        return f"the log of {unit}"

    def _told(self, verb: str, *units: str) -> None:
        self.calls.append(" ".join([verb, *units]))
        for unit in units:
            if not (self.units / unit).exists():
                raise Failed(f"Unit {unit} not loaded.")
