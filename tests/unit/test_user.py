"""What the user of an application promises."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import user as unit
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.user import User


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return the programs that were run, each with what could not be done if it failed."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(unit, "run", lambda argv, purpose: found.append((" ".join(map(str, argv)), purpose)))
    return found


def test_a_user_exists_where_the_host_has_one_of_that_very_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {"hello": SimpleNamespace()}[name])
    assert User(Layout("hello")).exists()
    assert not User(Layout("hell")).exists()


def test_the_user_of_this_process_exists() -> None:
    assert User(Layout(pwd.getpwuid(os.geteuid()).pw_name)).exists()


def test_a_user_has_a_group_of_its_own_no_login_and_its_data_for_a_home(
    calls: list[tuple[str, str]], tmp_path: Path
) -> None:
    User(Layout("hello", root=tmp_path)).make()
    ((command, purpose),) = calls
    words = command.split()
    assert words[0] == "useradd"
    assert {"--system", "--user-group", "--no-create-home"} <= set(words)
    assert words[words.index("--shell") + 1] == "/usr/sbin/nologin"
    assert words[words.index("--home-dir") + 1] == str(tmp_path / "hello/data")
    assert (words[-1], purpose) == ("hello", "make the user hello")


def test_a_user_is_removed_and_nothing_that_belongs_to_it(calls: list[tuple[str, str]]) -> None:
    User(Layout("hello")).remove()
    assert calls == [("userdel hello", "remove the user hello")]
