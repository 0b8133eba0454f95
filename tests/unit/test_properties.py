"""What holds for every name, path, host name, command and value, not only for hand-picked examples."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.environment import (
    command_line,
    environment_file,
    variables,
)
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.plugin_utils.repository import Address

# Any text, except halves of characters, which no file can hold.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]))
APPS = st.from_regex(r"[a-z][a-z0-9_-]{0,30}", fullmatch=True)
NEARLY = st.text("aZ09._-/:@%$ \n\\\"'*#ü", max_size=40)


def read_environment(text: str) -> dict[str, str]:
    """Read what systemd reads: its automaton for a file of variables, for values in double quotes.

    After src/basic/env-file.c of systemd: within double quotes, a backslash before one of four characters gives that
    character, before the end of a line nothing, and else stays.
    """
    found, rest = {}, text
    while rest:
        name, _, rest = rest.partition('="')
        value = ""
        while rest[0] != '"':
            if rest[0] == "\\":
                value += rest[1] if rest[1] in '"\\`$' else "" if rest[1] == "\n" else rest[:2]
                rest = rest[2:]
            else:
                value += rest[0]
                rest = rest[1:]
        found[name] = value
        assert rest[:2] == '"\n'
        rest = rest[2:]
    return found


def read_command(line: str) -> list[str]:
    """Read what systemd reads of quoted words: escapes of C, specifiers, and variables but in the first word."""
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r'"((?:[^"\\]|\\.)*)"(?: |$)', line)]
    plain = [word.replace("%%", "\0") for word in words]
    assert not any("%" in word for word in plain)
    later = [word.replace("$$", "\1") for word in plain[1:]]
    assert not any("$" in word for word in later)
    return [word.replace("\0", "%").replace("\1", "$") for word in [*plain[:1], *later]]


@given(st.dictionaries(NAMES, TEXT))
def test_every_environment_is_read_back_unchanged(env: dict[str, str]) -> None:
    assert rules.env(env) is None
    text = environment_file(env)
    assert read_environment(text) == env
    assert {name for name, _ in variables(text)} == set(env)


@given(TEXT, TEXT)
def test_only_equal_values_give_the_same_file(value: str, other: str) -> None:
    one, two = environment_file({"A": value}), environment_file({"A": other})
    assert (variables(one) == variables(two)) == (value == other)


@given(st.from_regex(r"[A-Za-z0-9_.+-]+", fullmatch=True), st.lists(WORDS))
def test_every_command_is_read_back_word_for_word(program: str, words: list[str]) -> None:
    assert read_command(command_line(shlex.join([program, *words]), Path("/code"))) == [program, *words]


@given(st.from_regex(r"[A-Za-z0-9_]+", fullmatch=True), st.lists(WORDS))
def test_every_command_with_quoted_words_passes(program: str, words: list[str]) -> None:
    assert rules.command(shlex.join([program, *words])) is None


@given(NEARLY)
def test_a_command_that_passes_can_be_written_for_systemd(text: str) -> None:
    if rules.command(text) is None:
        program, *words = read_command(command_line(text, Path("/code")))
        assert words == shlex.split(text)[1:]
        assert PurePosixPath(program).name == PurePosixPath(shlex.split(text)[0]).name
        assert program[0] not in "@-:+!|"


@given(NEARLY)
def test_a_name_that_passes_is_one_directory_and_one_user(name: str) -> None:
    if rules.name(name) is None:
        assert Layout(name).home.parent == Path("/srv")
        assert re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", name)


@given(
    APPS, APPS, st.from_regex(r"[0-9a-f]{12}", fullmatch=True), st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)
)
def test_no_two_applications_share_a_unit(app: str, other: str, release: str, part: str) -> None:
    one, two = Layout(app), Layout(other)
    unit = one.unit_of(release, f"instance-{part}.service")
    assert one.unit_file(unit) == f"instance-{part}.service"
    mine = {unit, one.unit(release, "service"), one.unit(release, "socket")}
    others = {two.unit_of(release, f"instance-{part}.service"), two.unit(release, "service")}
    assert not mine & others or app == other


@given(NEARLY)
def test_a_valid_path_stays_in_its_directory(path: str) -> None:
    if rules.below(path) is None:
        place = Path("/srv/hello/data", path)
        assert ".." not in place.parts and place.is_relative_to("/srv/hello/data")
        assert place != Path("/srv/hello/data")


@given(NEARLY)
def test_a_host_name_that_passes_is_one_word_of_nginx_and_one_host(name: str) -> None:
    if rules.server_name(name) is None:
        assert urlsplit(f"http://{name}/").hostname == name
        assert not re.search(r"[\s;{}\"'$*~\\]", name)


@given(NEARLY)
def test_an_address_that_passes_is_an_address_and_a_port(address: str) -> None:
    if rules.http_address(address) is None:
        host, port = rules.split_address(address)
        assert 0 < port < 65536 and urlsplit(f"http://{address}/").port == port
        assert host in address


@given(
    st.one_of(NEARLY, st.from_regex(r"[a-z]+:[a-z]+(\.[a-z]+)?(\([a-z0-9=', \[\]{}:.+()-]*\)){0,2}", fullmatch=True))
)
def test_a_callable_that_passes_calls_nothing_but_itself(text: str) -> None:
    if rules.callable_name(text) is None:
        tree = ast.parse(text.partition(":")[2] or "application", mode="eval")
        assert sum(isinstance(node, ast.Call) for node in ast.walk(tree)) <= 1
        assert not any(isinstance(node, (ast.Lambda, ast.Subscript, ast.Await)) for node in ast.walk(tree))


@given(st.dictionaries(NEARLY, TEXT))
def test_a_secret_file_that_passes_is_a_file_in_its_directory(files: dict[str, str]) -> None:
    if rules.secret_files(files) is None:
        assert all(Path("/credentials", name).parent == Path("/credentials") and name[0] != "." for name in files)


@given(st.text("abz09.-_/:@#=?%+ ", max_size=60))
def test_the_address_of_a_repository_is_parsed_or_refused_without_its_password(rest: str) -> None:
    for text in (f"git+https://user:hunter2@{rest}", f"git+https://example.com/{rest}"):
        try:
            address = Address.parse(text)
        except Failed as refused:
            assert "hunter2" not in str(refused)
        else:
            assert "hunter2" not in address.url
