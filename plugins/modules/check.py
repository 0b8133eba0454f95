#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: check
short_description: Checks the description of applications
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Checks the keys, types and values of all entries on the controller, conflicts between entries, whether each source
    exists, and the variables of the roles. It does not connect to any host.
  - Fails with one message for each mistake. M(wsgi.production.survey) begins with the same check.
extends_documentation_fragment: wsgi.production.description
attributes:
  check_mode:
    description: The module never changes anything.
    support: full
"""

EXAMPLES = """
- name: Refuse a description that could not work
  wsgi.production.check:
    apps: "{{ wsgi_apps }}"
    app_servers: "{{ groups.app_servers | default([]) }}"
    load_balancers: "{{ groups.load_balancers | default([]) }}"
"""

RETURN = """# The module returns nothing of its own."""
