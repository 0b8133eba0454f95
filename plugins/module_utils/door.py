# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Doors: TCP ports that lead to whatever instance is live."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import LINKS, Layout, write_file
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

DOOR_SOCKET = """\
[Unit]
Description={name}, {protocol} on {address}

[Socket]
ListenStream={address}
Backlog=4096
NoDelay=yes

[Install]
WantedBy=sockets.target
"""

DOOR_SERVICE = """\
[Unit]
Description={name}, {protocol} on {address}, to the live instance
Requires={name}-{protocol}.socket
After=network.target {name}-{protocol}.socket

[Service]
Type=notify
# It resolves the path for each connection, so the door leads to what is live then.
ExecStart=/lib/systemd/systemd-socket-proxyd --connections-max=4096 {live}
DynamicUser=yes
SupplementaryGroups=www-data
Restart=always
LimitNOFILE=65536
CapabilityBoundingSet=
LockPersonality=yes
PrivateDevices=yes
ProtectHome=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""


def open_doors(layout: Layout) -> dict[str, str]:
    """Return the address of each door of the application that is there, by its protocol."""
    found = {}
    for protocol in LINKS:
        path = layout.units / layout.door(protocol, "socket")
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        match = re.search(r"^ListenStream=(.+)$", text, re.MULTILINE)
        if match:
            found[protocol] = match.group(1)
    return found


class Door:
    """A TCP port that leads to whatever instance is live.

    systemd holds the port, so it refuses nobody. What it cannot promise: the application sees no
    client address on the HTTP door, because the connection to it comes from this host.

    :param protocol: `uwsgi` or `http`.
    :param address: what to listen on, such as `127.0.0.1:9000`; empty for no door.
    """

    def __init__(self, layout: Layout, protocol: str, address: str, systemd: Systemd) -> None:
        self.systemd = systemd
        self.address = address
        self.socket = layout.door(protocol, "socket")
        self.service = layout.door(protocol, "service")
        live = layout.current / LINKS[protocol]
        values = {"name": layout.name, "protocol": protocol, "address": address, "live": live}
        self.files: dict[Path, str] = {
            layout.units / self.socket: DOOR_SOCKET.format(**values),
            layout.units / self.service: DOOR_SERVICE.format(**values),
        }

    def is_right(self) -> bool:
        """Tell whether the door is as described: open at the address, or not there."""
        if not self.address:
            return not any(path.exists() for path in self.files)
        as_written = all(
            path.exists() and path.read_text(encoding="utf-8") == text for path, text in self.files.items()
        )
        return as_written and self.systemd.is_active(self.socket) and self.systemd.is_enabled(self.socket)

    def put_right(self) -> None:
        """Open, move or close the door. A door that moves ends the connections through its old place.

        :raises Failed: when the address cannot be listened on, because the host does not have it or
            something else listens there.
        """
        for path in self.files:
            if path.exists():
                self.systemd.stop(path.name)
                self.systemd.disable(path.name)
        for path, text in self.files.items():
            if self.address:
                write_file(path, text)
            else:
                path.unlink(missing_ok=True)
        self.systemd.reload()
        if self.address:
            self.systemd.enable(self.socket)
            try:
                self.systemd.start(self.socket)
            except Failed as failure:
                log = self.systemd.journal(self.socket)
                raise Failed(
                    f"cannot listen on {self.address}; the log of {self.socket} ends with:\n{log}"
                ) from failure
