# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The steps of a run, one module each: `ARGUMENTS`, and `plan`, which examines the host and changes nothing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(name: str) -> Any:
    """Return the module of a step; importing all of them takes longer, because the host has no byte code for them."""
    return import_module(f"{__name__}.{name}")
