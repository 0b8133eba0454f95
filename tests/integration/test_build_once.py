"""Wheels that one host gathers, and hosts that install from them without a way to any index."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import running
from tests.rig import PROJECT, prepared
from tests.rig.server import Server, ansible, write_inventory

APP_SERVERS = ("once1", "once2")


class Fleet:
    """A host that builds, and two that reach no index."""

    def __init__(self, servers: dict[str, Server], directory: Path) -> None:
        self.servers = servers
        self.directory = directory
        self.source = directory / "source"
        shutil.copytree(PROJECT / "app", self.source, ignore=shutil.ignore_patterns("__pycache__"))
        self.app: dict[str, Any] = {
            "name": "hello",
            "build": {"source": str(self.source)},
            "run": {
                "callable": "main:application",
                "listen_http": "0.0.0.0:9000",
                "listen_networks": ["0.0.0.0/0"],
                "timers": [{"name": "once", "command": "touch /srv/hello/data/once", "on_calendar": "daily"}],
            },
        }
        # What it needs is the same.
        self.other = {
            "name": "other",
            "build": self.app["build"],
            "run": {"callable": "main:application", "listen_http": "127.0.0.1:9001"},
        }

    @property
    def archives(self) -> Path:
        """Where the controller keeps wheels."""
        return Path(os.environ["XDG_CACHE_HOME"]) / "wsgi.production/wheels"

    def deploy(self, *words: str, check: bool = True) -> str:
        """Bring the application live, and return what was said."""
        hosts = {name: server.connection() for name, server in self.servers.items()}
        groups = {"app_servers": list(APP_SERVERS), "load_balancers": [], "builders": ["builder"]}
        variables = {"wsgi_apps": [self.app, self.other], "python_app_build_host": "builder"}
        inventory = write_inventory(self.directory / "inventory", hosts, groups, variables)
        done = ansible("ansible-playbook", "playbooks/site.yml", "-i", inventory, *words, check=check)
        assert check or done.returncode != 0
        return done.stdout

    def answers(self) -> list[str]:
        """Return what each server answers for each application."""
        found = []
        for port in (9000, 9001):
            address = f"http://127.0.0.1:{port}"
            command = f"python3 -c \"import urllib.request as u; print(u.urlopen('{address}').read().decode())\""
            found += [self.servers[name].shell(command).strip() for name in APP_SERVERS]
        return found


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Return a fleet on which nothing runs yet."""
    servers = {name: prepared.server(name) for name in ("builder", *APP_SERVERS)}
    with pytest.MonkeyPatch.context() as patch, running(*servers.values()):
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for name in APP_SERVERS:
            # Of what a server is prepared with, they are to have no more than the distribution's packages.
            servers[name].shell("rm -r /opt/wsgi /var/cache/wsgi")
            servers[name].isolate()
        yield Fleet(servers, tmp_path_factory.mktemp("fleet"))


def test_hosts_without_an_index_install_what_the_build_host_gathered(fleet: Fleet) -> None:
    for name in APP_SERVERS:
        reach = "import socket; socket.create_connection(('1.1.1.1', 443), timeout=3)"
        assert "unreachable" in fleet.servers[name].shell(f'python3 -c "{reach}" 2>&1', check=False)
        assert "no" in fleet.servers[name].shell("which gcc || echo no")
    fleet.deploy()
    assert fleet.answers() == ["Hello, World!"] * 4
    manifests = [
        fleet.servers[name].shell("cat /srv/hello/venvs/*/manifest.json /var/cache/wsgi/wheels/*/manifest.json")
        for name in APP_SERVERS
    ]
    for manifest in manifests:
        assert '"wheels"' in manifest and '"flask-3' in manifest and '"interpreter": "cpython-3.11-' in manifest
    assert "changed=0" in fleet.deploy("-e", "wsgi_every_step=true").split("PLAY RECAP")[1]
    assert "TASK [Verify what clients get]" not in fleet.deploy()
    assert fleet.servers["builder"].shell("ls /srv") == ""


def test_a_release_is_the_same_on_similar_hosts_and_its_timer_runs_only_on_the_first(fleet: Fleet) -> None:
    live = {fleet.servers[name].shell("basename $(readlink /srv/hello/current)").strip() for name in APP_SERVERS}
    (release,) = live
    for name in APP_SERVERS:
        fleet.servers[name].shell(f"systemctl is-active hello@{release}-once.timer")
        fleet.servers[name].shell(f"systemctl start hello@{release}-once.service")
    done = [fleet.servers[name].shell("ls /srv/hello/data/once", check=False).strip() for name in APP_SERVERS]
    assert done == ["/srv/hello/data/once", ""]


def test_a_wheel_with_one_altered_byte_stops_the_build_and_is_named(fleet: Fleet) -> None:
    before = fleet.answers()
    for name in APP_SERVERS:
        fleet.servers[name].shell("echo 'a comment' > /srv/hello/data/note")
    requirements = fleet.source / "requirements.txt"
    requirements.write_text(requirements.read_text() + "\n# another set of packages\n")
    fleet.deploy("--limit", "once1,builder")
    (archive,) = sorted(fleet.archives.glob("*.tar"), key=os.path.getmtime)[-1:]
    _alter(archive, "flask-")
    said = fleet.deploy(check=False)
    altered = "is not the one that the build host gathered"
    assert "the wheel of flask==3" in said and altered in said
    assert "once2" in said.partition(altered)[0].rpartition("fatal: [")[2]
    assert fleet.answers() == before
    # It is said what to remove, and that is all it takes.
    archive = Path(said.partition("Remove ")[2].partition(" on the controller")[0].replace("\n", ""))
    archive.unlink()
    fleet.deploy()
    assert fleet.answers() == before


def _alter(archive: Path, prefix: str) -> None:
    """Change the last byte of a file's beginning in a tar archive."""
    with tarfile.open(archive) as files:
        entries = [(entry, files.extractfile(entry)) for entry in files.getmembers()]
        contents = [(entry, content.read() if content else b"") for entry, content in entries]
    with tarfile.open(archive, "w") as files:
        for entry, content in contents:
            spoilt = content[:-1] + bytes([content[-1] ^ 1]) if entry.name.startswith(prefix) else content
            files.addfile(entry, io.BytesIO(spoilt))
