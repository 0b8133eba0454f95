"""What applications need of their host: files, paths, groups, system calls, and files that only they may send.

Forty seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Site
from tests.rig.server import Server
from tests.unit.fakes import certify

pytestmark = pytest.mark.on("debian12")

CODE = """\
import json
import os
from pathlib import Path


def tried(what, *arguments):
    try:
        return what(*arguments)
    except OSError as failure:
        return type(failure).__name__


def application(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]
    if environ["PATH_INFO"].startswith("/file/"):
        known = environ["PATH_INFO"] == "/file/secret"
        headers = [("X-Accel-Redirect", "/private/" + environ["QUERY_STRING"])] if known else []
        start_response("200 OK" if headers else "403 Forbidden", headers)
        return []
    start_response("200 OK", [("Content-Type", "application/json")])
    settings = {name: os.environ.get(name) for name in ("WSGI_RELEASE", "WSGI_COMMIT")}
    return [json.dumps({
        **settings,
        "host": environ["HTTP_HOST"],
        "config": Path(os.environ["CONFIG"]).read_text() if "CONFIG" in os.environ else None,
        "key": Path(os.environ["KEY"]).read_text() if "KEY" in os.environ else None,
        "shared": tried(Path("/mnt/shared/written").write_text, "yes"),
        "group": tried(Path("/etc/needed").read_text),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "priority": tried(os.setpriority, os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0)),
        "processors": sorted(os.sched_getaffinity(0)),
    }).encode()]
"""


class Needs(Site):
    """A server with an application that tells what it can do."""

    def __init__(self, server: Server, source: Path) -> None:
        super().__init__(server, source, "needs")
        source.mkdir()
        (source / "main.py").write_text(CODE)
        (source / "requirements.txt").write_text("")
        self.app["run"]["processes"] = 1
        server.shell("groupadd needed; echo fine > /etc/needed; chgrp needed /etc/needed; chmod 640 /etc/needed")

    def bring(self, serve: dict[str, Any] | None = None, **run: Any) -> dict[str, Any]:
        """Bring it live with other settings, and return what it says of itself."""
        app = {**self.app, "run": {**self.app["run"], **run}, "serve": {**self.app["serve"], **(serve or {})}}
        self.deploy(apps=[app])
        said: dict[str, Any] = json.loads(self.get("needs.example.com"))
        return said


@pytest.fixture(scope="module")
def needs(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Needs:
    return Needs(server, tmp_path_factory.mktemp("needs") / "source")


def test_an_application_gets_what_it_is_given_and_nothing_before(needs: Needs) -> None:
    without = needs.bring()
    assert without["WSGI_RELEASE"] == needs.live() and without["WSGI_COMMIT"] is None
    refused = {key: without[key] for key in ("shared", "group", "priority")}
    assert refused == {"shared": "FileNotFoundError", "group": "PermissionError", "priority": "PermissionError"}
    needs.server.shell("mkdir /mnt/shared && chown needs /mnt/shared")
    # What the application sees, the commands of its build see, too.
    needs.app["build"]["commands"] = ["sh -c 'echo $AGAIN > again'"]
    assert needs.bring(env={"AGAIN": "1"})["shared"] == "OSError", "the file system is read-only"
    assert needs.server.shell("cat /srv/needs/current/build/app/again") == "1\n"
    hardening = {"writable_paths": ["/mnt/shared"], "groups": ["needed"], "system_calls": ["@resources"]}
    with needs.server.load("needs.example.com", rate=50) as load:
        said = needs.bring(
            hardening=hardening,
            nice=7,
            cpu_affinity="0",
            files={"app.cfg": "colour = blue\n"},
            secret_files={"key.pem": "hunter2"},
            paths={"CONFIG": "app.cfg", "KEY": "key.pem"},
        )
    assert load.failures == [] and load.requests > 100
    assert said.pop("WSGI_RELEASE") == needs.live()
    assert said == {
        "WSGI_COMMIT": None,
        "host": "needs.example.com",
        "config": "colour = blue\n",
        "key": "hunter2",
        "shared": 3,
        "group": "fine\n",
        "nice": 7,
        "priority": None,
        "processors": [0],
    }
    needs.server.shell("useradd --system --no-create-home stranger")
    other = "su --shell /bin/sh stranger --command 'cat /srv/needs/current/files/app.cfg' 2>&1"
    assert "Permission denied" in needs.server.shell(other, check=False)


def test_a_private_file_is_sent_only_if_the_application_says_so(needs: Needs) -> None:
    needs.bring(serve={"uploads": [{"path": "/private/", "directory": "private", "private": True}]})
    script = "umask 027; echo contents > /srv/needs/data/private/a.txt"
    needs.server.shell(f"su --shell /bin/sh needs --command '{script}'")
    curl = "curl -s -o /dev/null -w '%{http_code}' -H 'Host: needs.example.com' http://127.0.0.1"
    assert needs.server.shell(f"{curl}/private/a.txt") == "404"
    assert needs.server.shell(f"{curl}/file/guessed?a.txt") == "403"
    assert needs.server.get("needs.example.com", "/file/secret?a.txt") == "contents\n"
    needs.server.shell("echo hidden > /srv/needs/data/hidden; chmod 644 /srv/needs/data/hidden")
    assert needs.server.shell(f"{curl}'/file/secret?../hidden'") in ("403", "404", "500")


def test_a_wildcard_answers_for_all_names_below_it(needs: Needs) -> None:
    pem = certify("needs.example.com", "*.needs.example.com")
    names = ["needs.example.com", "*.needs.example.com"]
    needs.app["serve"]["server_names"] = names
    needs.deploy(apps=[{**needs.app, "serve": {"server_names": names, "tls": {"source": "own", **pem._asdict()}}}])
    for name in ("needs.example.com", "a.needs.example.com"):
        assert json.loads(needs.server.https(name).body)["host"] == name
    needs.assert_nothing_to_do(
        apps=[{**needs.app, "serve": {"server_names": names, "tls": {"source": "own", **pem._asdict()}}}]
    )
