# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The option for a broken application, shared by the modules that work on several applications."""

from __future__ import annotations


class ModuleDocFragment:
    """The option in `module.ON_FAILURE`."""

    DOCUMENTATION = """
options:
  on_failure:
    description:
      - What to do when an application is broken. C(stop) fails for all applications; C(continue) goes on with the
        others, and returns which ones are broken and why.
    type: str
    choices: [stop, continue]
    default: stop
"""
