"""What the user of an application promises."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import user as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.user import NO_LOGIN, User


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return the programs that were run, each with its purpose."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(unit, "run", lambda argv, purpose: found.append((" ".join(map(str, argv)), purpose)))
    return found


def there_is(monkeypatch: pytest.MonkeyPatch, home: str = "/srv/hello/data", shell: str = NO_LOGIN[0]) -> None:
    """Make `hello` the only user of the host."""
    hello = pwd.struct_passwd(("hello", "x", 999, 999, "", home, shell))
    monkeypatch.setattr(pwd, "getpwnam", {"hello": hello}.__getitem__)


@pytest.mark.parametrize("shell", NO_LOGIN)
def test_a_user_exists_only_if_the_host_has_exactly_that_name(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    there_is(monkeypatch, shell=shell)
    assert User(Layout("hello")).exists()
    assert not User(Layout("hell")).exists()


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh", "/usr/bin/zsh", ""])
def test_a_user_who_can_log_in_is_refused(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    there_is(monkeypatch, shell=shell)
    with pytest.raises(
        Failed, match=r"^the user hello of this host was not created by this collection: .*; choose another name"
    ):
        User(Layout("hello")).exists()
    assert not User(Layout("hello")).is_own()


def test_root_is_the_user_of_no_application() -> None:
    with pytest.raises(Failed, match=r"^the user root of this host was not created by this collection: "):
        User(Layout("root")).exists()


def test_a_created_user_is_recognized(monkeypatch: pytest.MonkeyPatch, calls: list[tuple[str, str]]) -> None:
    layout = Layout("hello")
    User(layout).make()
    words = calls[0][0].split()
    there_is(monkeypatch, *(words[words.index(option) + 1] for option in ("--home-dir", "--shell")))
    assert User(layout).is_own()
    assert not User(Layout("hell")).is_own()


@pytest.mark.parametrize("home", ["/nonexistent", "/var/lib/hello", "/srv/hello", "/srv/other/data", ""])
def test_a_user_with_another_home_is_refused(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    there_is(monkeypatch, home=home)
    with pytest.raises(
        Failed, match=r"^the user hello of this host was not created by this collection: .*; choose another name"
    ):
        User(Layout("hello")).exists()
    assert not User(Layout("hello")).is_own()


def test_a_user_has_its_own_group_no_login_and_its_data_as_home(calls: list[tuple[str, str]], tmp_path: Path) -> None:
    User(Layout("hello", root=tmp_path)).make()
    ((command, purpose),) = calls
    words = command.split()
    assert words[0] == "useradd"
    assert {"--system", "--user-group", "--no-create-home"} <= set(words)
    assert words[words.index("--shell") + 1] == "/usr/sbin/nologin"
    assert words[words.index("--home-dir") + 1] == str(tmp_path / "hello/data")
    assert (words[-1], purpose) == ("hello", "create the user hello")


def test_a_user_is_removed_without_its_files(calls: list[tuple[str, str]]) -> None:
    User(Layout("hello")).remove()
    assert calls == [("userdel hello", "remove the user hello")]
