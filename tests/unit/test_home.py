"""What the directory of an application promises."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.home import Home
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.user import User
from tests.unit.fakes import make_build, make_release

# No user of a test machine has this number.
NOBODY = 4242


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return the directory of an application that no host has yet."""
    (tmp_path / "srv").mkdir()
    return Home(Layout("hello", root=tmp_path / "srv"))


def test_our_directory_has_a_mark_and_others_cannot_list_it(home: Home) -> None:
    assert not home.is_ours()
    home.check()
    home.make()
    assert home.is_ours()
    layout = home.layout
    for path in (layout.home, layout.builds, layout.venvs, layout.releases):
        assert path.stat().st_mode & 0o777 == 0o711
    home.make()
    home.check()


@pytest.mark.parametrize("kind", ["release", "build"])
def test_an_older_directory_without_a_mark_is_recognized_by_its_sealed_entries(home: Home, kind: str) -> None:
    if kind == "release":
        make_release(home.layout, "aaa111")
    else:
        make_build(home.layout, "b", "v")
    assert home.is_ours()


def test_a_directory_of_others_is_refused(home: Home) -> None:
    home.layout.home.mkdir()
    home.check()
    (home.layout.home / "shop").touch()
    with pytest.raises(
        Failed,
        match=r"srv/hello already exists, and this collection did not create it: choose another name for the "
        r"application",
    ):
        home.check()


@pytest.mark.parametrize(
    ("owner", "made", "fits"), [("root", False, True), ("hello", True, True), ("hello", False, False)]
)
def test_existing_data_of_root_or_of_the_application_is_accepted(
    home: Home, monkeypatch: pytest.MonkeyPatch, owner: str, made: bool, fits: bool
) -> None:
    home.layout.data.mkdir(parents=True)
    found = os.stat_result((0o40755, 1, 1, 1, 0 if owner == "root" else NOBODY, 0, 0, 0, 0, 0))
    real = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **how: found if path.name == "data" else real(path, **how))
    monkeypatch.setattr(User, "exists", lambda user: made)
    entry = pwd.struct_passwd(("hello", "x", NOBODY, NOBODY, "", "/", "/usr/sbin/nologin"))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: entry)
    if fits:
        home.check()
    else:
        with pytest.raises(Failed, match=f"data already exists and belongs to the user {NOBODY}: give it to root"):
            home.check()
