#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: verify
short_description: Probes applications at the addresses that clients use
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Sends the request of each probe to the address at which clients reach the application, and fails if the response is
    not healthy. It retries for two seconds, so a short failure is tolerated.
  - Changes nothing. In check mode it sends no requests.
options:
  fronts:
    description: The addresses to probe.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the application.
        type: str
        required: true
      address:
        description: The address and port that serve HTTP. A wildcard such as 0.0.0.0 means this host.
        type: str
        required: true
      probe:
        description: The probe, as M(wsgi.production.switch) returns it.
        type: dict
        required: true
extends_documentation_fragment:
  - wsgi.production.on_failure
  - wsgi.production.step
"""

EXAMPLES = """
- name: Verify what clients get
  wsgi.production.verify:
    fronts:
      - name: hello
        address: 127.0.0.1:80
        probe: {host: hello.example.com, path: /health}
"""

RETURN = """
days:
  description: For how many more days the certificate of each host name is valid.
  returned: success
  type: dict
  sample: {hello.example.com: 89}
broken:
  description: Why an application is not healthy, by its name, with O(on_failure=continue).
  returned: success
  type: dict
"""
