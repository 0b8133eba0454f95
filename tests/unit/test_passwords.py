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
    """Return which file was given to which group, which a test machine may lack."""
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
    """Return what the only file of `site` has for each user."""
    (path,) = root.glob(f"{site}-*")
    return dict(line.split(":") for line in path.read_text().splitlines())


def names(root: Path, users: dict[str, dict[str, str]]) -> str:
    """Return what the names of the files are in a configuration with two sites."""
    return Passwords(users, root).named(f"file {root}/hello; file {root}/world;")


def test_only_a_site_with_users_has_a_file(root: Path) -> None:
    written(root, USERS)
    assert sorted(path.name.partition("-")[0] for path in root.glob("*")) == ["hello", "world"]
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
        assert not Passwords({"hello": {"alice": other}}, root).are_there()


@pytest.mark.parametrize("letter", ["x", "ä", "€", "𝄞"])
def test_the_longest_allowed_password_is_hashed_in_full(root: Path, letter: str) -> None:
    longest = letter * (128 // len(letter.encode()))
    assert rules.users({"alice": longest}) is None
    assert rules.users({"alice": longest + letter})
    written(root, {"hello": {"alice": longest}})
    assert not Passwords({"hello": {"alice": longest[:-1]}}, root).are_there()


def test_no_plain_password_appears(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert not Passwords(USERS, root).are_there()
    written(root, USERS)
    again = {site: dict(reversed(users.items())) for site, users in reversed(USERS.items())}
    assert Passwords(again, root).are_there()


def test_a_file_that_was_changed_on_the_host_is_written_again(root: Path) -> None:
    found = written(root, USERS)
    next(root.glob("hello-*")).write_text("eve:hash\n")
    assert not found.are_there()
    found.write()
    assert found.are_there()


def test_a_bare_host_can_plan_without_openssl(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit, "has", {"openssl": False}.__getitem__)
    monkeypatch.setattr(unit, "run", None)
    assert not Passwords(USERS, root).are_there()
    assert f"file {root}/hello-" in names(root, USERS)


def test_no_two_users_have_the_same_salt(root: Path) -> None:
    written(root, {site: dict.fromkeys(["alice", "bob"], "hunter2hunter2") for site in ("hello", "world")})
    salts = {line.split("$")[3] for site in ("hello", "world") for line in lines(root, site).values()}
    assert len(salts) == 4


@pytest.mark.parametrize(
    "world",
    [{"alice": "another one"}, {"eve": "hunter2hunter2"}, {"alice": "hunter2hunter2", "eve": "hunter2hunter2"}, {}],
)
def test_other_passwords_get_another_file(root: Path, world: dict[str, str]) -> None:
    written(root, USERS)
    before, after = (names(root, users).split(" file ") for users in (USERS, {**USERS, "world": world}))
    assert after[0] == before[0]
    assert after[1] != before[1]
    written(root, {**USERS, "world": world})
    # The previous ones stay for as long as NGINX needs them.
    assert len(list(root.glob("world-*"))) == (2 if world else 1)


def test_a_configuration_names_the_files_and_is_otherwise_unchanged(root: Path) -> None:
    written(root, USERS)
    there = [next(root.glob(f"{site}-*")) for site in ("hello", "world")]
    assert names(root, USERS) == f"file {there[0]}; file {there[1]};"
    assert names(root, {}) == f"file {root}/hello; file {root}/world;"


def test_only_root_and_nginx_can_read_the_passwords(root: Path, given_to: list[tuple[str, str]]) -> None:
    written(root, USERS)
    assert {path.stat().st_mode & 0o777 for path in root.glob("*")} == {0o640}
    assert [(name.partition("-")[0], group) for name, group in given_to] == [
        (".hello", "www-data"),
        (".world", "www-data"),
    ]


def test_without_any_password_there_is_nothing_to_write(root: Path) -> None:
    assert Passwords({"open": {}}, root).are_there()
