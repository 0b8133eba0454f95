#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: check
short_description: Refuses a description of applications that could not work
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Checks all entries on the controller, their keys, types and values, what two of them claim, and whether the source
    is there. Then it asks the host what system it runs.
  - Fails with a sentence for each thing that is wrong. Changes nothing.
options:
  apps:
    description:
      - The entries, each with C(name), C(build), C(run) and C(serve), as the roles document them.
      - "One with C(state: absent) needs its name alone."
    type: list
    elements: dict
    required: true
  app_servers:
    description: The inventory names of the hosts that the applications run on.
    type: list
    elements: str
    required: true
  load_balancers:
    description: The inventory names of the hosts that have NGINX.
    type: list
    elements: str
    required: true
  on_failure:
    description: What C(wsgi_on_failure) says.
    type: str
    default: stop
  build_host:
    description: What C(python_app_build_host) says.
    type: str
    default: ""
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
