# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The option for the source of interpreters, shared by the modules that may install one."""

from __future__ import annotations


class ModuleDocFragment:
    """The option in `managed_python.MIRROR_OPTION`."""

    DOCUMENTATION = """
options:
  python_mirror:
    description:
      - The URL from which uv fetches interpreters, as in the role C(python_app). Empty for its default.
    type: str
    default: ""
"""
