"""Which sites can share host names, and what they then share."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.plugin_utils import host_names

NAMES = {"server_names": ["all.example.org", "www.example.org"]}
FRONT: dict[str, Any] = {**NAMES, "name": "front"}
SHOP: dict[str, Any] = {"server_names": [*reversed(NAMES["server_names"])], "name": "shop", "path": "/shop/"}
WIKI: dict[str, Any] = {**NAMES, "name": "wiki", "path": "/wiki/"}
OTHER: dict[str, Any] = {"server_names": ["other.example.org"], "name": "other"}
TLS = {"source": "self_signed"}


def objections(*sites: dict[str, Any]) -> list[str]:
    return list(host_names.objections([(site["name"], site) for site in sites]))


def test_the_site_at_the_root_or_else_the_first_has_the_server() -> None:
    found = host_names.servers([SHOP, OTHER, FRONT, WIKI])
    assert found == {"shop": "front", "other": "other", "front": "front", "wiki": "front"}
    assert host_names.servers([SHOP, WIKI]) == {"shop": "shop", "wiki": "shop"}


def test_what_is_for_the_whole_host_name_can_be_said_by_any_of_its_sites() -> None:
    shop = {**SHOP, "tls": TLS, "aliases": ["old.example.org"], "default": True}
    shared = host_names.shared([FRONT, shop, OTHER])
    for site in shared[:2]:
        assert (site["tls"], site["aliases"], site["default"]) == (TLS, ["old.example.org"], True)
    assert shared[2] == OTHER


def test_sites_with_different_paths_share_host_names() -> None:
    assert objections(FRONT, SHOP, {**WIKI, "tls": TLS}, OTHER) == []
    assert objections({**FRONT, "tls": TLS}, {**SHOP, "tls": TLS}) == []


@pytest.mark.parametrize(
    ("sites", "sentence"),
    [
        (
            [FRONT, {**SHOP, "server_names": ["all.example.org"]}],
            "front and shop share all.example.org, so they need the same server_names; change one",
        ),
        (
            [{**OTHER, "aliases": ["all.example.org"]}, SHOP],
            "other and shop share all.example.org, so they need the same server_names; change one",
        ),
        (
            [{**FRONT, "tls": TLS}, {**WIKI, "tls": {"source": "acme"}}],
            "front and wiki share all.example.org, which has one certificate; write tls in one of the two",
        ),
        (
            [{**FRONT, "routes": [{"path": "/shop"}]}, SHOP],
            "front: /shop is below the path of shop; change one of the two",
        ),
        (
            [{**WIKI, "path": "/shop/wiki/"}, SHOP],
            "wiki: /shop/wiki/ is below the path of shop; change one of the two",
        ),
    ],
)
def test_what_sites_cannot_share_is_refused(sites: list[dict[str, Any]], sentence: str) -> None:
    assert objections(*sites) == [sentence]


def test_a_snippet_is_for_the_whole_server() -> None:
    assert list(host_names.only_for_all({**FRONT, "snippet": "etag off;"})) == []
    assert list(host_names.only_for_all({**SHOP, "snippet": "etag off;"})) == [
        "snippet: it is for the server of all sites with this host name; write it for the one without path"
    ]
