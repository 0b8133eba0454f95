"""I hate money: shared budgets. Flask, with static files, translations, and SQLite under Alembic."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

from tests.integration.applications.archive import LOCKED, Archive
from tests.integration.applications.browser import Browser
from tests.integration.applications.entry import lock, shell

NAME = "ihatemoney"
ARCHIVE = Archive("ihatemoney==7.2.1", "e74fc718f68e1ec400cf9c4364025a91febb86c9b523aeb33a52e5adbeaa77e1")

# Its settings are a Python module. Without them it keeps its database in /tmp, and its cookies want HTTPS.
SETTINGS = " && ".join(
    f"echo '{line}' >> production.py"
    for line in (
        "import os",
        'SECRET_KEY = os.environ["SECRET_KEY"]',
        'SQLALCHEMY_DATABASE_URI = "sqlite:////srv/ihatemoney/data/ihatemoney.sqlite"',
        "SESSION_COOKIE_SECURE = False",
        "MAIL_SUPPRESS_SEND = True",
    )
)


def source(directory: Path) -> Path:
    """Fetch the application's code into `directory`."""
    return ARCHIVE.unpack(directory, lock(NAME))


def entry(code: Path) -> dict[str, Any]:
    """Return the entry of the description. It brings its database up to date when it is imported."""
    return {
        "name": NAME,
        "build": {"source": str(code), "dependencies": LOCKED, "commands": [shell(SETTINGS)]},
        "run": {
            "callable": "ihatemoney.run:create_app('production')",
            "secrets": {"SECRET_KEY": "not the one of the example"},
            "probe": {"path": "/healthcheck", "text": "OK"},
        },
        "serve": {
            "server_names": ["ihatemoney.example.com"],
            "static": [{"path": "/static/", "directory": "ihatemoney/static"}],
        },
    }


def scenario(ann: Browser) -> None:
    """Share the cost of a dinner, in a project that only those see who know its code."""
    project, code = f"dinner-{uuid.uuid4().hex[:8]}", "a code of ours"
    home = ann.get("/")
    assert home.status == 200
    style = ann.get(home.find(r'<link rel=stylesheet type=text/css href="([^"]*)"'))
    assert (style.status, style.headers["content-type"].split(";")[0]) == (200, "text/css")
    assert '@import "bootstrap.min.css";' in style.text
    assert "Créer un nouveau projet" in ann.another().get("/create", Accept_Language="fr").text

    form = {"name": project, "password": code, "contact_email": "ann@example.com", "default_currency": "XXX"}
    refused = ann.another().post("/create", csrf_token="made up", **form)
    assert "a new project" in refused.text and ann.another().get(f"/{project}/").url.endswith(f"project_id={project}")
    created = ann.post("/create", csrf_token=ann.get("/create").field("csrf_token"), **form)
    assert (created.status, created.url) == (200, f"{ann.base}/{project}/")

    for name in ("Ann", "Zoë"):
        token = ann.get(f"/{project}/").field("csrf_token")
        assert name in ann.post(f"/{project}/members/add", csrf_token=token, name=name).text
    people = {person["name"]: str(person["id"]) for person in members(ann, project, code)}
    page = ann.get(f"/{project}/add")
    bill = {"date": "2026-01-31", "what": "Döner & <tea>", "payer": people["Ann"], "amount": "10+12.5"}
    more = {"original_currency": "XXX", "bill_type": "Expense", "csrf_token": page.field("csrf_token")}
    listed = ann.post(f"/{project}/add", **bill, **more, payed_for=list(people.values()))
    assert "Döner &amp; &lt;tea&gt;" in listed.text and "22.50" in listed.text

    bob = ann.another()
    asked = bob.get(f"/{project}/")
    assert asked.url == f"{bob.base}/authenticate?project_id={project}"
    entered = bob.post("/authenticate", csrf_token=asked.field("csrf_token"), id=project, password=code)
    assert entered.url == f"{bob.base}/{project}/" and "Döner" in entered.text
    assert "11.25" in bob.get(f"/{project}/settle_bills").text
    exported = json.loads(bob.get(f"/{project}/export/bills.json").body)
    assert [(one["what"], one["amount"], one["owers"]) for one in exported] == [
        ("Döner & <tea>", 22.5, ["Ann", "Zoë"]),
    ]
    assert bob.get(f"/api/projects/{project}/members", Authorization=basic(project, "a guess")).status == 401


def members(browser: Browser, project: str, code: str) -> list[dict[str, Any]]:
    """Return who takes part, as the API tells."""
    answer = browser.get(f"/api/projects/{project}/members", Authorization=basic(project, code))
    assert answer.status == 200
    listed: list[dict[str, Any]] = json.loads(answer.body)
    return listed


def basic(user: str, password: str) -> str:
    """Return the header for HTTP's own authentication."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
