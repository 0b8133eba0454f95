# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The text of `nginx.conf` for a list of sites."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ansible_collections.wsgi.production.plugins.module_utils.layout import VERIFY_TOKEN

TEMPLATES = Path(__file__).parents[2] / "roles/nginx/templates"

# What NGINX says to the application of each request, and nobody else can; an empty one does not reach it at all.
PASSED = {
    "Host": "$host$visitor_port",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Proto": "$visitor_scheme",
    "X-Real-IP": "$remote_addr",
    "X-Request-Id": "$visitor_request_id",
    **dict.fromkeys(
        ["Forwarded", "Proxy", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Wsgi-Verify"], ""
    ),
}


def render(settings: dict[str, Any]) -> str:
    """Return the configuration that the complete input of the role `nginx` describes.

    A comment before what a setting brought in says which one it was: the host reads it to explain an error.

    :param settings: the variables of the role by their names, without the role's own.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("nginx.conf.j2").render(
        {
            **settings,
            "headers": [_header(name, value) for name, value in settings["headers"].items()],
            "sites": [{**site, **_derived(site, settings["headers"])} for site in settings["sites"]],
            "passed": PASSED,
            "token": VERIFY_TOKEN,
        }
    )


def _derived(site: dict[str, Any], common: dict[str, str]) -> dict[str, Any]:
    """Return what the templates need to know of a site besides its settings."""
    variable = f"site_{site['name'].replace('-', '_')}"
    policy = site["content_security_policy"]
    own = {**site["headers"], **({"Content-Security-Policy": policy} if policy else {})}
    headers = {name: value for name, value in {**common, **own}.items() if value}
    return {
        "variable": variable,
        "own_headers": [_header(name, value) for name, value in own.items() if value],
        "headers": [
            {**_header(name, value), "owner": variable if name in own else "added"} for name, value in headers.items()
        ],
        "limited": site["requests_per_second"] or site["connections"],
    }


def _header(name: str, value: str) -> dict[str, str]:
    """Return a header with its value in quotes, and as NGINX names it in a variable."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return {"name": name, "variable": name.lower().replace("-", "_"), "value": f'"{quoted}"'}
