# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `switch`: makes booted releases live."""

from __future__ import annotations

from functools import partial
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import sections
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.door import described, open_doors
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    APPLICATIONS,
    LINKS,
    WEB_SERVER,
    Layout,
)
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.nginx import TAKE_UP, Nginx
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.removal import left_over
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

LISTEN = ("listen_uwsgi", "listen_group", "listen_http", "listen_networks")

ARGUMENTS = {
    "apps": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "release": {"type": "str", "required": True},
            "listen_uwsgi": {"type": "str", "default": ""},
            "listen_group": {"type": "str", "default": WEB_SERVER},
            "listen_http": {"type": "str", "default": ""},
            "listen_networks": {"type": "list", "elements": "str", "default": []},
        },
    },
    "take_up": {"type": "bool", "default": False},
    **ON_FAILURE,
}


def plan(module: Module) -> Plan:
    """Switch to releases."""
    systemd, planned, switched = Systemd(), Plan(), []
    apps = [(Application(Layout(asked["name"]), systemd), asked) for asked in module.params["apps"]]
    for app, asked in apps:
        planned.add(asked["name"], partial(_switch, app, asked))
    for app, asked in apps:
        if asked["name"] not in planned.failures:
            planned.add(asked["name"], partial(app.open_doors, _doors(asked)))
    nginx = Nginx(systemd)
    if module.params["take_up"] and nginx.next.exists():
        take_up = partial(nginx.take_up, planned.failures)
        planned.steps.append(Step(TAKE_UP, take_up, always=module.params["on_failure"] == "continue"))
    for app, asked in apps:
        if asked["name"] not in planned.failures:
            planned.add(asked["name"], partial(app.take_turns, asked["release"]))
    for app, asked in apps:
        before = app.layout.live()
        manifest = app.releases.manifest(asked["release"]) or {}
        switched.append(
            {
                "name": asked["name"],
                "live": before if module.check_mode else asked["release"],
                "previous": before,
                "probe": manifest.get("probe", {}),
            }
        )
    planned.result = {"switched": switched}
    planned.settled = "; ".join(f"{one['name']}: {one['live']} is live" for one in switched)
    return planned


def _switch(app: Application, asked: dict[str, Any]) -> list[Step]:
    wrong = sections.objections({key: sections.RUN[key] for key in LISTEN}, asked) + sections.conflicts(asked)
    if wrong:
        raise Failed("; ".join(wrong))
    _object_to_neighbours(app.layout.name, asked["listen_uwsgi"])
    return app.switch(asked["release"]) + app.close_doors(_doors(asked))


def _object_to_neighbours(name: str, address: str) -> None:
    """Reject a TCP port for the uwsgi protocol on a host with other applications, which could run code through it.

    :param name: the application that is switched.
    :param address: the wanted address of its own uwsgi port, if any.
    """
    advice = "use a Unix socket, such as /run/{}-web.socket"
    for other in left_over(APPLICATIONS, [name]):
        theirs = open_doors(Layout(other)).get("uwsgi", "")
        if address and not address.startswith("/"):
            raise Failed(
                f"listen_uwsgi: {address!r}: {other} on the same host could run code through this port; "
                f"{advice.format(name)}"
            )
        if theirs and not theirs.startswith("/"):
            raise Failed(f"{other} listens on {theirs}, where {name} could run code; {advice.format(other)}")


def _doors(asked: dict[str, Any]) -> dict[str, str]:
    given = (asked["listen_networks"], asked["listen_group"])
    return {protocol: described(asked[f"listen_{protocol}"], *given) for protocol in LINKS}
