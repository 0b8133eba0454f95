"""What the doors to the live release promise."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.door import Door, described, open_doors
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from tests.unit.fakes import FakeSystemd

DOOR = {"hello-http.socket", "hello-http.service"}


def door(layout: Layout, systemd: FakeSystemd, address: str, protocol: str = "http") -> Door:
    return Door(layout, protocol, address, systemd)


def unit_files(layout: Layout) -> set[str]:
    return set(os.listdir(layout.units))


def listens(layout: Layout, protocol: str = "http") -> list[str]:
    text = (layout.units / f"hello-{protocol}.socket").read_text()
    return re.findall(r"^ListenStream=(.*)$", text, re.MULTILINE)


def test_a_closed_door_needs_no_address(layout: Layout, systemd: FakeSystemd) -> None:
    assert door(layout, systemd, "").is_right()


def test_a_door_opens(layout: Layout, systemd: FakeSystemd) -> None:
    one = door(layout, systemd, "0.0.0.0:9000")
    assert not one.is_right()
    one.put_right()
    assert one.is_right()
    assert unit_files(layout) == DOOR
    assert listens(layout) == ["0.0.0.0:9000"]
    assert systemd.is_active("hello-http.socket") and systemd.is_enabled("hello-http.socket")


def limits(layout: Layout, systemd: FakeSystemd, address: str, **given: Any) -> list[str]:
    """Return the lines of a door's socket that say who may come."""
    one = door(layout, systemd, described(address, **{"networks": [], "group": "www-data", **given}))
    one.put_right()
    assert open_doors(layout) == {"http": one.address} and one.is_right() and listens(layout) == [address]
    lines = (layout.units / "hello-http.socket").read_text().splitlines()
    return [line for line in lines if line.startswith(("IPAddress", "Socket"))]


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("0.0.0.0:9000", "localhost 10.0.0.0/8 ::1"),
        ("[::]:9000", "localhost 10.0.0.0/8 ::1"),
        ("192.0.2.5:9000", "localhost 192.0.2.5 10.0.0.0/8 ::1"),
    ],
)
def test_a_door_admits_this_host_and_the_listed_networks(
    layout: Layout, systemd: FakeSystemd, address: str, allowed: str
) -> None:
    said = limits(layout, systemd, address, networks=["10.0.0.0/8", "::1"])
    assert said == ["IPAddressDeny=any", f"IPAddressAllow={allowed}"]


def test_other_networks_change_the_door(layout: Layout, systemd: FakeSystemd) -> None:
    one, other = (described("0.0.0.0:9000", [network], "") for network in ("10.0.0.0/8", "192.0.2.0/24"))
    door(layout, systemd, one).put_right()
    assert not door(layout, systemd, other).is_right()


def test_a_unix_socket_has_a_group_and_closes_with_its_door(layout: Layout, systemd: FakeSystemd) -> None:
    path = layout.units / "web.socket"
    one = door(layout, systemd, described(str(path), [], "caddy"))
    one.put_right()
    lines = (layout.units / "hello-http.socket").read_text().splitlines()
    assert {"SocketUser=root", "SocketGroup=caddy", "SocketMode=0660", "RemoveOnStop=yes"} <= set(lines)
    # Its unit may run although somebody has removed the socket.
    assert not one.is_right()


def test_a_door_runs_as_a_user_that_no_application_can_have(layout: Layout, systemd: FakeSystemd) -> None:
    users = set()
    for protocol, port in (("http", 9000), ("uwsgi", 9001)):
        door(layout, systemd, f"127.0.0.1:{port}", protocol).put_right()
        users |= set(re.findall(r"^User=(.*)$", (layout.units / f"hello-{protocol}.service").read_text(), re.MULTILINE))
    assert len(users) == 2 and all(rules.name(user) for user in users)


def test_an_open_door_is_right_for_the_next_run(layout: Layout, systemd: FakeSystemd) -> None:
    door(layout, systemd, "0.0.0.0:9000").put_right()
    assert door(layout, systemd, "0.0.0.0:9000").is_right()


def test_opening_a_door_twice_changes_nothing(layout: Layout, systemd: FakeSystemd) -> None:
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


def test_a_stopped_or_disabled_door_is_not_right(layout: Layout, systemd: FakeSystemd) -> None:
    one = door(layout, systemd, "0.0.0.0:9000")
    one.put_right()
    systemd.stop("hello-http.socket")
    assert not one.is_right()
    systemd.start("hello-http.socket")
    systemd.disable("hello-http.socket")
    assert not one.is_right()


