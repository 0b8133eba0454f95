"""What the removal of an application promises."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import removal as unit
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.data import Data
from ansible_collections.wsgi.production.plugins.module_utils.door import Door
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.removal import left_over, removal
from ansible_collections.wsgi.production.plugins.module_utils.user import User
from tests.unit.fakes import FakeSystemd, make_build, make_release, say, take

A, B = "aaa111", "bbb222"
DOOR = "0.0.0.0:9000"
PARTS: dict[str, Any] = {"workers": ["mail"], "timers": ["nightly"], "oneshots": ["migrate", "after-switch"]}


class Users:
    """The users of a host, by name, and data that was left to root; `done` is what happened to them, in order."""

    def __init__(self) -> None:
        self.names = {"hello"}
        self.left: set[Path] = set()
        self.done: list[str] = []

    def remove(self, name: str) -> None:
        """Remove a user."""
        self.names.remove(name)
        self.done.append(f"removed {name}")

    def leave(self, path: Path) -> None:
        """Leave data to root."""
        self.left.add(path)
        self.done.append(f"left {path.name}")


@pytest.fixture(autouse=True)
def users(monkeypatch: pytest.MonkeyPatch) -> Users:
    fake = Users()
    monkeypatch.setattr(User, "is_own", lambda user: user.name in fake.names)
    monkeypatch.setattr(User, "remove", lambda user: fake.remove(user.name))
    monkeypatch.setattr(Data, "is_left", lambda data: data.path in fake.left)
    monkeypatch.setattr(Data, "leave", lambda data: fake.leave(data.path))
    return fake


def deployed(app: Application) -> Application:
    """Make two releases live, one after the other, behind a door, with data."""
    for release in (A, B):
        make_build(app.layout, f"b-{release}", f"v-{release}")
        make_release(app.layout, release, build=f"b-{release}", **PARTS)
        take(app.boot(release) + app.switch(release))
        Door(app.layout, "http", DOOR, app.systemd).put_right()
        take(app.record(release, 7) + app.end_others(release))
    app.layout.first.touch()
    app.layout.data.mkdir()
    (app.layout.data / "mine").write_text("mine")
    return app


def at_work(app: Application, release: str, part: str) -> str:
    """Leave commands of a release running, as a killed run does; return their unit."""
    oneshot = app.oneshot(release, part)
    app.layout.transient.mkdir(exist_ok=True)
    oneshot.placed.write_text(oneshot.description.read_text())
    assert isinstance(app.systemd, FakeSystemd)
    app.systemd.states[oneshot.unit] = "activating"
    assert oneshot.runs()
    return oneshot.unit


@pytest.fixture
def full(app: Application) -> Application:
    return deployed(app)


STEPS = [
    f"close {DOOR}",
    f"take {B} out of service",
    f"end {A}",
    f"end {B}",
    "give {home}/data to root",
    "remove the user hello",
    "remove its releases and builds",
    "remove {home}",
]


def steps(app: Application, **instead: str) -> list[str]:
    """Return the steps that remove an application, with `instead` in place of some."""
    return [instead.get(step.split()[0], step).format(home=app.layout.home) for step in STEPS]


def gone(app: Application) -> None:
    """Expect only the data of an application to be left."""
    assert os.listdir(app.layout.units) == []
    assert not app.layout.transient.exists() or os.listdir(app.layout.transient) == []
    assert not isinstance(app.systemd, FakeSystemd) or not app.systemd.enabled
    assert app.layout.live() is None
    assert not app.layout.home.exists() or set(os.listdir(app.layout.home)) == {"data", app.layout.mark.name}


def test_an_application_is_removed_from_the_outside_in(full: Application, users: Users) -> None:
    assert take(removal(full, False)) == steps(full)
    gone(full)
    assert (full.layout.data / "mine").read_text() == "mine"
    assert users.done == ["left data", "removed hello"]


def test_data_can_be_removed_too(full: Application, users: Users) -> None:
    assert take(removal(full, True)) == steps(full, give="remove {home}/data")
    gone(full)
    assert not full.layout.home.exists()
    assert users.done == ["removed hello"]


def test_each_step_names_the_application(full: Application) -> None:
    assert {step.of for step in removal(full, False)} == {"hello"}


def test_planning_a_removal_removes_nothing(full: Application, systemd: FakeSystemd, users: Users) -> None:
    systemd.calls.clear()
    before = sorted(full.layout.home.rglob("*"))
    assert say(removal(full, True))
    assert (systemd.calls, sorted(full.layout.home.rglob("*")), users.done) == ([], before, [])


def test_very_deeply_nested_data_is_removed(full: Application) -> None:
    nest = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", nest], cwd=full.layout.data, check=True)
    take(removal(full, remove_data=True))
    assert not full.layout.home.exists()


@pytest.mark.parametrize("remove_data", [False, True])
def test_a_removal_has_nothing_to_do_the_second_time(full: Application, remove_data: bool) -> None:
    take(removal(full, remove_data))
    assert removal(full, remove_data) == []


def test_data_that_was_left_can_be_removed_afterwards(full: Application) -> None:
    take(removal(full, False))
    home = full.layout.home
    assert take(removal(full, True)) == [f"remove {home}/data", f"remove {home}"]
    assert not home.exists()


def test_an_application_that_was_never_here_has_nothing_to_remove(app: Application, users: Users) -> None:
    shutil.rmtree(app.layout.home)
    users.names.clear()
    assert removal(app, True) == []


def test_an_unrelated_user_of_the_same_name_stays(app: Application, users: Users) -> None:
    shutil.rmtree(app.layout.home)
    assert removal(app, True) == []
    assert users.names == {"hello"}


def test_an_instance_with_all_its_units_ends_before_anything_is_removed(
    full: Application, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemd.start(f"hello@{B}-nightly.service", wait=False)
    remove = unit._remove

    def look(paths: list[Path]) -> None:
        assert full.layout.instances() == []
        assert {state for one, state in systemd.states.items() if "@" in one} == {"inactive"}
        remove(paths)

    monkeypatch.setattr(unit, "_remove", look)
    take(removal(full, False))
    assert systemd.due == set()


def test_commands_that_a_killed_run_left_running_are_ended_before_anything_is_removed(
    full: Application, systemd: FakeSystemd, users: Users
) -> None:
    units = [at_work(full, A, "after-switch"), at_work(full, B, "migrate")]
    said = take(removal(full, False))
    assert said == [*STEPS[:2], *(f"end {unit}" for unit in units), *steps(full)[2:]]
    assert [call for call in systemd.calls if call.startswith("kill")] == [f"kill {unit}" for unit in units]
    assert {systemd.states[unit] for unit in units} == {"inactive"}
    gone(full)


def test_nothing_is_removed_while_commands_still_run(
    full: Application, systemd: FakeSystemd, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = at_work(full, B, "migrate")

    def refuse(*units: str) -> None:
        raise Failed(f"{units[0]} does not end")

    monkeypatch.setattr(systemd, "kill", refuse)
    with pytest.raises(Failed, match=f"^hello: {unit} does not end$"):
        take(removal(full, True))
    assert users.names == {"hello"}
    assert full.releases.names() == [A, B] and full.layout.data.exists()


def test_finished_commands_leave_no_unit(full: Application, systemd: FakeSystemd) -> None:
    unit = at_work(full, B, "migrate")
    systemd.finish(unit)
    assert f"end {unit}" in take(removal(full, False))
    gone(full)


def test_the_mark_of_the_first_host_is_removed_too(app: Application) -> None:
    app.layout.releases.rmdir()
    app.layout.first.touch()
    assert take(removal(app, False)) == [
        "remove the user hello",
        "remove its releases and builds",
        f"remove {app.layout.home}",
    ]
    assert not app.layout.home.exists()


@pytest.mark.parametrize(
    ("home", "shell", "stays"),
    [
        ("{data}", "/usr/sbin/nologin", False),
        ("{data}", "/bin/bash", True),
        ("/home/hello", "/usr/sbin/nologin", True),
        ("/var/lib/hello", "/bin/false", True),
    ],
)
def test_a_user_not_created_by_the_collection_stays(
    app: Application, monkeypatch: pytest.MonkeyPatch, home: str, shell: str, stays: bool
) -> None:
    monkeypatch.undo()
    entry = ("hello", "x", 999, 999, "", home.format(data=app.layout.data), shell)
    monkeypatch.setattr(pwd, "getpwnam", {"hello": pwd.struct_passwd(entry)}.__getitem__)
    make_release(app.layout, A)
    said = say(removal(app, True))
    assert ("remove the user hello" not in said) is stays
    assert "remove its releases and builds" in said


def test_systemd_reloads_after_units_are_gone(full: Application, systemd: FakeSystemd) -> None:
    take(removal(full, False))
    assert systemd.calls[-1] == "reload"


def test_nothing_is_removed_while_an_instance_still_runs(
    full: Application, systemd: FakeSystemd, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = systemd.stop

    def refuse(*units: str, wait: bool = True) -> None:
        if wait and f"hello@{B}.service" in units:
            raise Failed("it does not end")
        stop(*units, wait=wait)

    monkeypatch.setattr(systemd, "stop", refuse)
    with pytest.raises(Failed, match=r"^hello: it does not end$"):
        take(removal(full, True))
    assert users.names == {"hello"}
    assert full.releases.names() == [A, B] and full.layout.data.exists()


def test_broken_links_are_removed(app: Application) -> None:
    app.layout.current.symlink_to("releases/gone")
    app.layout.previous.symlink_to("releases/gone")
    app.layout.releases.rmdir()
    take(removal(app, False))
    assert not app.layout.home.exists()


def test_no_step_mentions_none_if_only_the_previous_release_is_linked(
    app: Application,
) -> None:
    app.layout.previous.symlink_to(f"releases/{A}")
    assert not [step for step in say(removal(app, False)) if "None" in step]


def test_the_directory_of_the_sockets_is_removed(full: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = removal(full, True)
    tried: list[str] = []
    monkeypatch.setattr(os, "rmdir", lambda path, **_: tried.append(str(path)))
    steps[-1].do()
    assert tried == [str(full.layout.home), "/run/hello"]


def test_files_of_others_beside_the_application_stay(full: Application) -> None:
    (full.layout.home / "notes").write_text("mine")
    take(removal(full, True))
    assert os.listdir(full.layout.home) == ["notes"]


def test_incomplete_files_are_removed_too(app: Application) -> None:
    make_release(app.layout, A, sealed=False)
    app.layout.builds.mkdir()
    app.history.path.write_text("no history")
    take(removal(app, False))
    assert not app.layout.home.exists()


class Killed(BaseException):
    """Ends a run at once, as a signal does."""


def killed_before(number: int, patch: pytest.MonkeyPatch) -> None:
    """Kill the run right before its `number`th change of the host."""
    left = itertools.count(number, -1)

    def around(change: Callable[..., object]) -> Callable[..., object]:
        def touch(*args: object, **kwargs: object) -> object:
            if next(left) <= 1:
                raise Killed
            return change(*args, **kwargs)

        return touch

    patch.setattr(FakeSystemd, "_named", around(FakeSystemd._named))
    patch.setattr(Path, "unlink", around(Path.unlink))
    for change in ("unlink", "rmdir"):
        patch.setattr(os, change, around(getattr(os, change)))
    for change in ("remove", "leave"):
        patch.setattr(Users, change, around(getattr(Users, change)))


@pytest.mark.usefixtures("apps")
@pytest.mark.parametrize("remove_data", [False, True])
def test_the_next_run_completes_a_killed_removal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users: Users, remove_data: bool
) -> None:
    for number in itertools.count(1):
        layout = Layout("hello", tmp_path / f"{number}/srv", tmp_path / f"{number}/units", tmp_path / f"{number}/run")
        layout.units.mkdir(parents=True)
        layout.home.mkdir(parents=True)
        layout.mark.touch()
        app = deployed(Application(layout, FakeSystemd(layout.units, layout.transient)))
        at_work(app, B, "migrate")
        users.names = {"hello"}
        was_killed = False
        with monkeypatch.context() as patch:
            killed_before(number, patch)
            try:
                take(removal(app, remove_data))
            except Killed:
                was_killed = True
        take(removal(app, remove_data))
        gone(app)
        assert layout.data.exists() is not remove_data, number
        assert users.names == set(), number
        assert removal(app, remove_data) == [], number
        if not was_killed:
            assert number > 30
            return


# Left over


def test_apps_without_entries_are_left_over(tmp_path: Path) -> None:
    for name in ("hello", "other", "third"):
        (tmp_path / name / "releases").mkdir(parents=True)
        Layout(name, tmp_path).mark.touch()
    assert left_over(tmp_path, ["hello"]) == ["other", "third"]
    assert left_over(tmp_path, ["third", "hello", "other", "new"]) == []


def test_directories_of_others_are_not_left_over(tmp_path: Path) -> None:
    (tmp_path / "git/repositories").mkdir(parents=True)
    (tmp_path / "python/releases/3.13").mkdir(parents=True)
    (tmp_path / "file").touch()
    assert left_over(tmp_path, []) == []
    assert left_over(tmp_path / "missing", []) == []


def test_data_left_to_root_is_not_left_over(full: Application) -> None:
    take(removal(full, False))
    assert full.layout.data.exists()
    assert left_over(full.layout.home.parent, []) == []
