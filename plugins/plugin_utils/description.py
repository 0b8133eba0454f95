# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The description of the applications: what each role documents, applied to the whole of `wsgi_apps`."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.wsgi.production.plugins.module_utils import rules, sections
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    NGINX_ADDRESS,
    NGINX_HTTPS_ADDRESS,
    STATIC,
    Layout,
    static_name,
)
from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.plugin_utils import certificates
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source

ROLES = Path(__file__).parents[2] / "roles"

# The input of each role that takes a list of applications.
INPUTS = {"python_app": "python_app_apps", "uwsgi": "uwsgi_apps", "nginx": "nginx_sites"}

# The section of an entry that each role takes, and what of its input the playbook adds.
SECTIONS = {
    "build": ("python_app", {"name"}),
    "run": ("uwsgi", {"name", "build", "wheels", "public_data", "static"}),
    "serve": ("nginx", {"name", "servers", "protocol", "read_timeout", "health"}),
}
REQUIRED_SECTIONS = {"build", "run"}

# Variables that `site.yml` fills in, beside the lists of applications.
FILLED_IN = (
    *("python_app_on_failure", "python_app_build_host", "nginx_described", "nginx_kept", "uwsgi_on_failure"),
    *("uwsgi_broken", "uwsgi_hosts", "uwsgi_absent", "uwsgi_described", "uwsgi_index_url", "uwsgi_ca_bundle"),
    "uwsgi_proxy",
)

STATES = ("present", "absent")

# What to write for a type, once and several times.
WRITTEN = {
    "bool": ("true or false", ""),
    "dict": ("a dictionary, such as {name: value}", "dictionaries, each with a - before it"),
    "int": ("a whole number", "whole numbers"),
    "list": ("a list, such as [one, two]", ""),
    "str": ("text", "texts"),
}

SUPPORTED = {"Debian": ("12", "13"), "Ubuntu": ("24.04",)}

# What NGINX serves itself.
FILES = ("static", "uploads")

# Seconds that NGINX waits for an answer longer than uWSGI does.
HARAKIRI_TO_READ_TIMEOUT = 5


