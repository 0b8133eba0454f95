# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What the modules that work on sources say of what their action plugin brings."""

from __future__ import annotations


class ModuleDocFragment:
    """What no task gives."""

    DOCUMENTATION = """
options:
  contents:
    description: The content of each source. The action plugin reads it; do not set it.
    type: dict
  archives:
    description: The path of each source on the host. The action plugin copies them; do not set it.
    type: dict
  pins:
    description:
      - The locked requirements of the programs that the collection itself installs. The action plugin fills it in; do
        not set it.
    type: dict
    default: {}
"""
