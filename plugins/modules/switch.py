#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: switch
short_description: Makes a booted release live and retires the one before it
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Renames C(/srv/<name>/current), from where on all new requests reach the release, and opens the TCP ports.
  - The instance before it ends when it has answered its last request. The module does not wait for that.
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
attributes:
  check_mode:
    description: Tells whether it would switch, and from what to what.
    support: full
  diff_mode:
    description: Shows the live release before and after.
    support: full
"""

EXAMPLES = """
- name: Switch to the new release
  wsgi.production.switch:
    name: hello
    release: 81d0e77c2b6f
"""

RETURN = """
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
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.instance import Door, Instance, Systemd
from ansible_collections.wsgi.production.plugins.module_utils.layout import LINKS, Layout


def main() -> None:
    """Switch to a release."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "release": {"type": "str", "required": True},
            "listen_uwsgi": {"type": "str", "default": ""},
            "listen_http": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    asked = module.params
    name, release = asked["name"], asked["release"]
    wrong = rules.objections({key: rules.RUN[key] for key in ("listen_http", "listen_uwsgi")}, asked)
    if wrong:
        module.fail_json(msg=f"{name}: " + "; ".join(wrong))
    layout, systemd = Layout(name), Systemd()
    instance = Instance(layout, release, systemd)
    before = layout.live()
    doors = [Door(layout, protocol, asked[f"listen_{protocol}"], systemd) for protocol in LINKS]
    try:
        steps = [] if instance.is_live() else [instance.switch]
        steps += [door.put_right for door in doors if not door.is_right()]
        steps += [other.retire for other in instance.others()]
        if not module.check_mode:
            for step in steps:
                step()
    except (Failed, OSError) as failure:
        module.fail_json(msg=f"{name}: {failure}")
    changed = bool(steps)
    module.exit_json(
        changed=changed,
        live=before if module.check_mode else release,
        previous=before,
        diff={"before": f"current -> {before}\n", "after": f"current -> {release}\n"},
        msg=f"{name}: {'switch from ' + str(before) + ' to' if changed else 'live is'} {release}",
    )


if __name__ == "__main__":
    main()
