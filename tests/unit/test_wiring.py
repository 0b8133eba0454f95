"""What the filters of the playbook promise."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.wsgi.production.plugins.filter.wiring import (
    FilterModule,
    section,
    with_builds,
    with_defaults,
)

APPS: list[dict[str, Any]] = [
    {"name": "hello", "build": {"source": "app"}, "run": {"callable": "main:app"}, "serve": {"server_names": ["a"]}},
    {"name": "world", "build": {"source": "other"}, "run": {"callable": "main:app"}},
]


def test_a_section_takes_the_name_of_its_application_along() -> None:
    assert section(APPS, "build") == [{"source": "app", "name": "hello"}, {"source": "other", "name": "world"}]


def test_an_application_without_a_section_is_left_out() -> None:
    assert [app["name"] for app in section(APPS, "serve")] == ["hello"]


def test_each_application_has_its_own_build() -> None:
    apps = with_builds(section(APPS, "run"), {"world": "/srv/world/builds/2", "hello": "/srv/hello/builds/1"})
    assert {app["name"]: app["build"] for app in apps} == {
        "hello": "/srv/hello/builds/1",
        "world": "/srv/world/builds/2",
    }


def test_the_entries_stay_as_they_are() -> None:
    with_builds(section(APPS, "run"), {"hello": "/1", "world": "/2"})
    assert APPS[1] == {"name": "world", "build": {"source": "other"}, "run": {"callable": "main:app"}}


def test_what_is_left_out_has_the_default_of_the_role() -> None:
    (app,) = with_defaults([{"name": "hello", "build": "/srv/hello/builds/1", "callable": "main:app"}], "uwsgi")
    assert (app["harakiri"], app["package"], app["listen_http"], app["env"]) == (60, "pyuwsgi", "", {})


def test_what_is_given_has_the_type_of_the_role() -> None:
    (site,) = with_defaults(
        [{"name": "hello", "server_names": ["a"], "servers": ["unix:/run/a"], "read_timeout": "30"}], "nginx"
    )
    assert site["read_timeout"] == 30


@pytest.mark.parametrize(
    ("app", "word"),
    [
        ({"name": "hello", "build": "/1", "callable": "main:app", "harakiri": "soon"}, "harakiri"),
        ({"name": "hello", "build": "/1"}, "callable"),
        ({"name": "hello", "build": "/1", "callable": "main:app", "harakirri": 5}, "harakirri"),
    ],
)
def test_what_a_role_cannot_take_is_an_error_that_names_the_key(app: dict[str, Any], word: str) -> None:
    with pytest.raises(AnsibleFilterError, match=word):
        with_defaults([app], "uwsgi")


@pytest.mark.parametrize("name", ["section", "sites", "with_builds", "with_defaults"])
def test_the_playbook_finds_each_filter(name: str) -> None:
    assert callable(FilterModule().filters()[name])
