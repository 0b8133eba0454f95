# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Doors: TCP ports, or sockets for the operator's own web server, that lead to the live instance.

Written in one line: `127.0.0.1:9000`, `0.0.0.0:9000 from 10.0.0.0/8`, or `/run/hello/web.socket for caddy`.
"""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import LINKS, Layout, write_file
from ansible_collections.wsgi.production.plugins.module_utils.rules import is_loopback, split_address
from ansible_collections.wsgi.production.plugins.module_utils.store import digest
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

DOOR_SOCKET = """\
[Unit]
Description={name}, {protocol} on {address}

[Socket]
ListenStream={place}
Backlog=4096
{limits}
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
# Not the unit's name, which could be that of an application.
User={user}
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

# The words that introduce who may connect: networks, or a group.
FROM, FOR = " from ", " for "


def described(address: str, networks: list[str], group: str) -> str:
    """Return a door in one line; empty if there is none.

    :param networks: the networks that may connect besides this host, if it is a TCP port that other hosts can reach.
    :param group: the group that may connect, if it is a Unix socket.
    """
    if address.startswith("/"):
        return address + FOR + group
    if address and not is_loopback(address):
        return address + FROM + " ".join(networks)
    return address


def open_doors(layout: Layout) -> dict[str, str]:
    """Return the address of each existing door of the application, by protocol."""
    found = {}
    for protocol in LINKS:
        path = layout.units / layout.door(protocol, "socket")
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        match = re.search(rf"^Description={layout.name}, {protocol} on (.+)$", text, re.MULTILINE)
        if match:
            found[protocol] = match.group(1)
    return found


def _limits(address: str) -> tuple[str, str]:
    """Return the place of a door, and the lines of its socket unit that say who may connect."""
    place, word, group = address.partition(FOR)
    if word:
        return place, f"SocketUser=root\nSocketGroup={group}\nSocketMode=0660\nRemoveOnStop=yes\n"
    place, word, networks = address.partition(FROM)
    if not word:
        return place, "NoDelay=yes\n"
    # A run verifies a change with requests from this host.
    own = "" if place.startswith(("0.0.0.0:", "[::]:")) else f" {split_address(place)[0]}"
    return place, f"NoDelay=yes\nIPAddressDeny=any\nIPAddressAllow=localhost{own} {networks}\n"


class Door:
    """A TCP port or a socket that leads to the live instance.

    systemd holds the port, so no connection is refused. One limitation: on the HTTP door, the application does not see
    the client address, because its connection comes from this host.

    :param protocol: `uwsgi` or `http`.
    :param address: the door in one line; empty for none.
    """

    def __init__(self, layout: Layout, protocol: str, address: str, systemd: Systemd) -> None:
        self.systemd = systemd
        self.address = address
        self.socket = layout.door(protocol, "socket")
        self.service = layout.door(protocol, "service")
        live = layout.current / LINKS[protocol]
        place, limits = _limits(address)
        self.path = Path(place) if place.startswith("/") else None
        values = {"name": layout.name, "protocol": protocol, "address": address, "live": live, "place": place}
        values.update(limits=limits, user=f"wsgi-{digest(layout.name, protocol)}")
        self.files: dict[Path, str] = {
            layout.units / self.socket: DOOR_SOCKET.format(**values),
            layout.units / self.service: DOOR_SERVICE.format(**values),
        }

    def is_right(self) -> bool:
        """Return whether the door is as described: open at the address, or absent."""
        if not self.address:
            return not any(path.exists() for path in self.files)
        as_written = all(
            path.exists() and path.read_text(encoding="utf-8") == text for path, text in self.files.items()
        )
        there = self.path is None or self.path.is_socket()
        return there and as_written and self.systemd.is_active(self.socket) and self.systemd.is_enabled(self.socket)

    def put_right(self) -> None:
        """Open, move or close the door; moving it ends the connections through its old address.

        :raises Failed: if systemd cannot listen on the address, because the host does not have it or something else
            listens there.
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
