# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The arguments that a step gets on the host, derived from those of its task."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import rules, sections
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.steps.nginx import ARGUMENTS as NGINX
from ansible_collections.wsgi.production.plugins.plugin_utils import certificates, checks, host_names, specification
from ansible_collections.wsgi.production.plugins.plugin_utils.nginx_config import passwords, render, units
from ansible_collections.wsgi.production.plugins.plugin_utils.pinned import pins, tools
from ansible_collections.wsgi.production.plugins.plugin_utils.release_files import files, programs
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source

# Settings that may contain secrets.
SECRETS = ("env", "secrets", "secret_files")
BUILD_SECRETS = ("env",)

# Arguments that no task sets, because they are derived from the others.
NGINX_FOLLOWS = {"config", "units", "certificates", "secrets"}


def arguments(step: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that `step` gets on the host.

    :param said: the arguments of its task.
    :raises Failed: with a sentence for each mistake in them.
    """
    made = {"build": _build, "wheels": _wheels, "release": _release, "nginx": _nginx, "retire": _retire}
    return made[step](said) if step in made else dict(said)


def sources(apps: list[dict[str, Any]]) -> dict[str, Source]:
    """Return the source of each of `apps`, by its name.

    :raises Failed: when one is missing or incomplete.
    """
    found = {}
    for app in apps:
        try:
            found[app["name"]] = Source.of(app)
        except Failed as failure:
            raise Failed(f"{app['name']}: {failure}") from failure
    return found


def _build(said: dict[str, Any]) -> dict[str, Any]:
    apps = specification.inputs(said["apps"], "python_app")
    return {
        **said,
        "secrets": _taken(apps, BUILD_SECRETS),
        "apps": apps,
        "contents": _contents(apps),
        "pins": pins("uv"),
    }


def _wheels(said: dict[str, Any]) -> dict[str, Any]:
    apps = specification.inputs(said["apps"], "python_app")
    # The build host must not see what is only for build commands.
    _taken(apps, BUILD_SECRETS)
    return {**said, "apps": apps, "contents": _contents(apps), "pins": pins("uv", "pip", "pyuwsgi")}


def _contents(apps: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: source.content() for name, source in sources(apps).items()}


def _release(said: dict[str, Any]) -> dict[str, Any]:
    apps, templates = specification.inputs(said["apps"], "uwsgi"), said.get("templates", "")
    rules_of_app = {"name": rules.name, **sections.RUN}
    wrong = [
        f"{app['name']}: {sentence}"
        for app in apps
        for sentence in (*sections.objections(rules_of_app, app), *sections.conflicts(app), *checks.unserved(app))
    ]
    if wrong:
        raise Failed("\n".join(wrong))
    rendered = {"programs": programs(), "apps": {app["name"]: files(app, templates) for app in apps}}
    needed = pins("uv", *sorted({app["package"] for app in apps}))
    return {**said, "files": json.dumps(rendered), "secrets": _taken(apps, SECRETS), "apps": apps, "pins": needed}


def _retire(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "tools": tools()}


def _taken(apps: list[dict[str, Any]], keys: tuple[str, ...]) -> str:
    """Remove the values of `keys` from `apps`, and return them as one text, by application."""
    return json.dumps({app["name"]: {key: app.pop(key) for key in keys} for app in apps})


def _nginx(said: dict[str, Any]) -> dict[str, Any]:
    spec = {key: option for key, option in NGINX.items() if key not in NGINX_FOLLOWS}
    args = specification.with_defaults({**said, "sites": specification.inputs(said["sites"], "nginx")}, spec)
    wrong = checks.nginx_objections(args)
    if wrong:
        raise Failed("\n".join(wrong))
    sites = args["sites"] = host_names.shared(args["sites"])
    servers = host_names.servers(sites)
    certified = [site for site in sites if servers[site["name"]] == site["name"]]
    # Secrets are passed in separate arguments, which are not logged.
    return {
        **args,
        "config": json.dumps(render(args)),
        "units": units(args["templates"]),
        "snippet": "",
        "certificates": [one for site in certified for one in certificates.wanted(site, args["acme_directory"])],
        "secrets": json.dumps(
            {
                "passwords": passwords(sites),
                "keys": {site["name"]: certificates.key(site) for site in certified},
            }
        ),
        "sites": [{"name": site["name"], "http3": site["tls"]["http3"]} for site in sites],
    }
