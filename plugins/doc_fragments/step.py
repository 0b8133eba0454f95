# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The documentation shared by the modules that change a host."""

from __future__ import annotations


class ModuleDocFragment:
    """The run that a step belongs to, and what check mode and diff mode report."""

    DOCUMENTATION = """
options:
  run:
    description: The run that the step belongs to, which holds the lock of the host. The action plugin fills it in.
    type: dict
attributes:
  check_mode:
    description: Reports what it would do, and changes nothing.
    support: full
  diff_mode:
    description: Shows what it changes or would change.
    support: full
"""
