"""What the filters of the playbook promise."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from jinja2.nativetypes import NativeEnvironment

from ansible_collections.wsgi.production.plugins.filter.wiring import (
    FilterModule,
    as_built,
    as_released,
    as_served,
    broken,
    hosts,
    live_builds,
    only,
    section,
    select_app,
    with_builds,
    without,
)
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.steps import switch
from ansible_collections.wsgi.production.plugins.plugin_utils.role_inputs import absent, present
from ansible_collections.wsgi.production.plugins.plugin_utils.specification import input_spec, inputs

PROJECT = Path(__file__).parents[2]

APPS: list[dict[str, Any]] = [
    {"name": "hello", "build": {"source": "app"}, "run": {"callable": "main:app"}, "serve": {"server_names": ["a"]}},
    {"name": "world", "build": {"source": "other"}, "run": {"callable": "main:app"}},
]


def test_a_section_includes_the_name_of_its_application() -> None:
    assert section(APPS, "build") == [{"source": "app", "name": "hello"}, {"source": "other", "name": "world"}]


def test_an_application_without_a_section_is_left_out() -> None:
    assert [app["name"] for app in section(APPS, "serve")] == ["hello"]


def test_an_inventory_without_app_servers_is_refused_on_the_controller() -> None:
    assert hosts({"app_servers": ["app1"], "load_balancers": []}) == "app_servers:load_balancers"
    assert hosts({"app_servers": [], "web": ["app1"]}) == hosts({}) == "localhost"


def test_each_application_has_its_own_build() -> None:
    apps = with_builds(section(APPS, "run"), {"world": "/srv/world/builds/2", "hello": "/srv/hello/builds/1"})
    assert {app["name"]: app["build"] for app in apps} == {
        "hello": "/srv/hello/builds/1",
        "world": "/srv/world/builds/2",
    }


def test_an_application_without_a_build_yet_has_an_empty_one() -> None:
    assert with_builds([{"name": "hello"}, {"name": "world"}], {"hello": "/1"}) == [
        {"name": "hello", "build": "/1", "wheels": ""},
        {"name": "world", "build": "", "wheels": ""},
    ]


def test_an_application_knows_the_wheels_of_its_build() -> None:
    apps = with_builds(section(APPS, "run"), {"hello": "/1", "world": "/2"}, {"world": "/var/cache/wsgi/wheels/0f3a"})
    assert [(app["name"], app["build"], app.get("wheels")) for app in apps] == [
        ("hello", "/1", ""),
        ("world", "/2", "/var/cache/wsgi/wheels/0f3a"),
    ]
    assert [app["callable"] for app in apps] == ["main:app", "main:app"]


@pytest.mark.parametrize("folders", [None, {}, {"other": "/3"}])
def test_an_application_whose_packages_come_from_an_index_has_no_wheels(folders: Any) -> None:
    apps = with_builds(section(APPS, "run"), {"hello": "/1", "world": "/2"}, folders)
    assert {app["wheels"] for app in inputs(apps, "uwsgi")} == {""}


def test_the_entries_stay_unchanged() -> None:
    before = deepcopy(APPS)
    apps = with_builds(as_served(section(APPS, "run"), APPS), {"hello": "/1", "world": "/2"}, {"hello": "/3"})
    complete = inputs(apps, "uwsgi")
    then = deepcopy(complete)
    as_released(without(complete, ["world"]), {"hello": "81d0"})
    assert complete == then
    only(APPS, "name")
    present(APPS)
    absent(APPS)
    assert before == APPS


def test_an_absent_application_is_passed_to_no_role() -> None:
    apps = [APPS[0], {**APPS[1], "name": "gone", "state": "absent"}, {**APPS[1], "state": "present"}]
    assert [app["name"] for app in section(present(apps), "build")] == ["hello", "world"]
    assert [app["name"] for app in section(present(apps), "run")] == ["hello", "world"]
    assert absent(apps) == [{"name": "gone", "remove_data": False}]


def test_the_input_of_a_role_has_exactly_its_options() -> None:
    entries = [{**APPS[0], "state": "present", "remove_data": False}]
    (built,) = inputs(section(present(entries), "build"), "python_app")
    assert set(built) == set(input_spec("python_app"))
    run = with_builds(as_served(section(present(entries), "run"), entries), {"hello": "/1"}, {"hello": "/2"})
    (released,) = inputs(run, "uwsgi")
    assert set(released) | {"processes", "tasks_max"} == set(input_spec("uwsgi"))


def test_broken_on_one_host_means_broken_on_all() -> None:
    hosts = {
        "app1": {"made": {"broken": {}}, "booted": {"broken": {"world": "it does not answer"}}},
        "app2": {"made": {"broken": {"hello": "no such package"}}},
        "lb": {},
    }
    assert broken(hosts, ["app1", "app2", "lb"], "made", "booted") == {
        "hello": "no such package (app2)",
        "world": "it does not answer (app1)",
    }


def test_the_first_reason_why_an_application_is_broken_is_reported() -> None:
    hosts = {
        name: {"made": {"broken": {"hello": f"made {name}"}}, "booted": {"broken": {"hello": "booted"}}}
        for name in "ab"
    }
    assert broken(hosts, ["b", "a"], "made", "booted") == {"hello": "made b (b)"}
    assert broken(hosts, ["a"], "booted", "made") == {"hello": "booted (a)"}


@pytest.mark.parametrize("result", [{}, {"skipped": True}, {"failed": True, "msg": "no"}, {"broken": {}}])
def test_a_task_that_found_nothing_broken_breaks_nothing(result: dict[str, Any]) -> None:
    assert broken({"app1": {"made": result}, "app2": {}}, ["app1", "app2"], "made", "booted") == {}


def test_other_hosts_and_tasks_break_nothing() -> None:
    hosts = {"app1": {"other": {"broken": {"hello": "x"}}}, "app2": {"made": {"broken": {"hello": "x"}}}}
    assert broken(hosts, ["app1"], "made") == {}


def test_broken_apps_are_left_out() -> None:
    assert without(APPS, {"hello": "it does not answer"}) == [APPS[1]]
    assert without(APPS, ["hello", "world"]) == []
    assert without(APPS, {}) == APPS
    assert without(APPS, ["hell"]) == APPS


def test_a_switch_gets_only_the_settings_that_it_needs_and_no_secret() -> None:
    apps = [
        {"name": "hello", "build": "/1", "callable": "m:a", "secrets": {"A": "x"}, "listen_http": "0.0.0.0:9000"},
        {"name": "world", "build": "/2", "callable": "m:a", "listen_uwsgi": "127.0.0.1:9001"},
    ]
    steps = yaml.safe_load((PROJECT / "roles/uwsgi/vars/main.yml").read_text(encoding="utf-8"))["uwsgi_steps"]
    asked = wired(steps["switch"]["apps"], __uwsgi_apps=apps)
    found = as_released(asked, {"world": "5c0a", "hello": "81d0", "other": "1111"})
    assert found == [
        {"name": "hello", "release": "81d0", "listen_http": "0.0.0.0:9000"},
        {"name": "world", "release": "5c0a", "listen_uwsgi": "127.0.0.1:9001"},
    ]
    option: Any = switch.ARGUMENTS["apps"]
    assert set(re.findall(r"'(\w+)'", steps["switch"]["apps"])) | {"release"} == set(option["options"])


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
    """Return the probe of an application with the section `serve` and the probe of its entry."""
    run = {"callable": "main:app", "probe": probe} if probe else {"callable": "main:app"}
    entries = [{"name": "hello", "run": run, **({"serve": serve} if serve is not None else {})}]
    (app,) = as_served(section(entries, "run"), entries)
    return app["probe"]


def test_the_commands_of_a_build_see_the_environment_of_the_application() -> None:
    entry = {"name": "hello", "run": {"env": {"A": "run", "B": "run"}}}
    app = {"name": "hello", "commands": ["make"], "env": {"B": "build"}}
    assert as_built([app], [entry]) == [{**app, "env": {"A": "run", "B": "build"}}]
    for other in ({**app, "run_env": False}, {"name": "hello", "commands": []}, {"name": "hello"}):
        assert as_built([other], [entry]) == [other]


def test_an_application_is_probed_under_its_first_host_name() -> None:
    assert probed({"server_names": ["hello.example.org", "www.example.org"]}) == {
        "host": "hello.example.org",
        "scheme": "http",
    }


def test_one_host_name_without_a_list_is_the_first() -> None:
    assert probed({"server_names": "hello.example.org"}) == {"host": "hello.example.org", "scheme": "http"}


def test_a_probe_keeps_its_other_settings() -> None:
    assert probed({"server_names": ["hello.example.org"]}, path="/health", tries=3) == {
        "host": "hello.example.org",
        "scheme": "http",
        "path": "/health",
        "tries": 3,
    }


def test_a_host_name_in_the_probe_takes_precedence() -> None:
    assert probed({"server_names": ["hello.example.org"]}, host="other.example.org")["host"] == "other.example.org"


@pytest.mark.parametrize(("source", "scheme"), [("none", "http"), ("acme", "https"), ("self_signed", "https")])
def test_a_probe_uses_the_scheme_of_the_visitors(source: str, scheme: str) -> None:
    site = {"server_names": ["hello.example.org"], "tls": {"source": source}}
    assert probed(site)["scheme"] == scheme
    assert probed(site, scheme="https")["scheme"] == "https"


@pytest.mark.parametrize("serve", [None, {}])
def test_an_application_without_nginx_is_probed_under_the_default_name(serve: Any) -> None:
    assert probed(serve) == {}
    assert probed(serve, path="/health") == {"path": "/health"}


def test_each_application_is_probed_under_its_own_name() -> None:
    entries = [{**app, "serve": {"server_names": [app["name"]]}} for app in APPS]
    probes = {app["name"]: app["probe"] for app in as_served(section(entries, "run")[::-1], entries)}
    assert probes == {name: {"host": name, "scheme": "http"} for name in ("hello", "world")}


def test_the_only_application_needs_no_name() -> None:
    assert select_app(APPS[:1], "") == APPS[:1]


def test_one_application_is_chosen_by_its_name() -> None:
    assert select_app(APPS, "world") == [APPS[1]]


@pytest.mark.parametrize(
    ("name", "wrong"), [("", "there is more than one application"), ("worlds", "there is no application worlds")]
)
def test_an_unclear_choice_is_an_error_that_names_the_applications(name: str, wrong: str) -> None:
    with pytest.raises(AnsibleFilterError) as failure:
        select_app(APPS, name)
    assert str(failure.value) == f"wsgi_app: {wrong}; write one of hello, world, such as -e wsgi_app=hello"


def test_without_any_application_the_choice_is_an_error_too() -> None:
    with pytest.raises(AnsibleFilterError, match="no application"):
        select_app([], "")


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


def test_only_the_requested_keys_are_passed() -> None:
    assert only([{"name": "a", "keep": 7, "env": {"SECRET": "hunter2"}}], "name", "keep") == [{"name": "a", "keep": 7}]


def role_variable(role: str, name: str, **known: Any) -> Any:
    """Return the private variable `name` of `role`, if the variables `known` are set."""
    return in_role(role, f"{{{{ {name} }}}}", **known)


def in_role(role: str, text: str, **known: Any) -> Any:
    """Return the result of the template `text` in `role`, if the variables `known` are set."""
    texts = [PROJECT / f"roles/{role}/{kind}/main.yml" for kind in ("defaults", "vars")]
    variables: dict[str, Any] = {}
    for path in texts:
        said: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        variables.update({key: _trusted(value) for key, value in said.items()})
    return Templar(DataLoader(), variables={**variables, **known}).template(_trusted(text))


def _trusted(value: Any) -> Any:
    return trust_as_template(value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("hosts", "play", "once"),
    [
        ([], ["app1", "app2"], ["app1", "app2"]),
        (["app1"], ["app1", "lb"], ["app1"]),
        (["app1", "app2"], ["app2", "lb"], ["app2"]),
    ],
)
def test_the_first_host_of_a_run_does_one_time_work(hosts: list[str], play: list[str], once: list[str]) -> None:
    known = {"uwsgi_hosts": hosts, "ansible_play_hosts_all": play}
    found = [host for host in play if role_variable("uwsgi", "__uwsgi_once", inventory_hostname=host, **known)]
    assert sorted(found) == once


def test_one_time_work_runs_on_the_first_host_in_the_inventory() -> None:
    hosts = [f"app{number}" for number in range(8)]
    for number in range(8):
        turned = [*hosts[number:], *hosts[:number]]
        known = {"uwsgi_hosts": turned, "ansible_play_hosts_all": [*hosts, "lb"]}
        once = [host for host in hosts if role_variable("uwsgi", "__uwsgi_once", inventory_hostname=host, **known)]
        assert once == [turned[0]]


@pytest.mark.parametrize(
    ("hosts", "host", "first"),
    [([], "app1", True), (["app2", "app1"], "app2", True), (["app2", "app1"], "app1", False)],
)
def test_timers_run_on_the_first_host_of_the_inventory_in_any_run(hosts: list[str], host: str, first: bool) -> None:
    steps = yaml.safe_load((PROJECT / "roles/uwsgi/vars/main.yml").read_text(encoding="utf-8"))["uwsgi_steps"]
    known = {"uwsgi_hosts": hosts, "ansible_play_hosts_all": ["app1"], "inventory_hostname": host}
    assert in_role("uwsgi", steps["release"]["first"], **known) is first


def test_load_balancers_alone_do_no_one_time_work() -> None:
    known = {"uwsgi_hosts": ["app1"], "ansible_play_hosts_all": ["lb"], "inventory_hostname": "lb"}
    assert role_variable("uwsgi", "__uwsgi_once", **known) is False


@pytest.mark.parametrize(("made", "builds"), [({}, {}), ({"failed": True}, {}), ({"builds": {"a": "/1"}}, {"a": "/1"})])
def test_the_builds_are_known_once_they_are_made(made: dict[str, Any], builds: dict[str, str]) -> None:
    known = {"inventory_hostname": "app1"}
    assert role_variable("python_app", "python_app_builds", python_app_made=made, **known) == builds
    assert role_variable("python_app", "python_app_folders", python_app_made=made, **known) == {}
    assert role_variable("python_app", "python_app_builds", **known) == {}
    assert role_variable("python_app", "python_app_folders", python_app_made={"folders": builds}, **known) == builds


@pytest.mark.parametrize(("asked", "host"), [("", "app1"), ("build1", "build1")])
def test_the_build_host_defaults_to_the_host_itself(asked: str, host: str) -> None:
    known = {"inventory_hostname": "app1", "python_app_build_host": asked}
    assert role_variable("python_app", "__python_app_build_host", **known) == host


def wired(text: str, **known: Any) -> Any:
    """Return the result of a template that needs only the filters of the collection, and none of Ansible."""
    environment = NativeEnvironment()
    environment.filters.update(
        {f"wsgi.production.{name}": filter_ for name, filter_ in FilterModule().filters().items()}
    )
    return environment.from_string(text).render(**known)


def test_an_application_is_released_with_the_same_timers_on_every_host() -> None:
    said = yaml.safe_load((PROJECT / "roles/uwsgi/vars/main.yml").read_text(encoding="utf-8"))
    timer = {"command": "python -m nightly", "on_calendar": "daily"}
    timers = [{**timer, "name": "once"}, {**timer, "name": "each", "every_host": True}]
    apps = [{"name": "hello", "build": "/1", "callable": "m:a", "timers": timers}]
    known = {"uwsgi_apps": apps, "__uwsgi_broken": {}, "__uwsgi_hosts": ["app1", "app2"]}
    first, other = (wired(said["__uwsgi_apps"], inventory_hostname=host, **known) for host in ("app1", "app2"))
    assert first == other
    assert [timer["name"] for timer in other[0]["timers"]] == ["once", "each"]


def test_an_application_without_gathered_wheels_is_not_built_and_keeps_its_site() -> None:
    variables = yaml.safe_load((PROJECT / "roles/python_app/vars/main.yml").read_text(encoding="utf-8"))
    asked = variables["python_app_steps"]["build"]
    gathered = {"broken": {"hello": "hello: no such package"}, "wheels": {"world": {"folder": "0f3a"}}}
    built = wired(asked["apps"], python_app_apps=APPS, python_app_gathered=gathered)
    assert [app["name"] for app in built] == ["world"]
    (play,) = yaml.safe_load((PROJECT / "playbooks/site.yml").read_text(encoding="utf-8"))
    hosts = {"app1": {"python_app_gathered": gathered}, "lb": {}}
    known = {"hostvars": hosts, "ansible_play_hosts_all": ["app1", "lb"]}
    assert wired(play["vars"]["uwsgi_broken"], uwsgi_on_failure="stop", **known) == {}
    broken_ = wired(play["vars"]["uwsgi_broken"], uwsgi_on_failure="continue", **known)
    assert broken_ == {"hello": "hello: no such package (app1)"}
    assert wired(play["vars"]["nginx_kept"], uwsgi_broken=broken_) == ["hello"]
    served = [{**app, "serve": {"server_names": [app["name"]]}} for app in APPS]
    known = {"groups": {"app_servers": ["app1"]}, "hostvars": hosts, "inventory_hostname": "app1"}
    sites = wired(play["vars"]["nginx_sites"], __wsgi_production_apps=served, uwsgi_broken=broken_, **known)
    # A site that is kept may have the server in which another answers below a path.
    assert [site["name"] for site in sites] == ["hello", "world"]


def test_every_used_filter_exists_and_every_existing_filter_is_used() -> None:
    texts = [path.read_text() for folder in ("playbooks", "roles") for path in (PROJECT / folder).rglob("*.yml")]
    used = set(re.findall(r"\|\s*wsgi\.production\.(\w+)", "".join(texts)))
    assert used == set(FilterModule().filters())
