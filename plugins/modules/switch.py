#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: switch
short_description: Makes a booted release live
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Renames C(/srv/<name>/current), from where on all new requests reach the release, and opens the TCP ports.
  - The instance before it goes on running until M(wsgi.production.retire) lets it end, so that
    M(wsgi.production.back) can return to it at once.
options:
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
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Switch to the new release
  wsgi.production.switch:
    name: hello
    release: 81d0e77c2b6f
"""

RETURN = """
name:
  description: The name of the application.
  returned: success
  type: str
live:
  description: The release that is live now.
  returned: success
  type: str
  sample: 81d0e77c2b6f
previous:
  description: The release that was live before, or null.
  returned: success
  type: str
  sample: 5c0a9be1f3d2
probe:
  description: What the release has to answer, for M(wsgi.production.verify). Empty while the host lacks the release.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import LINKS, Layout
from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "listen_uwsgi": {"type": "str", "default": ""},
    "listen_http": {"type": "str", "default": ""},
}


def plan(module: AnsibleModule) -> Plan:
    """Switch to a release."""
    asked = module.params
    wrong = rules.objections({key: rules.RUN[key] for key in ("listen_http", "listen_uwsgi")}, asked)
    if wrong:
        raise Failed("; ".join(wrong))
    layout, release = Layout(asked["name"]), asked["release"]
    app = Application(layout, Systemd())
    before = layout.live()
    steps = app.switch(release) + app.open_doors({protocol: asked[f"listen_{protocol}"] for protocol in LINKS})
    manifest = app.releases.manifest(release) or {}
    result = {
        "name": layout.name,
        "live": before if module.check_mode else release,
        "previous": before,
        "probe": manifest.get("probe", {}),
    }
    return Plan(steps, result, settled=f"{release} is live")


def main() -> None:
    """Run the module."""
    carry_out(ARGUMENTS, plan)


if __name__ == "__main__":
    main()
