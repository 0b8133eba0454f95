#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: back
short_description: Leaves applications as they were before a run that failed
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Switches each application back to the release that was last live and healthy, if a run has switched away from it
    and was not verified, and takes away instances that were booted and never went live.
  - It is the last step of a run that failed, and lets go of the host's lock.
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
