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

# Two checkouts on one machine have servers of their own.
CHECKOUT = hashlib.sha256(bytes(PROJECT)).hexdigest()[:6]

# `make test-long` repeats more often what `make test` does a few times.
LONG = os.environ.get("WSGI_LONG") == "1"

# The mark of tests that measure time.
QUIET = "quiet"

# What is marked to run on the distribution where it is more at risk runs on each in `make test-all`.
EVERYWHERE = LONG or os.environ.get("WSGI_ALL") == "1"


def often(few: int, several: int, many: int) -> int:
    """Return how often a test repeats something: in `make test`, in `make test-all`, and in `make test-long`."""
    if LONG:
        return many
    return several if EVERYWHERE else few


class Unusable(Exception):
    """Something that this machine lacks. The text is the sentence that says what to install."""


def named(what: str) -> str:
    """Return the name of a container of this checkout."""
    return f"wsgi-{CHECKOUT}-{what}"


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Let the body run in no two processes of this user at once, whichever checkout they belong to."""
    with open(Path(tempfile.gettempdir()) / f"wsgi-rig-{os.geteuid()}-{what}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def privileged(*argv: str) -> list[str]:
    """Return the command line that runs `argv` as root.

    :raises Unusable: where this user cannot become root.
    """
    if os.geteuid() == 0:
        return list(argv)
    if shutil.which("sudo") is None:
        raise Unusable(f"`{' '.join(argv)}` needs root or sudo.")
    return ["sudo", *argv]


def call(argv: Sequence[str]) -> None:
    """Run a command, and show what it said only if it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")


def apt_install(*packages: str) -> None:
    """Install packages of the distribution on this machine.

    :raises Unusable: where there is no apt-get.
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
