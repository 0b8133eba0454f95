# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Derives the input of each role from the entries of `wsgi_apps`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    LINKS,
    NGINX_ADDRESS,
    NGINX_HTTPS_ADDRESS,
    STATIC,
    Layout,
    static_name,
    worker_link,
)
from ansible_collections.wsgi.production.plugins.plugin_utils import host_names
from ansible_collections.wsgi.production.plugins.plugin_utils.specification import section_spec, with_defaults

# Settings with the directories that NGINX serves itself.
FILES = ("static", "uploads")

# Seconds by which NGINX waits longer for an answer than uWSGI does.
HARAKIRI_TO_READ_TIMEOUT = 5


def present(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries of `apps` that are to run."""
    return [app for app in apps if app.get("state", "present") == "present"]


def absent(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the name of each of `apps` that is to be removed, and whether to remove its data too."""
    return [
        {"name": app["name"], "remove_data": app.get("remove_data", False)}
        for app in apps
        if app.get("state", "present") == "absent"
    ]


def serve(app: dict[str, Any], apps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the section `serve` of the entry `app` with its defaults; empty if it has no such section.

    :param apps: all entries, because those with the same host names share some settings.
    """
    return with_defaults(_shared(app, apps), section_spec("serve")) if app.get("serve") else {}


def _shared(app: dict[str, Any], apps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the section `serve` of the entry `app` with what other entries say for the same host names."""
    others = [one["serve"] for one in apps if one.get("serve") and one is not app]
    return host_names.shared([app["serve"], *others])[0]


def probe(app: dict[str, Any], site: dict[str, Any]) -> dict[str, Any]:
    """Return the probe of the entry `app`: it acts like a client of its site, unless the entry says otherwise.

    :param site: what `serve` returns for it.
    """
    if not site:
        return {**app["run"].get("probe", {})}
    scheme = "https" if host_names.has_certificate(site) else "http"
    prefix = host_names.prefix(site)
    return {
        "host": site["server_names"][0],
        "scheme": scheme,
        **({"prefix": prefix} if prefix else {}),
        **app["run"].get("probe", {}),
    }


def public_data(serve: dict[str, Any]) -> list[str]:
    """Return the directories below an application's data that NGINX reads."""
    return [one["directory"].rstrip("/") for one in serve.get("uploads", []) if not one["directory"].startswith("/")]


def static(serve: dict[str, Any]) -> list[dict[str, str]]:
    """Return the directories below an application's code that NGINX reads, and the paths under which it serves them."""
    listed = [one for one in serve.get("static", []) if not one["directory"].startswith("/")]
    return [{"path": one["path"], "directory": one["directory"].rstrip("/")} for one in listed]


def sites(apps: list[dict[str, Any]], host: str, app_servers: list[str], hostvars: Any) -> list[dict[str, Any]]:
    """Return the input of the role `nginx` for the load balancer `host`.

    A load balancer that is also an app server uses the local socket, and serves files of the application itself. Any
    other load balancer connects to all app servers over HTTP, and they serve the files.
    """
    found = []
    for app in apps:
        if not app.get("serve"):
            continue
        run = with_defaults(app["run"], section_spec("run"))
        site = {**app["serve"], "name": app["name"], "read_timeout": run["harakiri"] + HARAKIRI_TO_READ_TIMEOUT}
        if run["probe"].get("path", "/") != "/":
            site["health"] = run["probe"]["path"]
        local, front = host in app_servers, front_of(app)
        if app["serve"].get("routes"):
            site["routes"] = [_routed(app["name"], route, front) for route in app["serve"]["routes"]]
        for setting in FILES:
            site[setting] = [*_placed(app["name"], setting, app["serve"].get(setting) or [], local)]
        if local:
            protocol = "http" if front else "uwsgi"
            site.update(protocol=protocol, servers=[f"unix:{Layout(app['name']).current}/{LINKS[protocol]}"])
        else:
            _host, port = rules.split_address(run["listen_http"])
            site.update(protocol="http", servers=[_address(server, hostvars[server], port) for server in app_servers])
        found.append(site)
    return found


def front_of(app: dict[str, Any]) -> str:
    """Return the worker that serves the entry `app` in place of a callable; empty if there is a callable."""
    routes = (app.get("serve") or {}).get("routes") or []
    leads = [route.get("worker", "") for route in routes if route["path"] == "/"]
    return "" if app["run"].get("callable") or not leads else str(leads[0])


def _routed(name: str, route: dict[str, Any], front: str) -> dict[str, Any]:
    """Return a route with the socket of its worker, on a load balancer that is an app server."""
    rest = {key: value for key, value in route.items() if key != "worker"}
    worker = route.get("worker")
    if not worker or worker == front:
        return rest
    return {**rest, "servers": [f"unix:{Layout(name).current}/{worker_link(worker)}"]}


def _placed(name: str, setting: str, listed: list[dict[str, Any]], local: bool) -> Iterator[dict[str, Any]]:
    """Yield directories with their paths on the host; relative ones exist only where the application runs."""
    layout = Layout(name)
    for one in listed:
        directory = one["directory"]
        if directory.startswith("/"):
            yield one
        elif local and setting == "uploads":
            yield {**one, "directory": f"{layout.data / directory}"}
        elif local:
            place = Path(STATIC) / static_name(one["path"])
            live, previous = (link / place for link in (layout.current, layout.previous))
            yield {**one, "directory": str(live), "previous": str(previous)}


def fronts(apps: list[dict[str, Any]], host: str, groups: Any, hostvars: Any) -> list[dict[str, Any]]:
    """Return the front doors at which `host` must find its applications healthy.

    On a load balancer, this is its NGINX; on any other app server, the port that it opens to the load balancers. The
    probe is that of the release that went live, even if it is an older one: see `uwsgi_switched` of this host, or of
    an app server. Before the switch, it is that of the entry.
    """
    app_servers, load_balancers = (groups.get(name, []) for name in ("app_servers", "load_balancers"))
    servers = [host] if host in app_servers else app_servers
    results = [hostvars[server]["uwsgi_switched"] for server in servers if "uwsgi_switched" in hostvars[server]]
    if results:
        switched: list[dict[str, Any]] = next(filter(None, (one.get("switched", []) for one in results)), [])
        probes = {one["name"]: one["probe"] for one in switched}
    else:
        spec = {"probe": section_spec("run")["probe"]}
        probes = {app["name"]: with_defaults({"probe": probe(app, serve(app, apps))}, spec)["probe"] for app in apps}
    found = []
    for app in apps:
        address = app["run"].get("listen_http") if host in app_servers else None
        if host in load_balancers and app.get("serve"):
            address = NGINX_HTTPS_ADDRESS if host_names.has_certificate(_shared(app, apps)) else NGINX_ADDRESS
        if app["name"] in probes and address:
            probe_, path = probes[app["name"]], host_names.prefix(app.get("serve") or {})
            # A release from before the path changed is served where the site is now.
            moved = {**probe_, "prefix": path} if probe_.get("prefix", "") != path else probe_
            found.append({"name": app["name"], "address": address, "probe": moved})
    return found


def _address(host: str, variables: Any, port: int) -> str:
    """Return the address at which a load balancer reaches a port of `host`: `wsgi_address`, else that of Ansible."""
    address = str(variables.get("wsgi_address") or variables.get("ansible_host") or host)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
