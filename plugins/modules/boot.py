#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: boot
short_description: Boots the instances of releases beside the live ones and probes them
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Starts the units of each release, waits until uWSGI has imported the application, and asks the instance on its own
    socket what a healthy one must answer. A worker that ends within 5 seconds counts as an answer that is wrong.
  - The instance that is live goes on serving. When the new one does not start or does not pass, the end of its log is
    the error, and it is taken away again.
options:
  releases:
    description: The release to boot of each application, by the application's name.
    type: dict
    required: true
extends_documentation_fragment:
  - wsgi.production.on_failure
  - wsgi.production.step
"""

EXAMPLES = """
- name: Boot the new release beside the live one
  wsgi.production.boot:
    releases: {hello: 81d0e77c2b6f}
"""

RETURN = """
broken:
  description: Why an application's release does not run, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""
