#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: survey
short_description: Looks what a run would do on a host, in one step
version_added: 0.1.0
author: The wsgi.production authors
description:
  - Refuses a description that could not work, like M(wsgi.production.check), and then a host that is not supported.
  - Sends the host what all steps of the run would ask it. There each step plans what it would do after those before it,
    and none does it. Where nothing at all is to be done, the front door is asked last whether the application answers.
  - A host that has something to do stays locked for the run. Its next steps are spared the way to the host where
    this one has found that they have nothing to do.
  - In check mode it tells the whole plan.
options:
  gathered:
    description: Whether the build host has all wheels already. If not, the run does not end here.
    type: bool
    default: true
  steps:
    description:
      - The names of the variables that say what the steps of the run are asked, each a dictionary of the name of a step
        and the arguments of its module. They are read when the description is known to be right.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - wsgi.production.description
  - wsgi.production.step
"""

EXAMPLES = """
- name: Look what there is to do
  wsgi.production.survey:
    apps: "{{ wsgi_apps }}"
    app_servers: "{{ groups.app_servers }}"
    load_balancers: "{{ groups.load_balancers }}"
    steps: [python_app_steps, uwsgi_steps, nginx_steps]
  register: survey
"""

RETURN = """
ends:
  description: Whether the run may end here, as nothing is to be done, or as check mode has told all there is to tell.
  returned: success
  type: bool
settled:
  description: Whether nothing is to be done on the host, and the application answers at its front door.
  returned: success
  type: bool
plan:
  description: A line for each thing that is to be done.
  returned: success
  type: list
  elements: str
  sample: ["hello: would switch from 5c0a9be1f3d2 to 81d0e77c2b6f"]
"""