@pytest.mark.parametrize("left", sorted(DOOR))
@pytest.mark.parametrize("address", ["0.0.0.0:9000", ""])
def test_a_door_that_a_killed_run_left_half_made_is_repaired(
    layout: Layout, systemd: FakeSystemd, left: str, address: str
) -> None:
    (layout.units / left).write_text("half of a door")
    one = door(layout, systemd, address)
    assert not one.is_right()
    one.put_right()
    assert one.is_right()


def test_an_unusable_address_is_named(layout: Layout, systemd: FakeSystemd) -> None:
    systemd.broken = {"hello-http.socket"}
    one = door(layout, systemd, "192.0.2.1:9000")
    with pytest.raises(Failed, match=r"cannot listen on 192\.0\.2\.1:9000.*\nthe log of hello-http\.socket"):
        one.put_right()
    assert not one.is_right()


@pytest.mark.parametrize(("protocol", "link"), [("uwsgi", "socket"), ("http", "http")])
def test_a_door_leads_to_the_live_release(layout: Layout, systemd: FakeSystemd, protocol: str, link: str) -> None:
    door(layout, systemd, "127.0.0.1:9000", protocol).put_right()
    service = (layout.units / f"hello-{protocol}.service").read_text()
    command = re.findall(r"^ExecStart=(.*)$", service, re.MULTILINE)[0].split()
    assert Path(command[-1]) == layout.current / link


def test_the_two_doors_are_independent(layout: Layout, systemd: FakeSystemd) -> None:
    uwsgi = door(layout, systemd, "127.0.0.1:9001", "uwsgi")
    uwsgi.put_right()
    door(layout, systemd, "0.0.0.0:9000").put_right()
    door(layout, systemd, "").put_right()
    assert uwsgi.is_right()


def test_a_door_is_not_an_instance(layout: Layout, systemd: FakeSystemd) -> None:
    door(layout, systemd, "0.0.0.0:9000").put_right()
    assert layout.instances() == []


def test_a_door_is_open_at_its_latest_address(layout: Layout, systemd: FakeSystemd) -> None:
    for address in ("0.0.0.0:9000", "0.0.0.0:9001", ""):
        door(layout, systemd, address).put_right()
        assert open_doors(layout) == ({"http": address} if address else {})


def test_open_doors_lists_the_doors_that_are_open(layout: Layout, systemd: FakeSystemd) -> None:
    assert open_doors(layout) == {}
    door(layout, systemd, "127.0.0.1:9001", "uwsgi").put_right()
    assert open_doors(layout) == {"uwsgi": "127.0.0.1:9001"}
    door(layout, systemd, "[::1]:9000").put_right()
    assert open_doors(layout) == {"uwsgi": "127.0.0.1:9001", "http": "[::1]:9000"}
    door(layout, systemd, "", "uwsgi").put_right()
    assert open_doors(layout) == {"http": "[::1]:9000"}


def test_open_doors_skips_doors_of_other_applications(layout: Layout, systemd: FakeSystemd) -> None:
    other = Layout("hello-two", root=layout.home.parent, units=layout.units)
    door(other, systemd, "0.0.0.0:9000").put_right()
    assert open_doors(layout) == {}


@pytest.mark.parametrize("text", ["", "half of a door", "[Socket]\nListenStream=", "#ListenStream=0.0.0.0:9000"])
def test_a_partial_door_is_not_open(layout: Layout, text: str) -> None:
    (layout.units / "hello-http.socket").write_text(text)
    assert open_doors(layout) == {}


def test_the_next_run_opens_a_door_that_could_not_open(layout: Layout, systemd: FakeSystemd) -> None:
    systemd.broken = {"hello-http.socket"}
    one = door(layout, systemd, "0.0.0.0:9000")
    with pytest.raises(Failed):
        one.put_right()
    systemd.broken = set()
    assert not one.is_right()
    one.put_right()
    assert one.is_right()


def test_systemd_reloads_before_a_door_opens(layout: Layout, systemd: FakeSystemd) -> None:
    door(layout, systemd, "0.0.0.0:9000").put_right()
    assert systemd.calls == ["reload", "enable hello-http.socket", "start hello-http.socket"]


def test_closing_a_door_reloads_systemd(layout: Layout, systemd: FakeSystemd) -> None:
    door(layout, systemd, "0.0.0.0:9000").put_right()
    door(layout, systemd, "").put_right()
    assert systemd.calls[-1] == "reload"
