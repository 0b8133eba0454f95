#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: switch
short_description: Makes booted releases live
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Renames C(/srv/<name>/current) of each application, from where on all new requests reach the release, and opens the
    TCP ports. Timers and workers change over at the same moment.
  - The instance before it goes on running until M(wsgi.production.retire) lets it end, so that
    M(wsgi.production.back) can return to it at once.
options:
  apps:
    description: The applications.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the application.
        type: str
        required: true
      release:
        description: The release to make live.
        type: str
        required: true
      listen_uwsgi:
        description: A loopback address and port that speak the uwsgi protocol. Empty for none.
        type: str
        default: ""
      listen_http:
        description: An address and port that speak HTTP. Empty for none.
        type: str
        default: ""
extends_documentation_fragment:
  - wsgi.production.on_failure
  - wsgi.production.step
"""

EXAMPLES = """
- name: Switch to the new release
  wsgi.production.switch:
    apps:
      - name: hello
        release: 81d0e77c2b6f
"""

RETURN = """
switched:
  description: What is live of each application.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the application.
      type: str
    live:
      description: The release that is live now.
      type: str
      sample: 81d0e77c2b6f
    previous:
      description: The release that was live before, or null.
      type: str
      sample: 5c0a9be1f3d2
    probe:
      description: What the release has to answer, for M(wsgi.production.verify). Empty where the host lacks it yet.
      type: dict
broken:
  description: Why an application was not switched, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""

from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils import sections
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import LINKS, Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE, carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan, Step
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


def plan(module: AnsibleModule) -> Plan:
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


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
