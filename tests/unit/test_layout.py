"""What the layout of an application promises."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, replace_link, write_file


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_nothing_is_live_before_the_first_switch(layout: Layout) -> None:
    assert layout.live() is None


def test_live_is_the_release_that_current_points_to(layout: Layout) -> None:
    layout.current.symlink_to("releases/aaa111")
    assert layout.live() == "aaa111"


def test_there_are_no_instances_before_the_first_boot(layout: Layout) -> None:
    assert layout.instances() == []


def test_only_instances_of_this_application_are_listed(layout: Layout) -> None:
    units = ["hello@bbb222.service", "hello@aaa111.service", "hello@aaa111.socket"]
    units += ["hello-http.service", "hello-two@ccc333.service", "hello@.service", "hello@ddd444.service.d"]
    for unit in units:
        (layout.units / unit).touch()
    assert layout.instances() == ["aaa111", "bbb222"]


def test_each_protocol_has_its_own_socket() -> None:
    layout = Layout("hello")
    assert str(layout.socket("aaa111", "uwsgi")) == "/run/hello/aaa111.socket"
    assert str(layout.socket("aaa111", "http")) == "/run/hello/aaa111.http"


PARTS = ["instance.socket", "instance.service", "instance-mail.service", "instance-a-b2.timer"]


@pytest.mark.parametrize("file", PARTS)
def test_the_unit_of_a_release_and_its_file_name_convert_to_each_other(file: str) -> None:
    layout = Layout("hello-two")
    unit = layout.unit_of("aaa111", file)
    assert unit == f"hello-two@aaa111{file.removeprefix('instance')}"
    assert layout.unit_file(unit) == file


def test_unit_and_unit_of_give_the_same_names(layout: Layout) -> None:
    units = [layout.unit("aaa111", "socket"), layout.unit("aaa111", "service")]
    assert units == [layout.unit_of("aaa111", file) for file in PARTS[:2]]


def test_workers_and_timers_are_no_instances(layout: Layout) -> None:
    for unit in ("hello@aaa111-mail.service", "hello@aaa111-nightly.timer", "hello@bbb222-b2.service"):
        (layout.units / unit).touch()
    assert layout.instances() == []


def test_transient_units_are_in_another_directory() -> None:
    layout = Layout("hello")
    assert str(layout.units) == "/etc/systemd/system"
    assert str(layout.transient) == "/run/systemd/system"


def test_a_link_is_made_and_then_moved(tmp_path: Path) -> None:
    link = tmp_path / "current"
    for target in ("one", "two"):
        replace_link(link, target)
        assert os.readlink(link) == target
    assert os.listdir(tmp_path) == ["current"]


def test_a_link_moves_despite_a_leftover_of_a_killed_run(tmp_path: Path) -> None:
    (tmp_path / ".current.new").symlink_to("leftover")
    replace_link(tmp_path / "current", "one")
    assert os.readlink(tmp_path / "current") == "one"
    assert os.listdir(tmp_path) == ["current"]


def test_a_link_is_never_missing_while_it_moves(tmp_path: Path) -> None:
    link, seen, done = tmp_path / "current", set[str](), threading.Event()
    replace_link(link, "0")

    def read() -> None:
        while not done.is_set():
            seen.add(os.readlink(link) if os.path.lexists(link) else "missing")

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1000):
        replace_link(link, str(number % 2))
    done.set()
    reader.join()
    assert seen <= {"0", "1"}


@pytest.mark.usefixtures("strict_umask")
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_has_its_mode_with_any_umask(tmp_path: Path, mode: int) -> None:
    write_file(tmp_path / "file", "text", mode)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_a_file_is_replaced_with_its_new_mode(tmp_path: Path) -> None:
    write_file(tmp_path / "env", "public", 0o644)
    write_file(tmp_path / "env", "secret", 0o600)
    assert (tmp_path / "env").read_text() == "secret"
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600


def test_a_leftover_of_a_killed_run_does_not_affect_the_new_file(tmp_path: Path) -> None:
    leftover = tmp_path / ".env.new"
    leftover.write_text("a longer text than the new one")
    leftover.chmod(0o666)
    write_file(tmp_path / "env", "secret", 0o600)
    assert (tmp_path / "env").read_text() == "secret"
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["env"]


def test_a_file_gets_its_group_before_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str, str]] = []
    monkeypatch.setattr(shutil, "chown", lambda path, group: seen.append((path.name, path.read_text(), group)))
    write_file(tmp_path / "users", "secret", 0o640, "www-data")
    assert seen == [(".users.new", "", "www-data")]
    assert (tmp_path / "users").read_text() == "secret"
    assert (tmp_path / "users").stat().st_mode & 0o777 == 0o640
    write_file(tmp_path / "other", "open")
    assert len(seen) == 1


def test_a_file_for_a_missing_group_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("before")
    with pytest.raises(LookupError, match="no-such-group"):
        write_file(tmp_path / "users", "secret", 0o640, "no-such-group")
    assert (tmp_path / "users").read_text() == "before"


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    write_file(tmp_path / "file", "old")
    with pytest.raises(UnicodeEncodeError):
        write_file(tmp_path / "file", "\udcff")
    assert (tmp_path / "file").read_text() == "old"
