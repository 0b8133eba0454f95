"""What the entries of the applications have in common."""

from __future__ import annotations

import shlex
from pathlib import Path

HERE = Path(__file__).parent


def shell(script: str) -> str:
    """Return the command that has `script` done by a shell, whether commands are given to one or not."""
    return f"sh -c {shlex.quote(script)}"


def lock(name: str) -> Path:
    """Return the locked requirements of an application."""
    return HERE / f"{name}.txt"
