"""No change fails a request, nothing broken goes live, and nobody has to clean up. Under load throughout."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.integration.conftest import TASKS, Site, everywhere
from tests.rig import LONG, PROJECT, often
from tests.rig.server import Load, Server

# systemd 252 is the older one: how it hands sockets over has had fewer fixes.
pytestmark = pytest.mark.on("debian12")

NAME = "patient.example.com"
LEAST_RATE = 200

# Seconds that the application takes to be imported. A request that waits for a boot takes longer than the longest may.
IMPORT_SECONDS = 2
LONGEST = 0.5
LONGEST_BESIDE_OTHER_WORK = 1
INICONFIG = ("2.0.0", "2.1.0")
COLOURS = ("blue", "green")
PROCESSES = (3, 4)

# One deploy for each kind of change, or more.
DEPLOYS = often(4, 10, 100)
ROLLBACKS = often(1, 3, 20)
RACES = often(1, 2, 10)
KEEPS = often(3, 5, 30)


class Patient(Site):
    """A site with an application that a test changes in each way there is.

    :ivar import_seconds: how long the application takes to import.
    """

    def __init__(self, server: Server, source: Path) -> None:
        super().__init__(server, source, "patient")
        shutil.copytree(PROJECT / "tests/integration/patient", source)
        self.import_seconds: float = IMPORT_SECONDS
        self.marks = (f"mark{number}" for number in range(10000))
        self.mark, self.version, self.colour, self.processes = "first", INICONFIG[0], COLOURS[0], PROCESSES[0]
        self.app["run"].update(harakiri=20, start_timeout=20, probe={"path": "/health", "text": "fine"})
        self.edit()
        self.packages()
        self.environment()
        self.settings()

    def edit(self) -> None:
        """Change the code."""
        code = self.source / "main.py"
        self.mark = next(self.marks)
        code.write_text(re.sub(r'^MARK = ".*"$', f'MARK = "{self.mark}"', code.read_text(), flags=re.MULTILINE))

    def packages(self) -> None:
        """Change the packages."""
        self.version = INICONFIG[self.version == INICONFIG[0]]
        (self.source / "requirements.txt").write_text(f"flask==3.1.2\niniconfig=={self.version}\n")

    def environment(self) -> None:
        """Change the environment."""
        self.colour = COLOURS[self.colour == COLOURS[0]]
        self.app["run"]["env"] = self.env(COLOUR=self.colour)

    def env(self, **variables: str) -> dict[str, str]:
        """Return an environment."""
        return {"IMPORT_SECONDS": str(self.import_seconds), **variables}

    def settings(self) -> None:
        """Change the settings of uWSGI."""
        self.processes = PROCESSES[self.processes == PROCESSES[0]]
        self.app["run"]["processes"] = self.processes

    def state(self) -> str:
        """Return what the application has to say of itself now."""
        return f"{self.mark} {self.version} {self.colour} {self.processes}"

    def run_with(self, **settings: Any) -> list[dict[str, Any]]:
        """Return the description with other settings of `run`."""
        return [{**self.app, "run": {**self.app["run"], **settings}}]

    def playbook(self, name: str, *words: str, check: bool = True) -> CompletedProcess[str]:
        """Run another playbook of the project."""
        return self.deploy(*words, playbook=name, check=check)

    def ask(self, path: str = "/") -> str:
        """Return what a visitor sees."""
        return self.server.get(NAME, path)

    def current(self) -> str:
        """Return the live release."""
        return self.server.shell("basename $(readlink /srv/patient/current)").strip()

    def units(self) -> set[str]:
        """Return the releases that have an instance, once those that were told to end have ended."""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            lines = self.server.shell("systemctl list-units --plain --no-legend 'patient@*'").splitlines()
            if not any("deactivating" in line or "stop" in line.split() for line in lines):
                break
            time.sleep(0.5)
        return {re.split("[@.]", line)[1] for line in lines}

    def left_over(self) -> dict[str, set[str]]:
        """Return what is on the host for releases that are not complete or not named in the history."""
        listed = self.server.shell("grep -o '[0-9a-f]\\{12\\}' /srv/patient/history.json").split()
        units = self.server.shell("ls /etc/systemd/system | grep -o 'patient@[0-9a-f]*' | sort -u").split()
        return {
            "releases": set(self.server.shell("ls /srv/patient/releases").split()) - set(listed),
            "builds": set(self.server.shell("ls /srv/patient/builds").split()) - self._named("releases/*/build"),
            "venvs": set(self.server.shell("ls /srv/patient/venvs").split()) - self._named("builds/*/venv"),
            "units": {unit.partition("@")[2] for unit in units} - set(listed),
            "instances": self.units() - {self.current()},
        }

    def _named(self, links: str) -> set[str]:
        return set(self.server.shell(f"for i in /srv/patient/{links}; do basename $(readlink $i); done").split())


# Which processes serve, and when each began.
RUNNING = (
    "grep --files-with-matches --no-messages --extended-regexp 'patient@|nginx.service' /proc/[0-9]*/cgroup"
    " | while read name; do cut --delimiter ' ' --fields 1,22 ${name%cgroup}stat; done"
)

CLEAN: dict[str, set[str]] = {"releases": set(), "builds": set(), "venvs": set(), "units": set(), "instances": set()}


@pytest.fixture(scope="module")
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Patient:
    """Return a server with the application live on it."""
    one = Patient(server, tmp_path_factory.mktemp("patient") / "source")
    one.deploy()
    return one


def assert_nobody_noticed(seen: Load, longest: float = LONGEST_BESIDE_OTHER_WORK) -> None:
    """No request failed, none waited for a boot, and there were enough of them for that to mean something."""
    print(f"{seen.requests} requests, the longest {seen.longest:.3f} s; the client was late by {seen.late:.3f} s")
    assert seen.failures == []
    assert seen.longest < longest, seen.slow
    assert seen.rate >= LEAST_RATE


@pytest.mark.quiet
def test_no_change_fails_or_delays_a_request(site: Patient) -> None:
    ways = cycle([site.edit, site.packages, site.environment, site.settings])
    states = set()
    with site.server.load(NAME) as seen:
        for _ in range(DEPLOYS):
            next(ways)()
            site.deploy()
            assert site.ask() == site.state()
            states.add(site.state())
    assert_nobody_noticed(seen, LONGEST)
    assert states <= set(seen.bodies)
    assert site.left_over() == CLEAN


def test_a_rollback_restores_everything_and_fails_no_request(site: Patient) -> None:
    states = []
    for _ in range(2):
        for change in (site.edit, site.packages, site.environment, site.settings):
            change()
        site.deploy()
        states.append(site.state())
    with site.server.load(NAME) as seen:
        for _ in range(ROLLBACKS):
            site.playbook("rollback")
            assert site.ask() == states[0]
            site.playbook("rollback")
            assert site.ask() == states[1]
    assert_nobody_noticed(seen)
    assert set(seen.bodies) == set(states)


def test_a_rollback_to_a_named_release_refuses_one_that_was_never_healthy(site: Patient) -> None:
    site.deploy()
    site.edit()
    site.deploy()
    before = site.current()
    failed = site.deploy(apps=site.run_with(env=site.env(MOOD="sick")), check=False)
    assert failed.returncode != 0
    listed = site.playbook("releases").stdout
    (sick,) = re.findall(r"([0-9a-f]{12})\s+never healthy", listed)
    assert re.search(rf"{before}\s+live\s+live since 20\d\d-", listed)
    (previous,) = re.findall(r"([0-9a-f]{12})\s+previous", listed)
    refused = site.playbook("rollback", "-e", f"wsgi_release={sick}", check=False)
    assert refused.returncode != 0
    said = " ".join(refused.stdout.split())
    assert f"release {sick} was never live and healthy; you can roll back to, newest first: {previous}" in said
    assert site.current() == before
    site.playbook("rollback", "-e", f"wsgi_release={previous[:6]}")
    assert site.current() == previous
    site.deploy()
    assert site.left_over() == CLEAN


class Slow(threading.Thread):
    """A visitor whose request takes a while."""

    def __init__(self, site: Patient, seconds: float, head_start: float = 0.3) -> None:
        super().__init__()
        self.site = site
        self.seconds = seconds
        self.said = ""
        self.start()
        time.sleep(head_start)

    def run(self) -> None:
        """Ask."""
        self.said = self.site.ask(f"/slow?seconds={self.seconds}")

    def result(self) -> str:
        """Wait for the answer and return it."""
        self.join()
        return self.said


@everywhere
def test_a_request_in_flight_at_the_switch_and_at_the_retire_is_answered_in_full(site: Patient) -> None:
    site.deploy()
    before, mark = site.current(), site.mark
    site.edit()
    with site.server.load(NAME) as seen:
        run = site.run()
        assert run.until("Switch each application to its release")
        visitor = Slow(site, 15)
        assert run.finish() == 0, run.said
        assert visitor.is_alive(), "the run took longer than the request"
        assert site.current() != before
        state = site.server.shell(f"systemctl is-active patient@{before}.service", check=False).strip()
        assert state == "deactivating"
        assert visitor.result() == mark
    assert_nobody_noticed(seen)
    assert site.units() == {site.current()}


@everywhere
def test_a_connection_that_waits_at_the_switch_is_answered_by_the_release_it_reached(site: Patient) -> None:
    site.deploy()
    mark = site.mark
    site.edit()
    run = site.run()
    assert run.until("Switch each application to its release")
    # Three times as many as the workers, so that most are in line when the switch comes.
    visitors = [Slow(site, 3, 0) for _ in range(3 * site.processes)]
    assert run.finish() == 0, run.said
    assert site.ask() == site.state()
    assert [visitor.result() for visitor in visitors] == [mark] * len(visitors)
    assert site.units() == {site.current()}


def test_a_request_in_flight_at_a_stop_or_a_reboot_is_answered_in_full(site: Patient) -> None:
    site.deploy()
    unit = f"patient@{site.current()}.service"
    visitor = Slow(site, 5)
    site.server.shell(f"systemctl stop {unit}")
    assert visitor.result() == site.mark
    site.server.shell(f"systemctl start {unit}")
    visitor = Slow(site, 3)
    site.server.restart()
    assert visitor.result() == site.mark
    assert site.ask() == site.state()


@pytest.mark.quiet
@everywhere
def test_a_restart_by_hand_fails_no_request(site: Patient) -> None:
    site.deploy()
    with site.server.load(NAME) as seen:
        site.server.shell(f"systemctl restart patient@{site.current()}.service")
        time.sleep(3)
    assert_nobody_noticed(seen, longest=5)


@pytest.mark.quiet
def test_a_killed_worker_fails_only_its_own_request(site: Patient) -> None:
    site.deploy()
    with site.server.load(NAME) as seen:
        for _ in range(5):
            time.sleep(0.5)
            worker, _, master = site.ask("/pid").partition(" ")
            assert worker != master
            site.server.shell(f"kill -9 {worker}")
        time.sleep(1)
    assert len(seen.failures) <= 5
    assert seen.longest < 5
    assert seen.rate >= LEAST_RATE


@pytest.mark.quiet
def test_a_killed_master_restarts_and_no_connection_is_refused(site: Patient) -> None:
    site.import_seconds = 0.2
    site.environment()
    site.deploy()
    site.import_seconds = IMPORT_SECONDS
    site.server.shell("truncate --size 0 /var/log/nginx/error.log")
    with site.server.load(NAME) as seen:
        time.sleep(1)
        master = site.ask("/pid").split()[1]
        site.server.shell(f"kill -9 {master}")
        begun = time.monotonic()
        assert site.ask() == site.state()
        assert time.monotonic() - begun < 5
        time.sleep(3)
    site.environment()
    # What the workers were answering is lost with them, and nothing else.
    assert len(seen.failures) <= site.processes
    assert site.server.shell("grep -c 'connect() to unix' /var/log/nginx/error.log", check=False).strip() == "0"


def test_another_uwsgi_fails_no_request(site: Patient) -> None:
    site.deploy()
    with site.server.load(NAME) as seen:
        site.deploy(apps=site.run_with(package="uwsgi"))
        from_source = site.server.get(NAME, "/decorators")
        site.deploy()
    assert from_source == site.server.get(NAME, "/decorators") == "postfork"
    assert_nobody_noticed(seen)


def test_a_second_run_changes_nothing_and_restarts_nothing(site: Patient) -> None:
    site.deploy()
    before = site.server.shell(RUNNING)
    site.assert_nothing_to_do()
    after = site.server.shell(RUNNING)
    assert after == before != ""


Break = Callable[[Patient], list[dict[str, Any]]]


def breaks_code(line: str) -> Break:
    """Return what puts a line before all others of the code."""

    def apply(site: Patient) -> list[dict[str, Any]]:
        code = site.source / "main.py"
        code.write_text(f"{line}\n{code.read_text()}")
        return [site.app]

    return apply


def breaks_packages(site: Patient) -> list[dict[str, Any]]:
    (site.source / "requirements.txt").write_text("flask\nthere-is-no-such-package-on-any-index==1\n")
    return [site.app]


# What is wrong with a release, and the words that the run has to say of it.
BROKEN: dict[str, tuple[Break, list[str]]] = {
    "does not import": (
        breaks_code("raise RuntimeError('not today')"),
        ["does not start: RuntimeError: not today; its log ends with:"],
    ),
    "lacks a package": (
        breaks_code("import there_is_no_such_module"),
        ["does not start: ModuleNotFoundError: No module named 'there_is_no_such_module'"],
    ),
    "hangs on import": (
        lambda site: site.run_with(env={"IMPORT_SECONDS": "600"}, start_timeout=3),
        ["does not start within 3 s; its log ends with:"],
    ),
    "answers 500 to the probe": (
        lambda site: site.run_with(env=site.env(MOOD="sick")),
        [f"asked 5 times for /health of {NAME}, and the response was 500, not a status from 200 to 399"],
    ),
    "never answers the probe": (
        lambda site: site.run_with(env=site.env(MOOD="hangs"), probe={"path": "/health", "timeout": 1, "tries": 2}),
        [f"asked 2 times for /health of {NAME}, and there was no response within 1 s"],
    ),
    "misspells an option of uWSGI": (
        lambda site: site.run_with(options={"max-request": 500}),
        ["does not start: [strict-mode] unknown config directive: max-request; its log ends with:"],
    ),
    "has a package that cannot be installed": (
        breaks_packages,
        ["patient: could not install the packages; uv said:", "there-is-no-such-package-on-any-index"],
    ),
}


@pytest.fixture
def sound(site: Patient) -> Iterator[Patient]:
    """Return the site with what its source says live, and put the source back afterwards."""
    if site.ask() != site.state():
        site.deploy()
    files = {name: (site.source / name).read_text() for name in ("main.py", "requirements.txt")}
    mark, version = site.mark, site.version
    yield site
    site.mark, site.version = mark, version
    for name, text in files.items():
        (site.source / name).write_text(text)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_release_never_serves(sound: Patient, case: str) -> None:
    apply, words = BROKEN[case]
    before, instances = sound.current(), sound.units()
    apps = apply(sound)
    with sound.server.load(NAME) as seen:
        failed = sound.deploy(apps=apps, check=False)
    assert failed.returncode != 0
    said = " ".join(failed.stdout.split())
    assert [word for word in words if word not in said] == [], failed.stdout
    assert f"this host serves what it served before. patient has {before} live" in said
    assert sound.current() == before
    assert sound.units() == instances
    assert_nobody_noticed(seen)
    assert list(seen.bodies) == [sound.state()]


def test_the_next_good_run_removes_what_broken_releases_left(site: Patient) -> None:
    site.edit()
    site.deploy()
    assert site.ask() == site.state()
    assert site.left_over() == CLEAN


@pytest.mark.quiet
def test_a_release_that_fails_verification_is_rolled_back_within_5_s(sound: Patient) -> None:
    before = sound.current()
    with sound.server.load(NAME) as seen:
        failed = sound.deploy(apps=sound.run_with(env=sound.env(MOOD="sick behind NGINX", COLOUR="gone")), check=False)
    assert failed.returncode != 0
    said = " ".join(failed.stdout.split())
    assert "patient is not healthy at 127.0.0.1:80: asked" in said
    assert f"to {before}, retire" in said
    assert sound.current() == before
    assert_nobody_noticed(seen)
    (seconds,) = [seconds for body, seconds in seen.bodies.items() if " gone " in body]
    assert 0 < seconds < 5
    sound.edit()
    sound.deploy()
    assert sound.left_over() == CLEAN


@pytest.mark.parametrize("limit", ["size", "nr_inodes"])
def test_a_full_disk_fails_the_run_and_nothing_else(sound: Patient, limit: str) -> None:
    server, before = sound.server, sound.current()
    with small_disk(server):
        used = server.shell(f"df --output={'used' if limit == 'size' else 'iused'} /srv | tail -1").strip()
        room = {"size": f"{int(used) + 2000}k", "nr_inodes": str(int(used) + 100)}
        server.shell(f"mount -o remount,{limit}={room[limit]} /srv")
        (sound.source / "requirements.txt").write_text(f"flask==3.1.2\niniconfig=={sound.version}\n# {limit}\n")
        with server.load(NAME) as seen:
            failed = sound.deploy(check=False)
        assert failed.returncode != 0
        assert "No space left on device" in failed.stdout
        assert sound.current() == before
        assert_nobody_noticed(seen)
        server.shell("mount -o remount,size=2g,nr_inodes=200k /srv")
        sound.deploy()
        assert sound.current() != before
        assert sound.left_over() == CLEAN


@contextmanager
def small_disk(server: Server) -> Iterator[None]:
    """Put all applications on a disk of their own while the body runs, without a stop."""
    # What is mounted from here on is not to appear there as well.
    server.shell(
        "mount --bind / /mnt && mount --make-private /mnt && mount -t tmpfs -o size=2g,nr_inodes=200k tmpfs /media"
    )
    server.shell("cp --archive /srv/. /media && mount --bind /media /srv")
    try:
        yield
    finally:
        server.shell("rm -r /mnt/srv/patient && cp --archive /srv/patient /mnt/srv && umount --lazy /srv /media /mnt")


# Tasks at whose beginning a run is killed, by number or name, and how many seconds into them.
KILLS: list[tuple[int | str, float]] = (
    [(number, delay) for number in range(1, TASKS + 1) for delay in (0.0, 0.5)]
    if LONG
    else [
        ("Check the description and find out", 0.5),
        ("Build each application", 0.5),
        ("Create a release of each application", 0.3),
        ("Start each release beside the live one and probe it", 0.5),
        ("Switch each application to its release", 0.3),
        ("Retire old releases", 0.3),
    ]
)


def test_a_run_that_is_killed_at_any_point_needs_no_cleanup(site: Patient) -> None:
    site.deploy()
    killed = []
    with site.server.load(NAME) as seen:
        for task, delay in KILLS:
            before = site.state()
            site.edit()
            site.packages()
            run = site.run()
            if not run.until(task):
                continue
            time.sleep(delay)
            run.kill()
            killed.append(task)
            assert site.ask() in (before, site.state())
            site.deploy()
            assert site.ask() == site.state()
    assert len(set(killed)) == (TASKS if LONG else len(KILLS))
    assert_nobody_noticed(seen)
    site.edit()
    site.deploy()
    assert site.left_over() == CLEAN


@pytest.mark.parametrize(
    "task",
    ["Serve the sites", "Switch each application to its release", "Verify what clients get", "Retire old releases"],
)
def test_after_a_power_cut_the_release_that_was_live_answers(site: Patient, task: str) -> None:
    site.deploy()
    states = {site.current(): site.state()}
    site.edit()
    run = site.run()
    assert run.until(task)
    time.sleep(0.3)
    run.kill()
    site.server.crash()
    live = site.current()
    assert site.ask() == states.get(live, site.state())
    site.deploy()
    assert site.ask() == site.state()
    assert site.units() == {site.current()}


def test_one_of_two_simultaneous_runs_wins_completely(site: Patient, tmp_path: Path) -> None:
    site.deploy()
    with site.server.load(NAME) as seen:
        for number in range(RACES):
            runs = []
            for name in ("red", "yellow"):
                description = tmp_path / f"{name}.json"
                apps = site.run_with(env=site.env(COLOUR=f"{name}{number}"))
                description.write_text(json.dumps({"wsgi_apps": apps}))
                runs.append(site.run("-e", f"@{description}"))
            threads = [threading.Thread(target=run.finish) for run in runs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            ended = {run.process.returncode == 0: run for run in runs}
            assert set(ended) == {True, False}, runs[0].said + runs[1].said
            refused = " ".join(ended[False].said.split())
            assert "another run is changing this host: " in refused
            assert re.search(r"\w+ on \S+ \(process \d+\) has held the lock since 20\d\d-", refused)
            winner = ("red", "yellow")[runs.index(ended[True])]
            assert f" {winner}{number} " in site.ask()
            assert site.left_over() == CLEAN
    assert_nobody_noticed(seen)
    site.deploy()


def test_releases_beyond_keep_are_removed_and_the_disk_does_not_fill(site: Patient) -> None:
    used = "du --summarize --block-size=1K /srv /opt/wsgi /etc/systemd/system | cut --fields 1"
    site.app["run"]["keep"] = 2
    # A command by hand, such as a shell of the framework, that somebody has left open.
    build = site.server.shell("readlink --canonicalize /srv/patient/current/build").strip()
    site.server.shell(f"systemd-run --quiet --unit by-hand --working-directory {build}/app sleep 3600")
    ways = cycle([site.packages, site.edit])
    sizes = []
    for _ in range(KEEPS + 2):
        next(ways)()
        before = site.current()
        site.deploy()
        assert set(site.server.shell("ls /srv/patient/releases").split()) == {before, site.current()}
        sizes.append([int(size) for size in site.server.shell(used).split()])
    assert site.left_over() == {**CLEAN, "builds": {Path(build).name}}
    site.server.shell("systemctl stop by-hand")
    site.deploy()
    del site.app["run"]["keep"]
    assert site.left_over() == CLEAN
    # Two releases share their packages in every other round.
    began, ended = [max(size) for size in zip(*sizes[1:3])], [max(size) for size in zip(*sizes[-2:])]
    assert all(after <= before * 1.01 for before, after in zip(began, ended)), sizes
