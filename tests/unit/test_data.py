"""What the data of an application promises."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import data as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.data import Data
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout


def test_a_missing_user_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"^the host has no user no-such-user or no group www-data: create them$"):
        Data(Layout("no-such-user", root=tmp_path), []).make()


class Account(NamedTuple):
    """The user that runs the tests, who cannot give files to others, and its group."""

    user: str
    group: str


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    found = Account(pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name)
    monkeypatch.setattr(unit, "WEB_SERVER", found.group)
    return found


def data_of(account: Account, root: Path, *public: str) -> Data:
    """Return the data of an application of the name of that user."""
    return Data(Layout(account.user, root=root), [*public])


def modes(data: Data) -> dict[str, int]:
    """Return the mode of each directory in the data of an application, the whole included."""
    found = [data.path, *(path for path in data.path.rglob("*") if path.is_dir())]
    return {str(path.relative_to(data.path)): path.stat().st_mode & 0o7777 for path in found}


def test_an_application_owns_its_data_and_nginx_may_traverse_it(account: Account, tmp_path: Path) -> None:
    data = data_of(account, tmp_path)
    assert not data.is_right()
    data.make()
    assert data.is_right()
    assert (data.path.owner(), data.path.group()) == account
    assert modes(data) == {".": 0o710}


def test_nginx_may_read_public_data_and_traverse_its_parents(account: Account, tmp_path: Path) -> None:
    data = data_of(account, tmp_path, "media/photos/large", "files")
    data.make()
    assert modes(data) == {
        ".": 0o710,
        "files": 0o2750,
        "media": 0o2750,
        "media/photos": 0o2750,
        "media/photos/large": 0o2750,
    }
    assert data.is_right()


def test_data_survives_a_change_of_public_directories(account: Account, tmp_path: Path) -> None:
    data_of(account, tmp_path).make()
    (tmp_path / account.user / "data/mine").write_text("mine")
    more = data_of(account, tmp_path, "media")
    assert not more.is_right()
    more.make()
    assert more.is_right()
    assert data_of(account, tmp_path).is_right()
    assert (tmp_path / account.user / "data/mine").read_text() == "mine"


@pytest.mark.parametrize("below", ["", "media", "media/photos"])
def test_a_directory_with_a_wrong_mode_is_repaired(account: Account, tmp_path: Path, below: str) -> None:
    data = data_of(account, tmp_path, "media/photos")
    data.make()
    (data.path / below).chmod(0o755)
    assert not data.is_right()
    data.make()
    assert data.is_right()


@pytest.mark.parametrize("other", [(1, 0), (0, 1)])
def test_data_of_another_user_or_group_is_not_right(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: tuple[int, int]
) -> None:
    data = data_of(account, tmp_path, "media")
    data.make()
    ids = os.geteuid() + other[0], os.getegid() + other[1]
    monkeypatch.setattr(Data, "_ids", lambda self: ids)
    assert not data.is_right()


def test_data_directories_belong_to_the_application_and_the_group_of_nginx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Path, int, int]] = []
    user = SimpleNamespace(pw_uid=1234, pw_gid=1235)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {"hello": user}[name])
    monkeypatch.setattr(unit, "run", lambda argv, purpose: "")
    monkeypatch.setattr(grp, "getgrnam", lambda name: {"www-data": SimpleNamespace(gr_gid=33)}[name])
    monkeypatch.setattr(
        os, "fchown", lambda file, user, group: given.append((Path(os.readlink(f"/proc/self/fd/{file}")), user, group))
    )
    data = Data(Layout("hello", root=tmp_path), ["media"])
    data.make()
    assert given == [(path, 1234, 33) for path in (data.path, data.path / "media")]


@pytest.mark.parametrize("link", ["media", "media/photos"])
def test_a_link_that_the_application_created_in_its_data_is_not_followed(
    account: Account, tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "outside"
    (outside / "photos").mkdir(parents=True)
    outside.chmod(0o700)
    data = data_of(account, tmp_path, "media/photos")
    data.make()
    shutil.rmtree(data.path / link)
    (data.path / link).symlink_to(outside)
    assert not data.is_right()
    name = Path(link).name
    with pytest.raises(Failed, match=rf"data/{link} must be a directory, but {name} is not one; remove it"):
        data.make()
    assert outside.stat().st_mode & 0o7777 == 0o700


def test_data_of_a_removed_user_is_not_right(account: Account, tmp_path: Path) -> None:
    data = data_of(account, tmp_path)
    data.make()
    data.owner = "no-such-user"
    assert not data.is_right()


# Left to root, and given back

OLD, NEW, WEB = (1001, 1002), (2001, 2002), 33


class Owners:
    """The owners of the files of an application, as if root had set them; no real owner changes.

    `place` is where the applications are, `of` are user and group of each file, `fails_after` is how many
    more owners change before the run is killed.
    """

    def __init__(self, root: Path) -> None:
        self.root = self.place = root
        self.user = OLD
        self.of: dict[str, tuple[int, int]] = {}
        self.fails_after = 1000

    def __getattr__(self, name: str) -> Any:
        """Be the module `os` otherwise."""
        return getattr(os, name)

    def chown(self, argv: list[str], purpose: str) -> str:
        """Take the place of `chown`, which gives a directory after all that is in it."""
        assert argv[:4] == ["chown", "--recursive", "--no-dereference", "-P"] and purpose.startswith(
            "change the owner of "
        )
        before = next((self.ids(word.removeprefix("--from=")) for word in argv if word.startswith("--from=")), (-1, -1))
        after = self.ids(argv[-2])
        for path in sorted((path for path in self.of if f"{path}/".startswith(f"{argv[-1]}/")), reverse=True):
            if all(wanted in (-1, found) for wanted, found in zip(before, self.of[path])):
                self._give(path, *after)
        return ""

    def ids(self, words: str) -> tuple[int, int]:
        """Return the numbers of a user and a group, -1 for one that is not given."""
        user, _, group = words.partition(":")
        users, groups = {"": -1, "root": 0, "hello": self.user[0]}, {"": -1, "root": 0, "hello": self.user[1]}
        return users[user], int(group) if group.isdigit() else groups[group]

    def fchown(self, file: int, user: int, group: int) -> None:
        """Take the place of `os.fchown`."""
        self._give(os.readlink(f"/proc/self/fd/{file}"), user, group)

    def told(self, path: str | Path) -> Any:
        """Return what the host tells of a file."""
        user, group = self.of.get(os.path.normpath(path), (0, 0))
        return SimpleNamespace(st_mode=os.lstat(path).st_mode, st_uid=user, st_gid=group)

    def getpwnam(self, name: str) -> Any:
        """Take the place of `pwd.getpwnam`."""
        return {"hello": SimpleNamespace(pw_uid=self.user[0], pw_gid=self.user[1])}[name]

    def getgrnam(self, name: str) -> Any:
        """Take the place of `grp.getgrnam`."""
        return {"www-data": SimpleNamespace(gr_gid=WEB), "hello": SimpleNamespace(gr_gid=self.user[1])}[name]

    def below(self) -> dict[str, tuple[int, int]]:
        """Return the owners of all that lies below the root."""
        return {os.path.relpath(path, self.root): ids for path, ids in self.of.items()}

    def _give(self, path: str, user: int, group: int) -> None:
        if not self.fails_after:
            raise Killed
        self.fails_after -= 1
        before = self.of.get(path, (0, 0))
        self.of[path] = (user, before[1] if group == -1 else group)


class Killed(BaseException):
    """Ends a run at once, as a signal does."""


@pytest.fixture
def owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owners:
    """Return the owners of the files of the application `hello`."""
    found = Owners(tmp_path / "hello/data")

    # Before Python 3.12, Path itself cannot be a base, and what it makes is known at run time alone.
    class Owned(type(tmp_path)):  # type: ignore[misc]
        """A path that tells of those owners."""

        def stat(self, *, follow_symlinks: bool = True) -> Any:
            """Take the place of `Path.stat`."""
            return found.told(os.path.realpath(self) if follow_symlinks else self)

    for module in ("os", "pwd", "grp"):
        monkeypatch.setattr(unit, module, found)
    monkeypatch.setattr(unit, "run", found.chown)
    found.place = Owned(tmp_path)
    return found


FILES = ["mine", "below/deep/file", "media/photo"]
LINKS = {"link": "/etc/passwd", "below/up": "..", "dangling": "nowhere"}


@pytest.fixture
def full(owners: Owners) -> Data:
    """Return data with files and links of the application; NGINX may read some of them."""
    data = Data(Layout("hello", root=owners.place), ["media"])
    data.make()
    for name in FILES:
        (data.path / name).parent.mkdir(parents=True, exist_ok=True)
        (data.path / name).write_text(name)
    for name, target in LINKS.items():
        (data.path / name).symlink_to(target)
    for path in data.path.rglob("*"):
        owners.of.setdefault(str(path), (OLD[0], WEB if "media" in path.parts else OLD[1]))
    assert data.is_right()
    return data


def test_data_left_behind_belongs_to_root_only(full: Data, owners: Owners) -> None:
    assert not full.is_left()
    full.leave()
    assert full.is_left() and not full.is_right()
    assert {user for user, _ in owners.of.values()} == {0}
    assert {group for _, group in owners.of.values()} == {0, WEB}
    assert stat.S_IMODE(os.lstat(full.path).st_mode) == 0o700


def test_files_outside_the_data_do_not_change_through_links(full: Data, owners: Owners, tmp_path: Path) -> None:
    full.leave()
    full.make()
    assert not [path for path in owners.of if not path.startswith(str(tmp_path / "hello/data"))]
    assert [(full.path / name).read_text() for name in FILES] == FILES


def test_no_file_stays_open(full: Data) -> None:
    before = os.listdir("/proc/self/fd")
    full.leave()
    full.make()
    assert os.listdir("/proc/self/fd") == before


def test_data_left_behind_goes_to_the_new_user_and_nginx_keeps_its_access(full: Data, owners: Owners) -> None:
    full.leave()
    owners.user = NEW
    assert not full.is_right()
    full.make()
    assert full.is_right() and not full.is_left()
    web = {".", "media", "media/photo"}
    assert owners.below() == {name: (NEW[0], WEB if name in web else NEW[1]) for name in owners.below()}
    assert {*web, "mine", "below", "below/deep", "below/deep/file", *LINKS} == set(owners.below())


def test_data_that_belongs_to_the_user_is_not_walked(full: Data, owners: Owners) -> None:
    owners.of[str(full.path / "below")] = (0, 0)
    (full.path / "media").chmod(0o700)
    full.make()
    assert owners.of[str(full.path / "below")] == (0, 0)
    assert full.is_right()


@pytest.mark.parametrize("uid", [0, OLD[0]])
@pytest.mark.parametrize("mode", [0o700, 0o710, 0o755])
def test_data_is_left_only_if_root_owns_it_and_its_mode_is_0700(
    full: Data, owners: Owners, uid: int, mode: int
) -> None:
    owners.of[str(full.path)] = (uid, 0)
    full.path.chmod(mode)
    assert full.is_left() is (uid == 0 and mode == 0o700)


def test_data_is_closed_to_others_before_its_owner_changes(full: Data, owners: Owners) -> None:
    owners.fails_after = 0
    with pytest.raises(Killed):
        full.leave()
    assert stat.S_IMODE(os.lstat(full.path).st_mode) == 0o700


@pytest.mark.parametrize("number", range(22))
def test_data_that_a_killed_run_left_in_part_does_not_count_as_left(full: Data, owners: Owners, number: int) -> None:
    owners.fails_after = number
    with suppress(Killed):
        full.leave()
    left = {name for name, (user, _) in owners.below().items() if user == 0}
    assert full.is_left() is (left == set(owners.below()))


@pytest.mark.parametrize("number", range(30))
def test_the_next_run_gives_back_data_that_a_killed_run_did_not(full: Data, owners: Owners, number: int) -> None:
    full.leave()
    owners.user, owners.fails_after = NEW, number
    with suppress(Killed):
        full.make()
    owners.fails_after = 1000
    if not full.is_right():
        full.make()
    assert full.is_right()
    assert {user for user, _ in owners.of.values()} == {NEW[0]}
