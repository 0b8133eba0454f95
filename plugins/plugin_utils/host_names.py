# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Sites that share host names: each answers below a path of its own, and one certificate serves them all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

# The path of a site that has its host names for itself.
ROOT = "/"


def path(site: dict[str, Any]) -> str:
    """Return the path below which `site` answers, with a slash at its end."""
    return str(site.get("path") or ROOT)


def prefix(site: dict[str, Any]) -> str:
    """Return that path without the slash at its end, as an application knows it: `SCRIPT_NAME`."""
    return path(site).rstrip("/")


def names(site: dict[str, Any]) -> list[str]:
    """Return the host names of `site`, including those that only redirect."""
    return [*site.get("server_names", []), *site.get("aliases", [])]


def has_certificate(site: dict[str, Any]) -> bool:
    """Return whether `site` itself says where its certificate comes from."""
    return bool((site.get("tls") or {}).get("source", "none") != "none")


def shared(sites: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `sites`, each with what any of those with the same host names says for all: certificate and aliases."""
    return [{**site, **_said([one for one in sites if _same_names(one, site)])} for site in sites]


def _same_names(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return set(one.get("server_names", [])) == set(other.get("server_names", []))


def _said(sites: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what `sites`, which have the same host names, say for all of them; a setting that none has is left out."""
    found: dict[str, Any] = {}
    for site in filter(has_certificate, sites):
        found["tls"] = site["tls"]
    if any(site.get("aliases") for site in sites):
        found["aliases"] = [alias for site in sites for alias in site.get("aliases") or []]
    if any(site.get("default") for site in sites):
        found["default"] = True
    return found


def servers(sites: list[dict[str, Any]]) -> dict[str, str]:
    """Return the name of the site that has the server of the same host names, by the name of each of `sites`.

    It is the site that answers for the whole of them, or the first if each has a path of its own.
    """
    first: dict[frozenset[str], dict[str, Any]] = {}
    for site in sites:
        server = first.setdefault(frozenset(site["server_names"]), site)
        if path(site) == ROOT and path(server) != ROOT:
            first[frozenset(site["server_names"])] = site
    return {site["name"]: first[frozenset(site["server_names"])]["name"] for site in sites}


def only_for_all(site: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence if a site with a path says what only a site without one can."""
    if prefix(site) and site.get("snippet"):
        yield "snippet: it is for the server of all sites with this host name; write it for the one without path"


def objections(sites: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """Yield a sentence for each thing that sites with a host name in common cannot share.

    :param sites: the name of each, and its settings.
    """
    for number, (name, site) in enumerate(sites):
        for other_name, other in sites[:number]:
            common = [one for one in names(site) if one in names(other)]
            # Two that answer for the same path are refused as such.
            if not common or path(site) == path(other):
                continue
            both = f"{other_name} and {name} share {common[0]}"
            if not _same_names(site, other):
                yield f"{both}, so they need the same server_names; change one"
            elif has_certificate(site) and has_certificate(other) and site["tls"] != other["tls"]:
                yield f"{both}, which has one certificate; write tls in one of the two"
            for (inner_name, inner), (outer_name, outer) in permutations(((name, site), (other_name, other))):
                yield from (
                    f"{inner_name}: {one} is below the path of {outer_name}; change one of the two"
                    for one in _paths(inner)
                    if prefix(outer) and f"{one.rstrip('/')}/".startswith(path(outer))
                )


def _paths(site: dict[str, Any]) -> list[str]:
    """Return the path of `site`, and those at which it has something else than the application."""
    own = [one["path"] for setting in ("static", "uploads", "routes") for one in site.get(setting) or []]
    return [path(site), *(prefix(site) + one for one in own)]
