#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: choose
short_description: Selects the releases to roll back to
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Returns, for each application, the release that was live and healthy before the current one, or the named release.
  - Refuses a release that was never live and healthy, and one from before a release that is marked as irreversible.
    Changes nothing.
options:
  names:
    description: The names of the applications.
    type: list
    elements: str
    required: true
  release:
    description: The release to roll back to, or the beginning of its name. Empty for the previous one.
    type: str
    default: ""
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Choose the previous release
  wsgi.production.choose:
    names: [hello]
"""

RETURN = """
releases:
  description: The releases, by the names of the applications.
  returned: success
  type: dict
  sample: {hello: 5c0a9be1f3d2}
"""
