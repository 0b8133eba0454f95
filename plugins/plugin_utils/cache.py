# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What the controller keeps from one run to the next, and can make anew."""

from __future__ import annotations

import os
from pathlib import Path


def cache(name: str) -> Path:
    """Return the directory `name` of the collection's cache, where the operator's account has its caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "wsgi.production" / name
