# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The run: which `ansible-playbook` a step belongs to, and whether another run is still alive."""

from __future__ import annotations

import getpass
import hashlib
import multiprocessing
import os
import socket
import uuid
from pathlib import Path


def machine() -> str:
    """Return the id of this controller, which can check only whether its own processes are alive.

    Containers sometimes share the name and address of their host, but not its process namespace.
    """
    parts = [socket.gethostname(), str(uuid.getnode())]
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        if Path(path).is_file():
            parts.append(Path(path).read_text(encoding="ascii").strip())
    namespace = Path("/proc/self/ns/pid")
    if namespace.is_symlink():
        parts.append(os.readlink(namespace))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def started(pid: int) -> str:
    """Return when a process started, in ticks since the boot, because ids are reused; empty if this is unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name of the program, in brackets, may contain spaces.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def is_dead(run: str) -> bool:
    """Return whether the run with this id has ended, as far as this controller can know."""
    where, pid, began = run.split(":")
    if where != machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    now = started(int(pid))
    # If only the start of this process is known and not that of the other one, the other one is a zombie.
    return now != began or (not now and bool(started(os.getpid())))


def this_run() -> dict[str, str]:
    """Return the run of this process, which is `ansible-playbook` itself or one of its workers."""
    parent = multiprocessing.parent_process()
    pid = (parent and parent.pid) or os.getpid()
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    who = f"{user} on {socket.gethostname()} (process {pid})"
    return {"id": f"{machine()}:{pid}:{started(pid)}", "who": who}
