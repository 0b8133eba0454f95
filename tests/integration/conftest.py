"""Servers for the tests over SSH."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from tests.rig import EVERYWHERE, PROJECT, QUIET, image, named, prepared
from tests.rig.server import Server, ansible, start

HOST = "web1.example.com"

# Tests of what differs between distributions run on all of them, whatever the mark of their module.
everywhere = pytest.mark.on(*image.SUITES)

# The files that the role `nginx` owns on a host.
FILES = "find /etc/nginx /etc/systemd/system/nginx* -type f -exec sha256sum {} + | sort"


# The number of tasks in a run of `site.yml`, and in a run that changes nothing: this one ends after its survey.
TASKS, CHANGELESS_TASKS = 18, 4


def assert_nothing_to_do(deploy: Callable[..., str]) -> None:
    """Check that a run ends after its survey, and that a run of every step does not find anything to do either.

    :param deploy: runs `site.yml` with additional arguments, and returns its output.
    """
    said = deploy()
    assert " changed=0 " in said and said.count("\nTASK [") <= CHANGELESS_TASKS, said
    said = deploy("-e", "wsgi_every_step=true")
    assert " changed=0 " in said and "TASK [Verify what clients get]" in said, said


def but_idle(failures: list[str]) -> list[str]:
    """Return `failures` without idle connections that were closed, as NGINX may do when it is reloaded."""
    closed = ("RemoteDisconnected", "BrokenPipe", "Broken pipe", "ConnectionReset", "Connection reset")
    return [line for line in failures if "keep-alive" not in line or not any(word in line for word in closed)]


class Run:
    """A running playbook, watched task by task.

    :ivar tasks: the names of the tasks that have started.
    """

    def __init__(self, command: list[str | Path]) -> None:
        self.process = start(*command)
        self.tasks: list[str] = []
        self.said = ""

    def until(self, task: str | int | None) -> bool:
        """Let it run until it starts a task, given by the start of its name or by its number from 1.

        Return whether it started the task before it ended.
        """
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            match = re.match(r"TASK \[(?:wsgi\.production\.\w+ : )?(.*?)\]", line)
            if match:
                self.tasks.append(match.group(1))
                if task == len(self.tasks) or (isinstance(task, str) and self.tasks[-1].startswith(task)):
                    return True
        self.process.wait()
        return False

    def finish(self) -> int:
        """Let it run to its end, and return its exit status."""
        self.until(None)
        return self.process.returncode

    def kill(self) -> None:
        """Kill it like a power failure: the main process and all its workers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Site:
    """A server, an application's source that a test may edit, and the playbook that deploys it.

    :param name: the name of the application.
    """

    def __init__(self, server: Server, source: Path, name: str = "hello") -> None:
        self.server = server
        self.source = source
        self.app: dict[str, Any] = {
            "name": name,
            "build": {"source": str(source)},
            "run": {"callable": "main:application"},
            "serve": {"server_names": [f"{name}.example.com"]},
        }

    def deploy(
        self, *words: str, apps: Any = None, check: bool = True, playbook: str = "site"
    ) -> CompletedProcess[str]:
        """Run `site.yml` from the checkout as an operator does, on top of the example inventory."""
        return ansible(*self.command(*words, apps=apps, playbook=playbook), check=check)

    def assert_nothing_to_do(self, apps: Any = None) -> None:
        """Check that neither a survey nor any step finds anything to do."""
        assert_nothing_to_do(lambda *words: self.deploy(*words, apps=apps).stdout)

    def run(self, *words: str, apps: Any = None) -> Run:
        """Start `site.yml`, so that a test can watch it."""
        return Run(self.command(*words, apps=apps))

    def command(self, *words: str, apps: Any = None, playbook: str = "site") -> list[str | Path]:
        """Return the command that runs a playbook."""
        inventory = self.inventory([self.app] if apps is None else apps)
        return [
            *("ansible-playbook", f"playbooks/{playbook}.yml", "-i", "inventory/prod", "-i", inventory),
            *words,
        ]

    def inventory(self, apps: Any) -> Path:
        """Write the inventory that describes `apps`."""
        return self.server.write_inventory(HOST, {"wsgi_apps": apps})

    def get(self, host: str = "hello.example.com") -> str:
        """Return what a visitor of `host` sees."""
        return self.server.get(host)

    def live(self) -> str:
        """Return the live release."""
        return self.server.shell(f"basename $(readlink /srv/{self.app['name']}/current)").strip()


