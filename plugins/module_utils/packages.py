# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Packages of the distribution, managed with dpkg and apt-get."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from ansible_collections.wsgi.production.plugins.module_utils.command import run

APT_GET = ["apt-get", "--yes", "--quiet", "-o", "DPkg::Lock::Timeout=300"]
UNATTENDED = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}


def missing(names: Iterable[str]) -> list[str]:
    """Return the packages among `names` that are not installed."""
    wanted = list(names)
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n", *wanted]
    # The status is 1 if dpkg does not know one of them; it still prints the others.
    said = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in said.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def install(names: list[str]) -> None:
    """Install the packages `names` in their current versions from the distribution's archive.

    :raises Failed: with the last lines of apt-get's output.
    """
    run([*APT_GET, "update"], "read the package lists", env=UNATTENDED)
    command = [*APT_GET, "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends", "install", *names]
    run(command, f"install {', '.join(names)}", env=UNATTENDED)
