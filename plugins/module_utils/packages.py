# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Packages of the distribution, by means of dpkg and apt-get."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from ansible_collections.wsgi.production.plugins.module_utils.command import run

APT_GET = ["apt-get", "--yes", "--quiet", "-o", "DPkg::Lock::Timeout=300"]
UNATTENDED = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}


def missing(names: Iterable[str]) -> list[str]:
    """Return those of the packages `names` that are not installed."""
    wanted = list(names)
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n", *wanted]
    # The status is 1 when dpkg knows nothing of one of them; what it does know it has printed.
    said = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in said.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def install(names: list[str]) -> None:
    """Install the packages `names`, as they stand in the distribution's archive now.

    :raises Failed: with the last lines of apt-get.
    """
    run([*APT_GET, "update"], "read the package lists", env=UNATTENDED)
    command = [*APT_GET, "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends", "install", *names]
    run(command, f"install {', '.join(names)}", env=UNATTENDED)
