# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""From an application's entry to the input of each role."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils import description


def section(apps: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the section `name` of those of `apps` that have one, each with its application's name."""
    return [{**app[name], "name": app["name"]} for app in apps if app.get(name)]


def as_served(apps: list[dict[str, Any]], entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `apps` as their entries say that they are served.

    Each is probed under the first host name of its own, unless it names another, and NGINX can read its uploads.
    """
    spec = description.section_spec("serve")
    served = {entry["name"]: description.with_defaults(entry["serve"], spec) for entry in entries if entry.get("serve")}
    found = []
    for app in apps:
        serve = served.get(app["name"], {})
        host = {"host": serve["server_names"][0]} if serve else {}
        found.append({**app, "probe": {**host, **app.get("probe", {})}, "public_data": description.public_data(serve)})
    return found


def with_builds(apps: list[dict[str, Any]], builds: dict[str, str]) -> list[dict[str, Any]]:
    """Return `apps`, each with the directory that `builds` has for its name, where it has one yet."""
    return [{**app, "build": builds[app["name"]]} if app["name"] in builds else app for app in apps]


def with_defaults(apps: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    """Return `apps` in the types, and with the defaults, that `role` documents for its input."""
    try:
        return [description.with_defaults(app, description.input_spec(role)) for app in apps]
    except Failed as failure:
        raise AnsibleFilterError(str(failure)) from failure


def one(apps: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the one of `apps` that has `name`; without a name, the only one there is."""
    found = [app for app in apps if app["name"] == name] if name else apps
    if not apps:
        raise AnsibleFilterError("wsgi_apps: there is no application; describe one")
    if len(found) != 1:
        known = ", ".join(app["name"] for app in apps)
        wrong = f"there is no application {name}" if name else "there is more than one application"
        raise AnsibleFilterError(f"wsgi_app: {wrong}; write one of {known}, such as -e wsgi_app={apps[0]['name']}")
    return found


def live_builds(apps: list[dict[str, Any]]) -> dict[str, str]:
    """Return the build of the live release of each of `apps`, for a run that builds nothing."""
    return {app["name"]: f"/srv/{app['name']}/current/build" for app in apps}


def only(apps: list[dict[str, Any]], *keys: str) -> list[dict[str, Any]]:
    """Return `apps`, each with `keys` alone."""
    return [{key: app[key] for key in keys} for app in apps]


class FilterModule:
    """The filters of the collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "as_served": as_served,
            "fronts": description.fronts,
            "live_builds": live_builds,
            "one": one,
            "only": only,
            "section": section,
            "sites": description.sites,
            "with_builds": with_builds,
            "with_defaults": with_defaults,
        }
