# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's cache: what it keeps between runs and can create again."""

from __future__ import annotations

import os
from pathlib import Path


def cache(name: str) -> Path:
    """Return the directory `name` of the collection's cache, in the cache directory of the operator's account."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "wsgi.production" / name
