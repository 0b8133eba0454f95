"""Flaskr: the blog of Flask's tutorial, from the source archive of Flask. Static files, and plain SQLite."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from tests.integration.applications.archive import LOCKED, Archive
from tests.integration.applications.browser import Browser
from tests.integration.applications.entry import lock, shell

NAME = "flaskr"
ARCHIVE = Archive(
    "flask==3.1.3", "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb", "examples/tutorial"
)
DATABASE = "/srv/flaskr/data/flaskr.sqlite"
FACTORY = f"flaskr:create_app({{'DATABASE': '{DATABASE}', 'SECRET_KEY': 'not dev'}})"


def source(directory: Path) -> Path:
    """Fetch the application's code into `directory`."""
    return ARCHIVE.unpack(directory, lock(NAME))


def entry(code: Path) -> dict[str, Any]:
    """Return the entry of the description.

    It wants to make a directory beside its code when it starts, and would begin with an empty database each time.
    """
    return {
        "name": NAME,
        "build": {"source": str(code), "dependencies": LOCKED, "commands": ["mkdir instance"]},
        "run": {
            "callable": FACTORY,
            "migrate": [shell(f'test -e {DATABASE} || flask --app "{FACTORY}" init-db')],
            "probe": {"path": "/hello", "text": "Hello, World!"},
        },
        "serve": {
            "server_names": ["flaskr.example.com"],
            "static": [{"path": "/static/", "directory": "flaskr/static"}],
        },
    }


def scenario(ann: Browser) -> None:
    """Write to a blog, which others can read and cannot change."""
    mark = uuid.uuid4().hex[:8]
    home = ann.get("/")
    assert (home.status, "Log In" in home.text) == (200, True)
    style = ann.get(home.find(r'<link rel="stylesheet" href="([^"]*)"'))
    assert (style.status, style.headers["content-type"].split(";")[0]) == (200, "text/css")
    assert "font-family: sans-serif" in style.text
    assert ann.get("/create").url == f"{ann.base}/auth/login"

    who = {"username": f"ann-{mark}", "password": "a secret of hers"}
    assert ann.post("/auth/register", **who).url == f"{ann.base}/auth/login"
    assert "is already registered" in ann.post("/auth/register", **who).text
    assert "Incorrect password." in ann.post("/auth/login", **{**who, "password": "a guess"}).text
    assert who["username"] in ann.post("/auth/login", **who).text
    posted = ann.post("/create", title=f"Grüße <{mark}>", body="two\nlines")
    assert posted.url == f"{ann.base}/" and f"<h1>Grüße &lt;{mark}&gt;</h1>" in posted.text

    bob = ann.another()
    assert f"by ann-{mark} on " in bob.get("/").text
    number = posted.find(r'href="/(\d+)/update"')
    assert bob.post(f"/{number}/update", title="stolen", body="").url == f"{bob.base}/auth/login"
    bob.post("/auth/register", username=f"bob-{mark}", password="a secret of his")
    bob.post("/auth/login", username=f"bob-{mark}", password="a secret of his")
    assert bob.post(f"/{number}/update", title="stolen", body="").status == 403
    assert f"changed {mark}" in ann.post(f"/{number}/update", title=f"changed {mark}", body="").text
    assert f"changed {mark}" not in ann.post(f"/{number}/delete").text
    assert ann.get(f"/{number}/update").status == 404
