"""The test rig: throw-away servers with systemd as PID 1, in containers on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).parents[2]
STATE = PROJECT / ".rig"

# `make test-long` repeats more often what `make test` does a few times.
LONG = os.environ.get("WSGI_LONG") == "1"


class Unusable(Exception):
    """Something that this machine lacks. The text is the sentence that says what to install."""


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
    print(f"Installing {' and '.join(packages)}", flush=True)
    call(privileged("apt-get", "update", "-qq"))
    call(
        privileged(
            *("env", "DEBIAN_FRONTEND=noninteractive"),
            *("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages),
        )
    )
