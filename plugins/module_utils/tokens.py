# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Placeholders in a text that the controller has rendered, which only the host can fill in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# The first private-use character of Unicode: no value of a user may contain it, so no value can look like a token.
MARK = "\ue000"

TOKEN = re.compile(rf"{MARK}(\w+){MARK}", re.ASCII)


def token(name: str) -> str:
    """Return the placeholder for the value `name`, which the host fills in."""
    return f"{MARK}{name}{MARK}"


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Return `text` with each token replaced by its value.

    :raises KeyError: when a value is missing.
    """
    return TOKEN.sub(lambda found: str(values[found.group(1)]), text)
