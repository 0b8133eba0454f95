#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: check
short_description: Refuses a description of applications that could not work
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Checks all entries on the controller, their keys, types and values, what two of them claim, and whether the source
    is there, as well as the variables of the roles. No host is touched.
  - Fails with a sentence for each thing that is wrong. M(wsgi.production.survey) does the same first.
extends_documentation_fragment: wsgi.production.description
attributes:
  check_mode:
    description: It changes nothing anyway.
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
