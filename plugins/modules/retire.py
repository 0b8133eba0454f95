#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: retire
short_description: Stops and removes what a deploy replaced
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Records the live release of each application as healthy, and tells older instances to end as soon as they have
    answered all requests that reached them. It does not wait for them.
  - Runs the commands C(after_switch) of a release. A failure is reported as a warning.
  - Restores applications that are broken, like M(wsgi.production.back).
  - Removes releases beyond the number to keep, and builds, virtual environments and versions of uWSGI that nothing uses
    any more.
  - Removes applications with C(state absent), and warns about applications on the host that are not described.
  - This is the last step of a run. It releases the lock of the host.
options:
  apps:
    description: The applications.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the application.
        type: str
        required: true
      keep:
        description: How many releases to keep, including the live one and the one before it.
        type: int
        default: 7
  broken:
    description: The names of applications that are broken, which are restored to what they were before the run.
    type: list
    elements: str
    default: []
  after_switch:
    description: Whether this host runs the commands C(after_switch).
    type: bool
    default: true
  absent:
    description: The applications to remove.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the application.
        type: str
        required: true
      remove_data:
        description: Whether to remove its data as well. Otherwise the data stays, and belongs to root.
        type: bool
        default: false
  described:
    description: The names of all described applications. If omitted, there are no warnings about others.
    type: list
    elements: str
  tools:
    description:
      - The names of the programs that this version of the collection installs on a host; others are removed. The action
        plugin fills it in; do not set it.
    type: list
    elements: str
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Let the instances before the live one end
  wsgi.production.retire:
    apps: [{name: hello, keep: 5}]
"""

RETURN = """# The module returns nothing of its own."""
