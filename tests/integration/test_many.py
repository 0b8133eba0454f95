"""Many applications on one host: what another one costs, what a broken one does to them, and how one is removed."""

from __future__ import annotations

import copy
import json
import shutil
import time
import urllib.error
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.integration.conftest import Site
from tests.rig import PROJECT
from tests.rig.server import Server

# systemd 252 is the older one, and has many units to follow here.
pytestmark = pytest.mark.on("debian12")

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon")
ROUNDS = 2


class Many(Site):
    """A server with several applications, whose code a test changes."""

    def __init__(self, server: Server, source: Path) -> None:
        super().__init__(server, source)
        self.apps = [self.describe(name) for name in NAMES]
        for name in NAMES:
            shutil.copytree(PROJECT / "tests/integration/busy", source / name)
            self.edit(name, "first")

    def describe(self, name: str, **run: Any) -> dict[str, Any]:
        """Return the entry of an application."""
        return {
            "name": name,
            "build": {"source": str(self.source / name)},
            "run": {"callable": "main:application", "processes": 1, "secrets": {"TOKEN": f"of {name}"}, **run},
            "serve": {"server_names": [f"{name}.example.com"]},
        }

    def edit(self, name: str, mark: str) -> None:
        """Change the code of an application."""
        code = (PROJECT / "tests/integration/busy/main.py").read_text()
        (self.source / name / "main.py").write_text(code.replace('MARK = "first"', f'MARK = "{mark}"'))

    def marks(self, *names: str) -> list[str]:
        """Return which code of each application is live."""
        return [json.loads(self.get(f"{name}.example.com"))["mark"] for name in names]

    def seconds(self, apps: list[dict[str, Any]]) -> float:
        """Return how long a run takes."""
        begun = time.monotonic()
        self.deploy(apps=apps)
        return time.monotonic() - begun