@cache
def role_spec(role: str) -> dict[str, Any]:
    """Return how `role` types its variables."""
    text = (ROLES / role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    # The loader that is written in C is ten times as fast, where there is one.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec: dict[str, Any] = yaml.load(text, loader)["argument_specs"]["main"]["options"]
    return spec


def input_spec(role: str) -> dict[str, Any]:
    """Return how `role` types one element of its list of applications."""
    spec: dict[str, Any] = role_spec(role)[INPUTS[role]]["options"]
    return spec


def settings_spec() -> dict[str, Any]:
    """Return how the variables of roles are typed that `site.yml` does not fill in."""
    return {
        key: option
        for role in INPUTS
        for key, option in role_spec(role).items()
        if key not in FILLED_IN and key not in INPUTS.values()
    }


def section_spec(section: str) -> dict[str, Any]:
    """Return how the section `section` of an entry is typed."""
    role, added = SECTIONS[section]
    return {key: value for key, value in input_spec(role).items() if key not in added}


def with_defaults(values: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Return `values` in the types of `spec`, and its defaults for what they leave out.

    :raises Failed: when a value cannot have its type.
    """
    try:
        result = ArgumentSpecValidator(_for_validator(spec)).validate(plain(values))
    except TypeError as confused:
        # It joins the names of keys that it does not know.
        raise Failed("a key is not a string; quote it") from confused
    if result.error_messages:
        raise Failed("; ".join(result.error_messages))
    validated: dict[str, Any] = result.validated_parameters
    return validated


def inputs(apps: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    """Return `apps` in the types, and with the defaults, that `role` documents for its list of applications.

    :raises Failed: when a value cannot have its type.
    """
    return [with_defaults(app, input_spec(role)) for app in apps]


def present(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of `apps` that are to run."""
    return [app for app in apps if app.get("state", "present") == "present"]


def absent(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the name of those of `apps` that are to be removed, and whether their data is to be as well."""
    return [
        {"name": app["name"], "remove_data": app.get("remove_data", False)}
        for app in apps
        if app.get("state", "present") == "absent"
    ]


def objections(apps: Any) -> list[str]:
    """Return a sentence for all that is wrong with `apps`, wherever it will go."""
    if not isinstance(apps, list):
        return [f"wsgi_apps is {rules.kind(apps)}; write a list with an entry for each application"]
    found = []
    typed = []
    for number, app in enumerate(apps):
        if not isinstance(app, dict):
            wrong = f"that is {rules.kind(app)}; write a dictionary with name, build, run and serve"
            found.append(f"wsgi_apps[{number}]: {wrong}")
            continue
        entry = Entry(app)
        found += [f"{sections.nth('wsgi_apps', number, app)}: {sentence}" for sentence in entry.objections]
        typed.append(entry)
    alone = [entry.name for entry in typed if not entry.is_absent and entry.shares_no_host()]
    others = [entry.name for entry in typed if not entry.is_absent]
    if alone and len(others) > 1:
        other = next(name for name in others if name != alone[0])
        found.append(
            f"wsgi_apps ({alone[0]}): run.listen_uwsgi: {other} could run code through a TCP port; write a Unix "
            f"socket, such as /run/{alone[0]}-web.socket"
        )
    return found + list(_claimed_twice("wsgi_apps: two entries", [(entry.name, entry.claims()) for entry in typed]))


def settings_objections(settings: dict[str, Any]) -> list[str]:
    """Return a sentence for each variable of a role that cannot have its type."""
    return list(_typed("", settings, settings_spec()))


def run_objections(on_failure: Any, build_host: Any, hosts: Collection[str]) -> list[str]:
    """Return a sentence for all that is wrong with what is said of the run itself.

    :param hosts: the names of those that there are.
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
    """Return a sentence for all that these hosts cannot do for `apps`."""
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
    """Return a sentence for each application that the load balancer `host` could not reach."""
    found = []
    for app in present(apps):
        address = app["run"].get("listen_http")
        if host in app_servers or not app.get("serve"):
            continue
        if not address or ip_address(rules.split_address(address)[0]).is_loopback:
            wrong = f": {address!r}" if address else " is missing"
            found.append(
                f"wsgi_apps ({app['name']}): run.listen_http{wrong}: the load balancer {host} is not "
                "an app server and reaches the application over the network; write an address it can reach, such as "
                "0.0.0.0:9000"
            )
    return found


def unsupported(distribution: str, version: str) -> str | None:
    """Object to an operating system that the collection does not know."""
    known = SUPPORTED.get(distribution, ())
    if version in known or version.split(".", maxsplit=1)[0] in known:
        return None
    names = ", ".join(f"{name} {release}" for name, releases in SUPPORTED.items() for release in releases)
    return f"{distribution} {version} is not supported; use one of {names}"


def sites(apps: list[dict[str, Any]], host: str, app_servers: list[str], hostvars: Any) -> list[dict[str, Any]]:
    """Return the input of the role `nginx` for the load balancer `host`.

    A load balancer that is an app server uses its own socket, and serves files of the application itself. Any other
    goes over HTTP to all of them, which then serve their files.
    """
    found = []
    for app in apps:
        if not app.get("serve"):
            continue
        run = with_defaults(app["run"], section_spec("run"))
        site = {**app["serve"], "name": app["name"], "read_timeout": run["harakiri"] + HARAKIRI_TO_READ_TIMEOUT}
        if run["probe"].get("path", "/") != "/":
            site["health"] = run["probe"]["path"]
        local = host in app_servers
        for setting in FILES:
            site[setting] = [*_placed(app["name"], setting, app["serve"].get(setting) or [], local)]
        if local:
            site.update(protocol="uwsgi", servers=[f"unix:/srv/{app['name']}/current/socket"])
        else:
            _host, port = rules.split_address(run["listen_http"])
            site.update(protocol="http", servers=[_address(server, hostvars[server], port) for server in app_servers])
        found.append(site)
    return found


def serve(app: dict[str, Any]) -> dict[str, Any]:
    """Return the section `serve` of the entry `app` with its defaults; empty where it has none."""
    return with_defaults(app["serve"], section_spec("serve")) if app.get("serve") else {}


def probe(app: dict[str, Any]) -> dict[str, Any]:
    """Return how the entry `app` is probed: as visitors of its site come, unless it says otherwise."""
    site = serve(app)
    if not site:
        return {**app["run"].get("probe", {})}
    scheme = "http" if site["tls"].get("source", "none") == "none" else "https"
    return {"host": site["server_names"][0], "scheme": scheme, **app["run"].get("probe", {})}


def public_data(serve: dict[str, Any]) -> list[str]:
    """Return the directories below an application's data that NGINX reads."""
    return [one["directory"].rstrip("/") for one in serve.get("uploads", []) if not one["directory"].startswith("/")]


def static(serve: dict[str, Any]) -> list[dict[str, str]]:
    """Return the directories below an application's code that NGINX reads, and under which paths it serves them."""
    listed = [one for one in serve.get("static", []) if not one["directory"].startswith("/")]
    return [{"path": one["path"], "directory": one["directory"].rstrip("/")} for one in listed]


def _placed(name: str, setting: str, listed: list[dict[str, Any]], local: bool) -> Iterator[dict[str, Any]]:
    """Yield directories with files where they lie on the host; what is relative lies where the application is."""
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
    """Return the front doors at which `host` has to see its applications healthy.

    On a load balancer that is its NGINX, on any other app server the port that it opens to them. What to ask there
    is what the release says that went live, be it an older one: `uwsgi_switched` of this host, or of an app server.
    Before the switch, it is what the entry says.
    """
    app_servers, load_balancers = (groups.get(name, []) for name in ("app_servers", "load_balancers"))
    servers = [host] if host in app_servers else app_servers
    results = [hostvars[server]["uwsgi_switched"] for server in servers if "uwsgi_switched" in hostvars[server]]
    if results:
        switched: list[dict[str, Any]] = next(filter(None, (one.get("switched", []) for one in results)), [])
        probes = {one["name"]: one["probe"] for one in switched}
    else:
        spec = {"probe": section_spec("run")["probe"]}
        probes = {app["name"]: with_defaults({"probe": probe(app)}, spec)["probe"] for app in apps}
    found = []
    for app in apps:
        address = app["run"].get("listen_http") if host in app_servers else None
        if host in load_balancers and app.get("serve"):
            tls = app["serve"].get("tls") or {}
            address = NGINX_ADDRESS if tls.get("source", "none") == "none" else NGINX_HTTPS_ADDRESS
        if app["name"] in probes and address:
            found.append({"name": app["name"], "address": address, "probe": probes[app["name"]]})
    return found


def _address(host: str, variables: Any, port: int) -> str:
    """Return where a load balancer reaches a port of `host`: as the inventory says, else as Ansible does."""
    address = str(variables.get("wsgi_address") or variables.get("ansible_host") or host)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Entry:
    """One entry of `wsgi_apps`, seen alone.

    :ivar objections: a sentence for each thing that is wrong with it.
    :ivar sections: the values of each section in their types, without those that have none.
    """

    def __init__(self, app: dict[str, Any]) -> None:
        self.name = str(app.get("name"))
        self.sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        self.is_absent = absent = app.get("state") == "absent"
        required = {"name"} if absent else {"name", *REQUIRED_SECTIONS}
        self.objections = list(_keys(app, ["name", "state", "remove_data", *SECTIONS], required))
        if "name" in app:
            objection = rules.name(self.name if app["name"] else "")
            self.objections += [f"name: {app['name']!r}: {objection}"] if objection else []
        self.objections += _state(app)
        # What is to be removed may have lost its source.
        for section in () if absent else SECTIONS:
            if section in app:
                self._read(section, app[section])
        serve = self.sections["serve"]
        self.objections += [f"serve.{one}" for one in (*certificates.objections(serve), *_paths_twice(serve))]
        self.objections += _source(self.sections["build"], [] if self.objections else static(serve))
        self.objections += [f"run.{one}" for one in sections.conflicts(self.sections["run"])]

    def claims(self) -> list[tuple[str, str]]:
        """Return what no other entry may have: the name, host names and ports."""
        run, serve = self.sections["run"], self.sections["serve"]
        found = [("name", self.name.replace("-", "_")), *host_claims(serve)]
        for key in ("listen_http", "listen_uwsgi"):
            if run.get(key) and not rules.http_address(run[key]):
                found.append(("port", str(rules.split_address(run[key])[1])))
            elif run.get(key):
                found.append(("socket", run[key]))
        return found

    def shares_no_host(self) -> bool:
        """Tell whether no other application may be on its hosts, because that could run code as this one."""
        address = self.sections["run"].get("listen_uwsgi") or ""
        return bool(address) and not address.startswith("/")

    def _read(self, section: str, values: Any) -> None:
        """Read a section: its keys, then each value's type, then what else the value must be."""
        spec = section_spec(section)
        self.objections += _typed(section, values, spec)
        for key, value in _fitting(values, spec).items():
            self.sections[section][key] = value
            self.objections += [f"{section}.{sentence}" for sentence in _value(section, key, value)]


def _typed(where: str, values: Any, spec: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each key in `values` that is not known, is missing, or cannot have its type."""
    if not isinstance(values, dict):
        yield f"{where}: write a dictionary of {', '.join(spec)}"
        return
    required = {key for key, option in spec.items() if option.get("required")}
    before = f"{where}." if where else ""
    yield from (f"{before}{sentence}" for sentence in _keys(values, list(spec), required))
    for key in [key for key in values if key in spec]:
        option, value, place = spec[key], values[key], f"{before}{key}"
        if "options" in option and "elements" not in option:
            yield from _typed(place, value, option["options"])
        elif "options" in option and isinstance(value, list):
            for number, item in enumerate(value):
                yield from _typed(sections.nth(place, number, item), item, option["options"])
        elif not _has_type(value, option):
            # What is to be a list or a dictionary may be one with a secret in it, written in another way.
            shown = "" if key in sections.SECRET or option["type"] in ("dict", "list") else f"{value!r}: "
            leave = ", or remove it" if value is None and not option.get("required") else ""
            yield f"{place}: {shown}{_wanted(option)}{leave}"


def _has_type(value: Any, option: dict[str, Any]) -> bool:
    """Tell whether a value can have its type. What Ansible would split into several is none: it may be one command."""
    splits = option["type"] == "list" and "," in str(value)
    if isinstance(value, str) and (splits or "dict" in (option["type"], option.get("elements"))):
        return False
    try:
        with_defaults({"value": value}, {"value": option})
    except Failed:
        return False
    return True


def _wanted(option: dict[str, Any]) -> str:
    """Return what to write for a setting."""
    if "choices" in option:
        return f"write {' or '.join(option['choices'])}"
    if option["type"] == "list" and option["elements"] != "str":
        return f"write a list of {WRITTEN[option['elements']][1]}"
    return f"write {WRITTEN[option['type']][0]}"


def _fitting(values: Any, spec: dict[str, Any]) -> dict[str, Any]:
    """Return those of `values` that can have their types, in them."""
    found: dict[str, Any] = {}
    for key in [key for key in values if key in spec] if isinstance(values, dict) else []:
        if "options" in spec[key] and "elements" not in spec[key]:
            found[key] = _fitting(values[key], spec[key]["options"])
            continue
        if _has_type(values[key], spec[key]):
            found[key] = with_defaults({key: values[key]}, {key: spec[key]})[key]
    return found


def _value(section: str, key: str, value: Any) -> Iterator[str]:
    """Yield what is wrong with a value beyond its type."""
    yield from sections.objections(
        {"build": sections.BUILD, "run": sections.RUN, "serve": sections.SERVE}[section], {key: value}
    )


def _source(build: dict[str, Any], static: list[dict[str, str]]) -> Iterator[str]:
    """Yield what is wrong with the source of a build, what it depends on, and what NGINX is to serve of it.

    :param static: the directories below the code that NGINX serves. Commands of the build may make them.
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
            # git ignores what is there and does not belong to it.
            there = (Path(build["source"]).expanduser() / directory).is_dir()
            hint = "git ignores it; add it to build.include" if there else "put it there"
            yield (
                f"serve.static: {directory!r}: the build has no such directory: {hint}, or create it with "
                "build.commands"
            )


def _state(app: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with whether an application is to be there."""
    state, remove_data = app.get("state", "present"), app.get("remove_data", False)
    if state not in STATES:
        yield f"state: {state!r}: write {' or '.join(STATES)}"
    if not isinstance(remove_data, bool):
        yield f"remove_data: {remove_data!r}: write true or false"
    elif remove_data and state != "absent":
        yield "remove_data: the application is not absent; add state: absent, or remove this key"


def _keys(values: dict[str, Any], known: list[str], required: set[str]) -> Iterator[str]:
    """Yield a sentence for each key that is not known, and for each that is missing."""
    meant = set()
    for key in values:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            meant.update(near)
            advice = f"did you mean {near[0]}?" if near else f"known keys are {', '.join(known)}"
            # Without its value, which may be a password or a key that is out of place.
            yield f"{key}: unknown key; {advice}"
    for key in sorted(required - set(values) - meant):
        yield f"{key} is missing; add it"


def host_claims(site: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what no other site of a host may have."""
    names = [*site.get("server_names", []), *site.get("aliases", [])]
    return [("host name", name) for name in names] + ([("role of", "default")] if site.get("default") else [])


def nginx_objections(settings: dict[str, Any]) -> list[str]:
    """Return a sentence for all that is wrong with the input of the role `nginx`, which has its types already.

    :param settings: the variables of the role by their names, without the role's own.
    """
    sites = settings["sites"]
    found = [f"nginx_{sentence}" for sentence in sections.objections(sections.NGINX, settings)]
    for site in sites:
        wrong = [*sections.objections(sections.SERVE, site), *certificates.objections(site), *_paths_twice(site)]
        wrong += _relative(site)
        found += [f"nginx_sites ({site['name']}): {sentence}" for sentence in wrong]
    claims = [(site["name"], [("name", site["name"].replace("-", "_")), *host_claims(site)]) for site in sites]
    return found + list(_claimed_twice("nginx_sites: two sites", claims))


def _paths_twice(site: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each path under which `site` has two directories."""
    paths = [one["path"] for setting in FILES for one in site.get(setting, [])]
    yield from (
        f"static and uploads: two have the path {path}; change one"
        for path in sorted(set(paths))
        if paths.count(path) > 1
    )


def _relative(site: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each directory of which the role alone cannot know where it begins."""
    for setting in FILES:
        for one in site[setting]:
            for directory in (one["directory"], one.get("previous")):
                if directory and not directory.startswith("/"):
                    yield f"{setting}: {directory!r}: write an absolute path"


def _claimed_twice(two: str, claims: list[tuple[str, list[tuple[str, str]]]]) -> Iterator[str]:
    """Yield a sentence for each thing that two entries claim.

    :param two: how to begin it.
    :param claims: the name of each entry, and what it claims.
    """
    owners: dict[tuple[str, str], str] = {}
    for name, claimed in claims:
        for claim in claimed:
            if claim in owners:
                yield f"{two}, {owners[claim]} and {name}, have the {claim[0]} {claim[1]}; change one"
            owners[claim] = name


def plain(value: Any) -> Any:
    """Return `value` without Ansible's lazy containers, each copy of which would drag its templating along."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _for_validator(spec: dict[str, Any]) -> dict[str, Any]:
    """Return `spec` without what documents it, as the validator wants it."""
    wanted = ("type", "elements", "required", "default", "choices")
    found = {}
    for key, option in spec.items():
        found[key] = {word: option[word] for word in wanted if word in option}
        if "options" in option:
            found[key]["options"] = _for_validator(option["options"])
    return found
