# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The units of NGINX: the ports that systemd holds for it, and a drop-in for the distribution's service.

The controller renders them; the host fills in what only it knows.
"""

from __future__ import annotations

import re

from ansible_collections.wsgi.production.plugins.module_utils.tokens import fill

SERVICE = "nginx.service"
SOCKET = "nginx.socket"

# Seconds that a stop waits longer than the slowest response may take.
STOP_AFTER_RESPONSE = 5

STOP_TIMEOUT = re.compile(r"^TimeoutStopSec=.*$", re.MULTILINE)


def filled(units: list[str], slowest: int, ipv6: bool) -> list[str]:
    """Return rendered units, filled in with the values that only the host knows.

    :param units: the texts of the socket unit and of the drop-in.
    :param slowest: the seconds that the slowest response of all sites may take, which a stop waits for.
    :param ipv6: whether the host has IPv6.
    """
    addresses = ["0.0.0.0", "[::]"] if ipv6 else ["0.0.0.0"]
    listens = [f"ListenStream={address}:{port}" for port in (80, 443) for address in addresses]
    values = {
        "listens": "\n".join(listens),
        # systemd passes open ports on as file descriptors from 3 on.
        "ports": "".join(f"{number};" for number in range(3, 3 + len(listens))),
        "stop_timeout": slowest + STOP_AFTER_RESPONSE,
    }
    return [fill(unit, values) for unit in units]


def with_stop_timeout(unit: str, slowest: int) -> str:
    """Return the text of a unit that is in place, with its stop timeout set for `slowest`."""
    return STOP_TIMEOUT.sub(f"TimeoutStopSec={slowest + STOP_AFTER_RESPONSE}", unit)
