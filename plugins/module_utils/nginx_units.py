# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The units of NGINX: the distribution's service with a drop-in of ours, and the ports that systemd holds for it."""

from __future__ import annotations

SERVICE = "nginx.service"
SOCKET = "nginx.socket"

# Seconds that a stop waits longer than the slowest answer may take.
STOP_AFTER_ANSWER = 5

SOCKET_UNIT = """\
# Written by the role wsgi.production.nginx; the next run replaces what is changed here.
# systemd holds the ports, so whoever comes while NGINX restarts or is upgraded waits, and is not refused.
[Unit]
Description=The ports of NGINX

[Socket]
{listens}
BindIPv6Only=ipv6-only
Backlog=4096

[Install]
WantedBy=sockets.target
"""

DROP_IN = """\
# Written by the role wsgi.production.nginx; the next run replaces what is changed here.
[Unit]
StartLimitIntervalSec=0

[Service]
Type=exec
Sockets={socket}
# NGINX takes a port that it did not open as it finds it: one that blocks stops a worker that comes second to a visitor.
NonBlocking=yes
ExecStart=
# In this variable NGINX looks for ports that it need not open; it is how its own upgrade hands them on.
ExecStart=/usr/bin/env NGINX={ports} /usr/sbin/nginx -g 'daemon off; master_process on;'
ExecStop=
KillSignal=SIGQUIT
TimeoutStopSec={stop_timeout}
Restart=always
RestartSec=1
LimitNOFILE=65536
UMask=0077

ProtectSystem=strict
ReadWritePaths=/run /var/lib/nginx /var/log/nginx
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_KILL CAP_NET_BIND_SERVICE CAP_SETGID CAP_SETUID
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@resources
"""


def units(slowest: int, ipv6: bool = True) -> list[str]:
    """Return the socket unit with NGINX's ports, and the drop-in of its service.

    :param slowest: the seconds that the slowest answer of all sites may take, for which a stop waits.
    :param ipv6: whether the host has IPv6.
    """
    addresses = ["0.0.0.0", "[::]"] if ipv6 else ["0.0.0.0"]
    listens = [f"ListenStream={address}:{port}" for port in (80, 443) for address in addresses]
    # systemd hands open ports on from the number 3.
    ports = "".join(f"{number};" for number in range(3, 3 + len(listens)))
    return [
        SOCKET_UNIT.format(listens="\n".join(listens)),
        DROP_IN.format(socket=SOCKET, ports=ports, stop_timeout=slowest + STOP_AFTER_ANSWER),
    ]
