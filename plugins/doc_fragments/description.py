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
      - The entries, each with C(name), C(build), C(run) and C(serve), as the roles document them.
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
    description: The inventory names of the hosts that have NGINX.
    type: list
    elements: str
    required: true
  on_failure:
    description: What C(wsgi_on_failure) says.
    type: str
    default: stop
  build_host:
    description: What C(python_app_build_host) says.
    type: str
    default: ""
"""
