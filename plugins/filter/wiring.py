# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Filters that derive the input of each role from the entries of applications."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.plugin_utils import (
    nginx_config,
    release_files,
    role_inputs,
    specification,
    status,
)
from ansible_collections.wsgi.production.plugins.plugin_utils.survey import SURVEY


def hosts(groups: dict[str, list[str]]) -> str:
    """Return the hosts of the playbook `site`.

    For an inventory without app servers, this is the controller, where the description is refused; otherwise Ansible
    would skip the play and report success. The pattern is evaluated before Ansible forks, so what is imported and read
    here is not imported and read again for each task and host.
    """
    for role in specification.INPUTS:
        specification.role_spec(role)
    for texts in (release_files, nginx_config):
        texts.prepare()
    return "app_servers:load_balancers" if groups.get("app_servers") else "localhost"


def section(apps: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the section `name` of each of `apps` that has it, with the name of the application."""
    return [{**app[name], "name": app["name"]} for app in apps if app.get(name)]


def as_built(apps: list[dict[str, Any]], entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `apps`, whose commands also see the environment of the application unless their entry says otherwise.

    Without commands nothing sees it, so it does not count for the name of a build.
    """
    described = {entry["name"]: entry for entry in entries}
    return [
        {**app, "env": {**described[app["name"]]["run"].get("env", {}), **app.get("env", {})}}
        if app.get("commands") and app.get("run_env", True)
        else app
        for app in apps
    ]


def as_served(apps: list[dict[str, Any]], entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `apps` with what follows from the section `serve` of their entries.

    Each is probed under its first host name, unless its entry names another, and NGINX can read its files.
    """
    described = {entry["name"]: entry for entry in entries}
    found = []
    for app in apps:
        entry = described[app["name"]]
        serve = role_inputs.serve(entry, entries)
        files = {"public_data": role_inputs.public_data(serve), "static": role_inputs.static(serve)}
        front = role_inputs.front_of(entry)
        found.append({**app, "probe": role_inputs.probe(entry, serve), **files, **({"front": front} if front else {})})
    return found


def with_builds(
    apps: list[dict[str, Any]], builds: dict[str, str], folders: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return `apps`, each with the directory of its build, and that of the wheels from which it was installed.

    A directory is empty if there is none, or none yet.
    """
    return [
        {**app, "build": builds.get(app["name"], ""), "wheels": (folders or {}).get(app["name"], "")} for app in apps
    ]


def select_app(apps: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return a list of the application with this name; without a name, of the only application."""
    found = [app for app in apps if app["name"] == name] if name else apps
    if not apps:
        raise AnsibleFilterError("wsgi_apps: there is no application; add an entry")
    if len(found) != 1:
        known = ", ".join(app["name"] for app in apps)
        wrong = f"there is no application {name}" if name else "there is more than one application"
        raise AnsibleFilterError(f"wsgi_app: {wrong}; write one of {known}, such as -e wsgi_app={apps[0]['name']}")
    return found


def broken(hostvars: Any, hosts: list[str], *names: str) -> dict[str, str]:
    """Return why applications are broken, by their names, according to tasks on any of `hosts`.

    An application that is broken on one host is not switched on any host.

    :param names: the variables with the results of these tasks.
    """
    found: dict[str, str] = {}
    for host in hosts:
        for name in names:
            for app, why in hostvars[host].get(name, {}).get("broken", {}).items():
                found.setdefault(app, f"{why} ({host})")
    return found


def surveys(hostvars: Any, hosts: list[str]) -> list[dict[str, Any]]:
    """Return the results of the survey on each of `hosts` on which it succeeded."""
    found = (hostvars[host].get(SURVEY, {}) for host in hosts)
    return [survey for survey in found if "ends" in survey]


def without(apps: list[dict[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Return each of `apps` whose name is not in `names`."""
    return [app for app in apps if app["name"] not in names]


def as_released(apps: list[dict[str, Any]], releases: dict[str, str]) -> list[dict[str, Any]]:
    """Return `apps`, each with its release."""
    return [{**app, "release": releases[app["name"]]} for app in apps]


def live_builds(apps: list[dict[str, Any]]) -> dict[str, str]:
    """Return the build of the live release of each of `apps`, for a run that builds nothing."""
    return {app["name"]: str(Layout(app["name"]).current / "build") for app in apps}


def only(apps: list[dict[str, Any]], *keys: str) -> list[dict[str, Any]]:
    """Return `apps`, each without any keys except `keys`."""
    return [{key: app[key] for key in keys if key in app} for app in apps]


class FilterModule:
    """The filters of the collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "absent": role_inputs.absent,
            "as_built": as_built,
            "as_released": as_released,
            "as_served": as_served,
            "broken": broken,
            "fronts": role_inputs.fronts,
            "hosts": hosts,
            "live_builds": live_builds,
            "select_app": select_app,
            "only": only,
            "present": role_inputs.present,
            "section": section,
            "status": status.report,
            "surveys": surveys,
            "sites": role_inputs.sites,
            "with_builds": with_builds,
            "without": without,
        }
