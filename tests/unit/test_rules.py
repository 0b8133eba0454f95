"""What a rule lets pass, and what it objects to."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.plugin_utils import description


@pytest.mark.parametrize("name", ["a", "hello", "hello-2", "hello_world", "x" * 31])
def test_a_name_that_a_system_user_can_have_passes(name: str) -> None:
    assert rules.name(name) is None


@pytest.mark.parametrize(
    "name", ["", "Hello", "2hello", "-hello", "_hello", "x" * 32, "a b", "a.b", "a/b", "a@b", "ä", "hello\n", "%n"]
)
def test_a_name_that_no_system_user_can_have_is_refused(name: str) -> None:
    assert "no system user can have that name" in str(rules.name(name))


@pytest.mark.parametrize("name", ["root", "www-data", "nginx", "wsgi", "nobody", "systemd", "systemd-resolve"])
def test_a_name_that_belongs_to_the_system_is_refused(name: str) -> None:
    assert rules.name(name) == "that name belongs to the system; choose another"


@pytest.mark.parametrize("name", ["adm", "disk", "kvm", "shadow", "staff", "sudo", "tty", "users", "video"])
def test_a_name_that_would_give_the_application_a_group_of_the_system_is_refused(name: str) -> None:
    assert rules.name(name) == "that name belongs to the system; choose another"


@pytest.mark.parametrize("value", ["main:app", "a.b.c:application", "_m:_a", "m1:a1"])
def test_a_callable_is_a_module_and_a_name_in_it(value: str) -> None:
    assert rules.callable_name(value) is None


@pytest.mark.parametrize(
    "value",
    ["", "main", "main.app", "main:", ":app", "main:app()", "main:a.b", "a/b:app", "main.py :app", "m:a\n", "ä:a"],
)
def test_what_is_not_the_path_of_a_callable_is_refused(value: str) -> None:
    assert "such as main:application" in str(rules.callable_name(value))


@pytest.mark.parametrize("value", ["example.org", "a", "my-app.example.org", "xn--bcher-kva.example", "10.0.0.1"])
def test_a_host_name_passes(value: str) -> None:
    assert rules.server_name(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "https://example.org",
        "example.org:80",
        "example.org/path",
        "Example.org",
        "*.example.org",
        "example.org;",
        "a b",
        "a..b",
        "-a.example",
        "a-.example",
        "x" * 64,
        ".".join(["x" * 60] * 5),
        "example.org\n",
    ],
)
def test_what_is_not_a_host_name_is_refused(value: str) -> None:
    assert "that is not a host name" in str(rules.server_name(value))


@pytest.mark.parametrize(
    ("value", "split"),
    [
        ("127.0.0.1:9000", ("127.0.0.1", 9000)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("[::]:80", ("::", 80)),
    ],
)
def test_an_address_has_two_parts(value: str, split: tuple[str, int]) -> None:
    assert rules.split_address(value) == split


NO_ADDRESSES = ["", "9000", ":9000", "127.0.0.1", "127.0.0.1:", "localhost:9000", "1.2.3:9000", "::1:9000"]
NO_ADDRESSES += ["127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:\uff19\uff10", "[127.0.0.1]:80", "*:80"]


@pytest.mark.parametrize("value", NO_ADDRESSES)
def test_what_is_not_an_address_and_a_port_is_refused(value: str) -> None:
    assert str(rules.http_address(value)).startswith("write an IP address and a port")
    with pytest.raises(ValueError, match=r".*"):
        rules.split_address(value)


@pytest.mark.parametrize("value", ["127.0.0.1:9000", "0.0.0.0:9000", "[::1]:9000", "192.0.2.1:80"])
def test_http_may_be_open_anywhere(value: str) -> None:
    assert rules.http_address(value) is None


@pytest.mark.parametrize("value", ["127.0.0.1:9000", "127.1.2.3:9000", "[::1]:9000"])
def test_uwsgi_may_be_open_on_loopback(value: str) -> None:
    assert rules.uwsgi_address(value) is None


@pytest.mark.parametrize("value", ["0.0.0.0:9000", "[::]:9000", "192.0.2.1:9000", "10.0.0.1:9000", "[fe80::1]:9000"])
def test_uwsgi_is_never_open_to_the_network(value: str) -> None:
    assert "open on loopback only" in str(rules.uwsgi_address(value))


@pytest.mark.parametrize("value", NO_ADDRESSES)
def test_no_open_address_is_advised_for_uwsgi(value: str) -> None:
    assert "127.0.0.1:9000" in str(rules.uwsgi_address(value))
    assert "0.0.0.0" not in str(rules.uwsgi_address(value)).replace("127.0.0.1", "")


@pytest.mark.parametrize("value", [1, 64, {"min": 1, "max": 2}, {"min": 2, "max": 64}])
def test_processes_are_a_number_or_a_range(value: Any) -> None:
    assert rules.processes(value) is None


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        1.5,
        True,
        "many",
        [2, 4],
        {},
        {"min": 1},
        {"max": 2},
        {"min": 4, "max": 2},
        {"min": 2, "max": 2},
        {"min": 0, "max": 2},
        {"min": "1", "max": "2"},
        {"min": 1, "max": 2, "step": 1},
    ],
)
def test_what_is_not_a_number_of_processes_is_refused(value: Any) -> None:
    assert "{min: 2, max: 8}" in str(rules.processes(value))


@pytest.mark.parametrize("value", [{}, {"A": "text"}, {"A": ""}, {"_a1": 1, "B": 0.5}, {"A": "two\nlines"}])
def test_variables_with_a_name_and_a_text_pass(value: dict[Any, Any]) -> None:
    assert rules.env(value) is None


@pytest.mark.parametrize("key", ["", "1A", "A-B", "A B", "A=B", "A.B", "Ä", "A\n", 1, True, None])
def test_what_is_not_the_name_of_a_variable_is_refused(key: Any) -> None:
    assert rules.env({key: "text"}) == f"{key!r} is not the name of an environment variable"


@pytest.mark.parametrize(
    ("value", "kind"), [(True, "bool"), (False, "bool"), (None, "NoneType"), ([], "list"), ({}, "dict")]
)
def test_a_variable_whose_text_is_ambiguous_is_refused(value: Any, kind: str) -> None:
    assert rules.env({"DEBUG": value}) == f"the value of DEBUG is a {kind}; write it as text, in quotes"


def test_a_variable_that_no_environment_can_carry_is_refused() -> None:
    assert "null character" in str(rules.env({"A": "a\0b"}))


@pytest.mark.parametrize(("value", "passes"), [(1, True), (3600, True), (0, False), (-1, False)])
def test_a_time_is_above_zero(value: int, passes: bool) -> None:
    assert (rules.positive(value) is None) is passes


def test_an_objection_names_the_key_and_the_value() -> None:
    wrong = rules.objections(rules.RUN, {"harakiri": 0, "start_timeout": 5, "callable": "main"})
    assert sorted(sentence.split(": ")[:2] for sentence in wrong) == [["callable", "'main'"], ["harakiri", "0"]]


def test_what_is_not_set_has_no_objection() -> None:
    assert rules.objections(rules.RUN, {"processes": None, "listen_http": ""}) == []


def test_an_objection_never_shows_the_value_of_a_variable() -> None:
    wrong = rules.objections(rules.RUN, {"env": {"SECRET": "hunter2", "DEBUG": True}})
    assert len(wrong) == 1
    assert "DEBUG" in wrong[0]
    assert "hunter2" not in wrong[0]


def test_every_rule_is_for_an_option_that_there_is() -> None:
    assert set(rules.RUN) <= set(description.input_spec("uwsgi"))
