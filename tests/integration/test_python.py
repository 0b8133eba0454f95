"""Applications on a Python that the distribution does not have, from a mirror that the test makes.

A minute and a half.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Site
from tests.rig.server import Server

# Its own interpreter is of another version than that of the tests.
pytestmark = pytest.mark.on("debian13")

MINOR = "{}.{}".format(*sys.version_info[:2])
VERSION = "{}.{}.{}".format(*sys.version_info[:3])
PORT = 8765
MANAGED = f"{VERSION} managed"
TABLE = f"http://127.0.0.1:{PORT}/table.json"
LEFT_OUT = {"test", "__pycache__", "site-packages", "dist-packages", "idlelib", "ensurepip"}
CODE = """\
import platform
import ssl
import sys

KIND = "managed" if sys.base_prefix.startswith("/opt/wsgi/pythons/") else "own"


def application(environ, start_response):
    start_response("200 OK", [])
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return [sent or f"{platform.python_version()} {KIND}".encode()]
"""


def pack(archive: Path) -> str:
    """Write the interpreter that runs this test in the form in which uv expects one, and return its digest."""
    base = Path(sys.base_prefix)
    places = [base / f"bin/python{MINOR}", *base.glob(f"lib/libpython{MINOR}.so*"), base / f"lib/python{MINOR}"]

    def chosen(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if Path(member.name).name in LEFT_OUT or member.name.endswith(".a") else member

    program = archive.with_name("program")
    # It finds its library in its own place, not where it was installed here.
    was, becomes = f"{base}/lib".encode(), b"$ORIGIN/../lib"
    program.write_bytes(places[0].read_bytes().replace(was + b"\0", becomes.ljust(len(was), b"\0") + b"\0"))
    program.chmod(0o755)
    with tarfile.open(archive, "w:gz", compresslevel=1) as files:
        for place in places:
            source = program if place == places[0] else place
            files.add(source, f"python/{place.relative_to(base)}", filter=chosen)
    return hashlib.sha256(archive.read_bytes()).hexdigest()


class Host(Site):
    """A server with a mirror of its own that has one Python."""

    def __init__(self, server: Server, directory: Path) -> None:
        super().__init__(server, directory / "source", "old")
        self.source.mkdir()
        (self.source / "main.py").write_text(CODE)
        (self.source / "requirements.txt").write_text("flask\n")
        archive = directory / "python.tar.gz"
        entry = {
            **{"name": "cpython", "arch": {"family": "x86_64", "variant": None}, "os": "linux", "libc": "gnu"},
            **{"prerelease": "", "variant": None, "build": "1", "sha256": pack(archive)},
            **dict(zip(("major", "minor", "patch"), sys.version_info)),
            "url": f"http://127.0.0.1:{PORT}/python.tar.gz",
        }
        (directory / "table.json").write_text(json.dumps({f"cpython-{VERSION}-linux-x86_64-gnu": entry}))
        server.shell("mkdir /mirror")
        for path in (archive, directory / "table.json"):
            subprocess.run(["docker", "cp", "-q", path, f"{server.name}:/mirror/"], check=True)
        self.app["run"]["processes"] = 1
        self.open()

    def open(self) -> None:
        """Let the mirror answer."""
        serve = f"python3 -m http.server --bind 127.0.0.1 --directory /mirror {PORT}"
        self.server.shell(f"systemd-run --quiet --unit mirror {serve}")
        self.server.shell(f"until curl -s {TABLE} >/dev/null; do sleep 0.1; done")

    def bring(self, python: str, *others: Any, check: bool = True) -> Any:
        """Deploy with an interpreter."""
        self.app["build"]["python"] = python
        return self.deploy("-e", f"python_app_python_mirror={TABLE}", apps=[self.app, *others], check=check)

    def pythons(self) -> list[str]:
        """Return what is installed."""
        return self.server.shell("ls /opt/wsgi/pythons 2>/dev/null", check=False).split()


@pytest.fixture(scope="module")
def host(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Host:
    one = Host(server, tmp_path_factory.mktemp("python"))
    one.bring("python3")
    return one


def test_another_python_is_installed_once_and_fails_no_request(host: Host) -> None:
    own = host.get("old.example.com")
    assert own.endswith(" own") and host.pythons() == []
    second = {**host.app, "name": "second", "serve": {"server_names": ["second.example.com"]}}
    second["build"] = {**host.app["build"], "python": VERSION.rpartition(".")[0]}
    with host.server.load("old.example.com", rate=100) as load:
        host.bring(MINOR)
    assert load.failures == [] and load.requests > 200
    assert set(load.bodies) == {own, MANAGED}
    host.bring(MINOR, second)
    assert host.get("second.example.com") == MANAGED
    (name,) = host.pythons()
    assert name.startswith(f"{MINOR}-")
    # It is root's alone, and has no file that others can write.
    loose = rf"find /opt/wsgi/pythons/{name} ! -type l \( -perm /022 -o ! -user root \)"
    assert host.server.shell(loose) == ""
    # Nothing is fetched again, so the mirror may be away.
    host.server.shell("systemctl stop mirror")
    host.assert_nothing_to_do(apps=[host.app, second])
    host.deploy("-e", "wsgi_app=old", apps=[host.app, second], playbook="rollback")
    assert host.get("old.example.com") == own and host.get("second.example.com") == MANAGED
    host.open()


def test_what_the_mirror_does_not_have_fails_before_anything_changes(host: Host) -> None:
    live, before = host.live(), host.pythons()
    failed = host.bring("3.99", check=False)
    assert failed.returncode != 0 and "could not install Python 3.99" in failed.stdout, failed.stdout
    assert host.live() == live and host.pythons() == before
    # An archive that is not the one in the table.
    host.server.shell("cp /mirror/python.tar.gz /kept; echo more >> /mirror/python.tar.gz; rm -r /opt/wsgi/pythons")
    failed = host.bring(MINOR, check=False)
    assert failed.returncode != 0 and "could not install Python" in failed.stdout, failed.stdout
    assert host.live() == live and host.pythons() == []
    host.server.shell("mv /kept /mirror/python.tar.gz")


def test_a_python_goes_with_the_last_build_that_needs_it(host: Host) -> None:
    host.bring(MINOR, {"name": "second", "state": "absent"})
    assert host.get("old.example.com") == MANAGED and len(host.pythons()) == 1
    host.app["run"]["keep"] = 2
    for number in range(3):
        host.app["run"]["env"] = {"NUMBER": number}
        host.bring("python3")
    assert host.pythons() == []
    assert host.get("old.example.com").endswith(" own")
