#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: packages
short_description: Installs packages of the distribution
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Asks dpkg what is missing, and calls apt-get only for that. Nothing is upgraded.
  - Unlike M(ansible.builtin.apt) it needs no C(python3-apt) on the host, so that check mode works on a bare one.
options:
  names:
    description: The packages that are to be there.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Tells which packages it would install.
    support: full
"""

EXAMPLES = """
- name: Install the web server
  wsgi.production.packages:
    names: [nginx-light]
"""

RETURN = """
installed:
  description: The packages that were missing.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils import packages
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed


def main() -> None:
    """Install packages."""
    module = AnsibleModule(
        argument_spec={"names": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    try:
        missing = packages.missing(module.params["names"])
        if missing and not module.check_mode:
            packages.install(missing)
    except (Failed, OSError) as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(changed=bool(missing), installed=missing)


if __name__ == "__main__":
    main()
