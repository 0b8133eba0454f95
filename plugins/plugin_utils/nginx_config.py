# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The text of `nginx.conf` for a list of sites."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parents[2] / "roles/nginx/templates"


def render(sites: list[dict[str, Any]], snippet: str = "") -> str:
    """Return the configuration that serves `sites`, the complete input of the role `nginx`.

    A comment before what a setting brought in says which one it was: the host reads it to explain an error.

    :param snippet: directives for the block `http`.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("nginx.conf.j2").render(sites=sites, snippet=snippet)
