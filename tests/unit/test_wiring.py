"""What the filters of the playbook promise."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.wsgi.production.plugins.filter.wiring import (
    FilterModule,
    as_served,
    live_builds,
    one,
    only,
    section,
    with_builds,
    with_defaults,
)
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe

PROJECT = Path(__file__).parents[2]

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


def test_an_application_without_a_build_yet_is_left_without_one() -> None:
    assert with_builds([{"name": "hello"}, {"name": "world"}], {"hello": "/1"}) == [
        {"name": "hello", "build": "/1"},
        {"name": "world"},
    ]


def test_the_entries_stay_as_they_are() -> None:
    before = deepcopy(APPS)
    with_builds(as_served(section(APPS, "run"), APPS), {"hello": "/1", "world": "/2"})
    only(APPS, "name")
    assert before == APPS


@pytest.mark.parametrize(
    ("serve", "public"),
    [
        (None, []),
        ({"server_names": ["a"]}, []),
        ({"server_names": ["a"], "static": [{"path": "/static/", "directory": "static"}]}, []),
        (
            {
                "server_names": ["a"],
                "uploads": [
                    {"path": "/media/", "directory": "media/photos"},
                    {"path": "/shared/", "directory": "/srv/shared"},
                    {"path": "/files/", "directory": "files"},
                ],
            },
            ["media/photos", "files"],
        ),
    ],
)
def test_nginx_can_read_the_uploads_of_an_application_and_no_other_data(serve: Any, public: list[str]) -> None:
    entries = [{"name": "hello", "run": {"callable": "main:app"}, **({"serve": serve} if serve else {})}]
    (app,) = as_served(section(entries, "run"), entries)
    assert app["public_data"] == public


def probed(serve: Any = None, **probe: Any) -> Any:
    """Return the probe of an application with the section `serve` and what its entry says of the probe."""
    run = {"callable": "main:app", "probe": probe} if probe else {"callable": "main:app"}
    entries = [{"name": "hello", "run": run, **({"serve": serve} if serve is not None else {})}]
    (app,) = as_served(section(entries, "run"), entries)
    return app["probe"]


def test_an_application_is_probed_under_its_first_host_name() -> None:
    assert probed({"server_names": ["hello.example.org", "www.example.org"]}) == {"host": "hello.example.org"}


def test_one_host_name_without_a_list_is_the_first() -> None:
    assert probed({"server_names": "hello.example.org"}) == {"host": "hello.example.org"}


def test_the_rest_of_a_probe_stands_beside_the_host_name() -> None:
    assert probed({"server_names": ["hello.example.org"]}, path="/health", tries=3) == {
        "host": "hello.example.org",
        "path": "/health",
        "tries": 3,
    }


def test_a_host_name_in_the_probe_is_the_one_to_ask_for() -> None:
    assert probed({"server_names": ["hello.example.org"]}, host="other.example.org") == {"host": "other.example.org"}


@pytest.mark.parametrize("serve", [None, {}])
def test_an_application_without_nginx_is_probed_under_the_default_name(serve: Any) -> None:
    assert probed(serve) == {}
    assert probed(serve, path="/health") == {"path": "/health"}


def test_each_application_is_probed_under_its_own_name() -> None:
    entries = [{**app, "serve": {"server_names": [app["name"]]}} for app in APPS]
    probes = {app["name"]: app["probe"] for app in as_served(section(entries, "run")[::-1], entries)}
    assert probes == {"hello": {"host": "hello"}, "world": {"host": "world"}}


def test_the_only_application_needs_no_name() -> None:
    assert one(APPS[:1], "") == APPS[:1]


def test_one_application_is_chosen_by_its_name() -> None:
    assert one(APPS, "world") == [APPS[1]]


@pytest.mark.parametrize(
    ("name", "wrong"), [("", "there is more than one application"), ("worlds", "there is no application worlds")]
)
def test_a_choice_that_is_not_clear_is_an_error_that_names_the_applications(name: str, wrong: str) -> None:
    with pytest.raises(AnsibleFilterError) as failure:
        one(APPS, name)
    assert str(failure.value) == f"wsgi_app: {wrong}; write one of hello, world, such as -e wsgi_app=hello"


def test_without_any_application_the_choice_is_an_error_too() -> None:
    with pytest.raises(AnsibleFilterError, match="no application"):
        one([], "")


def test_the_build_of_the_live_release_is_found_through_its_links(tmp_path: Path) -> None:
    for app in APPS:
        layout = Layout(app["name"], root=tmp_path)
        (layout.builds / "b1").mkdir(parents=True)
        (layout.releases / "r1").mkdir(parents=True)
        (layout.releases / "r1/build").symlink_to("../../builds/b1")
        layout.current.symlink_to("releases/r1")
    found = {name: tmp_path / path.removeprefix("/srv/") for name, path in live_builds(APPS).items()}
    assert {name: path.resolve() for name, path in found.items()} == {
        "hello": tmp_path / "hello/builds/b1",
        "world": tmp_path / "world/builds/b1",
    }
    assert [path for path in live_builds(APPS).values() if not path.startswith("/srv/")] == []


def test_only_what_is_asked_for_is_handed_over() -> None:
    assert only([{"name": "a", "keep": 7, "env": {"SECRET": "hunter2"}}], "name", "keep") == [{"name": "a", "keep": 7}]


def test_what_is_left_out_has_the_default_of_the_role() -> None:
    (app,) = with_defaults([{"name": "hello", "build": "/srv/hello/builds/1", "callable": "main:app"}], "uwsgi")
    assert (app["harakiri"], app["package"], app["listen_http"], app["env"]) == (60, "pyuwsgi", "", {})
    assert app["probe"] == Probe().as_dict()
    assert app["hardening"]["networks"] == []


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


FILTERS = ["fronts", "live_builds", "one", "only", "section", "sites", "with_builds", "with_defaults", "as_served"]


@pytest.mark.parametrize("name", FILTERS)
def test_the_playbooks_find_each_filter(name: str) -> None:
    assert callable(FilterModule().filters()[name])


def test_every_filter_that_is_used_is_there_and_every_filter_that_is_there_is_used() -> None:
    texts = [path.read_text() for folder in ("playbooks", "roles") for path in (PROJECT / folder).rglob("*.yml")]
    used = set(re.findall(r"\|\s*wsgi\.production\.(\w+)", "".join(texts)))
    assert used == set(FilterModule().filters())
