# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Checks the description of the applications, and returns a sentence for each mistake."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import rules, sections
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.plugin_utils import certificates, host_names
from ansible_collections.wsgi.production.plugins.plugin_utils.role_inputs import FILES, present, static
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source
from ansible_collections.wsgi.production.plugins.plugin_utils.specification import (
    REQUIRED_SECTIONS,
    SECTIONS,
    keys,
    read,
    section_spec,
    settings_spec,
)

STATES = ("present", "absent")

# The probe of a worker that says nothing of it.
USUAL_PROBE = {"path": "/", "status": []}

# What only uWSGI heeds.
UWSGI_ONLY = {"harakiri", "listen_uwsgi", "options", "package", "processes", "threads"}

SUPPORTED = {"Debian": ("12", "13"), "Ubuntu": ("24.04",)}


def objections(apps: Any) -> list[str]:
    """Return a sentence for each mistake in `apps` that does not depend on the hosts."""
    if not isinstance(apps, list):
        return [f"wsgi_apps is {rules.kind(apps)}; write a list with an entry for each application"]
    found = []
    entries = []
    for number, app in enumerate(apps):
        if not isinstance(app, dict):
            wrong = f"that is {rules.kind(app)}; write a dictionary with name, build, run and serve"
            found.append(f"wsgi_apps[{number}]: {wrong}")
            continue
        entry = Entry(app)
        found += [f"{sections.nth('wsgi_apps', number, app)}: {sentence}" for sentence in entry.objections]
        entries.append(entry)
    alone = [entry.name for entry in entries if not entry.is_absent and entry.shares_no_host()]
    others = [entry.name for entry in entries if not entry.is_absent]
    if alone and len(others) > 1:
        other = next(name for name in others if name != alone[0])
        found.append(
            f"wsgi_apps ({alone[0]}): run.listen_uwsgi: {other} could run code through a TCP port; write a Unix "
            f"socket, such as /run/{alone[0]}-web.socket"
        )
    there = [(entry.name, entry.sections["serve"]) for entry in entries if entry.sections["serve"]]
    found += [f"wsgi_apps: {one}" for one in host_names.objections(there)]
    return found + list(_claimed_twice("wsgi_apps: two entries", [(entry.name, entry.claims()) for entry in entries]))


def settings_objections(settings: dict[str, Any]) -> list[str]:
    """Return a sentence for each role variable whose value has the wrong type."""
    return read("", settings, settings_spec())[1]


def run_objections(on_failure: Any, build_host: Any, hosts: Collection[str]) -> list[str]:
    """Return a sentence for each mistake in the settings of the run itself.

    :param hosts: the names of all known hosts.
    """
    found = []
    if on_failure not in ON_FAILURE["on_failure"]["choices"]:
        found.append(f"wsgi_on_failure: {on_failure!r}: write {' or '.join(ON_FAILURE['on_failure']['choices'])}")
    if build_host and not (isinstance(build_host, str) and build_host in hosts):
        found.append(f"python_app_build_host: {build_host!r}: the inventory has no such host; add it")
    return found


def misplaced(
    apps: list[dict[str, Any]], app_servers: list[str], load_balancers: list[str], build_host: str
) -> list[str]:
    """Return a sentence for each thing that these hosts cannot do for `apps`."""
    if not app_servers:
        return ["the inventory has no host in the group app_servers; add the hosts that the applications run on"]
    found = []
    for app in present(apps):
        if app.get("serve") and not load_balancers:
            found.append(
                f"wsgi_apps ({app['name']}): serve: the inventory has no host in the group "
                "load_balancers; add the hosts that run NGINX, or remove serve"
            )
        if build_host and app["run"].get("package") == "uwsgi":
            found.append(
                f"wsgi_apps ({app['name']}): run.package: 'uwsgi': python_app_build_host gathers the "
                "wheel of uWSGI; remove one of the two settings"
            )
    return found


def unreachable(apps: list[dict[str, Any]], host: str, app_servers: list[str]) -> list[str]:
    """Return a sentence for each application, or worker, that the load balancer `host` could not reach."""
    found = []
    for app in present(apps):
        address = app["run"].get("listen_http")
        if host in app_servers or not app.get("serve"):
            continue
        if host_names.prefix(app["serve"]):
            found.append(
                f"wsgi_apps ({app['name']}): serve.path: the load balancer {host} is not an app server, and cannot "
                "tell the application this path; put it into app_servers, or remove the path"
            )
        for route in app["serve"].get("routes") or []:
            if route.get("worker") and route["path"] != "/":
                found.append(
                    f"wsgi_apps ({app['name']}): serve.routes: {route['path']}: the load balancer {host} is not an app "
                    "server and reaches no worker; put it into app_servers, or remove the route"
                )
        if not address or ip_address(rules.split_address(address)[0]).is_loopback:
            wrong = f": {address!r}" if address else " is missing"
            found.append(
                f"wsgi_apps ({app['name']}): run.listen_http{wrong}: the load balancer {host} is not "
                "an app server and reaches the application over the network; write an address it can reach, such as "
                "0.0.0.0:9000"
            )
    return found


