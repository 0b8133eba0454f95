#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: status
short_description: Says what runs on a host, and what is wrong with it
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Looks at the live release of each application, its units, processes and memory, asks its probe once, at the instance
    and at the front door, and looks at the certificate and at the disk. Changes nothing.
options:
  names:
    description: The applications that run on the host.
    type: list
    elements: str
    required: true
  fronts:
    description: The addresses at which clients reach the applications, as in M(wsgi.production.verify).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the application.
        type: str
        required: true
      address:
        description: The address and the port.
        type: str
        required: true
      probe:
        description: The probe.
        type: dict
        required: true
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Look at an application
  wsgi.production.status:
    names: [hello]
    fronts: "{{ wsgi_apps | wsgi.production.fronts(inventory_hostname, groups, hostvars) }}"
"""

RETURN = """
applications:
  description:
    - Each application, with its C(release), C(commit), C(live_since), whether it is C(healthy) and C(served), the
      states of its C(units), its C(restarts), C(memory) in bytes, C(processes), C(busy), C(queue), C(requests), and
      C(certificate_days). What cannot be known is null or missing.
  returned: success
  type: list
  elements: dict
free:
  description: How many percent of the bytes and inodes of the disk are free.
  returned: success
  type: dict
  sample: {bytes: 63, inodes: 91}
problems:
  description: A sentence for each thing that is wrong.
  returned: success
  type: list
  elements: str
  sample: ["hello: hello@3f9c2a1b7d40-celery.service is failed"]
"""
