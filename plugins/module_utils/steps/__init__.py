# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The steps of a run, a module for each: `ARGUMENTS`, and `plan`, which looks at the host and changes nothing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(name: str) -> Any:
    """Return the module of a step. Importing all of them would take longer: the host has no byte-code of them."""
    return import_module(f"{__name__}.{name}")