def unsupported(distribution: str, version: str) -> str | None:
    """Return a sentence if the collection does not support this operating system, else None."""
    known = SUPPORTED.get(distribution, ())
    if version in known or version.split(".", maxsplit=1)[0] in known:
        return None
    names = ", ".join(f"{name} {release}" for name, releases in SUPPORTED.items() for release in releases)
    return f"{distribution} {version} is not supported; use one of {names}"


class Entry:
    """One entry of `wsgi_apps`, checked on its own.

    :ivar objections: a sentence for each mistake in it.
    :ivar sections: the values of each section in their types, without values of the wrong type.
    """

    def __init__(self, app: dict[str, Any]) -> None:
        self.name = str(app.get("name"))
        self.sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        self.is_absent = absent = app.get("state") == "absent"
        required = {"name"} if absent else {"name", *REQUIRED_SECTIONS}
        self.objections = list(keys(app, ["name", "state", "remove_data", *SECTIONS], required))
        if "name" in app:
            objection = rules.name(self.name if app["name"] else "")
            self.objections += [f"name: {app['name']!r}: {objection}"] if objection else []
        self.objections += _state(app)
        # The source of an application to be removed may no longer exist.
        for section in () if absent else SECTIONS:
            if section in app:
                self._read(section, app[section])
        serve = self.sections["serve"]
        wrong = (*certificates.objections(serve), *_paths_twice(serve), *host_names.only_for_all(serve))
        self.objections += [f"serve.{one}" for one in wrong]
        if not absent and isinstance(app.get("run"), dict):
            self.objections += _routes(self.sections["run"], serve)
        self.objections += _source(self.sections["build"], [] if self.objections else static(serve))
        self.objections += [f"run.{one}" for one in sections.conflicts(self.sections["run"])]

    def claims(self) -> list[tuple[str, str]]:
        """Return what no other entry may use: the name, host names, ports and sockets."""
        run, serve = self.sections["run"], self.sections["serve"]
        found = [("name", self.name.replace("-", "_")), *host_claims(serve)]
        for key in ("listen_http", "listen_uwsgi"):
            if run.get(key) and not rules.http_address(run[key]):
                found.append(("port", str(rules.split_address(run[key])[1])))
            elif run.get(key):
                found.append(("socket", run[key]))
        return found

    def shares_no_host(self) -> bool:
        """Return whether it must be alone on its hosts, because other applications could run code as this one."""
        address = self.sections["run"].get("listen_uwsgi") or ""
        return bool(address) and not address.startswith("/")

    def _read(self, section: str, values: Any) -> None:
        """Read a section: check its keys, then the type of each value, then the other rules for the value."""
        spec = section_spec(section)
        found, wrong = read(section, values, spec)
        self.objections += wrong
        for key, value in found.items():
            self.sections[section][key] = value
            self.objections += [f"{section}.{sentence}" for sentence in _value(section, key, value)]


def _value(section: str, key: str, value: Any) -> Iterator[str]:
    """Yield what is wrong with a value, apart from its type."""
    yield from sections.objections(
        {"build": sections.BUILD, "run": sections.RUN, "serve": sections.SERVE}[section], {key: value}
    )


def _source(build: dict[str, Any], static: list[dict[str, str]]) -> Iterator[str]:
    """Yield what is wrong with the source of a build, its dependencies, and the directories that NGINX serves from it.

    :param static: the directories below the code that NGINX serves. Build commands may create them.
    """
    if "source" not in build:
        return
    try:
        source = Source.of(build)
    except Failed as failure:
        yield str(failure)
        return
    for one in [] if build.get("commands") else static:
        directory = os.path.normpath(one["directory"])
        if not source.has_directory(directory):
            # git ignores a directory that exists but does not belong to the source.
            there = (Path(build["source"]).expanduser() / directory).is_dir()
            hint = "git ignores it; add it to build.include" if there else "put it there"
            yield (
                f"serve.static: {directory!r}: the build has no such directory: {hint}, or create it with "
                "build.commands"
            )


