#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: packages
short_description: Installs packages of the distribution
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Asks dpkg which packages are missing, and installs only those with apt-get. It upgrades nothing.
  - Unlike M(ansible.builtin.apt), it does not need C(python3-apt), so check mode works on a newly installed host.
options:
  names:
    description: The packages to install.
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
