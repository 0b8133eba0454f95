#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: edge
short_description: Makes NGINX serve sites
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Writes the whole configuration of NGINX beside the live one, checks it there with C(nginx -t), and only then puts
    it in place.
  - Reloads NGINX when the configuration really differs, and starts it when it does not run. Never restarts it.
options:
  sites:
    description: The sites to serve, complete, as the role C(nginx) documents them.
    type: list
    elements: dict
    required: true
  config:
    description: The text of C(/etc/nginx/nginx.conf). The action plugin of this module writes it; not to be given.
    type: str
attributes:
  check_mode:
    description: Tells whether it would change the configuration. C(nginx -t) is not asked then.
    support: full
  diff_mode:
    description: Shows the configuration before and after.
    support: full
"""

EXAMPLES = """
- name: Serve the sites
  wsgi.production.edge:
    sites:
      - name: hello
        server_names: [hello.example.com]
        servers: ["unix:/srv/hello/current/socket"]
        protocol: uwsgi
        read_timeout: 65
"""

RETURN = """# The module returns nothing of its own."""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.edge import Edge
from ansible_collections.wsgi.production.plugins.module_utils.instance import Systemd


def main() -> None:
    """Serve sites."""
    module = AnsibleModule(
        argument_spec={
            "sites": {"type": "list", "elements": "dict", "required": True},
            "config": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    wanted = module.params["config"]
    edge = Edge(Systemd())
    try:
        before = edge.text()
        changed = before != wanted or not edge.serves()
        if changed and not module.check_mode:
            if before != wanted:
                edge.replace(wanted)
            edge.serve()
    except (Failed, OSError) as failure:
        module.fail_json(msg=str(failure))
    header = str(edge.live)
    diff = {"before_header": header, "after_header": header, "before": before, "after": wanted}
    module.exit_json(changed=changed, diff=diff)


if __name__ == "__main__":
    main()
