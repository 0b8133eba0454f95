#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: retire
short_description: Ends what a change leaves behind
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Remembers the live release of each application as healthy, and tells the instances before it to end when they have
    answered all requests that reached them. It does not wait for that.
  - Runs the commands that a release has for after its switch. When they fail, that is a warning.
  - Leaves applications that are broken as they were, like M(wsgi.production.back).
  - Removes releases beyond those to keep, and what nothing that stays or runs uses, such as builds, virtual
    environments and versions of uWSGI.
  - Removes applications that are to be absent, and tells of those on the host that nobody describes.
  - It is the last step of a run, and lets go of the host's lock.
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
        description: How many releases stay, the live one and the one before it among them.
        type: int
        default: 7
  broken:
    description: The names of applications that are broken, which are left as they were before the run.
    type: list
    elements: str
    default: []
  after_switch:
    description: Whether this is the host that runs the commands after a switch.
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
        description: Whether its data is removed as well. Otherwise it is left to root.
        type: bool
        default: false
  described:
    description: The names of all applications that are described, to tell of others. Unset, none is told of.
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