@pytest.fixture(scope="module")
def many(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Many:
    """Return a server with five applications live on it."""
    one = Many(server, tmp_path_factory.mktemp("many"))
    one.deploy(apps=one.apps)
    return one


def test_five_applications_go_live_in_one_run_and_cannot_read_each_others_files(many: Many) -> None:
    assert many.marks(*NAMES) == ["first"] * 5
    many.assert_nothing_to_do(many.apps)
    many.server.shell("echo private > /srv/alpha/data/note; chown alpha /srv/alpha/data/note")
    readable = "cat /srv/alpha/data/note /srv/alpha/current/env /proc/$(pgrep --newest --uid alpha)/environ"
    said = many.server.shell(f"su --shell /bin/sh beta --command '{readable}' 2>&1", check=False)
    assert "private" not in said and "of alpha" not in said
    assert said.count("Permission denied") == 3
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/srv/alpha/current/socket')"
    refused = many.server.shell(f'su --shell /bin/sh beta --command "python3 -c \\"{connect}\\"" 2>&1', check=False)
    assert "PermissionError" in refused


@pytest.mark.quiet
def test_one_more_application_costs_at_most_a_third_of_the_first(many: Many) -> None:
    many.deploy(apps=many.apps[:1])
    for what in ("nothing", "the code"):
        one, all_five = [], []
        for number in range(ROUNDS):
            if what == "the code":
                many.edit(NAMES[0], f"one {number}")
            one.append(many.seconds(many.apps[:1]))
            if what == "the code":
                for name in NAMES:
                    many.edit(name, f"five {number}")
            all_five.append(many.seconds(many.apps))
        first, further = median(one), (median(all_five) - median(one)) / 4
        print(f"a run that changes {what}: {first:.2f} s, {further:.2f} s for each further one: {further / first:.2f}")
        assert further <= first / 3


def broken(many: Many) -> list[dict[str, Any]]:
    """Return the entries with new code for all, that of one of them broken."""
    mark = f"at {time.monotonic()}"
    for name in NAMES:
        many.edit(name, mark)
    apps = copy.deepcopy(many.apps)
    apps[1]["run"]["callable"] = "main:nothing"
    return apps


def test_a_broken_application_stops_all(many: Many) -> None:
    before = many.marks(*NAMES)
    said = many.deploy(apps=broken(many), check=False)
    assert said.returncode != 0
    assert "beta: release " in said.stdout and "there is no nothing" in said.stdout
    assert many.marks(*NAMES) == before
    assert "this host serves what it served before" in said.stdout


@pytest.mark.parametrize("step", ["build", "boot"])
def test_a_broken_application_lets_the_others_finish_with_continue(many: Many, step: str) -> None:
    before = many.marks("beta")
    apps = broken(many)
    apps[1]["serve"]["aliases"] = ["other.example.com"]
    if step == "build":
        apps[1]["build"]["commands"] = ["python work.py fail"]
        apps[1]["build"]["env"] = {"DATA_DIRECTORY": "/tmp"}
    said = many.deploy("-e", "wsgi_on_failure=continue", apps=apps, check=False)
    assert said.returncode != 0
    assert "beta: " in said.stdout.partition("Report which applications are broken")[2]
    assert many.marks("beta") == before
    assert "other.example.com" not in many.server.shell("cat /etc/nginx/nginx.conf")
    assert "beta is left over" not in said.stdout
    marks = many.marks("alpha", "gamma", "delta", "epsilon")
    assert len(set(marks)) == 1 and marks[0].startswith("at ")
    units = many.server.shell("systemctl list-units --plain --no-legend --state=active,activating 'beta@*.service'")
    assert len(units.splitlines()) == 1
    again = many.deploy("-e", "wsgi_on_failure=continue", apps=apps, check=False)
    assert again.returncode != 0 and "beta: " in again.stdout.partition("Report which applications are broken")[2]
    many.deploy(apps=many.apps)
    assert many.marks("beta") == marks[:1]


def test_two_exchange_their_ports_in_one_run(many: Many) -> None:
    for ports in ((9001, 9002), (9002, 9001)):
        apps = copy.deepcopy(many.apps)
        for app, port in zip(apps, ports):
            app["run"]["listen_http"] = f"127.0.0.1:{port}"
        many.deploy(apps=apps)
        for app, port in zip(apps, ports):
            ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/').read().decode())"
            assert json.loads(many.server.shell(f'python3 -c "{ask}"'))["env"]["TOKEN"] == f"of {app['name']}"
    many.deploy(apps=many.apps)
    assert many.server.shell("ls /etc/systemd/system/ | grep http", check=False) == ""


def test_an_application_without_an_entry_keeps_running_and_is_reported(many: Many) -> None:
    rest = [app for app in many.apps if app["name"] != "epsilon"]
    said = " ".join(many.deploy(apps=rest).stdout.split())
    assert said.count("epsilon is left over") == 1 and "{name: epsilon, state: absent}" in said
    assert many.marks("epsilon") == many.marks("alpha")
    many.assert_nothing_to_do(rest)


def test_an_absent_application_is_removed_except_for_its_data_and_finds_it_again(many: Many) -> None:
    timers = [{"name": "tick", "command": "true", "on_calendar": "daily"}]
    workers = [{"name": "queue", "command": "python work.py worker 0.1"}]
    described = [*many.apps[:4], many.describe("epsilon", timers=timers, workers=workers, listen_http="127.0.0.1:9000")]
    many.deploy(apps=described)
    many.server.shell("echo kept > /srv/epsilon/data/note")
    gone = [*many.apps[:4], {**described[4], "state": "absent"}]
    said = many.deploy("--check", "--diff", apps=gone).stdout
    assert "epsilon: would " in said and many.marks("epsilon")
    many.deploy(apps=gone)
    left = many.server.shell(
        "ls -d /etc/systemd/system/*epsilon* /etc/systemd/system/*.wants/*epsilon* /run/epsilon /var/lib/systemd/timers"
        "/*epsilon*; id epsilon; grep epsilon /etc/nginx/nginx.conf; ls /srv/epsilon; true",
        check=False,
    )
    assert left == "data\n"
    assert many.server.shell("pgrep --full '[/]srv/epsilon/'", check=False) == ""
    assert many.server.shell("stat --format '%a %U' /srv/epsilon/data").strip() == "700 root"
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        many.get("epsilon.example.com")
    many.assert_nothing_to_do(gone)
    many.deploy(apps=described)
    assert many.server.shell("su --shell /bin/sh epsilon --command 'cat /srv/epsilon/data/note'") == "kept\n"
    many.deploy(apps=[*many.apps[:4], {"name": "epsilon", "state": "absent", "remove_data": True}])
    assert many.server.shell("ls /srv/epsilon", check=False) == ""
