"""What happens around the switch: migrations, workers, timers, commands, secrets, and how a callable is found."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Run, Site
from tests.rig import PROJECT
from tests.rig.server import Server

# systemd 257 is the newer one, and hands credentials over in another way.
pytestmark = pytest.mark.on("debian13")

NAME = "busy.example.com"


class Busy(Site):
    """A site with an application that has much beside it."""

    def __init__(self, server: Server, source: Path) -> None:
        super().__init__(server, source, "busy")
        shutil.copytree(PROJECT / "tests/integration/busy", source)
        self.app["run"]["processes"] = 1

    def edit(self, mark: str) -> None:
        """Change the code."""
        code = (PROJECT / "tests/integration/busy/main.py").read_text()
        (self.source / "main.py").write_text(code.replace('MARK = "first"', f'MARK = "{mark}"'))

    def with_run(self, **run: Any) -> list[dict[str, Any]]:
        """Return the entry with other settings of `run`."""
        return [{**self.app, "run": {**self.app["run"], **run}}]

    def tell(self) -> dict[str, Any]:
        """Return what the application tells."""
        told: dict[str, Any] = json.loads(self.get(NAME))
        return told

    def forget(self) -> None:
        """Let nothing have been done."""
        self.server.shell("rm -f /srv/busy/data/log")

    def log(self) -> list[str]:
        """Return what was done beside the application."""
        return self.server.shell("cat /srv/busy/data/log", check=False).splitlines()

    def units(self) -> set[str]:
        """Return the units of the live release that are at work, by what follows the release in their names."""
        said = self.server.shell("systemctl list-units --plain --no-legend --state=active,activating 'busy@*'")
        live = self.server.shell("basename $(readlink /srv/busy/current)").strip()
        return {line.split()[0].partition(live)[2] or line.split()[0] for line in said.splitlines()}


def until(true: Callable[[], bool], seconds: float = 30) -> bool:
    """Wait for something, and tell whether it came."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.2)
    return False


@pytest.fixture(scope="module")
def busy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Busy:
    """Return a server with the application live on it."""
    one = Busy(server, tmp_path_factory.mktemp("busy") / "source")
    one.deploy()
    return one


# How it is called


GREETINGS = {
    "main:create_app('good morning', loud=True)": "GOOD MORNING",
    "main.py": "hello",
    "main.py:create_app('%d $x #')": "%d $x #",
}

UNCALLABLE = {
    "main:app": "main:app: there is no app; what can be called there: ",
    "main:create": ", application, create_app, log, secrets",
    "main:number": "main:number is a int, which cannot be called",
    "mian:application": "there is no module mian; in the source there are: main, work",
    "deploy/wsgi.py": "there is no file deploy/wsgi.py; in the source there are: main.py, work.py",
}


def called(busy: Busy, number: int, name: str) -> dict[str, Any]:
    """Return the entry of another application of the same source, which is called by `name`."""
    host = f"called{number}"
    run = {**busy.app["run"], "callable": name}
    return {**busy.app, "name": host, "run": run, "serve": {"server_names": [f"{host}.example.com"]}}


def test_a_callable_is_found_in_each_way_there_is(busy: Busy) -> None:
    apps = [called(busy, number, name) for number, name in enumerate(GREETINGS)]
    busy.deploy(apps=[busy.app, *apps])
    told = [json.loads(busy.get(app["serve"]["server_names"][0]))["greeting"] for app in apps]
    assert told == list(GREETINGS.values())


def test_a_name_that_cannot_be_called_is_reported_with_those_that_can(busy: Busy) -> None:
    apps = [called(busy, number, name) for number, name in enumerate(UNCALLABLE)]
    said = busy.deploy("-e", "wsgi_on_failure=continue", apps=[busy.app, *apps], check=False)
    assert said.returncode != 0
    told = said.stdout.partition("Report which applications are broken")[2]
    assert [sentence for sentence in UNCALLABLE.values() if sentence not in told] == []
    before = [busy.get(app["serve"]["server_names"][0]) for app in apps[: len(GREETINGS)]]
    assert [json.loads(one)["greeting"] for one in before] == list(GREETINGS.values())
    busy.deploy(apps=[busy.app, *({"name": app["name"], "state": "absent"} for app in apps)])


# What it is given

HARD = [
    "",
    " ",
    "  both ends  ",
    "'single'",
    '"double"',
    "it's",
    'say "hi"',
    "\"'\"'",
    "`date`",
    "$(date)",
    "$HOME",
    "${HOME}",
    "$$",
    "$",
    "100%",
    "%n%i%%",
    "%(format)s",
    "{{ not_jinja }}".replace("{{ ", "{ {").replace(" }}", "} }"),
    "# no comment",
    "a # b",
    ";",
    "a; b",
    "a && b | c > d",
    "\\",
    "\\\\",
    "\\n",
    "ends with a backslash\\",
    '\\"',
    "two\nlines",
    "\nbegins and ends with a line\n",
    "line\\\ncontinued",
    "tab\there",
    "carriage\rreturn",
    "bell\x07escape\x1b[0m",
    "Grüße, 日本語, 🚀",
    "e\u0301 is not \u00e9",
    "\u00a0\u2028\u200b",
    "key=value=more",
    "-----BEGIN KEY-----\nMIIE+/==\n-----END KEY-----\n",
    "x" * 10000,
    "!include secret",
    "*star &anchor",
]


