# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The text of `nginx.conf` for a list of sites.

Everything for one site is in one block, between two comments that name the site. The block uses nothing outside it that
depends on which other sites exist or on their settings: the host can keep it when the site is no longer described.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    CACHES,
    CHALLENGES,
    MAINTENANCE,
    PASSWORDS,
    VERIFY_TOKEN,
    Layout,
)
from ansible_collections.wsgi.production.plugins.module_utils.nginx_text import OURS, PLACE
from ansible_collections.wsgi.production.plugins.module_utils.tokens import token
from ansible_collections.wsgi.production.plugins.plugin_utils import certificates, host_names, templates

# The first version of NGINX in which `http2` is a separate directive; before, it is a parameter of `listen`.
HTTP2_ON = "1.25.1"

# Seconds for which a connection to another server than that of a site may stay silent.
OTHER_READ_TIMEOUT = 3600

# The ciphers of the intermediate profile for TLS 1.2 (Mozilla, Server Side TLS 5.7, guidelines/5.7.json).
INTERMEDIATE = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
]

# Headers that tell applications who a visitor is: NGINX accepts them only from a known proxy.
BELIEVED = [
    *("Remote-Email", "Remote-Groups", "Remote-Name", "Remote-User"),
    *("X-Remote-Email", "X-Remote-Groups", "X-Remote-Name", "X-Remote-User"),
    *("X-Forwarded-Access-Token", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username"),
    *("X-Forwarded-User", "X-Auth-Request-Access-Token", "X-Auth-Request-Email", "X-Auth-Request-Groups"),
    *("X-Auth-Request-Preferred-Username", "X-Auth-Request-User", "X-Auth-User", "X-Authenticated-User"),
    *("X-User", "X-Webauth-User", "X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id"),
    *("X-Amzn-Oidc-Identity", "X-Ms-Client-Principal", "X-Ms-Client-Principal-Id", "X-Ms-Client-Principal-Name"),
    *("Cf-Access-Authenticated-User-Email", "Tailscale-User-Login", "Tailscale-User-Name"),
    *("SSL-Client-Cert", "SSL-Client-S-DN", "SSL-Client-Verify", "X-SSL-Client-Cert", "X-SSL-Client-S-DN"),
    *("X-SSL-Client-Verify", "X-Client-Cert", "X-Client-DN", "X-Client-Verify", "X-Forwarded-Client-Cert"),
    "X-Forwarded-Tls-Client-Cert",
]

# Headers that reach no application.
DROPPED = [
    # These concern the connection to NGINX, or are used between NGINX and a run.
    *("Proxy", "Transfer-Encoding", "X-Wsgi-Verify"),
    # NGINX itself sends the address of a visitor and the scheme.
    *("CF-Connecting-IP", "CF-Connecting-IPv6", "CF-Visitor", "Client-IP", "Fastly-Client-IP", "Forwarded"),
    *("Forwarded-For", "Front-End-Https", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Forwarded"),
    *("X-Forwarded-By", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Protocol", "X-Forwarded-Scheme"),
    *("X-Forwarded-Server", "X-Forwarded-Ssl", "X-Original-Forwarded-For", "X-Originating-IP", "X-Remote-Addr"),
    *("X-Remote-IP", "X-Scheme", "X-Url-Scheme"),
    # With these, an application would answer for another URL than the one that NGINX allowed.
    *("Script-Name", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Host", "X-Http-Host-Override"),
    *("X-Original-Host", "X-Original-Method", "X-Original-Uri", "X-Original-Url", "X-Rewrite-Url", "X-Script-Name"),
]

# Headers of each request that only NGINX can set.
SAID = {
    "Host": "$host$visitor_port",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Prefix": "$script_name",
    "X-Forwarded-Proto": "$visitor_scheme",
    "X-Real-IP": "$remote_addr",
    "X-Request-Id": "$visitor_request_id",
    "Authorization": "$passed_authorization",
}

# Headers that the application gets if its answer is cached for everybody; the cache key has all but the request id.
CACHED = {
    "Host": "$host$visitor_port",
    "X-Forwarded-Prefix": "$script_name",
    "X-Forwarded-Proto": "$visitor_scheme",
    "X-Request-Id": "$visitor_request_id",
    "Accept": "$http_accept",
    "Accept-Language": "$http_accept_language",
}

# A request with any of these headers asks for an individual answer, which is not cached.
OWN = [
    *("Authorization", "Content-Length", "Cookie", "Origin", "Range", "Transfer-Encoding", "Upgrade"),
    *("HX-Request", "Turbo-Frame", "X-Api-Key", "X-Auth-Token", "X-Csrf-Token", "X-Csrftoken", "X-Fragment"),
    *("X-Http-Method-Override", "X-Inertia", "X-Pjax", "X-Requested-With", "X-Up-Version"),
]

# Prefixes of the lines that the units of NGINX require. A template of the operator may have lost one.
REQUIRED = {
    "nginx.socket": ("{listens}",),
    "nginx.service": (
        *("Type=exec", "Sockets=nginx.socket", "NonBlocking=yes", "KillSignal=SIGQUIT"),
        *("ExecStart=/usr/bin/env NGINX={ports} ", "TimeoutStopSec={stop_timeout}"),
    ),
}


def prepare() -> None:
    """Compile the templates of the role, because otherwise each process would compile its own."""
    templates.compile_all(templates.environment("nginx", FILTERS))


def render(settings: dict[str, Any]) -> dict[str, str]:
    """Return the configuration that the complete input of the role `nginx` describes.

    A comment before each part that comes from a setting names the setting: the host reads it to explain an error.

    :param settings: the variables of the role, by their names without the role's prefix; each site has what those with
        the same host names say for it.
    :return: the text, by the first version of NGINX for which it is correct; the newest last.
    """
    jinja = templates.environment("nginx", FILTERS, settings.get("templates", ""))
    servers = host_names.servers(settings["sites"])
    sites = [{**site, **_derived(site, settings)} for site in settings["sites"]]
    for site in sites:
        site["has_server"] = servers[site["name"]] == site["name"]
        others = [one for one in sites if servers[one["name"]] == site["name"] and one is not site]
        site["parts"] = [site, *others]
    values = {
        **settings,
        "sites": sites,
        "believed": BELIEVED,
        # NGINX does not pass an empty header to the application at all.
        "passed": {
            **SAID,
            **dict.fromkeys(DROPPED, '""'),
            **{header: f"$believed_{_variable(header)}" for header in BELIEVED},
        },
        "own": OWN,
        "cached": CACHED,
        "token": VERIFY_TOKEN,
        "maintenance": MAINTENANCE,
        "passwords": PASSWORDS,
        "challenges": CHALLENGES,
        "caches": CACHES,
        "intermediate_ciphers": INTERMEDIATE,
        "page": _quoted(templates.render(jinja, "page.html.j2")),
    }
    texts = {
        version: templates.render(jinja, "nginx.conf.j2", **values, http2_on=version == HTTP2_ON)
        for version in ("0", HTTP2_ON)
    }
    _object_to_lost(texts[HTTP2_ON], sites)
    return texts


def units(own: str = "") -> list[str]:
    """Return the socket unit of NGINX, and the drop-in of its service, with tokens for what only the host knows.

    :param own: a directory with the operator's templates, which take precedence over those of the role.
    :raises Failed: when a template has an error, or has lost a line that NGINX requires.
    """
    jinja = templates.environment("nginx", FILTERS, own)
    values = {name: token(name) for name in ("listens", "ports", "stop_timeout")}
    texts = []
    for name, lines in REQUIRED.items():
        text = templates.render(jinja, f"{name}.j2", **values)
        templates.require(text, [line.format(**values) for line in lines], f"nginx_templates: {name}.j2")
        texts.append(text)
    return texts


def passwords(sites: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the users of each site, and of each of its routes that has its own, by the name of their file."""
    routes = {
        f"{site['name']}.route.{number}": route["basic_auth"] or {}
        for site in sites
        for number, route in enumerate(site["routes"])
    }
    return {**{site["name"]: site["basic_auth"] for site in sites}, **routes}


def _object_to_lost(text: str, sites: list[dict[str, Any]]) -> None:
    """Refuse a configuration in which a template of the operator has lost a line that the host looks for.

    :raises Failed: with the missing line.
    """
    wanted = [f"include {VERIFY_TOKEN};", "map $verifies $visitor {"]
    for site in sites:
        wanted += [f"# site {site['name']}", f"# end of site {site['name']}", f"upstream {site['name']} {{"]
        wanted += [f"if (-f {MAINTENANCE}/{site['name']}) {{"]
        if site["has_server"]:
            wanted += [f"server_name {' '.join(site['server_names'])};", PLACE.strip()]
        if site["prefix"]:
            wanted += [f"# path of {site['name']}, which answers within ", f"# end of path of {site['name']}"]
    if not text.startswith(OURS):
        raise Failed(f"nginx_templates: nginx.conf no longer begins with {OURS!r}, which is required: restore it")
    templates.require(text, wanted, "nginx_templates: nginx.conf")


def _derived(site: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return what the templates need to know about a site besides its settings."""
    variable, common = f"site_{_variable(site['name'])}", settings["headers"]
    prefix = host_names.prefix(site)
    ours = {name.lower() for name in site["headers"]}
    headers = [_header(name, value, "nginx_headers") for name, value in common.items() if name.lower() not in ours]
    headers += [_header(name, value, f"{site['name']}: headers") for name, value in site["headers"].items() if value]
    if site["content_security_policy"]:
        origin = f"{site['name']}: content_security_policy"
        policy = _header("Content-Security-Policy", site["content_security_policy"], origin)
        # Content that NGINX serves itself has a separate policy, except for files of the application.
        headers.append(
            {**policy, "when": f"$served{policy['when']}", "cases": ['""', "changing", "fallback", "immutable"]}
        )
    tls = site["tls"]
    if tls["source"] not in ("none", "self_signed") and tls["hsts"]:
        strict = _header("Strict-Transport-Security", f"max-age={tls['hsts']}", f"{site['name']}: tls")
        headers.append({**strict, "when": f"$visitor_scheme{strict['when']}", "cases": ["https"]})
    pair = certificates.pair(site, settings["acme_directory"])
    routes = [_route(site, number, route) for number, route in enumerate(site["routes"])]
    root = next((route for route in routes if route["path"] == f"{prefix}/"), None) or _root(site)
    own = {"named": site["name"], "variable": variable, "setting": site["name"]}
    return {
        "variable": variable,
        "prefix": prefix,
        "path": f"{prefix}/",
        "health": site["health"] and prefix + site["health"],
        "headers": headers,
        "limited": site["requests_per_second"] or site["connections"],
        "module": _module(site),
        "certificate": pair and pair[0],
        "key": pair and pair[1],
        "scheme": "https" if pair and tls["redirect"] else "$visitor_scheme",
        "port": "" if pair and tls["redirect"] else "$visitor_port",
        "pattern": _pattern(f"{prefix}/"),
        "routes": routes,
        "root": root,
        # What sets limits of its own: the site, and some of its routes.
        "scopes": [{**site, **own}, *routes],
        # If paths are within each other, the longest counts, and so comes last.
        "by_length": sorted(routes, key=lambda route: len(route["path"])),
        "static_root": any(one["path"] == "/" for one in site["static"]),
        "files": [
            *(_files(site["name"], prefix, number, "static", one) for number, one in enumerate(site["static"])),
            *(_files(site["name"], prefix, number, "uploads", one) for number, one in enumerate(site["uploads"])),
        ],
    }


def _route(site: dict[str, Any], number: int, route: dict[str, Any]) -> dict[str, Any]:
    """Return the route `number` of a site as the template needs it; settings that it omits are those of the site."""
    other = bool(route["servers"]) or route["path"] == "/"
    usual = OTHER_READ_TIMEOUT if other else site["read_timeout"]
    buffering = not other if route["buffering"] is None else route["buffering"]
    named, path = f"{site['name']}.route.{number}", host_names.prefix(site) + route["path"]
    seconds = site["cache_seconds"] if route["cache_seconds"] is None else route["cache_seconds"]
    return {
        **route,
        **_limits(site, route, named),
        "path": path,
        "pattern": _pattern(path),
        "named": named,
        "variable": f"site_{_variable(site['name'])}_route_{number}",
        "setting": f"{site['name']}: routes",
        "upstream": named if route["servers"] else site["name"],
        "module": "proxy" if route["servers"] else _module(site),
        "websockets": other,
        "read_timeout": route["read_timeout"] or usual,
        "buffering": buffering,
        "cache_seconds": seconds if buffering and not route["servers"] else 0,
    }


def _root(site: dict[str, Any]) -> dict[str, Any]:
    """Return the route of a site that says nothing of its root: the application answers, as the site says."""
    return {
        **_limits(site, site, site["name"]),
        "named": site["name"],
        "upstream": site["name"],
        "module": _module(site),
        "websockets": False,
        "read_timeout": None,
        "max_body_size": None,
        "basic_auth": None,
        "buffering": True,
        "cache_seconds": site["cache_seconds"],
    }


def _limits(site: dict[str, Any], route: dict[str, Any], named: str) -> dict[str, str]:
    """Return the arguments of the limits of a route, which share their counters with the site unless it has its own."""
    rate, of = (route, named) if route["requests_per_second"] is not None else (site, site["name"])
    count, among = (route, named) if route["connections"] is not None else (site, site["name"])
    return {
        "limit_req": f"zone={of}_requests burst={rate['burst'] or site['burst']} nodelay"
        if rate["requests_per_second"]
        else "",
        "limit_conn": f"{among}_connections {count['connections']}" if count["connections"] else "",
    }


def _module(site: dict[str, Any]) -> str:
    """Return the module of NGINX that speaks with the application of a site."""
    return "uwsgi" if site["protocol"] == "uwsgi" else "proxy"


def _pattern(path: str) -> str:
    """Return `path` as a regular expression; a path has no other special characters."""
    return path.replace(".", r"\.")


def _files(site: str, prefix: str, number: int, setting: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return a directory that NGINX serves itself, in the form that the template expects.

    NGINX follows a link of the application's user only to files of that user. It follows no link in the code, because
    such a link belongs to root, like the files that it could lead to.
    """
    served = "uploads" if setting == "uploads" else "immutable" if values["immutable"] else "changing"
    directory, previous = values["directory"].rstrip("/"), values.get("previous", "")
    path = prefix + values["path"]
    place, slash, file = path.rpartition("/")
    named = f"{site}.{setting}.{number}"
    return {
        **values,
        "path": path,
        "directory_of_path": place + slash,
        "file": file,
        "setting": setting,
        "private": values.get("private", False),
        "served": served,
        "named": named,
        "page": f"@{named}.page" if values.get("fallback") else "=404",
        "directory": directory,
        "previous": previous,
        "links": _uploads(site, directory) if setting == "uploads" else f"on from={_known(site, directory)}",
        "links_of_previous": f"on from={_known(site, previous)}",
    }


def _known(site: str, directory: str) -> str:
    """Return the first part of a path, in which NGINX allows links: in a build, they are the collection's own."""
    layout = Layout(site)
    builds = [f"{link}/build/" for link in (layout.current, layout.previous)]
    return next((build.rstrip("/") for build in builds if directory.startswith(build)), directory)


def _uploads(site: str, directory: str) -> str:
    """Return which links NGINX follows in a directory of uploads: root created those above an application's data."""
    data = str(Layout(site).data)
    return f"if_not_owner from={data}" if directory.startswith(f"{data}/") else "if_not_owner"


def _header(name: str, value: str, setting: str) -> dict[str, Any]:
    """Return a header with its quoted value, its name in NGINX variables, and the condition for adding it."""
    variable = _variable(name)
    return {
        "name": name,
        "variable": variable,
        "value": _quoted(value),
        "setting": setting,
        "when": f"$upstream_http_{variable}",
        "cases": ['""'],
    }


def _variable(name: str) -> str:
    """Return `name` as NGINX writes it in the names of variables."""
    return name.lower().replace("-", "_")


def _quoted(value: str) -> str:
    """Return `value` as one quoted word of the configuration; variables in it remain variables."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _parameter(header: str) -> str:
    """Return the name of the uwsgi protocol parameter that carries a header."""
    return f"HTTP_{_variable(header).upper()}"


def _header_variable(header: str) -> str:
    """Return the NGINX variable that contains a header of the request."""
    return f"$http_{_variable(header)}"


FILTERS = (("as_name", _variable), ("as_variable", _parameter), ("as_header_variable", _header_variable))
