# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The text of `nginx.conf` for a list of sites.

All that is for one site is one block, between two comments that name it. It needs nothing of the rest that depends on
which other sites there are, and on no setting of theirs: the host may keep it when the site is described no more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    CACHES,
    CHALLENGES,
    MAINTENANCE,
    PASSWORDS,
    VERIFY_TOKEN,
    Layout,
)
from ansible_collections.wsgi.production.plugins.plugin_utils import certificates

TEMPLATES = Path(__file__).parents[2] / "roles/nginx/templates"

# From which version of NGINX on `http2` is a directive of its own; before, it is a word of `listen`.
HTTP2_ON = "1.25.1"

# The ciphers of the intermediate profile for TLS 1.2 (Mozilla, Server Side TLS 5.7, guidelines/5.7.json).
INTERMEDIATE = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
]

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


def render(settings: dict[str, Any]) -> dict[str, str]:
    """Return the configuration that the complete input of the role `nginx` describes.

    A comment before what a setting brought in says which one it was: the host reads it to explain an error.

    :param settings: the variables of the role by their names, without the role's own.
    :return: the text, by the version of NGINX from which on it is right; the newest last.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("nginx.conf.j2")
    sites = [{**site, **_derived(site, settings["headers"])} for site in settings["sites"]]
    values = {
        **settings,
        "sites": sites,
        "passed": PASSED,
        "token": VERIFY_TOKEN,
        "maintenance": MAINTENANCE,
        "passwords": PASSWORDS,
        "challenges": CHALLENGES,
        "caches": CACHES,
        "intermediate_ciphers": INTERMEDIATE,
        "page": _quoted(environment.get_template("page.html.j2").render()),
    }
    return {version: template.render({**values, "http2_on": version == HTTP2_ON}) for version in ("0", HTTP2_ON)}


def _derived(site: dict[str, Any], common: dict[str, str]) -> dict[str, Any]:
    """Return what the templates need to know of a site besides its settings."""
    variable = f"site_{site['name'].replace('-', '_')}"
    ours = {name.lower() for name in site["headers"]}
    headers = [_header(name, value, "nginx_headers") for name, value in common.items() if name.lower() not in ours]
    headers += [_header(name, value, f"{site['name']}: headers") for name, value in site["headers"].items() if value]
    if site["content_security_policy"]:
        origin = f"{site['name']}: content_security_policy"
        policy = _header("Content-Security-Policy", site["content_security_policy"], origin)
        # What NGINX serves itself has a policy of its own, but for files of the application.
        headers.append({**policy, "when": f"$served{policy['when']}", "cases": ['""', "changing", "immutable"]})
    tls = site["tls"]
    if tls["source"] not in ("none", "self_signed") and tls["hsts"]:
        strict = _header("Strict-Transport-Security", f"max-age={tls['hsts']}", f"{site['name']}: tls")
        headers.append({**strict, "when": f"$visitor_scheme{strict['when']}", "cases": ["https"]})
    pair = certificates.pair(site)
    return {
        "variable": variable,
        "headers": headers,
        "passes": "$passes" if tls["source"] == "acme" else "$verifies",
        "limited": site["requests_per_second"] or site["connections"],
        "module": "uwsgi" if site["protocol"] == "uwsgi" else "proxy",
        "certificate": pair and pair[0],
        "key": pair and pair[1],
        "scheme": "https" if pair and tls["redirect"] else "$visitor_scheme",
        "port": "" if pair and tls["redirect"] else "$visitor_port",
        "files": [
            *(_files(site["name"], number, "static", one) for number, one in enumerate(site["static"])),
            *(_files(site["name"], number, "uploads", one) for number, one in enumerate(site["uploads"])),
        ],
    }


def _files(site: str, number: int, setting: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return a directory that NGINX serves itself, as the template wants it.

    A link of the application's user may lead to files of that user, and one in the code nowhere: it belongs to root, as
    does what it could lead to.
    """
    served = "uploads" if setting == "uploads" else "immutable" if values["immutable"] else "changing"
    directory, previous = values["directory"].rstrip("/"), values.get("previous", "")
    return {
        **values,
        "setting": setting,
        "served": served,
        "fallback": f"{setting}_{number}",
        "directory": directory,
        "previous": previous,
        "links": _uploads(site, directory) if setting == "uploads" else f"on from={_known(site, directory)}",
        "links_of_previous": f"on from={_known(site, previous)}",
    }


def _known(site: str, directory: str) -> str:
    """Return the beginning of a directory that may lead through links, which are then the collection's own."""
    layout = Layout(site)
    builds = [f"{link}/build/" for link in (layout.current, layout.previous)]
    return next((build.rstrip("/") for build in builds if directory.startswith(build)), directory)


def _uploads(site: str, directory: str) -> str:
    """Return which links NGINX follows in a directory of uploads: above an application's data, root has made them."""
    data = str(Layout(site).data)
    return f"if_not_owner from={data}" if directory.startswith(f"{data}/") else "if_not_owner"


def _header(name: str, value: str, setting: str) -> dict[str, Any]:
    """Return a header with its value in quotes, as NGINX names it in a variable, and when it is added."""
    variable = name.lower().replace("-", "_")
    return {
        "name": name,
        "variable": variable,
        "value": _quoted(value),
        "setting": setting,
        "when": f"$upstream_http_{variable}",
        "cases": ['""'],
    }


def _quoted(value: str) -> str:
    """Return `value` as one word of the configuration; a variable in it stays one."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
