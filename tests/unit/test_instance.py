"""What an instance, the switch to it and the doors to what is live promise."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.instance import Door, Instance
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from tests.unit.fakes import FakeSystemd

OLD, NEW = "aaa111", "bbb222"
UNITS = [f"hello@{NEW}.socket", f"hello@{NEW}.service"]


def released(layout: Layout, systemd: FakeSystemd, release: str) -> Instance:
    """Return the instance of a release that is made but not booted."""
    path = layout.releases / release
    path.mkdir()
    for kind in ("socket", "service"):
        (path / f"instance.{kind}").write_text(f"the {kind} of {release}")
    return Instance(layout, release, systemd)


@pytest.fixture
def old(layout: Layout, systemd: FakeSystemd) -> Instance:
    """Return an instance that is live."""
    instance = released(layout, systemd, OLD)
    instance.boot()
    instance.switch()
    return instance


@pytest.fixture
def new(layout: Layout, systemd: FakeSystemd) -> Instance:
    """Return an instance that is not booted yet."""
    return released(layout, systemd, NEW)


def unit_files(layout: Layout) -> set[str]:
    return set(os.listdir(layout.units))


def test_a_boot_puts_the_units_in_place_and_starts_them(new: Instance, layout: Layout, systemd: FakeSystemd) -> None:
    new.boot()
    assert {name: (layout.units / name).read_text() for name in unit_files(layout)} == {
        UNITS[0]: f"the socket of {NEW}",
        UNITS[1]: f"the service of {NEW}",
    }
    assert systemd.calls == ["reload", f"start {UNITS[0]} {UNITS[1]}"]
    assert new.runs()


def test_an_instance_that_is_not_booted_does_not_run(new: Instance) -> None:
    assert not new.runs()


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("state", ["inactive", "activating", "failed"])
def test_an_instance_runs_only_with_both_of_its_units(
    new: Instance, systemd: FakeSystemd, unit: str, state: str
) -> None:
    new.boot()
    systemd.states[unit] = state
    assert not new.runs()


def test_an_instance_whose_boot_was_killed_half_way_is_booted_by_the_next_run(new: Instance, layout: Layout) -> None:
    (layout.units / UNITS[0]).write_text("half")
    new.boot()
    assert new.runs()
    assert (layout.units / UNITS[0]).read_text() == f"the socket of {NEW}"


@pytest.mark.parametrize("broken", UNITS)
def test_a_release_that_does_not_start_is_taken_away_and_its_log_is_the_error(
    new: Instance, layout: Layout, systemd: FakeSystemd, broken: str
) -> None:
    systemd.broken = {broken}
    with pytest.raises(Failed) as failure:
        new.boot()
    assert str(failure.value) == f"release {NEW} does not start; its log ends with:\nthe log of hello@{NEW}.service"
    assert unit_files(layout) == set()
    assert systemd.states == {UNITS[0]: "inactive", UNITS[1]: "inactive"}
    assert systemd.calls[-1] == "reload"


def test_a_release_that_does_not_start_leaves_the_live_one_alone(
    old: Instance, new: Instance, layout: Layout, systemd: FakeSystemd
) -> None:
    systemd.broken = {UNITS[1]}
    with pytest.raises(Failed):
        new.boot()
    assert old.is_live()
    assert old.runs()
    assert layout.instances() == [OLD]


def test_the_live_instance_keeps_its_units_when_it_does_not_start(
    old: Instance, layout: Layout, systemd: FakeSystemd
) -> None:
    systemd.broken = {old.service}
    with pytest.raises(Failed, match=f"the log of hello@{OLD}.service"):
        old.boot()
    assert unit_files(layout) == set(old.units)
    assert old.is_live()


def test_a_boot_does_not_make_a_release_live(old: Instance, new: Instance, layout: Layout) -> None:
    new.boot()
    assert layout.live() == OLD
    assert not new.is_live()


def test_the_first_switch_makes_a_release_live(new: Instance, layout: Layout) -> None:
    new.boot()
    new.switch()
    assert new.is_live()
    assert os.readlink(layout.current) == f"releases/{NEW}"


def test_a_switch_moves_current_from_one_release_to_the_next(old: Instance, new: Instance, layout: Layout) -> None:
    new.boot()
    new.switch()
    assert layout.current.resolve() == layout.releases / NEW
    assert new.is_live() and not old.is_live()
    assert not [name for name in os.listdir(layout.home) if name.startswith(".")]


def test_a_switch_survives_the_next_boot_of_the_host(new: Instance, systemd: FakeSystemd) -> None:
    new.boot()
    new.switch()
    assert systemd.enabled == set(UNITS)


@pytest.mark.parametrize("unit", UNITS)
def test_what_the_next_boot_of_the_host_would_not_start_is_not_live(
    new: Instance, systemd: FakeSystemd, unit: str
) -> None:
    new.boot()
    new.switch()
    systemd.enabled.remove(unit)
    assert not new.is_live()


def test_current_does_not_move_to_what_cannot_be_enabled(old: Instance, new: Instance, layout: Layout) -> None:
    with pytest.raises(Failed):
        new.switch()
    assert layout.live() == OLD


def test_an_instance_has_no_part_to_play_once_another_is_live(old: Instance, new: Instance) -> None:
    new.boot()
    new.switch()
    assert [one.release for one in new.others()] == [OLD]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("state", ["active", "activating"])
def test_an_instance_that_a_killed_run_left_running_has_no_part_to_play(
    old: Instance, new: Instance, systemd: FakeSystemd, unit: str, state: str
) -> None:
    new.boot()
    systemd.stop(*new.units)
    systemd.states[unit] = state
    assert [one.release for one in old.others()] == [NEW]


def test_an_instance_that_would_start_at_the_next_boot_has_no_part_to_play(
    old: Instance, new: Instance, systemd: FakeSystemd
) -> None:
    new.boot()
    new.switch()
    systemd.stop(*old.units)
    assert [one.release for one in new.others()] == [OLD]


def test_a_retired_instance_may_answer_its_last_request(old: Instance, new: Instance, systemd: FakeSystemd) -> None:
    new.boot()
    new.switch()
    old.retire()
    assert systemd.calls[-1] == f"stop --no-block hello@{OLD}.socket hello@{OLD}.service"
    assert systemd.states[old.service] == "deactivating"


def test_a_retired_instance_does_not_come_back_and_is_not_retired_twice(
    old: Instance, new: Instance, systemd: FakeSystemd
) -> None:
    new.boot()
    new.switch()
    old.retire()
    assert systemd.enabled == set(UNITS)
    assert new.others() == []


def test_a_retired_instance_can_be_booted_and_made_live_again(old: Instance, new: Instance) -> None:
    new.boot()
    new.switch()
    old.retire()
    old.boot()
    old.switch()
    assert old.runs() and old.is_live()


def door(layout: Layout, systemd: FakeSystemd, address: str, protocol: str = "http") -> Door:
    return Door(layout, protocol, address, systemd)


DOOR = {"hello-http.socket", "hello-http.service"}


def listens(layout: Layout, protocol: str = "http") -> list[str]:
    text = (layout.units / f"hello-{protocol}.socket").read_text()
    return re.findall(r"^ListenStream=(.*)$", text, re.MULTILINE)


def test_without_an_address_no_door_is_right(layout: Layout, systemd: FakeSystemd) -> None:
    assert door(layout, systemd, "").is_right()


def test_a_door_opens(layout: Layout, systemd: FakeSystemd) -> None:
    one = door(layout, systemd, "0.0.0.0:9000")
    assert not one.is_right()
    one.put_right()
    assert one.is_right()
    assert unit_files(layout) == DOOR
    assert listens(layout) == ["0.0.0.0:9000"]
    assert systemd.is_active("hello-http.socket") and systemd.is_enabled("hello-http.socket")


def test_a_door_that_is_open_is_right_for_the_next_run(layout: Layout, systemd: FakeSystemd) -> None:
    door(layout, systemd, "0.0.0.0:9000").put_right()
    assert door(layout, systemd, "0.0.0.0:9000").is_right()


def test_a_door_opens_twice_with_the_same_result(layout: Layout, systemd: FakeSystemd) -> None:
    one = door(layout, systemd, "0.0.0.0:9000")
    one.put_right()
    one.put_right()
    assert one.is_right()
    assert unit_files(layout) == DOOR


def test_a_door_moves(layout: Layout, systemd: FakeSystemd) -> None:
    door(layout, systemd, "0.0.0.0:9000").put_right()
    moved = door(layout, systemd, "[::1]:9001")
    assert not moved.is_right()
    moved.put_right()
    assert moved.is_right()
    assert listens(layout) == ["[::1]:9001"]


def test_a_door_closes(layout: Layout, systemd: FakeSystemd) -> None:
    door(layout, systemd, "0.0.0.0:9000").put_right()
    closed = door(layout, systemd, "")
    assert not closed.is_right()
    closed.put_right()
    assert closed.is_right()
    assert unit_files(layout) == set()
    assert not systemd.is_active("hello-http.socket")
    assert systemd.enabled == set()


@pytest.mark.parametrize("name", sorted(DOOR))
def test_a_door_whose_unit_is_changed_by_hand_is_not_right(layout: Layout, systemd: FakeSystemd, name: str) -> None:
    one = door(layout, systemd, "0.0.0.0:9000")
    one.put_right()
    with (layout.units / name).open("a") as file:
        file.write("# mine\n")
    assert not one.is_right()


def test_a_door_that_is_stopped_or_not_enabled_is_not_right(layout: Layout, systemd: FakeSystemd) -> None:
    one = door(layout, systemd, "0.0.0.0:9000")
    one.put_right()
    systemd.stop("hello-http.socket")
    assert not one.is_right()
    systemd.start("hello-http.socket")
    systemd.disable("hello-http.socket")
    assert not one.is_right()


@pytest.mark.parametrize("left", sorted(DOOR))
@pytest.mark.parametrize("address", ["0.0.0.0:9000", ""])
def test_a_door_that_a_killed_run_left_half_made_is_put_right(
    layout: Layout, systemd: FakeSystemd, left: str, address: str
) -> None:
    (layout.units / left).write_text("half of a door")
    one = door(layout, systemd, address)
    assert not one.is_right()
    one.put_right()
    assert one.is_right()


def test_an_address_that_cannot_be_listened_on_is_named(layout: Layout, systemd: FakeSystemd) -> None:
    systemd.broken = {"hello-http.socket"}
    one = door(layout, systemd, "192.0.2.1:9000")
    with pytest.raises(Failed, match=r"cannot listen on 192\.0\.2\.1:9000.*\nthe log of hello-http\.socket"):
        one.put_right()
    assert not one.is_right()


@pytest.mark.parametrize(("protocol", "link"), [("uwsgi", "socket"), ("http", "http")])
def test_a_door_leads_to_whatever_is_live(layout: Layout, systemd: FakeSystemd, protocol: str, link: str) -> None:
    door(layout, systemd, "127.0.0.1:9000", protocol).put_right()
    service = (layout.units / f"hello-{protocol}.service").read_text()
    command = re.findall(r"^ExecStart=(.*)$", service, re.MULTILINE)[0].split()
    assert Path(command[-1]) == layout.current / link


def test_the_two_doors_do_not_touch_each_other(layout: Layout, systemd: FakeSystemd) -> None:
    uwsgi = door(layout, systemd, "127.0.0.1:9001", "uwsgi")
    uwsgi.put_right()
    door(layout, systemd, "0.0.0.0:9000").put_right()
    door(layout, systemd, "").put_right()
    assert uwsgi.is_right()


def test_a_door_is_not_an_instance(layout: Layout, systemd: FakeSystemd) -> None:
    door(layout, systemd, "0.0.0.0:9000").put_right()
    assert layout.instances() == []
