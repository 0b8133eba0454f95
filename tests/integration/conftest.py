"""Servers for the tests over SSH."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from tests.rig import PROJECT
from tests.rig.server import Server, ansible, start

HOST = "web1.example.com"


# What the role `nginx` owns on a host.
FILES = "find /etc/nginx /etc/systemd/system/nginx* -type f -exec sha256sum {} + | sort"


class Run:
    """A playbook that runs, watched task by task.

    :ivar tasks: the names of the tasks that have begun.
    """

    def __init__(self, command: list[str | Path]) -> None:
        self.process = start(*command)
        self.tasks: list[str] = []
        self.said = ""

    def until(self, task: str | int | None) -> bool:
        """Let it run until it begins a task, given by the beginning of its name or by its number from 1.

        Tells whether it did before it ended.
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
        """Kill it as if the power went off: the main process and all that work for it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Site:
    """A server, an application's source that a test may edit, and the playbook that joins them."""

    def __init__(self, server: Server, source: Path) -> None:
        self.server = server
        self.source = source
        self.app: dict[str, Any] = {
            "name": "hello",
            "build": {"source": str(source)},
            "run": {"callable": "main:application"},
            "serve": {"server_names": ["hello.example.com"]},
        }

    def deploy(
        self, *words: str, apps: Any = None, check: bool = True, playbook: str = "site"
    ) -> CompletedProcess[str]:
        """Run `site.yml` from the checkout as an operator does, on top of the example inventory."""
        return ansible(*self.command(*words, apps=apps, playbook=playbook), check=check)

    def run(self, *words: str, apps: Any = None) -> Run:
        """Start `site.yml`, to be watched."""
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
        return self.server.shell("basename $(readlink /srv/hello/current)").strip()


class Edge(Site):
    """A server with an application, and NGINX before it that a test describes anew with the role alone."""

    def __init__(self, server: Server, source: Path) -> None:
        super().__init__(server, source)
        shutil.copytree(PROJECT / "tests/integration/patient", source)
        (source / "requirements.txt").write_text("flask==3.1.2\niniconfig==2.1.0\n")
        self.app = {
            "name": "patient",
            "build": {"source": str(source)},
            "run": {"callable": "main:application", "env": {"IMPORT_SECONDS": "0"}, "harakiri": 20},
            "serve": {"server_names": ["patient.example.com"]},
        }
        self.site = {
            "name": "patient",
            "server_names": ["patient.example.com"],
            "servers": ["unix:/srv/patient/current/socket"],
            "read_timeout": 25,
        }

    def serve(self, *, check: bool = True, more: tuple[dict[str, Any], ...] = (), **site: Any) -> CompletedProcess[str]:
        """Run the role alone, with the site, other settings of it, and `more` sites."""
        return self.play({"nginx_sites": [{**self.site, **site}, *more]}, check=check)

    def play(self, variables: dict[str, Any], check: bool = True) -> CompletedProcess[str]:
        """Run the role alone with `variables`."""
        inventory = self.server.write_inventory(HOST, variables)
        return ansible("ansible-playbook", "tests/integration/edge.yml", "-i", inventory, check=check)

    def state(self) -> str:
        """Return what the role owns on the server."""
        return self.server.shell(FILES)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a server on which nothing ever runs."""
    yield from _site("wsgi-test-bare", "debian12", tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="session", params=["debian12", "debian13"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a server with the example application live on it."""
    for one in _site(f"wsgi-test-{request.param}", request.param, tmp_path_factory.mktemp("site")):
        one.deploy()
        yield one


@pytest.fixture(scope="session", params=["debian12", "debian13"])
def edge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """Return a server with an application live behind NGINX."""
    server = Server(f"wsgi-test-edge-{request.param}", request.param)
    server.down()
    try:
        server.up()
        one = Edge(server, tmp_path_factory.mktemp("edge") / "source")
        one.deploy()
        yield one
    finally:
        server.down()


@pytest.fixture
def entry() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a complete entry, with what the test wants otherwise."""

    def make(**sections: Any) -> dict[str, Any]:
        example = yaml.safe_load((PROJECT / "inventory/prod/group_vars/all/apps.yml").read_text(encoding="utf-8"))
        app: dict[str, Any] = example["wsgi_apps"][0]
        for section, values in sections.items():
            app[section] = {**app[section], **values} if isinstance(values, dict) else values
        return app

    return make


def _site(name: str, distribution: str, directory: Path) -> Iterator[Site]:
    server = Server(name, distribution)
    source = directory / "source"
    shutil.copytree(PROJECT / "app", source, ignore=shutil.ignore_patterns("__pycache__"))
    server.down()
    try:
        server.up()
        yield Site(server, source)
    finally:
        server.down()
