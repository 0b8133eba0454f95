"""The test rig: throw-away servers with systemd as PID 1, in containers on this machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parents[2]
STATE = PROJECT / ".rig"

# Each checkout on a machine has its own servers.
CHECKOUT = hashlib.sha256(bytes(PROJECT)).hexdigest()[:6]

# `make test-long` repeats more often what `make test` repeats a few times.
LONG = os.environ.get("WSGI_LONG") == "1"

# The mark of tests that measure time.
QUIET = "quiet"

# In `make test-all`, tests that are marked for the distribution on which they are more at risk run on all.
EVERYWHERE = LONG or os.environ.get("WSGI_ALL") == "1"


def often(few: int, several: int, many: int) -> int:
    """Return how often a test repeats something: in `make test`, in `make test-all`, and in `make test-long`."""
    if LONG:
        return many
    return several if EVERYWHERE else few


class Unusable(Exception):
    """Something is missing on this machine; the message says what to install."""


def named(what: str) -> str:
    """Return the name of a container of this checkout."""
    return f"wsgi-{CHECKOUT}-{what}"


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Let only one process of this user at a time run the body, whichever checkout it belongs to."""
    with open(Path(tempfile.gettempdir()) / f"wsgi-rig-{os.geteuid()}-{what}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def privileged(*argv: str) -> list[str]:
    """Return the command line that runs `argv` as root.

    :raises Unusable: when this user cannot become root.
    """
    if os.geteuid() == 0:
        return list(argv)
    if shutil.which("sudo") is None:
        raise Unusable(f"`{' '.join(argv)}` needs root or sudo.")
    return ["sudo", *argv]


def call(argv: Sequence[str]) -> None:
    """Run a command, and show its output only if it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")


def apt_install(*packages: str) -> None:
    """Install packages of the distribution on this machine.

    :raises Unusable: when there is no apt-get.
    """
    if shutil.which("apt-get") is None:
        raise Unusable(f"Install {' and '.join(packages)}, and run this again.")
    with one_at_a_time("apt"):
        print(f"Installing {' and '.join(packages)}", flush=True)
        call(privileged("apt-get", "update", "-qq"))
        call(
            privileged(
                *("env", "DEBIAN_FRONTEND=noninteractive"),
                *("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages),
            )
        )
