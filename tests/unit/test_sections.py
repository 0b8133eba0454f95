"""What every setting of a section has to pass, and how one says that it does not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import sections
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.plugin_utils import description


@pytest.mark.parametrize("key", ["cpu_quota", "listen_http", "listen_uwsgi", "memory_max", "processes", "tasks_max"])
@pytest.mark.parametrize("value", ["", None])
def test_what_may_be_left_out_may_be_empty(key: str, value: Any) -> None:
    assert sections.objections(sections.RUN, {key: value}) == []


@pytest.mark.parametrize("key", ["processes", "tasks_max"])
def test_zero_is_not_the_same_as_left_out(key: str) -> None:
    assert sections.objections(sections.RUN, {key: 0}) != []


def test_an_objection_inside_a_section_names_all_of_its_key() -> None:
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


def test_a_section_without_values_has_no_objection() -> None:
    assert sections.objections(sections.RUN, {"probe": {}, "hardening": {}}) == []


def test_an_objection_names_the_key_and_the_value() -> None:
    wrong = sections.objections(sections.RUN, {"harakiri": 0, "start_timeout": 5, "callable": "main"})
    assert sorted(sentence.split(": ")[:2] for sentence in wrong) == [["callable", "'main'"], ["harakiri", "0"]]


def test_what_is_not_set_has_no_objection() -> None:
    assert sections.objections(sections.RUN, {"processes": None, "listen_http": ""}) == []


@pytest.mark.parametrize("password", ["hunter2", "hunter2\nhunter2", ["hunter2"]])
def test_an_objection_never_shows_a_password(password: Any) -> None:
    (sentence,) = sections.objections(sections.SERVE, {"basic_auth": {"alice": password}})
    assert sentence.startswith("basic_auth: the password of alice")
    assert "hunter2" not in sentence


def test_a_rule_within_another_names_both() -> None:
    wrong = sections.objections(
        sections.SERVE, {"tls": {"hsts": -1}, "maintenance": {"retry_after": 0, "bypass": ["x"]}}
    )
    assert [sentence.split(": ")[:2] for sentence in wrong] == [
        ["tls.hsts", "-1"],
        ["maintenance.retry_after", "0"],
        ["maintenance.bypass", "['x']"],
    ]


def test_what_of_the_edge_is_not_set_has_no_objection() -> None:
    assert sections.objections(sections.EDGE, {"acme_email": "", "status": ""}) == []
    assert len(sections.objections(sections.EDGE, {"acme_email": "x", "acme_directory": "", "status": "x"})) == 3


@pytest.mark.parametrize("key", ["env", "secrets", "secret_files"])
def test_an_objection_never_shows_a_secret(key: str) -> None:
    (wrong,) = sections.objections(
        sections.RUN, {key: {"SECRET": "hunter2", "NO NAME": "hunter3", "LIST": ["hunter4"]}}
    )
    assert wrong.startswith(f"{key}: ")
    assert "hunter" not in wrong


def test_what_a_build_is_told_has_rules() -> None:
    wrong = {"python": "ruby", "commands": ["make", "a; b"], "env": {"A-B": "x"}}
    assert [sentence.split(": ")[:2] for sentence in sections.objections(sections.BUILD, wrong)] == [
        ["python", "'ruby'"],
        ["commands", "'a; b'"],
        ["env", "'A-B' is not the name of an environment variable"],
    ]


def test_an_objection_to_one_command_of_several_names_it() -> None:
    for key in ("migrate", "after_switch"):
        (wrong,) = sections.objections(sections.RUN, {key: ["python a", "a; b"]})
        assert wrong.startswith(f"{key}: 'a; b': 'a;' is not the name of a program")


def test_an_objection_never_shows_the_value_of_a_variable() -> None:
    wrong = sections.objections(sections.RUN, {"env": {"SECRET": "hunter2", "DEBUG": True}})
    assert len(wrong) == 1
    assert "DEBUG" in wrong[0]
    assert "hunter2" not in wrong[0]


def test_every_rule_is_for_an_option_that_there_is() -> None:
    spec = description.input_spec("uwsgi")
    assert set(sections.RUN) <= set(spec)
    assert set(sections.PROBE) <= set(spec["probe"]["options"])
    assert set(sections.HARDENING) <= set(spec["hardening"]["options"])
    edge = description.input_spec("nginx")
    assert set(sections.SERVE) <= set(edge)
    for section in ("tls", "maintenance"):
        assert set(sections.SERVE[section]) <= set(edge[section]["options"])


def test_every_field_of_a_probe_has_a_rule() -> None:
    assert set(sections.PROBE) == set(Probe().as_dict())


def test_the_defaults_of_the_role_have_no_objection() -> None:
    defaults = description.with_defaults({"callable": "main:application"}, description.section_spec("run"))
    assert sections.objections(sections.RUN, defaults) == []


def test_the_defaults_of_the_edge_have_no_objection() -> None:
    defaults = description.with_defaults({"server_names": ["hello.example.org"]}, description.section_spec("serve"))
    assert sections.objections(sections.SERVE, defaults) == []
