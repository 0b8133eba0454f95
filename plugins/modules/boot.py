#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: boot
short_description: Boots the instance of a release beside the live one
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Starts the units of a release and waits until uWSGI has imported the application.
  - The instance that is live goes on serving. When the new one does not start, the end of its log is the error,
    and it is taken away again.
options:
  name:
    description: The name of the application.
    type: str
    required: true
  release:
    description: The release to boot.
    type: str
    required: true
attributes:
  check_mode:
    description: Tells whether it would boot the instance.
    support: full
"""

EXAMPLES = """
- name: Boot the new release beside the live one
  wsgi.production.boot:
    name: hello
    release: 81d0e77c2b6f
"""

RETURN = """
unit:
  description: The systemd unit of the instance.
  returned: success
  type: str
  sample: hello@81d0e77c2b6f.service
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.instance import Instance, Systemd
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout


def main() -> None:
    """Boot an instance."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "release": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    name, release = module.params["name"], module.params["release"]
    layout = Layout(name)
    instance = Instance(layout, release, Systemd())
    try:
        changed = not instance.runs()
        if changed and not module.check_mode:
            instance.boot()
    except (Failed, OSError) as failure:
        module.fail_json(msg=f"{name}: {failure}")
    verb = f"boot {release} beside {layout.live() or 'nothing'}" if changed else f"{release} runs"
    module.exit_json(changed=changed, unit=instance.service, msg=f"{name}: {verb}")


if __name__ == "__main__":
    main()
