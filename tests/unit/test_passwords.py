"""What the passwords of sites promise."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import passwords as unit
from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.command import run
from ansible_collections.wsgi.production.plugins.module_utils.passwords import Passwords

USERS = {"hello": {"bob": "correct horse", "alice": "hunter2hunter2"}, "world": {"alice": "hunter2hunter2"}, "open": {}}


@pytest.fixture(autouse=True)
def given_to(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return which file was given to which group; the machine of a test need not have it."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(shutil, "chown", lambda path, group: found.append((path.name, group)))
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "passwords"


def written(root: Path, users: dict[str, dict[str, str]]) -> Passwords:
    found = Passwords(users, root)
    found.write()
    return found


def lines(root: Path, site: str) -> dict[str, str]:
    """Return what the file of `site` says of each user."""
    return dict(line.split(":") for line in (root / site).read_text().splitlines())


def test_a_site_with_users_has_a_file_and_any_other_none(root: Path) -> None:
    written(root, USERS)
    assert sorted(path.name for path in root.glob("*")) == ["hello", "world"]
    assert list(lines(root, "hello")) == ["alice", "bob"]
    assert list(lines(root, "world")) == ["alice"]


# What crypt(3) of glibc makes of the same password and salt.
KNOWN = (
    "$6$rounds=1000$b635835095ba8c4b$"
    "nobmtLmt95PovMHBY8gQeFxlgujB5eI6WE5hnnar4at1CWZgVmNdMXj102/FW8mFNPhEhCp8cLb0m2nEzOnF90"
)


def test_a_password_is_hashed_as_nginx_checks_it(root: Path) -> None:
    written(root, USERS)
    assert lines(root, "hello")["alice"] == KNOWN


@pytest.mark.parametrize("password", ["  with spaces ", "Grüße, Wörter", 'quo"tes\\ and $signs'])
def test_a_password_is_hashed_in_full(root: Path, password: str) -> None:
    written(root, {"hello": {"alice": password}})
    for other in (password.strip() + "x", password[:-1], password[1:]):
        assert not Passwords({"hello": {"alice": other}}, root).are_right()


@pytest.mark.parametrize("letter", ["x", "ä", "€", "𝄞"])
def test_the_longest_password_that_the_rules_let_pass_is_hashed_in_full(root: Path, letter: str) -> None:
    longest = letter * (128 // len(letter.encode()))
    assert rules.users({"alice": longest}) is None
    assert rules.users({"alice": longest + letter})
    written(root, {"hello": {"alice": longest}})
    assert not Passwords({"hello": {"alice": longest[:-1]}}, root).are_right()


def test_a_password_is_nowhere_to_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def listen(argv: list[Any], purpose: str, **options: Any) -> str:
        said.append(f"{argv} {purpose}")
        return run(argv, purpose, **options)

    monkeypatch.setattr(unit, "run", listen)
    written(root, USERS)
    assert len(said) == 3
    for text in [*said, *(path.read_text() for path in root.glob("*"))]:
        assert not re.search("hunter2|correct|horse", text)


def test_a_second_run_finds_what_the_first_wrote(root: Path) -> None:
    assert not Passwords(USERS, root).are_right()
    written(root, USERS)
    again = {site: dict(reversed(users.items())) for site, users in reversed(USERS.items())}
    assert Passwords(again, root).are_right()


@pytest.mark.parametrize(("users", "right"), [(USERS, False), ({"open": {}}, True)])
def test_a_bare_host_can_be_told_what_it_will_have(
    root: Path, monkeypatch: pytest.MonkeyPatch, users: dict[str, dict[str, str]], right: bool
) -> None:
    monkeypatch.setattr(unit, "has", {"openssl": False}.__getitem__)
    monkeypatch.setattr(unit, "run", None)
    assert Passwords(users, root).are_right() is right


def test_no_two_users_have_the_same_salt(root: Path) -> None:
    written(root, {site: dict.fromkeys(["alice", "bob"], "hunter2hunter2") for site in ("hello", "world")})
    salts = {line.split("$")[3] for site in ("hello", "world") for line in lines(root, site).values()}
    assert len(salts) == 4


@pytest.mark.parametrize(
    "users",
    [
        {**USERS, "world": {"alice": "another one"}},
        {**USERS, "world": {}},
        {**USERS, "world": {"eve": "hunter2hunter2"}},
        {**USERS, "world": {"alice": "hunter2hunter2", "eve": "hunter2hunter2"}},
        {"hello": USERS["hello"]},
        {},
    ],
)
def test_nobody_gets_in_who_is_no_user_any_more(root: Path, users: dict[str, dict[str, str]]) -> None:
    written(root, USERS)
    changed = Passwords(users, root)
    assert not changed.are_right()
    changed.write()
    assert changed.are_right()
    expected = {site: sorted(names) for site, names in users.items() if names}
    assert {path.name: list(lines(root, path.name)) for path in root.glob("*")} == expected


def test_the_passwords_of_a_site_that_is_left_over_stay_as_they_are(root: Path) -> None:
    written(root, USERS)
    before = (root / "hello").read_text()
    (root / ".hello.new").write_text("alice:secret")
    changed = Passwords({}, root, left=["hello"])
    assert not changed.are_right()
    changed.write()
    assert changed.are_right()
    assert [path.name for path in root.glob("*")] == ["hello"]
    assert (root / "hello").read_text() == before


def test_what_a_killed_run_left_is_removed(root: Path) -> None:
    found = written(root, USERS)
    (root / ".hello.new").write_text("alice:secret")
    assert not found.are_right()
    found.write()
    assert sorted(path.name for path in root.glob("*")) == ["hello", "world"]


def test_nobody_but_root_and_nginx_reads_the_passwords(root: Path, given_to: list[tuple[str, str]]) -> None:
    written(root, USERS)
    assert {path.stat().st_mode & 0o777 for path in root.glob("*")} == {0o640}
    assert given_to == [(".hello.new", "www-data"), (".world.new", "www-data")]


def test_without_any_password_there_is_nothing_to_write(root: Path) -> None:
    assert Passwords({"open": {}}, root).are_right()
