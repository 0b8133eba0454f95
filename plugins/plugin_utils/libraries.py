# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The libraries that the controller needs besides Ansible's own code; ansible-core depends on all of them."""

from __future__ import annotations

import sys

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed

# The modules that could not be imported.
MISSING: list[str] = []


def note_missing(error: ImportError) -> None:
    """Remember a library that could not be imported; the first action that runs refuses to continue without it."""
    MISSING.append(error.name or str(error))


def require_all() -> None:
    """Refuse to continue if a library is missing.

    :raises Failed: with the names of the missing libraries, and where they come from.
    """
    if MISSING:
        missing = ", ".join(sorted(set(MISSING)))
        raise Failed(
            f"the Python of ansible-playbook, {sys.executable}, cannot import {missing}, on which ansible-core "
            "depends: reinstall ansible-core"
        )
