#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: switch
short_description: Makes releases live
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Points C(/srv/<name>/current) of each application to the release, which then gets all new requests, and opens the
    TCP ports. Timers and workers are switched at the same moment.
  - The previous instance keeps running until M(wsgi.production.retire) ends it, so that M(wsgi.production.back) can
    return to it at once.
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
      release:
        description: The release to make live.
        type: str
        required: true
      listen_uwsgi:
        description:
          - A Unix socket, or a loopback address and port, on which to serve the uwsgi protocol. Empty for none.
        type: str
        default: ""
      listen_group:
        description: The group that may open the Unix socket.
        type: str
        default: www-data
      listen_http:
        description: An address and port on which to serve HTTP. Empty for none.
        type: str
        default: ""
      listen_networks:
        description: The networks that may connect to this address, besides this host.
        type: list
        elements: str
        default: []
  take_up:
    description: Whether to load the configuration that M(wsgi.production.nginx) prepared, at the same moment.
    type: bool
    default: false
extends_documentation_fragment:
  - wsgi.production.on_failure
  - wsgi.production.step
"""

EXAMPLES = """
- name: Switch to the new release
  wsgi.production.switch:
    apps:
      - name: hello
        release: 81d0e77c2b6f
"""

RETURN = """
switched:
  description: What is live for each application.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the application.
      type: str
    live:
      description: The release that is live now.
      type: str
      sample: 81d0e77c2b6f
    previous:
      description: The release that was live before, or null.
      type: str
      sample: 5c0a9be1f3d2
    probe:
      description:
        - The probe of the release, for M(wsgi.production.verify). Empty if the release does not exist on the host yet.
      type: dict
broken:
  description: Why an application was not switched, by its name, with O(on_failure=continue).
  returned: success
  type: dict
"""
