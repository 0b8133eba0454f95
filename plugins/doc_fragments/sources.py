# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What the modules that work on sources say of what their action plugin brings."""

from __future__ import annotations


class ModuleDocFragment:
    """What no task gives."""

    DOCUMENTATION = """
options:
  contents:
    description: What each source holds. The action plugin of this module finds it out; not to be given.
    type: dict
  archives:
    description: Where each source lies on the host. The action plugin of this module sends them; not to be given.
    type: dict
  lock_pins:
    description:
      - What the tools that read locks are installed from. The action plugin of this module sends it; not to be given.
    type: dict
    default: {}
"""
