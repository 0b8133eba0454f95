# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The options that the action plugin fills in for the modules that work on sources."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that no task sets."""

    DOCUMENTATION = """
options:
  contents:
    description: The content of each source. The action plugin reads it; do not set it.
    type: dict
  archives:
    description: The path of each source on the host. The action plugin copies them; do not set it.
    type: dict
"""
