# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The text of `uwsgi.ini` and of the units of a release."""

from __future__ import annotations

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
; The longest single chunk of a chunked request, which is held in memory.
chunked-input-limit = 16777216
; What the instance is doing, for root: the directory is closed to everybody else.
stats = {stats}

chdir = {code}
wsgi-file = {directory}/entry.py
{python_path}py-sys-executable = {venv}/bin/python

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

# What every process of a release has: whoever it is, its environment, and its sandbox.
PROCESS = """\
User={name}
Group={name}
WorkingDirectory={code}
Environment=LANG=C.UTF-8 DATA_DIRECTORY={data} PYTHONUNBUFFERED=1
EnvironmentFile={directory}/env
ExecSearchPath={venv}/bin:/usr/local/bin:/usr/bin:/bin
{credentials}LimitNOFILE=65536
{limits}# A process that takes more memory than there is ends alone.
OOMPolicy=continue
UMask=0027

ProtectSystem=strict
ReadWritePaths={data}
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateIPC=yes
PrivateTmp=yes
{users}TemporaryFileSystem=/dev/shm:mode=1777
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
"""

SERVICE = """\
[Unit]
Description={name}, release {release}
Requires={name}@{release}.socket
After=network.target {name}@{release}.socket
StartLimitIntervalSec=0

[Service]
Type=notify
# uwsgi.ini names the two sockets by number; uWSGI would open them a second time by itself.
UnsetEnvironment=LISTEN_FDS LISTEN_FDNAMES LISTEN_PID
ExecStart=/usr/bin/python3 -I -S {directory}/start.py {command} --ini {directory}/uwsgi.ini
# Where it remembers that it is starting.
RuntimeDirectory={name}/{release}
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=restart
# As root, for the sockets are open to root and NGINX alone; so not in the interpreter of the packages.
ExecStop=+/usr/bin/python3 -I -S {directory}/drain.py {current} {release} {uwsgi} {http}
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStartSec={start_timeout}
TimeoutStartFailureMode=kill
TimeoutStopSec={stop_timeout}
SyslogIdentifier={name}
{process}
[Install]
WantedBy=multi-user.target
"""

WORKER = """\
[Unit]
Description={name}, worker {part} of release {release}
After=network.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command}
Restart=always
RestartSec=1
# The main process alone is told to end, and has until then to finish what it is doing.
KillMode=mixed
TimeoutStopSec={stop_timeout}
SyslogIdentifier={name}-{part}
{process}
[Install]
WantedBy=multi-user.target
"""

TIMER = """\
[Unit]
Description={name}, timer {part} of release {release}

[Timer]
OnCalendar={on_calendar}
AccuracySec=1s
# A run that was due while the host was off is made up for.
Persistent=yes

[Install]
WantedBy=timers.target
"""

# Commands that run one after the other to their end: those of a timer, a migration, and what follows a switch.
COMMANDS = """\
[Unit]
Description={name}, {part} of release {release}
After=network.target
{condition}
[Service]
Type=oneshot
{commands}TimeoutStartSec={timeout}
SyslogIdentifier={name}-{part}
{process}"""
