"""More than one host: a load balancer in front of app servers, and changes that all of them make or none."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Run, assert_nothing_to_do, but_idle, running
from tests.rig import PROJECT, prepared
from tests.rig.server import Server, ansible, write_inventory

NAME = "patient.example.com"
APP_SERVERS = ("app1", "app2")


class Fleet:
    """Two app servers and a load balancer."""

    def __init__(self, servers: dict[str, Server], directory: Path) -> None:
        self.servers = servers
        self.directory = directory
        self.source = directory / "source"
        shutil.copytree(PROJECT / "tests/integration/patient", self.source)
        (self.source / "requirements.txt").write_text("flask\niniconfig\n")
        self.app: dict[str, Any] = {
            "name": "patient",
            "build": {"source": str(self.source)},
            "run": {
                "callable": "main:application",
                "env": {"IMPORT_SECONDS": "0"},
                "listen_http": "0.0.0.0:9000",
                "listen_networks": ["0.0.0.0/0"],
                "probe": {"path": "/health", "tries": 2},
            },
            "serve": {"server_names": [NAME]},
        }

    def edit(self, mark: str) -> None:
        """Change the code."""
        code = self.source / "main.py"
        code.write_text(re.sub(r'^MARK = ".*"$', f'MARK = "{mark}"', code.read_text(), flags=re.MULTILINE))

    def command(self, app_servers: Sequence[str] = APP_SERVERS) -> list[str | Path]:
        """Return the command that brings the application live everywhere; the first of `app_servers` is the first."""
        hosts = {
            name: {**self.servers[name].connection(), "wsgi_address": self.servers[name].address()}
            for name in (*app_servers, "lb")
        }
        groups = {"app_servers": list(app_servers), "load_balancers": ["lb"]}
        inventory = write_inventory(self.directory / "inventory", hosts, groups, {"wsgi_apps": [self.app]})
        return ["ansible-playbook", "playbooks/site.yml", "-i", inventory]

    def marks(self) -> set[str]:
        """Return which code the load balancer leads to."""
        return {self.servers["lb"].get(NAME).split()[0] for _ in range(6)}

    def live(self) -> list[str]:
        """Return the live release of each app server."""
        return [self.servers[name].shell("readlink /srv/patient/current") for name in APP_SERVERS]

    def instances(self) -> list[int]:
        """Return how many instances each app server has that are not about to end."""
        command = "systemctl list-units --plain --no-legend --state=active,activating 'patient@*.service' | wc -l"
        return [int(self.servers[name].shell(command)) for name in APP_SERVERS]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Return a fleet with the application live on it."""
    servers = {
        "app1": prepared.server("app1"),
        "app2": prepared.server("app2", "debian13"),
        "lb": prepared.server("lb"),
    }
    with running(*servers.values()):
        for name in APP_SERVERS:
            # What no run brings to an app server.
            servers[name].shell("apt-get purge --yes --quiet nginx nginx-common")
        one = Fleet(servers, tmp_path_factory.mktemp("fleet"))
        ansible(*one.command())
        yield one


def test_a_load_balancer_reaches_all_app_servers_over_http(fleet: Fleet) -> None:
    lb = fleet.servers["lb"]
    assert fleet.marks() == {"first"}
    assert lb.shell("ls /srv") == ""
    for name in APP_SERVERS:
        server = fleet.servers[name]
        assert f"{server.address()}:9000" in lb.shell("cat /etc/nginx/nginx.conf")
        assert server.shell("which nginx", check=False) == ""
        server.shell("systemctl stop patient-http.socket patient-http.service")
        server.shell("systemctl start patient-http.socket")
        assert fleet.marks() == {"first"}


def test_a_change_goes_live_on_every_host_and_fails_no_request(fleet: Fleet) -> None:
    fleet.edit("second")
    with fleet.servers["lb"].load(NAME) as seen:
        ansible(*fleet.command())
        assert fleet.marks() == {"second"}
    assert seen.failures == []
    assert_nothing_to_do(lambda *words: ansible(*fleet.command(), *words).stdout)


def test_a_worker_that_does_not_run_on_every_host_moves_with_the_first_one(fleet: Fleet) -> None:
    beat = {"name": "beat", "command": "sleep infinity", "every_host": False, "stop_timeout": 5}
    before, fleet.app["run"] = fleet.app["run"], {**fleet.app["run"], "workers": [beat]}
    # Its status is not 0 for a unit that is inactive.
    state = "systemctl is-active patient@$(basename $(readlink /srv/patient/current))-beat.service"
    for first in (APP_SERVERS, APP_SERVERS[::-1]):
        with fleet.servers["lb"].load(NAME, rate=50) as seen:
            ansible(*fleet.command(first))
        # Another order of the servers is another configuration of NGINX, which is reloaded.
        assert but_idle(seen.failures) == []
        states = [fleet.servers[name].shell(state, check=False).strip() for name in first]
        assert states == ["active", "inactive"], first
    assert_nothing_to_do(lambda *words: ansible(*fleet.command(APP_SERVERS[::-1]), *words).stdout)
    fleet.app["run"] = before
    ansible(*fleet.command())


def test_a_release_that_is_broken_on_one_host_does_not_go_live_on_any(fleet: Fleet) -> None:
    before, marks = fleet.live(), fleet.marks()
    fleet.edit("broken")
    fleet.servers["app2"].shell("touch /etc/broken")
    with fleet.servers["lb"].load(NAME) as seen:
        failed = ansible(*fleet.command(), check=False)
    fleet.servers["app2"].shell("rm /etc/broken")
    assert failed.returncode != 0
    assert "RuntimeError: this host is broken" in failed.stdout
    said = " ".join(failed.stdout.split())
    for name in ("app1", "app2", "lb"):
        assert re.search(rf"fatal: \[{name}\]: FAILED! => changed: false msg: '?The run has failed, and this", said)
    assert "which was never live" in said
    assert seen.failures == []
    assert (fleet.live(), fleet.marks()) == (before, marks)
    assert fleet.instances() == [1, 1]


