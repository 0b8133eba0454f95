# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What a step is asked on the host: the arguments of its module, from what a task or the survey says of it."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.steps.edge import ARGUMENTS as EDGE
from ansible_collections.wsgi.production.plugins.plugin_utils import certificates, description
from ansible_collections.wsgi.production.plugins.plugin_utils.nginx_config import render
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source

# What may hold a secret.
SECRETS = ("env", "secrets", "secret_files")

# What the module takes that no task says, because it follows from the rest.
EDGE_FOLLOWS = {"config", "certificates", "secrets"}


def arguments(step: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the module of `step`.

    :param said: the arguments of its task.
    :raises Failed: with a sentence for each thing that is wrong with them.
    """
    made = {"build": _of_sources, "wheels": _of_sources, "release": _release, "edge": _edge}
    return made[step](said) if step in made else dict(said)


def sources(apps: list[dict[str, Any]]) -> dict[str, Source]:
    """Return the source of each of `apps`, by its name.

    :raises Failed: when one is not there, or not complete.
    """
    found = {}
    for app in apps:
        try:
            found[app["name"]] = Source.of(app)
        except Failed as failure:
            raise Failed(f"{app['name']}: {failure}") from failure
    return found


def _of_sources(said: dict[str, Any]) -> dict[str, Any]:
    apps = description.inputs(said["apps"], "python_app")
    return {**said, "apps": apps, "contents": {name: source.content() for name, source in sources(apps).items()}}


def _release(said: dict[str, Any]) -> dict[str, Any]:
    apps = description.inputs(said["apps"], "uwsgi")
    secrets = json.dumps({app["name"]: {key: app.pop(key) for key in SECRETS} for app in apps})
    return {**said, "apps": apps, "secrets": secrets}


def _edge(said: dict[str, Any]) -> dict[str, Any]:
    spec = {key: option for key, option in EDGE.items() if key not in EDGE_FOLLOWS}
    args = description.with_defaults(said, spec)
    wrong = description.edge_objections(args)
    if wrong:
        raise Failed("\n".join(wrong))
    sites = args["sites"]
    # What is secret goes to the host in arguments of its own, which nothing logs.
    return {
        **args,
        "config": render(args),
        "certificates": [one for site in sites for one in certificates.wanted(site)],
        "secrets": json.dumps(
            {
                "passwords": {site["name"]: site["basic_auth"] for site in sites},
                "keys": {site["name"]: certificates.key(site) for site in sites},
            }
        ),
        "sites": [
            {"name": site["name"], "read_timeout": site["read_timeout"], "http3": site["tls"]["http3"]}
            for site in sites
        ],
    }
