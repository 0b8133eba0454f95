#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: maintenance
short_description: Closes a site for maintenance, or opens it again
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - A site that is closed answers with a page that says so and the status 503, but to the networks that may pass.
  - It takes effect at once, with no reload of NGINX and no release, and outlasts every run until the site is opened.
  - It takes no lock, so that a site can be closed while a run is at work.
options:
  name:
    description: The name of the site.
    type: str
    required: true
  closed:
    description: Whether it is to be closed.
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
