"""The rules for the settings of each section, and the errors for a setting that breaks one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import sections
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.plugin_utils import specification

WORKER: dict[str, Any] = {"name": "mail", "command": "python -m mail", "stop_timeout": 600}
TIMER: dict[str, Any] = {"name": "nightly", "command": "python -m nightly", "on_calendar": "*-*-* 03:00"}


@pytest.mark.parametrize("key", ["cpu_quota", "listen_http", "listen_uwsgi", "memory_max", "processes", "tasks_max"])
@pytest.mark.parametrize("value", ["", None])
def test_optional_settings_may_be_empty(key: str, value: Any) -> None:
    assert sections.objections(sections.RUN, {key: value}) == []


@pytest.mark.parametrize("key", ["processes", "tasks_max"])
def test_zero_is_not_the_same_as_unset(key: str) -> None:
    assert sections.objections(sections.RUN, {key: 0}) != []


def test_an_error_in_a_nested_section_names_the_full_key() -> None:
    values = {
        "probe": {"path": "health", "tries": 0},
        "hardening": {"networks": ["any"], "address_families": ["AF_UNIX"]},
    }
    wrong = sections.objections(sections.RUN, values)
    assert sorted(sentence.split(": ")[:2] for sentence in wrong) == [
        ["hardening.networks", "['any']"],
        ["probe.path", "'health'"],
        ["probe.tries", "0"],
    ]


def test_an_empty_section_is_accepted() -> None:
    assert sections.objections(sections.RUN, {"probe": {}, "hardening": {}}) == []


def test_an_error_names_the_key_and_the_value() -> None:
    wrong = sections.objections(sections.RUN, {"harakiri": 0, "start_timeout": 5, "callable": "main"})
    assert sorted(sentence.split(": ")[:2] for sentence in wrong) == [["callable", "'main'"], ["harakiri", "0"]]


def test_unset_values_are_accepted() -> None:
    assert sections.objections(sections.RUN, {"processes": None, "listen_http": ""}) == []


@pytest.mark.parametrize("password", ["hunter2", "hunter2\nhunter2", ["hunter2"]])
def test_an_error_never_shows_a_password(password: Any) -> None:
    (sentence,) = sections.objections(sections.SERVE, {"basic_auth": {"alice": password}})
    assert sentence.startswith("basic_auth: the password of alice")
    assert "hunter2" not in sentence


def test_nested_errors_name_both_keys() -> None:
    wrong = sections.objections(
        sections.SERVE, {"tls": {"hsts": -1}, "maintenance": {"retry_after": 0, "bypass": ["x"]}}
    )
    assert [sentence.split(": ")[:2] for sentence in wrong] == [
        ["tls.hsts", "-1"],
        ["maintenance.retry_after", "0"],
        ["maintenance.bypass", "['x']"],
    ]


def test_unset_values_of_nginx_are_accepted() -> None:
    assert sections.objections(sections.NGINX, {"acme_email": "", "status": ""}) == []
    assert len(sections.objections(sections.NGINX, {"acme_email": "x", "acme_directory": "", "status": "x"})) == 3


@pytest.mark.parametrize("key", ["env", "secrets", "secret_files"])
def test_an_error_never_shows_a_secret(key: str) -> None:
    (wrong,) = sections.objections(
        sections.RUN, {key: {"SECRET": "hunter2", "NO NAME": "hunter3", "LIST": ["hunter4"]}}
    )
    assert wrong.startswith(f"{key}: ")
    assert "hunter" not in wrong


def test_build_settings_have_rules() -> None:
    wrong = {"python": "ruby", "commands": ["make", "a; b"], "env": {"A-B": "x"}}
    assert [sentence.split(": ")[:2] for sentence in sections.objections(sections.BUILD, wrong)] == [
        ["python", "'ruby'"],
        ["commands", "'a; b'"],
        ["env", "'A-B' is not the name of an environment variable"],
    ]


def test_an_error_in_one_of_several_commands_names_it() -> None:
    for key in ("migrate", "after_switch"):
        (wrong,) = sections.objections(sections.RUN, {key: ["python a", "a; b"]})
        assert wrong.startswith(f"{key}: 'a; b': 'a;' is not the name of a program")


def test_workers_and_timers_pass() -> None:
    workers = [WORKER, {**WORKER, "name": "mail-2"}]
    timers = [TIMER, {**TIMER, "name": "daily", "every_host": True}]
    given: list[dict[str, Any]] = [{"workers": [], "timers": []}, {"workers": workers, "timers": timers}]
    for run in given:
        assert sections.objections(sections.RUN, run) == []
        assert sections.conflicts(run) == []


@pytest.mark.parametrize(
    ("key", "one", "wrong"),
    [
        ("workers", {**WORKER, "name": "Mail"}, "workers[1] (Mail).name: 'Mail': use up to 31 of"),
        ("workers", {**WORKER, "name": ""}, "workers[1].name: '': use up to 31 of"),
        ("workers", {**WORKER, "command": "a; b"}, "workers[1] (mail).command: 'a; b': 'a;' is not the name of a"),
        ("workers", {**WORKER, "command": "a > b"}, "workers[1] (mail).command: 'a > b': '>' is shell syntax"),
        ("workers", {**WORKER, "stop_timeout": 0}, "workers[1] (mail).stop_timeout: 0: write a number above zero"),
        ("timers", {**TIMER, "on_calendar": "0 3 * * *"}, "timers[1] (nightly).on_calendar: '0 3 * * *': write a time"),
        ("timers", {**TIMER, "on_calendar": "daily\nUnit=x"}, "timers[1] (nightly).on_calendar: 'daily\\nUnit=x': "),
        ("timers", {**TIMER, "name": "migrate"}, "timers[1] (migrate).name: 'migrate': use up to 31 of"),
    ],
)
def test_an_invalid_worker_or_timer_is_refused_with_its_number_and_name(
    key: str, one: dict[str, Any], wrong: str
) -> None:
    good = {"workers": WORKER, "timers": TIMER}[key]
    (sentence,) = sections.objections(sections.RUN, {key: [good, one]})
    assert sentence.startswith(wrong)


def test_each_error_of_an_item_of_a_list_has_its_own_message() -> None:
    workers = [{**WORKER, "stop_timeout": 0}, {**WORKER, "name": "celery", "command": "", "stop_timeout": -1}]
    wrong = sections.objections(sections.RUN, {"workers": workers})
    assert [sentence.split(": ")[:2] for sentence in wrong] == [
        ["workers[0] (mail).stop_timeout", "0"],
        ["workers[1] (celery).command", "''"],
        ["workers[1] (celery).stop_timeout", "-1"],
    ]


@pytest.mark.parametrize(("key", "one"), [("workers", WORKER), ("timers", TIMER)])
def test_a_duplicate_worker_or_timer_name_is_reported_once(key: str, one: dict[str, Any]) -> None:
    for listed in ([one, {**one, "name": "x"}, one], [one] * 3):
        assert sections.conflicts({key: listed}) == [f"{key}: two have the name {one['name']}; change one"]


def test_names_used_twice_are_refused() -> None:
    run: dict[str, Any] = {
        "env": {"A": "x", "B": "x"},
        "secrets": {"A": "hunter2"},
        "workers": [WORKER],
        "timers": [TIMER],
    }
    assert sections.conflicts(run) == ["env and secrets: both have A; change one"]
    run["timers"] = [{**TIMER, "name": "mail"}]
    assert sections.conflicts(run)[1:] == ["workers and timers: both have mail; change one"]
    assert sections.conflicts({"env": {"A": "x"}, "secrets": {"B": "hunter2"}}) == []
    assert sections.conflicts({}) == []


@pytest.mark.parametrize("address", ["0.0.0.0:9000", "[::]:9000", "10.0.0.5:9000"])
def test_a_door_to_the_network_has_a_list_of_networks(address: str) -> None:
    (said,) = sections.conflicts({"listen_http": address})
    assert said.startswith(
        f"listen_http: {address!r}: set listen_networks to the networks that may connect, such as [10.0.0.0/8]"
    )
    assert sections.conflicts({"listen_http": address, "listen_networks": ["10.0.0.0/8"]}) == []


@pytest.mark.parametrize("address", ["", "127.0.0.1:9000", "[::1]:9000"])
def test_a_door_only_for_this_host_needs_no_networks(address: str) -> None:
    assert sections.conflicts({"listen_http": address}) == []


@pytest.mark.parametrize("key", ["static", "uploads"])
def test_an_error_in_one_of_several_directories_has_its_number(key: str) -> None:
    good, bad = {"path": "/a/", "directory": "a"}, {"path": "b", "directory": "b"}
    assert sections.objections(sections.SERVE, {key: [good]}) == []
    assert sections.objections(sections.SERVE, {key: []}) == []
    wrong = sections.objections(sections.SERVE, {key: [bad, good, {**good, "directory": "../a"}]})
    assert [sentence.split(": ")[:2] for sentence in wrong] == [
        [f"{key}[0]", "path 'b'"],
        [f"{key}[2]", "directory '../a'"],
    ]


@pytest.mark.parametrize("key", ["env", "secrets"])
def test_an_application_cannot_set_variables_of_systemd(key: str) -> None:
    (wrong,) = sections.objections(sections.RUN, {key: {"DATA_DIRECTORY": "hunter2"}})
    assert wrong == f"{key}: DATA_DIRECTORY is set by the role; remove it"
    assert sections.objections(sections.BUILD, {"env": {"DATA_DIRECTORY": "x"}}) == []


@pytest.mark.parametrize(
    ("item", "called"),
    [
        ({"name": "celery"}, "workers[2] (celery)"),
        *(({"name": ""}, "workers[2]"), ({"name": None}, "workers[2]"), ({}, "workers[2]")),
        *(("celery", "workers[2]"), (None, "workers[2]"), (["name"], "workers[2]")),
    ],
)
def test_an_item_of_a_list_is_named_by_its_number_and_name(item: Any, called: str) -> None:
    assert sections.nth("workers", 2, item) == called


def test_an_error_never_shows_the_value_of_a_variable() -> None:
    wrong = sections.objections(sections.RUN, {"env": {"SECRET": "hunter2", "DEBUG": True}})
    assert len(wrong) == 1
    assert "DEBUG" in wrong[0]
    assert "hunter2" not in wrong[0]


def test_every_rule_is_for_an_existing_option() -> None:
    spec = specification.input_spec("uwsgi")
    assert set(sections.RUN) <= set(spec)
    assert set(sections.PROBE) <= set(spec["probe"]["options"])
    assert set(sections.HARDENING) <= set(spec["hardening"]["options"])
    assert set(sections.PART) == {*spec["workers"]["options"], *spec["timers"]["options"]} - {
        *("every_host", "exclusive", "listen")
    }
    nginx = specification.input_spec("nginx")
    assert set(sections.SERVE) <= set(nginx)
    for section in ("tls", "maintenance"):
        assert set(sections.SERVE[section]) <= set(nginx[section]["options"])


def test_every_field_of_a_probe_has_a_rule() -> None:
    assert set(sections.PROBE) == set(asdict(Probe()))


def test_the_defaults_of_the_role_are_accepted() -> None:
    defaults = specification.with_defaults({"callable": "main:application"}, specification.section_spec("run"))
    assert sections.objections(sections.RUN, defaults) == []


def test_the_defaults_of_nginx_are_accepted() -> None:
    defaults = specification.with_defaults({"server_names": ["hello.example.org"]}, specification.section_spec("serve"))
    assert sections.objections(sections.SERVE, defaults) == []
