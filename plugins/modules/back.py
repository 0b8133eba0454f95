#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: back
short_description: Restores applications after a run that failed
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Switches each application back to its last healthy release if a run switched away from it without verifying the new
    one, and removes instances that were started but never went live.
  - This is the last step of a failed run. It releases the lock of the host.
options:
  names:
    description: The names of the applications.
    type: list
    elements: str
    required: true
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Leave the application as it was
  wsgi.production.back:
    names: [hello]
"""

RETURN = """# The module returns nothing of its own."""
