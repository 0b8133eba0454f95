# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The options shared by the modules that take the whole description."""

from __future__ import annotations


class ModuleDocFragment:
    """The options in `action.check.ARGUMENTS`."""

    DOCUMENTATION = """
options:
  apps:
    description:
      - The entries, each with C(name), C(build), C(run) and C(serve). The roles document these sections.
      - "One with C(state: absent) needs its name alone."
    type: list
    elements: dict
    required: true
  app_servers:
    description: The inventory names of the hosts that the applications run on.
    type: list
    elements: str
    required: true
  load_balancers:
    description: The inventory names of the hosts that run NGINX.
    type: list
    elements: str
    required: true
  on_failure:
    description: The value of C(wsgi_on_failure).
    type: str
    default: stop
  build_host:
    description: The value of C(python_app_build_host).
    type: str
    default: ""
"""