def test_a_release_that_fails_verification_on_one_host_is_rolled_back_on_all(fleet: Fleet) -> None:
    before, marks = fleet.live(), fleet.marks()
    fleet.edit("sick")
    with fleet.servers["lb"].load(NAME) as seen:
        run = Run(fleet.command())
        assert run.until("Switch each application to its release")
        fleet.servers["app2"].shell("touch /etc/sick")
        assert run.finish() != 0
    fleet.servers["app2"].shell("rm /etc/sick")
    assert "patient is not healthy at 0.0.0.0:9000: asked" in " ".join(run.said.split())
    assert run.said.count("switch back from") == 2, run.said
    assert seen.failures == []
    assert (fleet.live(), fleet.marks()) == (before, marks)
    assert fleet.instances() == [1, 1]
    ansible(*fleet.command())
    assert fleet.marks() == {"sick"}


def test_a_migration_is_done_once_for_all_hosts_and_none_switches_when_it_fails(fleet: Fleet) -> None:
    fleet.app["run"]["migrate"] = ["sh -c 'echo done >> $DATA_DIRECTORY/migrated'"]
    fleet.edit("migrated")
    ansible(*fleet.command())
    assert_nothing_to_do(lambda *words: ansible(*fleet.command(), *words).stdout)
    found = [fleet.servers[name].shell("cat /srv/patient/data/migrated 2>&1", check=False) for name in APP_SERVERS]
    assert (found[0], "No such file" in found[1], fleet.marks()) == ("done\n", True, {"migrated"})
    before = fleet.live()
    fleet.app["run"]["migrate"] = ["sh -c 'echo the table is locked; false'"]
    fleet.edit("never")
    with fleet.servers["lb"].load(NAME) as seen:
        failed = ansible(*fleet.command(), check=False)
    del fleet.app["run"]["migrate"]
    assert failed.returncode != 0 and "the table is locked" in failed.stdout
    assert (seen.failures, fleet.live(), fleet.marks()) == ([], before, {"migrated"})


def test_a_run_that_changes_nothing_detects_a_release_that_does_not_answer(fleet: Fleet) -> None:
    ansible(*fleet.command())
    before = fleet.live()
    fleet.servers["app2"].shell("touch /etc/sick")
    failed = ansible(*fleet.command(), check=False)
    checked = ansible(*fleet.command(), "--check").stdout
    fleet.servers["app2"].shell("rm /etc/sick")
    said = "patient is not healthy at 0.0.0.0:9000: asked"
    assert failed.returncode != 0 and said in " ".join(failed.stdout.split())
    assert "[WARNING]" in checked and said in " ".join(checked.split())
    assert fleet.live() == before
    assert_nothing_to_do(lambda *words: ansible(*fleet.command(), *words).stdout)


@pytest.mark.parametrize("lost", ["locked by another run", "switched off"])
def test_a_run_that_one_host_refuses_changes_nothing_and_releases_all_locks(fleet: Fleet, lost: str) -> None:
    before, app2 = fleet.live(), fleet.servers["app2"]
    holder = '{"id": "elsewhere:1:1", "who": "alice on laptop (process 1)", "since": "now", "seen": %s}'
    if lost == "switched off":
        app2.cut()
    else:
        seen = app2.shell("python3 -c 'import time; print(time.monotonic())'").strip()
        app2.shell(f"echo '{holder % seen}' > /run/wsgi.lock")
    fleet.edit(f"refused while {lost}")
    try:
        failed = ansible(*fleet.command(), check=False)
    finally:
        if lost == "switched off":
            app2.mend()
        else:
            app2.shell("truncate --size 0 /run/wsgi.lock")
    assert failed.returncode != 0
    wanted = "unreachable=1" if lost == "switched off" else "another run is changing this host: alice on laptop"
    assert wanted in " ".join(failed.stdout.split())
    assert "Restore the applications" not in failed.stdout
    for name in ("app1", "lb"):
        assert fleet.servers[name].shell("cat /run/wsgi.lock") == "", name
    assert fleet.live() == before


def test_a_run_that_is_limited_to_one_host_changes_only_that_host(fleet: Fleet) -> None:
    before = fleet.live()
    fleet.edit("limited")
    ansible(*fleet.command(), "--limit", "app1")
    assert fleet.live()[0] != before[0] and fleet.live()[1] == before[1]
    assert_nothing_to_do(lambda *words: ansible(*fleet.command(), "--limit", "app1", *words).stdout)
    ansible(*fleet.command())
    assert fleet.marks() == {"limited"}
    ansible("ansible-playbook", "playbooks/rollback.yml", *fleet.command()[2:])
    assert fleet.live() == before
    ansible(*fleet.command())
    assert fleet.marks() == {"limited"}


def test_a_host_that_is_lost_during_a_run_leaves_the_others_as_they_were(fleet: Fleet) -> None:
    before = fleet.live()
    fleet.edit("lost")
    run = Run(fleet.command())
    assert run.until("Switch each application to its release")
    fleet.servers["app2"].cut()
    assert run.finish() != 0
    fleet.servers["app2"].mend()
    assert "unreachable=1" in run.said
    assert "patient: switch back" in run.said, run.said
    assert fleet.live()[0] == before[0]
    ansible(*fleet.command())
    assert fleet.marks() == {"lost"}
