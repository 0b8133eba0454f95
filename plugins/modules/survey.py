#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: survey
short_description: Finds out what a run would do on a host, in one step
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Checks the description like M(wsgi.production.check), and then that the host runs a supported system.
  - Sends the arguments of every step of the run to the host, which plans each step as if the ones before it had been
    carried out. Nothing is changed. If no step has anything to do, the applications are probed at their front doors.
  - If there is something to do, the host stays locked for the run, and later steps for which this one has found nothing
    to do are skipped.
  - In check mode it shows the whole plan.
options:
  gathered:
    description: Whether the build host already has all wheels. If not, the run goes on.
    type: bool
    default: true
  steps:
    description:
      - The names of variables that hold the arguments of the steps, each a dictionary with the names of steps as keys.
        They are only read once the description has passed its checks.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - wsgi.production.description
  - wsgi.production.step
"""

EXAMPLES = """
- name: Find out what to do
  wsgi.production.survey:
    apps: "{{ wsgi_apps }}"
    app_servers: "{{ groups.app_servers }}"
    load_balancers: "{{ groups.load_balancers }}"
    steps: [python_app_steps, uwsgi_steps, nginx_steps]
  register: survey
"""

RETURN = """
ends:
  description: Whether the run can end here, because there is nothing to do or because check mode has shown everything.
  returned: success
  type: bool
settled:
  description: Whether there is nothing to do on the host and every application passes its probe at its front door.
  returned: success
  type: bool
plan:
  description: A line for each planned change.
  returned: success
  type: list
  elements: str
  sample: ["hello: would switch from 5c0a9be1f3d2 to 81d0e77c2b6f"]
"""
