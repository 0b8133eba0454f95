# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Instances: the running systemd units of releases, and the switch from one to the next."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import LINKS, Layout, replace_link, write_file

KINDS = ("socket", "service")
JOURNAL_LINES = 30

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


class Systemd:
    """The calls to systemd that the collection makes."""

    def reload(self) -> None:
        """Read the unit files anew."""
        run(["systemctl", "daemon-reload"], "make systemd read its units")

    def start(self, *units: str) -> None:
        """Start `units` and wait until they are ready."""
        run(["systemctl", "start", *units], f"start {units[-1]}")

    def stop(self, *units: str, wait: bool = True) -> None:
        """Stop `units`; a service ends when its last request does, which `wait` waits for."""
        options = [] if wait else ["--no-block"]
        run(["systemctl", "stop", *options, *units], f"stop {units[-1]}")

    def enable(self, *units: str) -> None:
        """Start `units` at each boot of the host."""
        run(["systemctl", "enable", "--quiet", *units], f"enable {units[-1]}")

    def disable(self, *units: str) -> None:
        """No longer start `units` at a boot of the host."""
        run(["systemctl", "disable", "--quiet", *units], f"disable {units[-1]}")

    def properties(self, unit: str, *names: str) -> list[str]:
        """Return the values of the properties `names` of `unit`."""
        said = run(["systemctl", "show", "--property", ",".join(names), unit], f"ask for the state of {unit}")
        values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        return [values.get(name, "") for name in names]

    def is_active(self, unit: str) -> bool:
        """Tell whether `unit` runs."""
        return self.properties(unit, "ActiveState") == ["active"]

    def is_enabled(self, unit: str) -> bool:
        """Tell whether `unit` starts at each boot of the host."""
        return self.properties(unit, "UnitFileState") == ["enabled"]

    def journal(self, unit: str) -> str:
        """Return the last lines that `unit` logged."""
        command = ["journalctl", "--unit", unit, "--lines", str(JOURNAL_LINES), "--output", "cat", "--no-pager"]
        return run(command, f"read the journal of {unit}").strip()


class Instance:
    """The instance of one release."""

    def __init__(self, layout: Layout, release: str, systemd: Systemd) -> None:
        self.layout = layout
        self.release = release
        self.systemd = systemd
        self.units = [layout.unit(release, kind) for kind in KINDS]
        self.service = self.units[1]

    def runs(self) -> bool:
        """Tell whether the instance is there and answers to systemd."""
        return self.release in self.layout.instances() and all(self.systemd.is_active(unit) for unit in self.units)

    def boot(self) -> None:
        """Start the instance beside whatever is live.

        :raises Failed: when it does not come up; it is gone again then, and the error carries the
            end of its log.
        """
        for kind, unit in zip(KINDS, self.units):
            text = (self.layout.releases / self.release / f"instance.{kind}").read_text(encoding="utf-8")
            write_file(self.layout.units / unit, text)
        self.systemd.reload()
        try:
            self.systemd.start(*self.units)
        except Failed as failure:
            log = self.systemd.journal(self.service)
            if self.layout.live() != self.release:
                self.remove()
            raise Failed(f"release {self.release} does not start; its log ends with:\n{log}") from failure

    def remove(self) -> None:
        """Stop the instance and take its units away."""
        self.systemd.stop(*self.units)
        self.systemd.disable(*self.units)
        for unit in self.units:
            (self.layout.units / unit).unlink(missing_ok=True)
        self.systemd.reload()

    def is_live(self) -> bool:
        """Tell whether `current` points to the release, and the host's next boot will start it."""
        return self.layout.live() == self.release and all(self.systemd.is_enabled(unit) for unit in self.units)

    def switch(self) -> None:
        """Make the release live: from here on new requests reach it, at once and all of them."""
        self.systemd.enable(*self.units)
        replace_link(self.layout.current, f"releases/{self.release}")

    def others(self) -> list[Instance]:
        """Return the instances that no longer have a part to play."""
        found = [Instance(self.layout, name, self.systemd) for name in self.layout.instances()]
        return [one for one in found if one.release != self.release and (one._is_enabled() or one._is_up())]

    def retire(self) -> None:
        """Let the instance end when its last request is answered, without waiting for that."""
        self.systemd.disable(*self.units)
        self.systemd.stop(*self.units, wait=False)

    def _is_enabled(self) -> bool:
        return any(self.systemd.is_enabled(unit) for unit in self.units)

    def _is_up(self) -> bool:
        states = (self.systemd.properties(unit, "ActiveState")[0] for unit in self.units)
        return any(state in ("active", "activating") for state in states)


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
