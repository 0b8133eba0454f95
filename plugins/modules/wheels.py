#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: wheels
short_description: Gathers the wheels of applications once for all hosts
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Downloads or builds, on one host, a wheel of every dependency of each application, and of uv and uWSGI, and copies
    them to the controller. M(wsgi.production.build) installs from them on all hosts of the same kind.
options:
  apps:
    description: The applications, with the settings that the role C(python_app) documents.
    type: list
    elements: dict
    required: true
  packages:
    description: The packages of the distribution that building wheels needs.
    type: list
    elements: str
    default: []
  pack:
    description: Where to pack the wheels of each application. The action plugin fills it in; do not set it.
    type: dict
    default: {}
extends_documentation_fragment:
  - wsgi.production.index
  - wsgi.production.python_mirror
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
  description: The wheels of each application, by its name, with their SHA-256 digests.
  returned: success
  type: dict
broken:
  description:
    - Why the wheels of an application could not be gathered, by the name of the application, with
      O(on_failure=continue).
  returned: success
  type: dict
"""
