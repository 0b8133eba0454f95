# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `release`: makes releases of applications, each one build plus one configuration."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import run
from ansible_collections.wsgi.production.plugins.module_utils.data import Data
from ansible_collections.wsgi.production.plugins.module_utils.home import Home
from ansible_collections.wsgi.production.plugins.module_utils.installer import INDEX_OPTIONS, PINS_OPTION, Index
from ansible_collections.wsgi.production.plugins.module_utils.instance import Instance
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, write_file
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.module_utils.release import Host, Release, Settings
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd
from ansible_collections.wsgi.production.plugins.module_utils.wheels import Folder

ARGUMENTS = {
    # With the types and defaults of the role, which the action plugin applies.
    "apps": {"type": "list", "elements": "dict", "required": True},
    # A JSON text, because Ansible logs secrets within a list, and masks each value of a secret dictionary wherever it
    # occurs, even "1".
    "secrets": {"type": "str", "required": True, "no_log": True},
    # What the controller has rendered, as a JSON text that is not logged because it is long.
    "files": {"type": "str", "required": True, "no_log": True},
    "first": {"type": "bool", "default": True},
    # For the controller, which renders the files.
    "templates": {"type": "str", "default": ""},
    "libraries": {"type": "list", "elements": "str", "default": []},
    **ON_FAILURE,
    **INDEX_OPTIONS,
    **PINS_OPTION,
}

# The command with which root runs others in a release, in a terminal.
COMMAND = Path("/usr/local/bin/wsgi")
INTERPRETER = "#!/usr/bin/python3 -IS\n"

# The fields of `Settings` that come from the same key of an application.
SETTINGS = ("callable", "front", "package", "start_timeout", "irreversible", "static", "directory")


def plan(module: Module) -> Plan:
    """Make releases."""
    secrets, rendered = json.loads(module.params["secrets"]), json.loads(module.params["files"])
    planned = Plan(result={"releases": {}, "diff": []})
    command = INTERPRETER + rendered["programs"]["wsgi.py"]
    if not COMMAND.exists() or COMMAND.read_text(encoding="utf-8") != command:
        planned.steps.append(Step(f"install {COMMAND}", partial(write_file, COMMAND, command, 0o755)))
    for app in module.params["apps"]:
        given = {**app, **secrets.get(app["name"], {}), "rendered": rendered["apps"].get(app["name"], {})}
        planned.add(app["name"], partial(_plan, module, planned, given, rendered["programs"]))
    releases = planned.result["releases"]
    planned.settled = "; ".join(f"{name}: has release {release}" for name, release in releases.items())
    return planned


def _plan(module: Module, planned: Plan, app: dict[str, Any], programs: dict[str, str]) -> list[Step]:
    for timer in app["timers"]:
        run(
            ["systemd-analyze", "calendar", "--", timer["on_calendar"]],
            f"parse on_calendar of the timer {timer['name']}",
        )
    pins = module.params["pins"]
    settings = Settings(
        pin=pins[app["package"]],
        env={**app["env"], **app["secrets"]},
        secret_files=app["secret_files"],
        libraries=module.params["libraries"],
        probe=Probe(**app["probe"]),
        files=app["rendered"],
        programs=programs,
        exclusive=sorted(one["name"] for one in app["workers"] if one["exclusive"]),
        first_only=sorted(one["name"] for one in app["workers"] if not one["every_host"]),
        listeners={
            one["name"]: one["probe"] for one in app["workers"] if one["listen"] and one["name"] != app["front"]
        },
        **{setting: app[setting] for setting in SETTINGS},
    )
    layout, build = Layout(app["name"]), Path(app["build"])
    Home(layout).check()
    host = Host.read(build)
    release = Release(layout, build, settings, host)
    data = Data(layout, app["public_data"])
    wheels = app["wheels"]
    index = Folder(Path(wheels)) if wheels else Index(*(module.params[option] for option in INDEX_OPTIONS))
    steps = [] if data.is_right() else [Step(f"create {data.path}", data.make, layout.name)]
    is_first = module.params["first"] and not all(one["every_host"] for one in (*app["timers"], *app["workers"]))
    if is_first and not layout.first.exists():
        steps.append(Step("run its timers on this host", layout.first.touch, layout.name))
    elif not is_first and layout.first.exists():
        steps.append(Step("stop running its timers on this host", partial(_leave, layout), layout.name))
    planned.result["releases"][layout.name] = release.id
    if not release.exists():
        make = partial(release.make, index, pins["uv"])
        steps.append(Step(f"create release {release.id} from build {build.name}", make, layout.name))
        planned.result["diff"].append(release.difference_from_live())
        if not host.private_users:
            module.warn(
                f"{layout.name}: systemd cannot create user namespaces on this host "
                "(user.max_user_namespaces is 0, or it is a container without CAP_SYS_PTRACE), so a "
                "release can read the secrets of the one that replaces it"
            )
    if settings.static and not release.is_open():
        steps.append(Step("let NGINX read its static files", release.open, layout.name))
    return steps


def _leave(layout: Layout) -> None:
    """Run nothing on this host any longer that runs only on the first one."""
    layout.first.unlink()
    live = layout.live()
    if live:
        Instance(layout, live, Systemd()).leave_first()
