#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: boot
short_description: Starts new releases beside the live ones and probes them
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Starts the units of each release, waits until uWSGI has imported the application, and sends the request of the probe
    to the socket of the instance. A worker that ends within 5 seconds counts as a failed probe.
  - The live instance keeps serving. If the new one does not start or does not pass its probe, the error contains the
    end of its log, and the new instance is removed.
options:
  releases:
    description: The release to start for each application, by the name of the application.
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
  description:
    - Why the release of an application does not run, by the name of the application, with O(on_failure=continue).
  returned: success
  type: dict
"""
