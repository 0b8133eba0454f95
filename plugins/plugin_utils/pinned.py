# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What the collection itself installs on a host, with the digests of the published files.

`make lock` writes the files in `pins/`. They stay on the controller, and each step gets only the ones that it needs.
"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.installer import tool_name

PINS = Path(__file__).parent / "pins"

# The programs that a host keeps as tools; each release keeps its own uWSGI.
TOOLS = ("uv", "pip", "poetry", "pipenv")


def pins(*names: str) -> dict[str, str]:
    """Return the locked requirements of the programs `names`, by their names."""
    return {name: (PINS / f"{name}.txt").read_text(encoding="ascii") for name in names}


def tools() -> list[str]:
    """Return the names that the tools of this version of the collection have on a host."""
    return [tool_name(name, pin) for name, pin in pins(*TOOLS).items()]
