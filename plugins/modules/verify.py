#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: verify
short_description: Asks applications at their front doors what a healthy one must answer
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Sends the request of each application's probe to the address where visitors reach it, and fails when the answer is
    not what the probe expects. A moment's failure is forgiven, for it asks again for two seconds.
  - Changes nothing, and asks nothing in check mode.
options:
  fronts:
    description: The front doors to ask at.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the application.
        type: str
        required: true
      address:
        description: The address and port that speak HTTP there. A wildcard such as 0.0.0.0 means this host.
        type: str
        required: true
      probe:
        description: What to ask and what to expect, as M(wsgi.production.switch) returns it.
        type: dict
        required: true
extends_documentation_fragment:
  - wsgi.production.on_failure
  - wsgi.production.step
"""

EXAMPLES = """
- name: Verify what visitors see
  wsgi.production.verify:
    fronts:
      - name: hello
        address: 127.0.0.1:80
        probe: {host: hello.example.com, path: /health}
"""

RETURN = """
days:
  description: For how many more days the certificate is valid that visitors of each host name are shown.
  returned: success
  type: dict
  sample: {hello.example.com: 89}
broken:
  description: What an application answers that is not healthy, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""