def test_forty_values_that_are_hard_to_quote_arrive_byte_for_byte(busy: Busy) -> None:
    wanted = {f"HARD_{number}": value for number, value in enumerate(HARD)}
    assert len(wanted) >= 40
    half = dict(list(wanted.items())[::2])
    rest = {name: value for name, value in wanted.items() if name not in half}
    busy.deploy(apps=busy.with_run(env=half, secrets=rest, secret_files={"key.pem": HARD[29], "odd": HARD[37] * 9}))
    told = busy.tell()
    assert {name: value for name, value in told["env"].items() if name.startswith("HARD_")} == wanted
    assert told["files"] == {"key.pem": HARD[29], "odd": HARD[37] * 9}
    assert told["env"]["DATA_DIRECTORY"] == "/srv/busy/data"


def test_a_secret_is_part_of_its_release(busy: Busy) -> None:
    for value in ("old", "new"):
        busy.deploy(apps=busy.with_run(secrets={"TOKEN": value}, secret_files={"token": value}))
        assert (busy.tell()["env"]["TOKEN"], busy.tell()["files"]["token"]) == (value, value)
    busy.deploy(playbook="rollback")
    assert (busy.tell()["env"]["TOKEN"], busy.tell()["files"]["token"]) == ("old", "old")


# Migrations


def test_a_migration_is_done_once_for_a_release_and_before_it_boots(busy: Busy) -> None:
    busy.forget()
    busy.edit("migrated")
    apps = busy.with_run(migrate=["python work.py job 1 'first step'", "./second.sh"], secrets={"TOKEN": "seen"})
    (busy.source / "second.sh").write_text('#!/bin/sh\necho "second step with $TOKEN" >> "$DATA_DIRECTORY/log"\n')
    (busy.source / "second.sh").chmod(0o755)
    said = busy.deploy("--check", "--diff", apps=apps).stdout
    assert "busy: would run the migration of " in said
    assert busy.log() == []
    busy.deploy(apps=apps)
    done = ["first step begins migrated", "first step ends migrated", "second step with seen"]
    assert busy.tell()["log"] == done
    busy.assert_nothing_to_do(apps)
    busy.deploy(playbook="rollback", apps=apps)
    busy.deploy(apps=apps)
    assert busy.log() == done


def test_a_failed_migration_is_shown_and_switches_nothing(busy: Busy) -> None:
    before = busy.server.shell("readlink /srv/busy/current")
    busy.edit("not migrated")
    with busy.server.load(NAME) as load:
        said = busy.deploy(
            apps=busy.with_run(migrate=["python work.py fail", "python work.py job 0 never"]), check=False
        )
    assert said.returncode != 0
    assert "the table is locked" in said.stdout
    assert (load.failures, "never begins not migrated" in busy.log()) == ([], False)
    assert busy.server.shell("readlink /srv/busy/current") == before
    slow = busy.deploy(apps=busy.with_run(migrate=["sleep 60"], migrate_timeout=2), check=False)
    assert "takes longer than 2s" in slow.stdout


@pytest.mark.parametrize("killed", ["the run", "the module", "the migration"])
def test_the_next_run_continues_one_that_was_killed_during_a_migration(busy: Busy, killed: str) -> None:
    busy.forget()
    busy.edit(f"without {killed}")
    apps = busy.with_run(migrate=["python work.py job 10 migration"])
    run = Run(busy.command(apps=apps))
    assert run.until("Migrate once")
    assert until(lambda: bool(busy.log()))
    run.kill()
    if killed != "the run":
        # As if the power had gone: of the controller alone, or of the host as well.
        client = "client=$(pgrep --full '[s]ystemctl start busy@.*-migrate')"
        busy.server.shell(f"{client}; kill -KILL $(ps --format ppid= $client) $client")
    if killed == "the migration":
        busy.server.shell("systemctl kill --signal=KILL 'busy@*-migrate.service'")
    said = busy.deploy("--diff", apps=apps).stdout
    assert ("did not complete" in said) == (killed != "the run")
    times = 2 if killed == "the migration" else 1
    assert busy.log() == [f"migration begins without {killed}"] * times + [f"migration ends without {killed}"]
    assert busy.tell()["mark"] == f"without {killed}"


