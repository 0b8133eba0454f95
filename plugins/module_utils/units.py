# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The files of a release: the text of `uwsgi.ini`, of the units, and of what runs at their edges."""

from __future__ import annotations

LAUNCHER = """\
# Runs uWSGI inside the interpreter of the virtual environment that starts this file.
from pyuwsgi import run

run()
"""

DRAIN = """\
# Runs before systemd ends an instance that is no longer live: waits until uWSGI has taken everyone who stands in line
# at its sockets. A line is first come, first served, so whoever comes last and is taken knows that it is empty.
import os
import socket
import sys
import time

current, release, *sockets = sys.argv[1:]
dead = "MAINPID" not in os.environ
live = os.path.islink(current) and os.path.basename(os.readlink(current)) == release
if dead or live:
    # Nobody would take us, or the line never ends; and the socket outlasts a restart.
    sys.exit()
for path in sockets:
    with socket.socket(socket.AF_UNIX) as last:
        try:
            last.connect(path)
            last.shutdown(socket.SHUT_WR)
            last.recv(1)
        except OSError as failure:
            print(f"{path}: {failure}")
# A worker that has just taken somebody does not count as busy until it reads the request.
time.sleep(0.2)
"""

INI = """\
[uwsgi]
strict = true
master = true
need-app = true
single-interpreter = true
enable-threads = true

socket = fd://3
http-socket = fd://4
listen = {backlog}
buffer-size = 65535
post-buffering = 65536

chdir = {code}
module = {callable}
{virtualenv}py-sys-executable = {venv}/bin/python

{processes}
harakiri = {harakiri}
worker-reload-mercy = {harakiri}
hook-master-start = unix_signal:15 gracefully_kill_them_all

disable-logging = true
; A visitor who leaves early is no error of the application.
ignore-sigpipe = true
ignore-write-errors = true
disable-write-exception = true
{options}"""

SOCKET = """\
[Unit]
Description={name}, release {release}

[Socket]
ListenStream={uwsgi}
ListenStream={http}
SocketUser=root
SocketGroup=www-data
SocketMode=0660
Backlog={backlog}
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""

SERVICE = """\
[Unit]
Description={name}, release {release}
Requires={name}@{release}.socket
After=network.target {name}@{release}.socket
StartLimitIntervalSec=0

[Service]
Type=notify
User={name}
Group={name}
WorkingDirectory={code}
Environment=LANG=C.UTF-8
EnvironmentFile={directory}/env
# uwsgi.ini names the two sockets by number; uWSGI would open them a second time by itself.
UnsetEnvironment=LISTEN_FDS LISTEN_FDNAMES LISTEN_PID
ExecStart={command} --ini {directory}/uwsgi.ini
# Without site-packages, and as root: the sockets are open to root and NGINX alone.
ExecStop=+{venv}/bin/python -I -S {directory}/drain.py {current} {release} {uwsgi} {http}
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStartSec={start_timeout}
TimeoutStartFailureMode=kill
TimeoutStopSec={stop_timeout}
SyslogIdentifier={name}
LimitNOFILE=65536
{limits}UMask=0027

ProtectSystem=strict
ReadWritePaths={data}
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
{filters}RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
"""
