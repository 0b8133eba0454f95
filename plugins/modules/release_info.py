#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: release_info
short_description: Lists the releases of an application on a host
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Returns which release is live, which ones are kept, and what each consists of. Changes nothing.
options:
  name:
    description: The name of the application.
    type: str
    required: true
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: List the releases
  wsgi.production.release_info:
    name: hello
"""

RETURN = """
releases:
  description: The releases, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    release:
      description: The name of the release.
      type: str
    state:
      description: C(live), C(previous), C(kept), or C(never healthy).
      type: str
    live_since:
      description: When the release last went live, in UTC, or null.
      type: str
    created:
      description: When the release was created, in UTC.
      type: str
    source:
      description: Where its code came from, on the controller.
      type: str
    commit:
      description: The commit of its code, or null.
      type: str
    packages:
      description: The digest of its packages.
      type: str
lines:
  description: The same as text.
  returned: success
  type: list
  elements: str
"""
