#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: packages
short_description: Installs packages of the distribution
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Asks dpkg what is missing, and calls apt-get only for that. Nothing is upgraded.
  - Unlike M(ansible.builtin.apt) it needs no C(python3-apt) on the host, so that check mode works on a bare one.
options:
  names:
    description: The packages that are to be there.
    type: list
    elements: str
    required: true
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Install the web server
  wsgi.production.packages:
    names: [nginx]
"""

RETURN = """
installed:
  description: The packages that were missing.
  returned: success
  type: list
  elements: str
"""
