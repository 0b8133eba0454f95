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


def with_probes(apps: list[dict[str, Any]], entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `apps`, each probed under the first host name that its entry serves, unless it names another."""
    spec = description.section_spec("serve")
    hosts = {
        entry["name"]: {"host": description.with_defaults(entry["serve"], spec)["server_names"][0]}
        for entry in entries
        if entry.get("serve")
    }
    return [{**app, "probe": {**hosts.get(app["name"], {}), **app.get("probe", {})}} for app in apps]


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
            "fronts": description.fronts,
            "live_builds": live_builds,
            "one": one,
            "only": only,
            "section": section,
            "sites": description.sites,
            "with_builds": with_builds,
            "with_defaults": with_defaults,
            "with_probes": with_probes,
        }