class NginxSite(Site):
    """A server with an application behind NGINX, which a test configures again by running only the role."""

    def __init__(self, server: Server, source: Path) -> None:
        super().__init__(server, source, "patient")
        shutil.copytree(PROJECT / "tests/integration/patient", source)
        (source / "requirements.txt").write_text("flask==3.1.2\niniconfig==2.1.0\n")
        self.app["run"].update(env={"IMPORT_SECONDS": "0"}, harakiri=20)
        self.site = {
            "name": "patient",
            "server_names": ["patient.example.com"],
            "servers": ["unix:/srv/patient/current/socket"],
            "read_timeout": 25,
        }

    def serve(self, *, check: bool = True, more: tuple[dict[str, Any], ...] = (), **site: Any) -> CompletedProcess[str]:
        """Run only the role, with the site, other settings for it, and `more` sites."""
        return self.play({"nginx_sites": [{**self.site, **site}, *more]}, check=check)

    def play(self, variables: dict[str, Any], check: bool = True) -> CompletedProcess[str]:
        """Run only the role, with `variables`."""
        inventory = self.server.write_inventory(HOST, variables)
        return ansible("ansible-playbook", "tests/integration/nginx.yml", "-i", inventory, check=check)

    def state(self) -> str:
        """Return the digests of the files that the role owns on the server."""
        return self.server.shell(FILES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on the distributions of its mark `on`, or of its module's, or on all: see `tests/rig`."""
    if "distribution" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("on")
        chosen = mark.args if mark and not EVERYWHERE else tuple(image.SUITES)
        metafunc.parametrize("distribution", chosen, indirect=True, scope="module")


@pytest.fixture(scope="module")
def distribution(request: pytest.FixtureRequest) -> str:
    """Return the distribution that a test runs on."""
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, distribution: str) -> Iterator[Server]:
    """Return a prepared server for the module alone, on which nothing is live yet.

    The quiet tests of a module may run at the same time as the others, so they have another server.
    """
    module = request.module.__name__.rpartition("test_")[2]
    part = "-quiet" if request.config.option.markexpr == QUIET else ""
    with running(prepared.server(f"{module}-{distribution}{part}", distribution)) as one:
        yield one


@contextmanager
def running(*servers: Server) -> Iterator[Server]:
    """Run new servers while the body runs, and yield the first."""
    try:
        for one in servers:
            one.down()
            one.up()
        yield servers[0]
    finally:
        for one in servers:
            one.down()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a bare server, which no run ever changes."""
    with running(Server(named("test-bare"))) as one:
        yield Site(one, example(tmp_path_factory))


@pytest.fixture(scope="module")
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a server with the example application live on it."""
    one = Site(server, example(tmp_path_factory))
    one.deploy()
    return one


@pytest.fixture(scope="module")
def nginx(server: Server, tmp_path_factory: pytest.TempPathFactory) -> NginxSite:
    """Return a server with an application live behind NGINX."""
    one = NginxSite(server, tmp_path_factory.mktemp("nginx") / "source")
    one.deploy()
    return one


def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example application."""
    source = tmp_path_factory.mktemp("site") / "source"
    shutil.copytree(PROJECT / "app", source, ignore=shutil.ignore_patterns("__pycache__"))
    return source


@pytest.fixture
def entry() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a complete entry, with the changes that a test needs."""

    def make(**sections: Any) -> dict[str, Any]:
        example = yaml.safe_load((PROJECT / "inventory/prod/group_vars/all/apps.yml").read_text(encoding="utf-8"))
        app: dict[str, Any] = example["wsgi_apps"][0]
        for section, values in sections.items():
            app[section] = {**app[section], **values} if isinstance(values, dict) else values
        return app

    return make
