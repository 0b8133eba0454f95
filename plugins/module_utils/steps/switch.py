# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `switch`: makes booted releases live."""

from __future__ import annotations

from functools import partial
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import sections
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import LINKS, Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "apps": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "release": {"type": "str", "required": True},
            "listen_uwsgi": {"type": "str", "default": ""},
            "listen_http": {"type": "str", "default": ""},
        },
    },
    **ON_FAILURE,
}


def plan(module: Module) -> Plan:
    """Switch to releases."""
    systemd, planned, switched = Systemd(), Plan(), []
    apps = [(Application(Layout(asked["name"]), systemd), asked) for asked in module.params["apps"]]
    for app, asked in apps:
        planned.add(asked["name"], partial(_switch, app, asked))
    for app, asked in apps:
        planned.add(asked["name"], partial(app.open_doors, _doors(asked)))
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
    wrong = sections.objections({key: sections.RUN[key] for key in ("listen_http", "listen_uwsgi")}, asked)
    if wrong:
        raise Failed("; ".join(wrong))
    return app.switch(asked["release"]) + app.close_doors(_doors(asked))


def _doors(asked: dict[str, Any]) -> dict[str, str]:
    return {protocol: asked[f"listen_{protocol}"] for protocol in LINKS}
