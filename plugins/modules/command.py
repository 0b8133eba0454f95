#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: command
short_description: Runs a command in the live release of an application
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Runs the command with the code, packages, environment, secrets, user, limits and sandbox of the live release, in a
    systemd unit of its own. The command has no terminal and no time limit.
  - If the command fails, the error contains its status and the end of its output.
  - It takes no lock, so a command can run during a deploy.
options:
  name:
    description: The name of the application.
    type: str
    required: true
  command:
    description:
      - The command, such as C(python manage.py check --deploy). It is split into words like in a shell. No other shell
        syntax is supported; use C(sh -c '...').
    type: str
    required: true
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Create a user
  wsgi.production.command:
    name: shop
    command: python manage.py createsuperuser --noinput --username admin --email admin@example.com
"""

RETURN = """
output:
  description: The end of the output of the command, at most 1 MiB.
  returned: success
  type: str
"""
