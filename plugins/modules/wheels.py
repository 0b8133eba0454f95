#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: wheels
short_description: Gathers the wheels of applications, for hosts that fetch nothing themselves
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - On one host, downloads or builds a wheel of everything that each application needs, and of uv and uWSGI, and brings
    them to the controller. M(wsgi.production.build) installs from them on all hosts of the same kind.
options:
  apps:
    description: The applications, as the role C(python_app) documents them.
    type: list
    elements: dict
    required: true
  packages:
    description: The packages of the distribution that this needs on the host.
    type: list
    elements: str
    default: []
  pack:
    description: Where to pack the wheels of each application. The action plugin says so; not to be given.
    type: dict
    default: {}
extends_documentation_fragment:
  - wsgi.production.index
  - wsgi.production.on_failure
  - wsgi.production.sources
  - wsgi.production.step
"""

EXAMPLES = """
- name: Gather the wheels once
  wsgi.production.wheels:
    apps:
      - name: hello
        source: app
  delegate_to: build1.example.com
  run_once: true
"""

RETURN = """
wheels:
  description: What has been gathered for each application, by its name, with the SHA-256 of each wheel.
  returned: success
  type: dict
broken:
  description: Why an application's wheels could not be gathered, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""
