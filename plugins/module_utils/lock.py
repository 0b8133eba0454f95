# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The lock of a host: only one run at a time changes the host."""

from __future__ import annotations

import fcntl
import json
import math
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import write_file

# Seconds without a step after which a run counts as dead, if nothing can check whether it is still alive.
SILENCE = 600

# Seconds to wait for the last step of a run that was killed.
PATIENCE = 120


class Held(Failed):
    """Another run holds the lock.

    :ivar holder: that run, as it described itself.
    """

    def __init__(self, holder: dict[str, Any], working: bool) -> None:
        self.holder = holder
        silent = int(time.monotonic() - holder["seen"])
        last = "is at work" if working else f"was active {silent} s ago"
        super().__init__(
            f"another run is changing this host: {holder['who']} has held the lock since {holder['since']}, and {last}."
            f" Wait until that run ends; one that was killed on another machine counts as dead after {SILENCE} s"
        )


class Lock:
    """The lock: a file that says who holds it, and the kernel's lock on it while a step is running.

    The file is in `/run`, so a reboot of the host releases the lock.
    """

    def __init__(self, path: Path = Path("/run/wsgi.lock")) -> None:
        self.path = path
        self._hold = self._kept = False

    @contextmanager
    def during(self, run: dict[str, Any]) -> Iterator[Lock]:
        """Hold the lock for `run` while the body runs.

        :param run: `id`, and `who` for others to read; with `hold`, the run keeps the lock afterwards, for its next
            step; `dead` contains the ids of runs that are known to have ended.
        :raises Held: if another run holds it, and is not known to be dead.
        """
        with open(self._open(), "r+", encoding="utf-8") as file:
            self._wait(file, run)
            mine = self._holder(file, run)
            since = mine["since"] if mine else datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            holder = {"id": run["id"], "who": run["who"], "since": since}
            self._hold = self._kept = bool(mine or run.get("hold"))
            _write(file, holder)
            try:
                yield self
            finally:
                if self._kept:
                    _write(file, holder)
                else:
                    file.truncate(0)

    def release(self) -> None:
        """Release the lock at the end of the body of `during`."""
        self._kept = False

    def keep(self) -> None:
        """Undo `release`: the run keeps the lock after the body of `during`, if it asked for that."""
        self._kept = self._hold

    def _open(self) -> int:
        """Open the file, which only root can open: anyone who can open it can hold the kernel's lock on it.

        A file that others could open is replaced by a copy, because they may still have it open.
        """
        with suppress(FileNotFoundError):
            if stat.S_IMODE(os.lstat(self.path).st_mode) & 0o077:
                write_file(self.path, self.path.read_text(encoding="utf-8", errors="replace"), 0o600)
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def _wait(self, file: Any, run: dict[str, Any]) -> None:
        """Take the kernel's lock, which is busy while a step is running."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                holder = _read(file)
                if holder and (holder["id"] not in (run["id"], *run.get("dead", [])) or time.monotonic() > deadline):
                    raise Held(holder, working=True) from None
                if time.monotonic() > deadline:
                    raise Failed(f"{self.path} is locked by another program") from None
                time.sleep(0.1)

    def _holder(self, file: Any, run: dict[str, Any]) -> dict[str, Any] | None:
        """Return the record of `run` itself, if it holds the lock already.

        :raises Held: if another run holds it, and may be alive.
        """
        holder = _read(file)
        if holder is None or holder["id"] == run["id"]:
            return holder
        # A run on the same machine can be checked directly, so its silence means nothing.
        silent = time.monotonic() - holder["seen"] > SILENCE and _machine(holder) != _machine(run)
        if holder["id"] not in run.get("dead", []) and not silent:
            raise Held(holder, working=False)
        return None


def _machine(run: dict[str, Any]) -> str:
    """Return the part of a run's id that identifies the controller."""
    machine: str = run["id"].partition(":")[0]
    return machine


def _read(file: Any) -> dict[str, Any] | None:
    """Return the record in the file, or None if it holds none."""
    try:
        file.seek(0)
        holder = json.loads(file.read())
        seen, texts = float(holder["seen"]), {key: str(holder[key]) for key in ("id", "who", "since")}
    except (KeyError, TypeError, ValueError):
        return None
    return {"seen": seen, **texts} if math.isfinite(seen) else None


def _write(file: Any, holder: dict[str, Any]) -> None:
    file.seek(0)
    file.truncate()
    json.dump({**holder, "seen": time.monotonic()}, file)
    file.flush()