def test_a_rollback_past_an_irreversible_release_is_refused(busy: Busy) -> None:
    busy.edit("before")
    busy.deploy()
    before = busy.server.shell("basename $(readlink /srv/busy/current)").strip()
    busy.edit("after")
    busy.deploy(apps=busy.with_run(irreversible="drops the column email"))
    said = busy.deploy("-e", f"wsgi_release={before}", playbook="rollback", check=False)
    assert said.returncode != 0
    assert "which is irreversible: drops the column email" in said.stdout
    assert busy.tell()["mark"] == "after"


# After the switch


def test_after_switch_commands_run_once_and_their_failure_changes_nothing(busy: Busy) -> None:
    busy.forget()
    busy.edit("warm")
    apps = busy.with_run(after_switch=["python work.py job 0 warming"])
    busy.deploy(apps=apps)
    assert busy.log() == ["warming begins warm", "warming ends warm"]
    busy.assert_nothing_to_do(apps)
    busy.edit("cold")
    said = busy.deploy(apps=busy.with_run(after_switch=["python work.py fail"])).stdout
    assert "[WARNING]" in said and "the table is locked" in said
    assert busy.tell()["mark"] == "cold"


# Workers and timers


def test_a_worker_changes_with_its_release_and_finishes_its_job(busy: Busy) -> None:
    busy.forget()
    worker = [{"name": "queue", "command": "python work.py worker 8"}]
    for mark in ("one", "two"):
        busy.edit(mark)
        busy.deploy(apps=busy.with_run(workers=worker))
        assert "-queue.service" in busy.units()
    assert until(lambda: "worker ends one" in busy.log())
    assert busy.log() == ["worker begins one", "worker begins two", "worker ends one"]
    shown = "systemctl show --property ActiveState,Result busy@*-queue.service"
    assert busy.server.shell(shown).count("ActiveState=active") == 1
    busy.server.restart()
    assert until(lambda: busy.log()[-1] == "worker begins two")
    busy.deploy()
    assert until(lambda: busy.log()[-1] == "worker ends two")
    assert not any("queue" in unit for unit in busy.units())


def test_a_release_whose_worker_exits_at_once_is_broken(busy: Busy) -> None:
    good = [{"name": "queue", "command": "python work.py worker 0.1"}]
    busy.edit("works")
    busy.deploy(apps=busy.with_run(workers=good))
    busy.forget()
    busy.edit("breaks")
    bad = [*good, {"name": "mail", "command": "python work.py fail"}]
    said = busy.deploy(apps=busy.with_run(workers=bad), check=False)
    assert said.returncode != 0
    assert "has a worker that exits within 5 s" in said.stdout and "the table is locked" in said.stdout
    assert busy.tell()["mark"] == "works"
    assert "-queue.service" in busy.units()
    assert "worker begins works" not in busy.log()


def test_workers_of_a_refused_release_finish_the_jobs_they_have_taken(busy: Busy) -> None:
    busy.edit("works")
    busy.deploy(apps=busy.with_run())
    busy.forget()
    busy.edit("refused")
    worker = [{"name": "queue", "command": "python work.py worker 8"}]
    probe = {"text": "what it never says", "tries": 1}
    said = busy.deploy(apps=busy.with_run(workers=worker, probe=probe), check=False)
    assert said.returncode != 0 and "does not pass its probe" in said.stdout
    assert "worker ends refused" not in busy.log(), "it ended before the deploy did: make it take longer"
    assert until(lambda: "worker ends refused" in busy.log())
    assert busy.tell()["mark"] == "works"
    release = said.stdout.partition("busy: release ")[2].split()[0]
    assert busy.server.shell(f"ls /etc/systemd/system/ | grep {release}", check=False) != ""
    busy.deploy(apps=busy.with_run())
    assert busy.server.shell(f"ls /etc/systemd/system/ | grep {release}", check=False) == ""


def test_a_timer_runs_on_time_and_a_deploy_does_not_interrupt_it(busy: Busy) -> None:
    busy.forget()
    busy.edit("nightly")
    timers = [{"name": "report", "command": "python work.py job 45 report", "on_calendar": "*:*:0/5"}]
    busy.deploy(apps=busy.with_run(timers=timers))
    assert "-report.timer" in busy.units()
    assert until(lambda: "report begins nightly" in busy.log())
    busy.edit("daily")
    busy.deploy(apps=busy.with_run())
    assert "report ends nightly" not in busy.log(), "it ended before the deploy did: make it take longer"
    assert until(lambda: "report ends nightly" in busy.log(), seconds=60)
    assert busy.log().count("report begins nightly") == 1
    assert not any("report" in unit for unit in busy.units())
    assert busy.server.shell("ls -R /etc/systemd/system/*.wants | grep report", check=False) == ""


def test_a_time_that_systemd_cannot_parse_is_refused(busy: Busy) -> None:
    timers = [{"name": "report", "command": "true", "on_calendar": "every morning"}]
    said = busy.deploy(apps=busy.with_run(timers=timers), check=False)
    assert said.returncode != 0
    assert "could not parse on_calendar of the timer report" in said.stdout
