# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The sections of an entry: which rule each setting must pass, and the message if it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ansible_collections.wsgi.production.plugins.module_utils import rules


class Each(NamedTuple):
    """A rule for each item of a list; for dictionaries also one for each of their keys.

    :param least: what to call the item if the list must contain at least one; empty if there may be none.
    """

    rule: Callable[[Any], str | None] | dict[str, Any]
    least: str = ""

    def objections(self, key: str, number: int, item: Any) -> list[str]:
        """Return a sentence for each objection to an item of the list `key`."""
        if isinstance(self.rule, dict):
            return [f"{nth(key, number, item)}.{objection}" for objection in objections(self.rule, item)]
        objection = self.rule(item)
        if not objection:
            return []
        return [f"{nth(key, number, item) if isinstance(item, dict) else f'{key}: {item!r}'}: {objection}"]


PROBE = {
    "path": rules.path,
    "host": rules.host_header,
    "prefix": rules.prefix,
    "scheme": rules.scheme,
    "status": rules.statuses,
    "text": rules.line,
    "timeout": rules.positive,
    "tries": rules.positive,
    "interval": rules.positive,
}

HARDENING = {
    "address_families": rules.families,
    "networks": rules.networks,
    "writable_paths": Each(rules.writable),
    "groups": Each(rules.group),
    "system_calls": Each(rules.system_call),
}

PART: dict[str, Any] = {
    "name": rules.part_name,
    "command": rules.command,
    "on_calendar": rules.calendar,
    "probe": {"path": rules.path, "status": rules.statuses},
    "stop_timeout": rules.positive,
}

BUILD: dict[str, Any] = {
    "python": rules.interpreter,
    "commands": Each(rules.command),
    "include": Each(rules.included),
    "env": rules.env,
    "revision": rules.revision,
}

RUN = {
    "after_switch": Each(rules.command),
    "callable": rules.callable_name,
    "cpu_affinity": rules.processors,
    "cpu_quota": rules.quota,
    "directory": rules.below,
    "env": rules.run_env,
    "files": rules.secret_files,
    "harakiri": rules.positive,
    "hardening": HARDENING,
    "irreversible": rules.line,
    "keep": rules.keep,
    "listen_group": rules.group,
    "listen_http": rules.http_address,
    "listen_networks": rules.networks,
    "listen_uwsgi": rules.uwsgi_address,
    "memory_max": rules.size,
    "migrate": Each(rules.command),
    "migrate_timeout": rules.positive,
    "nice": rules.niceness,
    "options": rules.options,
    "paths": rules.run_env,
    "probe": PROBE,
    "processes": rules.processes,
    "public_data": Each(rules.below),
    "secret_files": rules.secret_files,
    "secrets": rules.run_env,
    "start_timeout": rules.positive,
    "static": Each(rules.static_directory),
    "tasks_max": rules.positive,
    "threads": rules.positive,
    "timers": Each(PART),
    "workers": Each(PART),
}

ROUTE: dict[str, Any] = {
    "path": rules.route_path,
    "read_timeout": rules.positive,
    "max_body_size": rules.body_size,
    "requests_per_second": rules.not_negative,
    "burst": rules.positive,
    "connections": rules.not_negative,
    "allowed_networks": rules.networks,
    "cache_seconds": rules.not_negative,
    "basic_auth": rules.users,
}

SERVE: dict[str, Any] = {
    "server_names": Each(rules.site_name, least="host name"),
    "aliases": Each(rules.site_name),
    "path": rules.site_path,
    "health": rules.health,
    "max_body_size": rules.body_size,
    "headers": rules.headers,
    "content_security_policy": rules.header_value,
    "requests_per_second": rules.not_negative,
    "burst": rules.positive,
    "connections": rules.not_negative,
    "allowed_networks": rules.networks,
    "tls": {"hsts": rules.not_negative},
    "static": Each(rules.static_directory),
    "uploads": Each(rules.directory),
    "routes": Each(ROUTE),
    "cache_seconds": rules.not_negative,
    "basic_auth": rules.users,
    "maintenance": {"retry_after": rules.positive, "bypass": rules.networks},
}

# The settings of the role `nginx` for all sites.
NGINX = {
    "headers": rules.headers,
    "trusted_proxies": rules.networks,
    "acme_directory": rules.url,
    "acme_email": rules.email,
    "status": rules.status_address,
}

# Settings whose values no message shows.
SECRET = {"basic_auth", "env", "key", "secret_files", "secrets"}

# Settings that may be left empty, which means that they are not set.
OPTIONAL = {
    *(
        "acme_email",
        "callable",
        "cpu_affinity",
        "cpu_quota",
        "directory",
        "health",
        "listen_http",
        "listen_uwsgi",
        "memory_max",
        "processes",
        "status",
    ),
    "tasks_max",
}


def conflicts(run: dict[str, Any]) -> list[str]:
    """Return a sentence for each conflict within a section `run`, such as a name that is used twice."""
    found = []
    for one, other in (
        *(("env", "secrets"), ("env", "paths"), ("paths", "secrets"), ("files", "secret_files")),
        ("workers", "timers"),
    ):
        names = [_names(run.get(key, ())) for key in (one, other)]
        found += [f"{one} and {other}: both have {name}; change one" for name in sorted({*names[0]} & {*names[1]})]
    for key in ("workers", "timers"):
        own = _names(run.get(key, ()))
        found += [f"{key}: two have the name {name}; change one" for name in sorted({*own}) if own.count(name) > 1]
    known = {*run.get("files", {}), *run.get("secret_files", {})}
    found += [
        f"paths: {variable}: there is no file {name!r}; add it to files or secret_files"
        for variable, name in run.get("paths", {}).items()
        if not (isinstance(name, str) and name in known)
    ]
    found += [
        f"workers ({worker['name']}): every_host: NGINX on each host needs a worker with listen; remove one of the two"
        for worker in run.get("workers", ())
        if worker.get("listen") and not worker.get("every_host", True)
    ]
    found += [
        f"workers ({worker['name']}): exclusive: a worker with listen must run beside that of the release before; "
        "remove one of the two"
        for worker in run.get("workers", ())
        if worker.get("listen") and worker.get("exclusive")
    ]
    address = run.get("listen_http") or ""
    reached = address and not rules.http_address(address) and not rules.is_loopback(address)
    if reached and not run.get("listen_networks"):
        found.append(
            f"listen_http: {address!r}: set listen_networks to the networks that may connect, such as "
            "[10.0.0.0/8], or [0.0.0.0/0, '::/0'] for all"
        )
    return found


def _names(values: Any) -> list[str]:
    return [str(value["name"] if isinstance(value, dict) else value) for value in values]


def objections(section: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """Apply the rules of `section` to the given `values`, and return a sentence for each objection."""
    found = []
    for key, rule in section.items():
        if values.get(key) is None or (key in OPTIONAL and values[key] == ""):
            continue
        value = values[key]
        if isinstance(rule, dict):
            found += [f"{key}.{objection}" for objection in objections(rule, value)]
        elif isinstance(rule, Each):
            for number, item in enumerate(value):
                found += rule.objections(key, number, item)
            if rule.least and not value:
                found.append(f"{key}: []: write at least one {rule.least}")
        else:
            objection = rule(value)
            if objection:
                found.append(f"{key}: {objection}" if key in SECRET else f"{key}: {value!r}: {objection}")
    return found


def nth(key: str, number: int, item: Any) -> str:
    """Return how to call an item of the list `key`: by its number, counted from 0, and its name if it has one."""
    name = item.get("name") if isinstance(item, dict) else None
    return f"{key}[{number}]" + (f" ({name})" if name else "")
