# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""NGINX on a host: what it can do, and its processes."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, has, run
from ansible_collections.wsgi.production.plugins.module_utils.nginx_units import SERVICE
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

# No process has this id (kernel/pid.c, PID_MAX_LIMIT).
NOBODY = 1 << 30

LISTENS_ON_IPV6 = re.compile(r"^ +listen \[::\]:.*\n", re.MULTILINE)


class NginxBinary:
    """What the NGINX of a host can do.

    :param said: the output of `nginx -V`; empty before NGINX is installed.
    :param ipv6: whether the host has IPv6.
    :ivar version: its version, such as `1.22.1`.
    """

    def __init__(self, said: str, ipv6: bool = True) -> None:
        self.said = said
        self.ipv6 = ipv6
        match = re.search(r"nginx/([\d.]+)", said)
        self.version = match.group(1) if match else ""

    @classmethod
    def read(cls) -> NginxBinary:
        """Query the NGINX of this host."""
        said = run(["sh", "-c", "nginx -V 2>&1"], "ask NGINX how it was built") if has("nginx") else ""
        return cls(said, has_ipv6())

    def text(self, config: dict[str, str]) -> str:
        """Return the text in `config` for this version of NGINX; if NGINX is not installed yet, the newest text.

        :param config: the texts, by the first version that each one is for.
        """
        fitting = [since for since in config if not self.version or _number(since) <= _number(self.version)]
        text = config[max(fitting, key=_number)]
        return text if self.ipv6 else LISTENS_ON_IPV6.sub("", text)

    def objection(self, sites: Iterable[dict[str, Any]]) -> str | None:
        """Return an objection to sites that need what this NGINX cannot do."""
        wanting = [site["name"] for site in sites if site.get("http3")]
        if wanting and self.said and "--with-http_v3_module" not in self.said:
            return (
                f"{wanting[0]}: tls.http3: NGINX {self.version} of this host does not support HTTP/3; "
                "remove the setting"
            )
        return None


class Workers:
    """The processes of NGINX that accept connections."""

    def __init__(self, systemd: Systemd, processes: Path = Path("/proc")) -> None:
        self.systemd = systemd
        self.processes = processes

    def renew(self) -> None:
        """Start new workers with the file in place immediately: `systemctl reload` would check it once more.

        :raises Failed: if NGINX does not run.
        """
        (master,) = self.systemd.properties(SERVICE, "MainPID")
        try:
            os.kill(int(master) or NOBODY, signal.SIGHUP)
        except ProcessLookupError as gone:
            raise Failed("could not reload NGINX, because it is not running") from gone

    def pids(self) -> set[int]:
        """Return their process ids, except those of workers that are only finishing what they have started."""
        (master,) = self.systemd.properties(SERVICE, "MainPID")
        found = set()
        for directory in self.processes.glob("[0-9]*"):
            # A process that ends in the meantime cannot be read, and is no longer a worker.
            with suppress(OSError):
                parent = (directory / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
                title = (directory / "cmdline").read_bytes().rstrip(b"\0 ")
                if parent == master and title == b"nginx: worker process":
                    found.add(int(directory.name))
        return found


def has_ipv6() -> bool:
    """Return whether the host has IPv6: its kernel may have been started without it (`ipv6.disable=1`)."""
    try:
        socket.socket(socket.AF_INET6).close()
    except OSError:
        return False
    return True


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
