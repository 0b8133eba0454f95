"""Mercurial's hgweb: repositories over HTTP. A C extension, and a protocol of its own in headers and bodies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from tests.integration.applications.browser import Browser
from tests.integration.applications.entry import lock, shell

NAME = "hgweb"
DATA = "/srv/hgweb/data"

SETTINGS = "; ".join(
    f"echo '{line}'"
    for line in (
        "[paths]",
        f"/code = {DATA}/repositories/*",
        "[web]",
        "allow-archive = zip gz",
        "allow-push = *",
        "encoding = UTF-8",
        "push_ssl = false",
    )
)
REPOSITORY = f"test -e {DATA}/repositories/shared || hg init {DATA}/repositories/shared"


def entry() -> dict[str, Any]:
    """Return the entry of the description."""
    return {
        "name": NAME,
        "build": {"source": "mercurial==7.2.4", "dependencies": str(lock(NAME))},
        "run": {
            "callable": f"mercurial.hgweb:hgweb(b'{DATA}/hgweb.conf')",
            # Without its C extension it does not start.
            "env": {"HGENCODING": "UTF-8", "HGMODULEPOLICY": "c", "HGRCPATH": ""},
            "migrate": [
                shell(f"{{ {SETTINGS}; }} > {DATA}/hgweb.conf"),
                f"mkdir -p {DATA}/repositories",
                shell(REPOSITORY),
            ],
            "probe": {"path": "/", "text": "Mercurial repositories index"},
        },
        "serve": {"server_names": ["hgweb.example.com"], "max_body_size": "10m"},
    }


class Client:
    """The command `hg` of somebody who works with the repositories of a site.

    :param directory: an empty one, to install into and to work in.
    """

    def __init__(self, directory: Path, visitor: Browser) -> None:
        self.directory = directory
        packages = directory / "packages"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        words = ["--require-hashes", "--only-binary", ":all:", "--target", str(packages), "-r", str(lock(NAME))]
        subprocess.run([*pip, *words], check=True)
        direct = directory / "direct.py"
        direct.write_text(DIRECT.format(server=(visitor.address, visitor.port)))
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "HGRCPATH": "",
            "HGENCODING": "UTF-8",
            "HGUSER": "Zoë <zoe@example.com>",
            "PYTHONPATH": str(packages),
        }
        self.command = [sys.executable, str(packages / "bin/hg"), "--config", f"extensions.direct={direct}"]

    def run(self, *words: str, cwd: str = ".", check: bool = True) -> str:
        """Run `hg` in a directory below that of the client, and return what it said."""
        done = subprocess.run(
            [*self.command, *words],
            cwd=self.directory / cwd,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout


# An extension that connects to one server, whatever the URL says.
DIRECT = """\
import socket

connect = socket.create_connection
socket.create_connection = lambda address, *arguments, **named: connect({server!r}, *arguments, **named)
"""


def scenario(visitor: Browser, directory: Path) -> None:
    """Clone a repository, push to it, and see in the browser and in another clone what was pushed."""
    mark = uuid.uuid4().hex[:8]
    url = f"{visitor.base}/code/shared"
    hg = Client(directory, visitor)
    assert "shared" in visitor.get("/").text

    hg.run("clone", url, "mine")
    mine = directory / "mine"
    name, text = f"grüße-{mark}.txt", f"{mark}\n" * 1000
    (mine / name).write_text(text)
    large = os.urandom(2_000_000)
    (mine / f"{mark}.bin").write_bytes(large)
    hg.run("commit", "--addremove", "--message", f"Größer <{mark}>", cwd="mine")
    (mine / name).write_text(f"{text}more\n")
    hg.run("commit", "--message", f"more of {mark}", cwd="mine")
    assert "added 2 changesets with 3 changes to 2 files" in hg.run("push", cwd="mine")
    assert "no changes found" in hg.run("push", cwd="mine", check=False)
    tip = hg.run("log", "--rev", ".", "--template", "{node}", cwd="mine")

    hg.run("clone", url, "other")
    assert (directory / "other" / f"{mark}.bin").read_bytes() == large
    assert (directory / "other" / name).read_text() == f"{text}more\n"
    assert "checked " in hg.run("verify", cwd="other")

    log = json.loads(visitor.get(f"/code/shared/json-log?rev={tip}").body)
    assert log["entries"][0]["node"] == tip
    assert log["entries"][0]["user"] == "Zoë <zoe@example.com>"
    assert visitor.get(f"/code/shared/raw-file/tip/{mark}.bin").body == large
    page = visitor.get(f"/code/shared/rev/{tip}")
    assert page.status == 200 and f"more of {mark}" in page.text
    assert f"Größer &lt;{mark}&gt;" in visitor.get(f"/code/shared/log?rev={mark}").text
    archive = visitor.get("/code/shared/archive/tip.zip")
    assert (archive.status, archive.body[:2]) == (200, b"PK")
    assert visitor.get(f"/code/shared/rev/{'e' * 40}").status == 404
    assert visitor.get("/code/secret/").status == 404