def _routes(run: dict[str, Any], serve: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the routes of a site, and with an application that no request would reach."""
    workers = {worker["name"]: worker for worker in run.get("workers", [])}
    routes = serve.get("routes", [])
    for route in routes:
        wrong = _worker_of(route, workers)
        if wrong:
            yield f"serve.routes: {route['path']}: {wrong}"
    if any(one["path"] == "/" for one in serve.get("static", [])) and not routes:
        yield "serve.static: /: no request would reach the application; add its paths to routes, such as /api/"
    front = next((route.get("worker", "") for route in routes if route["path"] == "/"), "")
    if not run.get("callable"):
        yield from _without_callable(run, workers, front)
    elif front:
        yield "serve.routes: /: with it, no request would reach run.callable; remove one of the two"


def _worker_of(route: dict[str, Any], workers: dict[str, dict[str, Any]]) -> str:
    """Return what is wrong with the worker that a route leads to; empty if nothing is."""
    worker = route.get("worker", "")
    if worker and route.get("servers"):
        return "worker and servers are given; remove one"
    if (worker or route.get("servers")) and route.get("cache_seconds"):
        return "cache_seconds: only responses of the application are cached; remove it"
    if route.get("burst") and not route.get("requests_per_second"):
        return "burst: without requests_per_second, the limit of the site holds; add it, or remove burst"
    if not worker:
        anyway = "the application answers all other paths anyway; remove it, or name a worker"
        return anyway if route["path"] == "/" else ""
    if worker not in workers:
        known = ", ".join(name for name, one in workers.items() if one.get("listen")) or "none yet"
        return f"worker {worker!r}: write the name of a worker of run that has listen (there is {known})"
    return (
        "" if workers[worker].get("listen") else f"worker {worker!r}: the worker has no socket; add listen: true to it"
    )


def _without_callable(run: dict[str, Any], workers: dict[str, dict[str, Any]], front: str) -> Iterator[str]:
    """Yield what is wrong with an application that a worker serves, or nothing."""
    if not front:
        yield "run.callable is missing; add it, or let a route of serve for / lead to a worker with listen"
    for setting in sorted(UWSGI_ONLY & run.keys()):
        yield f"run.{setting}: without a callable there is no uWSGI to use it; remove it"
    if workers.get(front, {}).get("probe", USUAL_PROBE) != USUAL_PROBE:
        yield f"run.workers ({front}): probe: this worker serves the site itself; write it as run.probe"


def unserved(app: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence if the input of the role `uwsgi` for one application says nothing that answers requests."""
    listening = [worker["name"] for worker in app["workers"] if worker["listen"]]
    if bool(app["callable"]) == bool(app["front"]):
        yield "callable: write either callable or front"
    elif app["front"] and app["front"] not in listening:
        yield f"front: {app['front']!r}: write the name of a worker with listen"


def _state(app: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the keys `state` and `remove_data`."""
    state, remove_data = app.get("state", "present"), app.get("remove_data", False)
    if state not in STATES:
        yield f"state: {state!r}: write {' or '.join(STATES)}"
    if not isinstance(remove_data, bool):
        yield f"remove_data: {remove_data!r}: write true or false"
    elif remove_data and state != "absent":
        yield "remove_data: the application is not absent; add state: absent, or remove this key"


def nginx_objections(settings: dict[str, Any]) -> list[str]:
    """Return a sentence for each mistake in the input of the role `nginx`, whose types are already checked.

    :param settings: the variables of the role, by their names without the role's prefix.
    """
    sites = settings["sites"]
    found = [f"nginx_{sentence}" for sentence in sections.objections(sections.NGINX, settings)]
    for site in sites:
        wrong = [*sections.objections(sections.SERVE, site), *certificates.objections(site), *_paths_twice(site)]
        wrong += [*host_names.only_for_all(site), *_relative(site), *_leading_nowhere(site)]
        found += [f"nginx_sites ({site['name']}): {sentence}" for sentence in wrong]
    claims = [(site["name"], [("name", site["name"].replace("-", "_")), *host_claims(site)]) for site in sites]
    found += [f"nginx_sites: {one}" for one in host_names.objections([(site["name"], site) for site in sites])]
    return found + list(_claimed_twice("nginx_sites: two sites", claims))


def host_claims(site: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what no other site on the same host may use."""
    path = host_names.prefix(site)
    found = [("host name and path" if path else "host name", f"{name}{path}") for name in site.get("server_names", [])]
    found += [("host name", name) for name in site.get("aliases", [])]
    return found + ([("role of", "default")] if site.get("default") else [])


def _paths_twice(site: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each path that `site` has twice."""
    paths = [one["path"] for setting in (*FILES, "routes") for one in site.get(setting, [])]
    yield from (
        f"static, uploads and routes: two have the path {path}; change one"
        for path in sorted(set(paths))
        if paths.count(path) > 1
    )


def _relative(site: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each relative directory, which the role alone cannot resolve."""
    for setting in FILES:
        for one in site[setting]:
            for directory in (one["directory"], one.get("previous")):
                if directory and not directory.startswith("/"):
                    yield f"{setting}: {directory!r}: write an absolute path"


def _leading_nowhere(site: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each route of which the role alone cannot know where it leads."""
    for route in site["routes"]:
        if route["worker"]:
            yield f"routes: {route['path']}: worker: only wsgi_apps knows workers; write servers"
        elif route["servers"] and route["path"] == "/":
            yield f"routes: {route['path']}: the servers of the site answer; remove servers"


def _claimed_twice(two: str, claims: list[tuple[str, list[tuple[str, str]]]]) -> Iterator[str]:
    """Yield a sentence for each thing that two entries claim.

    :param two: how the sentence starts.
    :param claims: the name of each entry, and what it claims.
    """
    owners: dict[tuple[str, str], str] = {}
    for name, claimed in claims:
        for claim in claimed:
            if claim in owners:
                yield f"{two}, {owners[claim]} and {name}, have the {claim[0]} {claim[1]}; change one"
            owners[claim] = name
