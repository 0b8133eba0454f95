"""What systemd reads of an application is what was given."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.environment import (
    command_line,
    environment_file,
    variables,
)

CODE = Path("/srv/hello/releases/81d0e77c2b6f/build/app")

HARD = [
    "",
    " spaces around ",
    'it\'s "quoted"',
    "100%",
    "%n %% %t/x",
    "$HOME ${HOME} $$ $",
    "$MAIL",
    "# no comment",
    "; no comment either",
    ";",
    "&&",
    "|",
    ">file",
    "*.py",
    "~",
    "back\\slash \\n \\x41 \\\\",
    "ends with a backslash\\",
    "`command`",
    "Grüße, 世界 🎉",
    '\\"',
    "'",
    '"',
    "-",
    "@x",
    "a=b",
]

HARD_LINES = ["two\nlines", "ends with a newline\n", "\nbegins with one", "tab\tand = sign", "\\\n"]


# Environment files


def as_systemd_reads(text: str) -> dict[str, str]:
    """Read an environment file as systemd does, as far as double quotes go (src/basic/env-file.c)."""
    read = {}
    while text:
        name, _, text = text.partition('="')
        value = ""
        while not text.startswith('"'):
            if text[0] == "\\":
                kept = {"\n": ""}.get(text[1], text[1] if text[1] in '"\\`$' else text[:2])
                value, text = value + kept, text[2:]
            else:
                value, text = value + text[0], text[1:]
        assert text.startswith('"\n')
        read[name], text = value, text[2:]
    return read


@pytest.mark.parametrize("value", HARD + HARD_LINES)
def test_systemd_reads_each_value_unchanged(value: str) -> None:
    env = {"BEFORE": "1", "MIDDLE": value, "ZLAST": "2"}
    assert as_systemd_reads(environment_file(env)) == env


@pytest.mark.parametrize(("value", "written"), [(8, "8"), (0.5, "0.5"), (0, "0")])
def test_numbers_in_the_environment_become_text(value: float, written: str) -> None:
    assert as_systemd_reads(environment_file({"NUMBER": value})) == {"NUMBER": written}


def test_the_order_of_variables_does_not_matter() -> None:
    assert environment_file({"A": "1", "B": "2"}) == environment_file({"B": "2", "A": "1"})


@pytest.mark.parametrize("value", HARD + HARD_LINES)
def test_each_written_variable_is_found(value: str) -> None:
    env = {"A": value, "B_2": "x", "_c": "y"}
    assert {name for name, _ in variables(environment_file(env))} == set(env)


@pytest.mark.parametrize(("before", "after"), [("a", "b"), ("", " "), ("a\nB=c", 'a\nB="c"'), ("\\", '"')])
def test_variables_differ_if_their_values_do(before: str, after: str) -> None:
    same = {"SAME": "x"}
    differing = variables(environment_file({**same, "A": before})) ^ variables(environment_file({**same, "A": after}))
    assert {name for name, _ in differing} == {"A"}


def test_an_empty_file_has_no_variables() -> None:
    assert variables("") == set()


# Command lines

ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}


def as_systemd_runs(line: str, env: dict[str, str], specifiers: dict[str, str]) -> list[str]:
    """Return the arguments that systemd makes of a line of ExecStart (systemd.service(5), "Command lines")."""
    words: list[str] = []
    while line:
        assert line[0] == '"', line
        word, line = "", line[1:]
        while line[0] != '"':
            if line[0] != "\\":
                word, line = word + line[0], line[1:]
            elif line[1] == "x":
                word, line = word + chr(int(line[2:4], 16)), line[4:]
            else:
                word, line = word + ESCAPES.get(line[1], line[1]), line[2:]
        line = line[1:]
        assert line[:1] in ("", " ")
        line = line[1:]
        words.append(re.sub("%(.)", lambda match: {"%": "%", **specifiers}[match.group(1)], word))
    program, *rest = words
    found = [program]
    for word in rest:
        if re.fullmatch(r"\$[A-Za-z_]\w*", word):
            found += env.get(word[1:], "").split()
        else:
            variable = r"\$(\$|\{(\w+)\})"
            found.append(re.sub(variable, lambda match: env.get(match.group(2), "") if match.group(2) else "$", word))
    return found


def runs(command: str) -> list[str]:
    return as_systemd_runs(command_line(command, CODE), {"HOME": "/root", "MAIL": "a b"}, {"n": "unit", "t": "/run"})


@pytest.mark.parametrize("word", HARD)
def test_a_command_runs_with_the_given_words(word: str) -> None:
    words = ["python", "-m", word, f"--option={word}", "last"]
    assert runs(shlex.join(words)) == words


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python manage.py migrate", ["python", "manage.py", "migrate"]),
        ("  python   manage.py  ", ["python", "manage.py"]),
        ("sh -c 'a && b; echo \"$HOME\"'", ["sh", "-c", 'a && b; echo "$HOME"']),
        ("python -c \"print('100%')\"", ["python", "-c", "print('100%')"]),
        ("echo a\\ b", ["echo", "a b"]),
        ("python ./manage.py a/b", ["python", "./manage.py", "a/b"]),
        ("echo ''", ["echo", ""]),
        ("echo #no comment", ["echo", "#no", "comment"]),
    ],
)
def test_a_command_is_split_as_by_a_shell(command: str, words: list[str]) -> None:
    assert runs(command) == words


@pytest.mark.parametrize(
    ("program", "path"),
    [
        ("python", "python"),
        ("./manage.py", f"{CODE}/manage.py"),
        ("bin/worker", f"{CODE}/bin/worker"),
        ("/usr/bin/env", "/usr/bin/env"),
        ("my+app-2.0", "my+app-2.0"),
    ],
)
def test_a_program_is_searched_in_the_path_unless_it_is_a_path(program: str, path: str) -> None:
    assert rules.command(f"{program} x") is None
    assert runs(f"{program} x") == [path, "x"]


@pytest.mark.parametrize("word", HARD)
def test_a_command_is_one_line_for_systemd(word: str) -> None:
    assert "\n" not in command_line(shlex.join(["python", word]), CODE)


@pytest.mark.parametrize("env", [{"A": 1}, {"A": "x"}, {}])
def test_each_variable_has_its_own_line(env: dict[str, Any]) -> None:
    assert environment_file(env) == "".join(f'{name}="{value}"\n' for name, value in env.items())
