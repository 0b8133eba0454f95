#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: switch
short_description: Makes booted releases live
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Renames C(/srv/<name>/current) of each application, from where on all new requests reach the release, and opens the
    TCP ports. Timers and workers change over at the same moment.
  - The instance before it goes on running until M(wsgi.production.retire) lets it end, so that
    M(wsgi.production.back) can return to it at once.
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
        description: A Unix socket, or a loopback address and port, that speaks the uwsgi protocol. Empty for none.
        type: str
        default: ""
      listen_group:
        description: The group that may open the Unix socket.
        type: str
        default: www-data
      listen_http:
        description: An address and port that speak HTTP. Empty for none.
        type: str
        default: ""
      listen_networks:
        description: Who may come to that address besides this host.
        type: list
        elements: str
        default: []
  take_up:
    description: Whether NGINX takes up at the same moment what M(wsgi.production.nginx) has made ready for that.
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
  description: What is live of each application.
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
      description: What the release has to answer, for M(wsgi.production.verify). Empty where the host lacks it yet.
      type: dict
broken:
  description: Why an application was not switched, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""
