"""What each rule accepts, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.plugin_utils.templates import ROLES


@pytest.mark.parametrize("name", ["a", "hello", "hello-2", "hello_world", "x" * 31])
def test_a_name_that_a_system_user_can_have_passes(name: str) -> None:
    assert rules.name(name) is None


@pytest.mark.parametrize(
    "name", ["", "Hello", "2hello", "-hello", "_hello", "x" * 32, "a b", "a.b", "a/b", "a@b", "ä", "hello\n", "%n"]
)
def test_a_name_that_no_system_user_can_have_is_refused(name: str) -> None:
    assert "this is not a valid name for a system user" in str(rules.name(name))


@pytest.mark.parametrize("name", ["root", "www-data", "nginx", "wsgi", "nobody", "systemd", "systemd-resolve"])
def test_a_name_that_belongs_to_the_system_is_refused(name: str) -> None:
    assert rules.name(name) == "the system uses this name; choose another"


@pytest.mark.parametrize("name", ["adm", "disk", "kvm", "shadow", "staff", "sudo", "tty", "users", "video"])
def test_a_name_of_a_system_group_is_refused(name: str) -> None:
    assert rules.name(name) == "the system uses this name; choose another"


@pytest.mark.parametrize(
    "value",
    [
        *("main:app", "a.b.c:application", "_m:_a", "m1:a1", "main:a.b", "main:a.b.c", "main:Ä"),
        *("main:app()", "main:a.b()", "main:create_app(debug=False)", "main:create('x', 1, -2.5, None)"),
        *("main:create([1, 'a'], {'b': (2,)}, {3}, x=b'y')", "main:create('a:b')", 'main:create("it\'s")'),
        *("wsgi.py", "wsgi.py:app", "deploy/wsgi.py", "my-app.py:create()", "a/b-c/d.e.py:site.app", "pkg.py:app"),
    ],
)
def test_a_callable_is_a_name_or_call_in_a_module_or_file(value: str) -> None:
    assert rules.callable_name(value) is None


@pytest.mark.parametrize(
    "value",
    [
        *("", "main", "main.app", "main:", ":app", ":", "a/b:app", "main.py :app", "ä:a", "main/app", "1a:app"),
        *(
            "a..b:app",
            ".a:app",
            "a.:app",
            "a-b:app",
            "a b:app",
            "main\n:app",
            " main:app",
            "../wsgi.py",
            "/srv/wsgi.py",
        ),
        *("a/../wsgi.py", "./wsgi.py", "a//wsgi.py", "a b.py", "wsgi.pyc", "wsgi.PY", "wsgi.py\n", "%n.py"),
    ],
)
def test_a_callable_without_a_valid_module_or_file_is_refused(value: str) -> None:
    assert rules.callable_name(value) == (
        "write a module, a colon and a name, such as main:application, or a file such as wsgi.py"
    )


@pytest.mark.parametrize(
    "name",
    [
        *(
            "1a",
            "a b",
            "a-b",
            "a.",
            ".a",
            "a..b",
            "a,b",
            "a;b",
            "a=b",
            "a[0]",
            "lambda: 0",
            "'app'",
            "None",
            "1",
            "(a, b)",
        ),
        *("a:b", "a\n", "a\nb", "create(", "create()()", "create().app", "create(x)", "create(a.b)", "create(f())"),
        *("create(*[1])", "create(**{})", "create(x=y)", "create(1 + 'a')", "create(f'{x}')", "create(a for a in b)"),
        *(
            "create({[]: 1})",
            "create({{}})",
            "create({**{}})",
            "a\0",
            "\udcff",
            "if",
            "not a",
            "await a",
            "create(a:=1)",
        ),
    ],
)
@pytest.mark.parametrize("place", ["main", "wsgi.py"])
def test_a_callable_without_a_valid_name_or_plain_call_is_refused(place: str, name: str) -> None:
    assert rules.callable_name(f"{place}:{name}") == (
        "after the colon, write a name, or a call with literal values, such as create_app(debug=False)"
    )


@pytest.mark.parametrize(
    "value",
    [
        *("python", "python manage.py migrate", "./manage.py", "bin/run-it.sh -x", "/usr/bin/env A=1 python"),
        *("python -c 'print(1); exit()'", 'python -c "a $b"', "sh -c 'a && b | c'", "echo Grüße 🎉"),
        *("  python  ", "my+app-2.0", "_x", ".venv/bin/x", "python a\\ b", "python ''", "echo #x"),
        *("python m.py http://x/?a=1&b=2", "x a=b", "x -o5", "x 5", "x 10%", "x a-b:c,d", "x it\\'s"),
    ],
)
def test_a_command_is_a_program_and_its_words(value: str) -> None:
    assert rules.command(value) is None


@pytest.mark.parametrize("value", ["", " ", "\t", "a\nb", "a\n", "a\tb", "a\0", "a\r", "a \x7f", "a \x85", "a \x1b[0m"])
def test_an_empty_or_multiline_command_is_refused(value: str) -> None:
    assert rules.command(value) == "write a command in one line, such as python manage.py migrate"


@pytest.mark.parametrize(("value", "why"), [("python 'a", "no closing quotation"), ("a \\", "no escaped character")])
def test_a_command_that_no_shell_could_split_is_refused(value: str, why: str) -> None:
    assert rules.command(value) == f"{why}; a command is split into words like in a shell"


NO_PROGRAMS = ["A=1", "-x", "@x", "+x", ":x", "!x", "|", "&&", "(a)", "$HOME/x", "~/x", "%n", "a;", "é", "a*", "'a b'"]
NO_FILES = ["''", ".", "..", "./", "bin/", "bin/..", "a/."]


@pytest.mark.parametrize("program", NO_PROGRAMS + NO_FILES)
def test_shell_syntax_in_the_program_is_refused_with_advice(program: str) -> None:
    said = program.strip("'")
    why = f"{said!r} is not the name of a program; for shell syntax, write sh -c '...'"
    assert rules.command(f"{program} x") == why


@pytest.mark.parametrize(
    "value",
    [
        *("sh -c 'a && b'", 'sh -c "x $HOME"', "python -c 'a; b'", "x 'a > b'", "x '&&' '|' ';' '>' '<b' '2>&1' '&'"),
        *("x '$HOME/y'", 'x "${A}"', "x '' 'a;' b", """x 'it'"'"'s; > $A'"""),
    ],
)
def test_shell_syntax_passes_in_quotes(value: str) -> None:
    assert rules.command(value) is None


@pytest.mark.parametrize(
    ("value", "word"),
    [
        *(("a && b", "&&"), ("a || b", "||"), ("a | b", "|"), ("a &", "&"), ("a & b", "&")),
        *(("a > b", ">"), ("a >b", ">b"), ("a >> b", ">>"), ("a 2>&1", "2>&1"), ("a 2> b", "2>"), ("a <b", "<b")),
        *(("a b; c", ";"), ("a b;", ";"), ("a ; b", ";"), ("a 'b'; c", ";")),
        *(("x $HOME/y", "$HOME/y"), ("x ${A}", "${A}"), ("x --a=$B", "--a=$B"), ("x 'a' $B", "$B")),
        ("x 'a && b' && c > d", "&&"),
    ],
)
def test_shell_syntax_in_the_arguments_is_refused_with_advice(value: str, word: str) -> None:
    assert str(rules.command(value)).startswith(f"{word!r} is shell syntax, but no shell runs this command; quote it")


@pytest.mark.parametrize("value", ["a", "mail", "mail-2", "x" * 31, "a-b-c", "after-switch-2", "migrate2"])
def test_the_name_of_a_worker_or_timer_passes(value: str) -> None:
    assert rules.part_name(value) is None


@pytest.mark.parametrize(
    "value", ["", "A", "2a", "-a", "a_b", "a b", "a.b", "a@b", "ä", "a\n", "x" * 32, "%n", "migrate", "after-switch"]
)
def test_an_invalid_name_of_a_worker_or_timer_is_refused(value: str) -> None:
    assert rules.part_name(value) == (
        "use up to 31 of a-z, 0-9 and -, beginning with a letter, but neither of migrate and after-switch"
    )


@pytest.mark.parametrize("key", ["key", "key.pem", "_a", "A-b.c_d", "1", "x" * 64, "a.."])
def test_a_secret_file_passes(key: str) -> None:
    assert rules.secret_files({key: "text"}) is None
    assert rules.secret_files({key: "", "other": "two\nlines\0"}) is None
    assert rules.secret_files({}) is None


@pytest.mark.parametrize(
    "key", ["", ".", "..", ".key", "-key", "a/b", "../a", "a b", "a:b", "%n", "ä", "a\n", "x" * 65, 5, None]
)
def test_an_invalid_name_of_a_secret_file_is_refused(key: Any) -> None:
    assert rules.secret_files({"good": "hunter2", key: "hunter2"}) == (
        f"{key!r} is not a valid file name; use letters, digits, . _ and -"
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "true or false"),
        (None, "nothing"),
        (5, "a number"),
        (["hunter2"], "a list"),
        ({"hunter2": 1}, "a dictionary"),
    ],
)
def test_a_secret_file_that_is_not_text_is_refused_and_not_shown(value: Any, kind: str) -> None:
    assert rules.secret_files({"key": value}) == f"key is {kind}; write it as text, in quotes"


@pytest.mark.parametrize(
    "value",
    ["python", "python3", "python3.12", "pypy3", "pypy3.10", "/usr/bin/python3", "/opt/python-3.12+x/bin/python3.12"],
)
def test_an_interpreter_passes(value: str) -> None:
    assert rules.interpreter(value) is None


@pytest.mark.parametrize(
    "value",
    [
        *("", "py3", "python4", "python3.12.1", "python3.", "python3.x", "python 3", "python3\n", "ruby"),
        *("bin/python3", "./python3", "~/python3", "/usr/bin/", "/usr/bin/sh", "/usr bin/python3", "$PY/python3"),
        *("python3;x", "-python3", "/usr/bin/python3 -x", "xpython3"),
    ],
)
def test_an_invalid_interpreter_is_refused(value: str) -> None:
    assert rules.interpreter(value) == (
        "write the name of an interpreter on the host, such as python3.12, its path, or a version such as '3.13'"
    )


@pytest.mark.parametrize("value", ["3.9", "3.13", "3.13.5"])
def test_a_version_of_python_passes(value: str) -> None:
    assert rules.interpreter(value) is None


# In YAML, 3.10 without quotes is the number 3.1.
@pytest.mark.parametrize("value", ["3.1", "3", "2.7", "3.8", "3.13.5.1", "4.0"])
def test_another_version_of_python_is_refused(value: str) -> None:
    assert rules.interpreter(value) == "write a version from 3.9 on, in quotes, such as '3.13' or '3.13.5'"


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
def test_an_invalid_host_name_is_refused(value: str) -> None:
    assert "this is not a host name" in str(rules.server_name(value))


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
def test_an_invalid_address_is_refused(value: str) -> None:
    assert str(rules.http_address(value)).startswith("write an IP address and a port")
    with pytest.raises(ValueError, match=r".*"):
        rules.split_address(value)


@pytest.mark.parametrize("value", ["127.0.0.1:9000", "0.0.0.0:9000", "[::1]:9000", "192.0.2.1:80"])
def test_http_may_listen_anywhere(value: str) -> None:
    assert rules.http_address(value) is None


@pytest.mark.parametrize("value", ["127.0.0.1:9000", "127.1.2.3:9000", "[::1]:9000"])
def test_uwsgi_may_listen_on_loopback(value: str) -> None:
    assert rules.uwsgi_address(value) is None


@pytest.mark.parametrize("value", ["0.0.0.0:9000", "[::]:9000", "192.0.2.1:9000", "10.0.0.1:9000", "[fe80::1]:9000"])
def test_uwsgi_never_listens_on_the_network(value: str) -> None:
    assert "must be a loopback address" in str(rules.uwsgi_address(value))


@pytest.mark.parametrize("value", NO_ADDRESSES)
def test_uwsgi_errors_advise_only_loopback(value: str) -> None:
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
def test_an_invalid_number_of_processes_is_refused(value: Any) -> None:
    assert "{min: 2, max: 8}" in str(rules.processes(value))


@pytest.mark.parametrize("value", [{}, {"A": "text"}, {"A": ""}, {"_a1": 1, "B": 0.5}, {"A": "two\nlines"}])
def test_variables_with_a_name_and_a_text_pass(value: dict[Any, Any]) -> None:
    assert rules.env(value) is None


@pytest.mark.parametrize("key", ["", "1A", "A-B", "A B", "A=B", "A.B", "Ä", "A\n", 1, True, None])
def test_an_invalid_variable_name_is_refused(key: Any) -> None:
    assert rules.env({key: "text"}) == f"{key!r} is not the name of an environment variable"


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, "true or false"), (False, "true or false"), (None, "nothing"), ([], "a list"), ({}, "a dictionary")],
)
def test_a_variable_whose_text_is_ambiguous_is_refused(value: Any, kind: str) -> None:
    assert rules.env({"DEBUG": value}) == f"the value of DEBUG is {kind}; write it as text, in quotes"


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "nothing"), ("A=hunter2", "text"), (["hunter2"], "a list"), (5, "a number")]
)
def test_variables_of_another_type_are_refused_and_not_shown(value: Any, kind: str) -> None:
    assert rules.env(value) == f"write a dictionary, not {kind}"


@pytest.mark.parametrize("key", ["CREDENTIALS_DIRECTORY", "DATA_DIRECTORY"])
def test_an_application_cannot_set_variables_of_systemd(key: str) -> None:
    assert rules.run_env({"A": "hunter2", key: "hunter2"}) == f"{key} is set by the role; remove it"
    assert rules.env({key: "x"}) is None


@pytest.mark.parametrize("key", ["UWSGI_HTTP_SOCKET", "UWSGI_FILE", "UWSGI_"])
def test_a_variable_that_sets_an_option_of_uwsgi_is_refused(key: str) -> None:
    assert rules.run_env({"A": "1", key: ":80"}) == f"{key} is an option of uWSGI; write it in options"
    assert rules.run_env({f"MY_{key}": ":80"}) is None


@pytest.mark.parametrize("value", [{}, {"A": "text", "B": 1}, {"MY_DATA_DIRECTORY": "x"}, {"data_directory": "x"}])
def test_other_variables_of_an_application_pass(value: dict[Any, Any]) -> None:
    assert rules.run_env(value) is None


@pytest.mark.parametrize("value", [None, ["A"], {"NO-NAME": "x"}, {"DEBUG": True}, {"DATA_DIRECTORY": True}])
def test_variables_of_an_application_follow_the_general_rules(value: Any) -> None:
    assert rules.env(value)
    assert rules.run_env(value) == rules.env(value)


def test_a_variable_with_a_null_character_is_refused() -> None:
    assert "null character" in str(rules.env({"A": "a\0b"}))


@pytest.mark.parametrize(("value", "passes"), [(1, True), (3600, True), (0, False), (-1, False)])
def test_a_time_is_above_zero(value: int, passes: bool) -> None:
    assert (rules.positive(value) is None) is passes


@pytest.mark.parametrize("value", [0, 1, 3600])
def test_a_limit_may_be_zero(value: int) -> None:
    assert rules.not_negative(value) is None


@pytest.mark.parametrize("value", [-1, -3600, True])
def test_a_negative_limit_is_refused(value: int) -> None:
    assert rules.not_negative(value) == "write a number above zero, or 0 for none"


@pytest.mark.parametrize(("value", "passes"), [(2, True), (100, True), (1, False), (0, False), (-3, False)])
def test_the_live_release_and_the_previous_one_are_kept(value: int, passes: bool) -> None:
    assert (rules.keep(value) is None) is passes


@pytest.mark.parametrize("value", ["/", "/health", "/a/b.txt?deep=1&x=%20#y", "/~user/;v=1"])
def test_a_path_passes(value: str) -> None:
    assert rules.path(value) is None


@pytest.mark.parametrize(
    "value", ["", "health", "http://a/", "/a b", "/\n", "/a\r\nX: y", "/a\tb", "/ä", "/\0", "/\x7f"]
)
def test_a_path_that_breaks_a_request_line_is_refused(value: str) -> None:
    assert "write a path that begins with /" in str(rules.path(value))


@pytest.mark.parametrize("value", ["localhost", "hello.example.org", "hello.example.org:8080", "10.0.0.1:80"])
def test_a_host_name_with_or_without_a_port_passes(value: str) -> None:
    assert rules.host_header(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        ":80",
        "a:",
        "a:b",
        "a:80:80",
        "a:123456",
        "a:65536",
        "a:0",
        "Hello",
        "a b",
        "a/b",
        "a\r\nX: y",
        "a:80\n",
        "https://a",
    ],
)
def test_an_invalid_host_header_is_refused(value: str) -> None:
    assert "this is not a host name" in str(rules.host_header(value))


@pytest.mark.parametrize("value", [[], [100], [200, 404], [599]])
def test_statuses_of_http_pass(value: list[int]) -> None:
    assert rules.statuses(value) is None


@pytest.mark.parametrize(("value", "wrong"), [([99], 99), ([200, 600], 600), ([0], 0), ([200, -1, 2000], -1)])
def test_an_invalid_http_status_is_refused(value: list[int], wrong: int) -> None:
    assert rules.statuses(value) == f"{wrong} is not an HTTP status; write numbers from 100 to 599"


@pytest.mark.parametrize(
    ("value", "passes"), [("", True), ("Grüße, it's 100%", True), ("a\nb", False), ("a\rb", False), ("a\0b", False)]
)
def test_a_line_is_one_line(value: str, passes: bool) -> None:
    assert (rules.line(value) is None) is passes


@pytest.mark.parametrize(
    "value",
    [
        *("daily", "03:00", "*:0/5", "Mon 03:00", "*-*-* 03:00", "Mon..Fri *-*-* 03:00:00", "Sat,Sun *-*~1 00/2:30"),
        *("Mon *-*-* 03:00 Europe/Berlin", "  daily  "),
    ],
)
def test_a_time_of_systemd_passes(value: str) -> None:
    assert rules.calendar(value) is None


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "\t", "daily\nhourly", "daily\n", "daily\r", "daily\0", "*-*-* 03:00\nUnit=x"),
        *("* * * * *", "0 3 * * *", "*/5 * * * *", "0 3 * * mon", "0 3 * * * root"),
    ],
)
def test_an_invalid_time_or_cron_syntax_is_refused_with_advice(value: str) -> None:
    assert rules.calendar(value) == (
        'write a time as in systemd\'s OnCalendar, such as daily, or "*-*-* 03:00" for every night at three'
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        *((True, "true or false"), (False, "true or false"), (0, "a number"), (1.5, "a number"), (None, "nothing")),
        *(("", "text"), ("5", "text"), ([], "a list"), ([{}], "a list"), ({}, "a dictionary")),
    ],
)
def test_a_value_is_named_by_its_yaml_type(value: Any, kind: str) -> None:
    assert rules.kind(value) == kind


@pytest.mark.parametrize("value", ["512M", "2G", "1.5G", "1T", "64K", "1048576", "50%", "1%", "100%"])
def test_an_amount_of_memory_passes(value: str) -> None:
    assert rules.size(value) is None


@pytest.mark.parametrize(
    "value", ["", "0", "0M", "512MB", "512m", "512 M", "-1G", "G", "1.G", "101%", "0%", "infinity", "1G\n", "1G 2G"]
)
def test_an_invalid_amount_of_memory_is_refused(value: str) -> None:
    assert "write an amount such as 512M" in str(rules.size(value))


@pytest.mark.parametrize("value", ["1%", "50%", "250%"])
def test_a_share_of_one_processor_passes(value: str) -> None:
    assert rules.quota(value) is None


@pytest.mark.parametrize("value", ["", "0%", "50", "-5%", "1.5%", "50%\n", "50% 50%"])
def test_an_invalid_share_of_a_processor_is_refused(value: str) -> None:
    assert str(rules.quota(value)) == "write a share of one processor, such as 50%, or 200% for two processors"


@pytest.mark.parametrize("value", [["AF_UNIX"], ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_X25"]])
def test_address_families_pass(value: list[str]) -> None:
    assert rules.families(value) is None


@pytest.mark.parametrize(
    "wrong", ["inet", "af_inet", "AF_", "~AF_INET", "none", "AF_INET AF_PACKET", "AF_INET\nUser=root", ""]
)
def test_an_invalid_address_family_is_refused(wrong: str) -> None:
    assert rules.families(["AF_UNIX", wrong]) == f"{wrong!r} is not an address family; write for example AF_INET"


@pytest.mark.parametrize("value", [[], ["AF_INET"]])
def test_the_address_family_of_unix_sockets_is_required(value: list[str]) -> None:
    assert str(rules.families(value)).startswith("AF_UNIX is missing")


@pytest.mark.parametrize("value", [[], ["10.0.0.0/8"], ["192.0.2.10", "2001:db8::/32", "::1"]])
def test_networks_and_addresses_pass(value: list[str]) -> None:
    assert rules.networks(value) is None


@pytest.mark.parametrize("wrong", ["", "any", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "db.example.org", "10.0.0.0/8\n"])
def test_an_invalid_network_is_refused(wrong: str) -> None:
    assert (
        rules.networks(["192.0.2.0/24", wrong])
        == f"{wrong!r} is not a network; write for example 10.0.0.0/8 or 192.0.2.10"
    )


@pytest.mark.parametrize(
    "value",
    [{}, {"max-requests": 5000}, {"lazy-apps": True}, {"route": ["a", "b"]}, {"log-format": "%(uri)"}, {"a": 0.5}],
)
def test_other_options_of_uwsgi_pass(value: dict[Any, Any]) -> None:
    assert rules.options(value) is None


@pytest.mark.parametrize("key", ["", "Max", "-a", "a b", "a=b", "a\n", "[uwsgi", "; a", "max_requests", 5, None])
def test_an_invalid_option_name_is_refused(key: Any) -> None:
    assert rules.options({key: 1}) == f"{key!r} is not the name of an option of uWSGI"


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("harakiri", "use the setting of that name"),
        ("env", "use the setting of that name"),
        ("socket", "systemd holds the sockets"),
        ("uwsgi-socket", "systemd holds the sockets"),
        ("listen", "use listen_http"),
        ("ini", "write the options here"),
        ("emperor", "systemd holds the sockets"),
        ("http", "use listen_http"),
        ("uid", "systemd sets the user"),
        ("wsgi-file", "see callable"),
        ("die-on-term", "deploys without failed requests depend on it"),
        ("strict", "deploys without failed requests depend on it"),
        ("workers", "use processes"),
    ],
)
def test_an_option_that_the_role_sets_is_refused_with_advice(key: str, advice: str) -> None:
    sentence = str(rules.options({"max-requests": 5000, key: 1}))
    assert sentence.startswith(f"{key} is set by the role; {advice}")


# Each of these protocols carries `UWSGI_FILE` to uWSGI; `uwsgi --help` lists them.
CODE_RUNNERS = ["socket", "uwsgi-socket", "puwsgi-socket", "suwsgi-socket", "fastcgi-socket", "fastcgi-nph-socket"]
CODE_RUNNERS += ["scgi-socket", "scgi-nph-socket"]


@pytest.mark.parametrize("key", CODE_RUNNERS)
def test_no_option_opens_a_port_that_can_run_code(key: str) -> None:
    assert rules.options({key: "0.0.0.0:9000"}) is not None


def own_options() -> list[str]:
    """Return the options that the collection writes to every `uwsgi.ini`."""
    lines = (ROLES / "uwsgi/templates/uwsgi.ini.j2").read_text(encoding="utf-8").splitlines()
    return [line.partition(" = ")[0] for line in lines if " = " in line]


@pytest.mark.parametrize(
    "key", ["socket", "http-socket", "listen", "master", "need-app", "strict", "chdir", "wsgi-file"]
)
def test_an_option_of_every_release_is_refused(key: str) -> None:
    assert key in own_options()
    assert rules.options({key: 1}) is not None


@pytest.mark.parametrize("value", [None, {}, {"a": 1}, "a\nb", "a\0", ["a", "b\nuid = root"], [None], [[1]]])
def test_an_option_value_must_fit_on_one_line(value: Any) -> None:
    assert str(rules.options({"max-requests": value})).startswith("the value of max-requests does not fit on one line")


@pytest.mark.parametrize(
    ("path", "directory"),
    [
        ("/static/", "static"),
        ("/static/", "static/"),
        ("/a/b-c/d_e/f.g/~h/", "/srv/hello/data/a.b/c-d_e"),
        ("/a/", "/srv/a/"),
        ("/s/", "a..b"),
        ("/s/", "..."),
    ],
)
def test_a_directory_of_files_passes(path: str, directory: str) -> None:
    one = {"path": path, "directory": directory}
    for previous in ({}, {"previous": ""}, *([{"previous": directory}] if directory.startswith("/") else [])):
        assert rules.directory({**one, **previous}) is None


def test_the_previous_directory_of_an_application_cannot_be_set() -> None:
    for previous in ("static", "/srv/old"):
        assert rules.directory({"path": "/static/", "directory": "static", "previous": previous}) == (
            "previous of static: the role knows it for a directory of the application; remove it"
        )


@pytest.mark.parametrize(
    "path",
    [
        *("", "static", "static/", "/static", "//", "/a//b/", "/../", "/.git/", "/x/.well-known/", "/a b/"),
        *("/a{/", "/a;/", "/$a/", "/(a)/", "/a/\n", "/ä/", "/a/*/"),
    ],
)
def test_an_invalid_path_prefix_is_refused(path: str) -> None:
    assert rules.directory({"path": path, "directory": "good"}) == (
        f"path {path!r}: write a path that begins and ends with /, such as /static/"
    )


@pytest.mark.parametrize("path", ["/favicon.ico", "/a/b.txt", "/.well-known/security.txt", "/.well-known/"])
def test_single_files_and_well_known_ones_can_be_static(path: str) -> None:
    assert rules.static_directory({"path": path, "directory": "good"}) is None


@pytest.mark.parametrize("path", ["/.env", "/a/../b", "favicon.ico", "/a b", "/x/.well-known/y", "/a;b"])
def test_other_single_files_are_refused(path: str) -> None:
    assert rules.static_directory({"path": path, "directory": "good"}) == (
        f"path {path!r}: write a path that begins and ends with /, such as /static/"
    )


def test_a_single_file_has_no_fallback() -> None:
    assert rules.static_directory({"path": "/a", "directory": "good", "fallback": "b"}) == (
        "path '/a': this is a single file, which has neither fallback nor immutable; remove them"
    )


@pytest.mark.parametrize("path", ["/", "/shop/", "/a.b/~c/"])
def test_the_path_of_a_site_begins_and_ends_with_a_slash(path: str) -> None:
    assert rules.site_path(path) is None and rules.prefix(path.rstrip("/")) is None


@pytest.mark.parametrize("path", ["shop/", "/shop", "//", "/a b/", "/.x/", "/a:b/", "/a/\n"])
def test_other_paths_of_a_site_are_refused(path: str) -> None:
    assert rules.site_path(path) == "write a path that begins and ends with /, such as /shop/"


@pytest.mark.parametrize(
    "name",
    [
        *("..", "../a", "a/..", "./a", ".", "a//b", "a b", "a;b", "$a", "a\n", "ä", "~/a", 'a"b'),
        *("/", "//", "/srv/../etc", "/srv/./a", "/srv//a", "//srv", "/a b", "/a\n"),
    ],
)
@pytest.mark.parametrize("key", ["directory", "previous"])
def test_a_directory_that_leads_elsewhere_or_breaks_the_configuration_is_refused(key: str, name: str) -> None:
    found = rules.directory({"path": "/static/", "directory": "/srv/static", key: name})
    assert found == f"{key} {name!r}: {rules.below('..')}"


def test_an_empty_directory_is_refused() -> None:
    assert rules.directory({"path": "/static/", "directory": ""}) == f"directory '': {rules.below('')}"


@pytest.mark.parametrize("value", ["media", "media/photos", "a.b/c-d/e_f", "..a", "a.."])
def test_a_subdirectory_passes(value: str) -> None:
    assert rules.below(value) is None


@pytest.mark.parametrize(
    "value", ["", "/", "/media", "media/", "a//b", ".", "..", "../a", "a/..", "a/./b", "a b", "a\n", "ä", "$a"]
)
def test_an_invalid_subdirectory_is_refused(value: str) -> None:
    assert str(rules.below(value)).startswith("write a directory such as media or media/photos")


@pytest.mark.parametrize("user", ["alice", "a", "A.b_c-d+e@example.org", "1", "x" * 64])
@pytest.mark.parametrize("password", ["hunter2!", "Grüße, with spaces: and $igns\t", "x" * 128])
def test_a_user_with_a_password_passes(user: str, password: str) -> None:
    assert rules.users({user: password}) is None
    assert rules.users({}) is None


@pytest.mark.parametrize("user", ["", "al:ice", "al ice", "alice\n", "älice", "x" * 65, "#alice", 5, None, True])
def test_an_invalid_user_name_is_refused(user: Any) -> None:
    assert rules.users({"bob": "hunter2hunter2", user: "hunter2hunter2"}) == (
        f"{user!r} is not the name of a user; use letters, digits and . _ @ + -"
    )


@pytest.mark.parametrize(
    "password",
    [
        *("", "hunter2", "hunter2\nhunter2", "hunter2hunter2\n", "hunter2\r2", "hunter2\0", "x" * 129),
        *(12345678, None, []),
    ],
)
def test_an_invalid_password_is_refused_and_not_shown(password: Any) -> None:
    assert rules.users({"bob": "hunter2hunter2", "alice": password}) == (
        "the password of alice is too short, too long, or not a string; write 8 to 128 bytes on one line"
    )


@pytest.mark.parametrize(
    "value",
    [
        "https://acme-v02.api.letsencrypt.org/directory",
        "https://localhost:14000/dir",
        "https://a",
        "https://a/",
        "https://a/b?c=d",
    ],
)
def test_an_https_address_passes(value: str) -> None:
    assert rules.url(value) is None


@pytest.mark.parametrize(
    "value",
    [
        *("", "acme", "http://acme.example.org/", "https://", "https:///a", "https://a b", "https://a/b c"),
        *("https://a/\n", "https://user@a/", "https://a:/", "https://a:123456/", "xhttps://a", "https://ä/"),
    ],
)
def test_an_invalid_https_address_is_refused(value: str) -> None:
    assert rules.url(value) == "write an address that begins with https://"


@pytest.mark.parametrize("value", ["ops@example.org", "o.p+s@mail.example.org"])
def test_an_email_address_passes(value: str) -> None:
    assert rules.email(value) is None


@pytest.mark.parametrize("value", ["", "ops", "@example.org", "ops@", "a@b@c", "a@b,c@d", "a b@c", "ops@example.org\n"])
def test_an_invalid_email_address_is_refused(value: str) -> None:
    assert rules.email(value) == "write one address, such as ops@example.com"


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        ("Strict-Transport-Security", "use tls.hsts"),
        ("cache-control", "the application sets it, and the role sets it for files"),
        ("Content-Security-Policy", "use content_security_policy"),
    ],
)
def test_a_header_with_its_own_setting_is_refused(header: str, advice: str) -> None:
    assert rules.headers({header: "x"}) == f"{header} is set by the role; {advice}"


def test_the_whole_site_is_no_directory_of_files() -> None:
    assert "this is the whole site, which the application serves" in str(
        rules.directory({"path": "/", "directory": "good"})
    )


# The tests themselves may run with an interpreter in one of these directories.
HIDDEN = rules.HIDDEN


@pytest.mark.parametrize(
    "path", ["/root/.pyenv/bin/python3", "/home/ann/.local/bin/python3.12", "/tmp/python3", "/run/user/0/python3"]
)
def test_an_interpreter_hidden_from_applications_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "HIDDEN", HIDDEN)
    assert "applications cannot access this directory" in str(rules.interpreter(path))


@pytest.mark.parametrize("path", ["python3.12", "/usr/local/bin/python3", "/opt/python/bin/python3.13"])
def test_an_interpreter_of_the_host_passes(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "HIDDEN", HIDDEN)
    assert rules.interpreter(path) is None


@pytest.mark.parametrize(
    "option",
    [
        *("stats", "stats-server", "stats-http", "udp", "zerg-server", "fastrouter-stats", "emperor-stats", "snmp"),
        *("legion", "subscription-server", "subscription-server2", "rawrouter", "http-stats"),
    ],
)
def test_an_option_that_opens_an_address_is_refused_with_the_reason(option: str) -> None:
    objection = str(rules.options({option: "127.0.0.1:9191"}))
    assert "a new release starts while the previous one still holds the address" in objection
    assert "exclusive: true" in objection


@pytest.mark.parametrize("option", ["stats-push", "static-map", "attach-daemon", "carbon", "chunked-input-limit"])
def test_an_option_that_opens_no_address_passes(option: str) -> None:
    assert rules.options({option: "x"}) is None
