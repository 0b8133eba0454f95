# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The files of a release, rendered from the templates of the role `uwsgi`.

A value that only the host knows, such as the name of the release, is a token that the host replaces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.environment import command_line
from ansible_collections.wsgi.production.plugins.module_utils.layout import FILES, LINKS, Layout
from ansible_collections.wsgi.production.plugins.module_utils.tokens import MARK, token
from ansible_collections.wsgi.production.plugins.plugin_utils.templates import (
    ROLES,
    compile_all,
    environment,
    render,
    require,
)

# Seconds between the limits, from the innermost to the outermost: uWSGI ends a request that is too slow, and logs it,
# before NGINX gives up on it and before systemd kills uWSGI.
HARAKIRI_TO_STOP = 15

# Seconds that the commands after a switch may take.
AFTER_SWITCH_TIMEOUT = 300

# The programs of a release that do not belong to the application.
PROGRAMS = ("entry.py", "start.py", "drain.py", "launch.py", "drain_listener.py", "wsgi.py")

# Settings that no template sees, because rendered text is shown.
SECRET = {"env", "secrets", "secret_files"}

# Prefixes of the lines that a release requires, by the name of the template. A template of the operator may have lost
# one.
ACCOUNT = ("User={name}", "Group={name}", "EnvironmentFile={directory}/env", "WorkingDirectory={code}")
REQUIRED = {
    "uwsgi.ini": (
        *("socket = fd://3", "http-socket = fd://4", "stats = {stats}", "wsgi-file = {directory}/entry.py"),
        *("master = true", "need-app = true", "harakiri = ", "processes = ", "chdir = {code}"),
        "hook-master-start = unix_signal:15 gracefully_kill_them_all",
    ),
    "instance.socket": (
        *("ListenStream={sockets[uwsgi]}", "ListenStream={sockets[http]}", "SocketUser=root"),
        *("SocketGroup=www-data", "SocketMode=0660", "RemoveOnStop=yes"),
    ),
    "instance.service": (
        *("Type=notify", "KillMode=mixed", "UnsetEnvironment=LISTEN_FDS", "RuntimeDirectory={name}/{release}"),
        *(
            "ExecStart=/usr/bin/python3 -I -S {directory}/start.py ",
            "ExecStop=+/usr/bin/python3 -I -S {directory}/drain.py ",
        ),
        *ACCOUNT,
    ),
    "worker.service": ("ExecStart=", "KillMode=mixed", *ACCOUNT),
    "listener.socket": (
        *("ListenStream={part[socket]}", "SocketUser=root", "SocketGroup=www-data", "SocketMode=0660"),
        "RemoveOnStop=yes",
    ),
    "listener.service": (
        *("ExecStart=", "KillMode=mixed", "Requires={part[unit]}.socket"),
        "ExecStop=+/usr/bin/python3 -I -S {directory}/drain_listener.py ",
        *ACCOUNT,
    ),
    "commands.service": ("Type=oneshot", "ExecStart=", *ACCOUNT),
    "timer.timer": ("OnCalendar=",),
}


def prepare() -> None:
    """Compile the templates of the role, because otherwise each process would compile its own."""
    compile_all(environment("uwsgi", FILTERS))


def programs() -> dict[str, str]:
    """Return the text of each program that belongs to a release or to its uWSGI."""
    return {name: (ROLES / "uwsgi/files" / name).read_text(encoding="utf-8") for name in PROGRAMS}


def files(app: dict[str, Any], templates: str = "", layout: Layout | None = None) -> dict[str, str]:
    """Return the text of each file of a release that depends on its settings, by its name.

    :param app: the input of the role for one application, in its types and with its defaults.
    :param templates: a directory with the operator's templates, which take precedence over those of the role.
    :param layout: the application's paths on each host; only tests set it.
    :raises Failed: when a template has an error, or has lost a line that a release requires.
    """
    values = _values(app, layout or Layout(app["name"]))
    jinja = environment("uwsgi", FILTERS, templates)
    found = {}
    for name, template, more in _wanted(app, values):
        text = render(jinja, f"{template}.j2", **values, **more)
        wanted = [line.format(**values, **more) for line in REQUIRED[template]]
        require(text, wanted, f"uwsgi_templates: {template}.j2 of {app['name']}")
        found[name] = text
    return {**found, **{f"{FILES}/{name}": text for name, text in app["files"].items()}}


def _values(app: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """Return the variables of an application's templates."""
    given = {setting: value for setting, value in app.items() if setting not in SECRET}
    if MARK in json.dumps(given, ensure_ascii=False):
        raise Failed(f"{app['name']}: a value contains the private-use character U+E000; remove it")
    release = token("release")
    directory = layout.releases / release
    return {
        **given,
        "layout": layout,
        "release": release,
        "directory": directory,
        "code": directory / "build/app",
        "working_directory": directory / "build/app" / app["directory"],
        "venv": directory / "build/venv",
        "data": layout.data,
        "current": layout.current,
        "first": layout.first,
        "sockets": {protocol: layout.socket(release, protocol) for protocol in LINKS},
        "stats": layout.stats(release),
        "server": token("server"),
        "backlog": token("backlog"),
        "private_users": token("private_users"),
        "two_per_processor": token("two_per_processor"),
        "secret_files": sorted(app["secret_files"]),
        "identity": token("identity"),
        # systemd puts the path of the secrets of a unit in place of %d.
        "paths": {
            variable: f"%d/{name}" if name in app["secret_files"] else directory / FILES / name
            for variable, name in app["paths"].items()
        },
        "stop_timeout": app["harakiri"] + HARAKIRI_TO_STOP,
    }


def _wanted(app: dict[str, Any], values: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the name of each file, that of its template, and what else the template sees."""
    if not app["front"]:
        for name in ("uwsgi.ini", "instance.socket", "instance.service"):
            yield name, name, {}
    for one in app["workers"]:
        file = "instance" if one["name"] == app["front"] else f"instance-{one['name']}"
        if not one["listen"]:
            yield f"{file}.service", "worker.service", {"part": one}
            continue
        layout: Layout = values["layout"]
        own = layout.worker_socket(values["release"], one["name"])
        socket = values["sockets"]["http"] if file == "instance" else own
        unit = layout.unit_of(values["release"], file)
        for kind in ("socket", "service"):
            yield f"{file}.{kind}", f"listener.{kind}", {"part": {**one, "unit": unit, "socket": socket}}
    for one in app["timers"]:
        yield f"instance-{one['name']}.timer", "timer.timer", {"part": one}
        job = {"commands": [one["command"]], "timeout": "infinity", "only_first": not one["every_host"]}
        yield f"instance-{one['name']}.service", "commands.service", {"part": {"name": one["name"], **job}}
    if app["migrate"]:
        job = {"commands": app["migrate"], "timeout": app["migrate_timeout"], "only_first": False}
        yield "migrate.service", "commands.service", {"part": {"name": "migration", **job}}
    if app["after_switch"]:
        job = {"commands": app["after_switch"], "timeout": AFTER_SWITCH_TIMEOUT, "only_first": False}
        yield "after-switch.service", "commands.service", {"part": {"name": "after-switch", **job}}


def _uwsgi_value(value: Any) -> str:
    """Return the value of an option in uWSGI's syntax, in which a percent sign starts a placeholder.

    (uwsgi-docs, Configuration.rst: a doubled one is a literal percent sign.)
    """
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("%", "%%")


FILTERS = (("command_line", command_line), ("uwsgi_value", _uwsgi_value))
