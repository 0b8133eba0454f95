#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: maintenance
short_description: Closes a site for maintenance, or opens it again
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - A closed site answers with a maintenance page and the status 503, except for the networks that bypass it.
  - It takes effect at once, without a release or a reload of NGINX, and lasts until the site is opened again.
  - It takes no lock, so you can close a site during a run.
options:
  name:
    description: The name of the site.
    type: str
    required: true
  closed:
    description: Whether to close the site. Otherwise it is opened.
    type: bool
    required: true
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Close the site
  wsgi.production.maintenance:
    name: hello
    closed: true
"""

RETURN = """# The module returns nothing of its own."""
