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


def with_builds(apps: list[dict[str, Any]], builds: dict[str, str]) -> list[dict[str, Any]]:
    """Return `apps`, each with the directory that `builds` has for its name."""
    return [{**app, "build": builds[app["name"]]} for app in apps]


def with_defaults(apps: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    """Return `apps` in the types, and with the defaults, that `role` documents for its input."""
    try:
        return [description.with_defaults(app, description.input_spec(role)) for app in apps]
    except Failed as failure:
        raise AnsibleFilterError(str(failure)) from failure


def without(apps: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Return `apps`, each without `key`."""
    return [{name: value for name, value in app.items() if name != key} for app in apps]


class FilterModule:
    """The filters of the collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "section": section,
            "sites": description.sites,
            "with_builds": with_builds,
            "with_defaults": with_defaults,
            "without": without,
        }
