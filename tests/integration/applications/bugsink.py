"""Bugsink: collects the errors of other programs. Django, with migrations, collected static files, and its admin."""

from __future__ import annotations

import gzip
import json
import re
import time
import urllib.parse
import uuid
from pathlib import Path
from typing import Any

from tests.integration.applications.archive import LOCKED, Archive
from tests.integration.applications.browser import Browser, Page
from tests.integration.applications.entry import lock, shell

NAME = "bugsink"
ARCHIVE = Archive("bugsink==2.6.2", "72bb40d7ce6e3c70ccd1e6ac07e9ecfa9521bd1719cdb768799c3b287fc9333e")
USER, PASSWORD = "ann@example.com", "correct horse: battery, staple"

# It is configured by a module of this name, for which it brings templates. That for containers asks the environment.
SETTINGS = " && ".join(
    [
        "cp bugsink/conf_templates/docker.py.template bugsink_conf.py",
        *(
            f"echo '{line}' >> bugsink_conf.py"
            for line in (
                'SNAPPEA["TASK_ALWAYS_EAGER"] = True',
                'DATABASES["snappea"]["NAME"] = os.getenv("SNAPPEA_DATABASE_PATH", "snappea.sqlite3")',
                'STATIC_ROOT = BASE_DIR / "collected"',
                'FILES = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"',
                'STORAGES = {"staticfiles": {"BACKEND": FILES}}',
            )
        ),
    ]
)


def source(directory: Path) -> Path:
    """Fetch the application's code into `directory`."""
    return ARCHIVE.unpack(directory, lock(NAME))


def entry(code: Path) -> dict[str, Any]:
    """Return the entry of the description."""
    return {
        "name": NAME,
        "build": {
            "source": str(code),
            "dependencies": LOCKED,
            "commands": [shell(SETTINGS), "python manage.py collectstatic --noinput"],
            "env": {"DJANGO_SETTINGS_MODULE": "bugsink_conf", "SECRET_KEY": "of the build"},
        },
        "run": {
            "callable": "bugsink.wsgi:application",
            "env": {
                "ALLOWED_HOSTS": "bugsink.example.com",
                "BASE_URL": "http://bugsink.example.com",
                "BEHIND_PLAIN_HTTP_PROXY": "true",
                "DATABASE_PATH": "/srv/bugsink/data/db.sqlite3",
                "DJANGO_SETTINGS_MODULE": "bugsink_conf",
                "PHONEHOME": "false",
                "SNAPPEA_DATABASE_PATH": "/srv/bugsink/data/snappea.sqlite3",
                "USE_ADMIN": "true",
            },
            "secrets": {"CREATE_SUPERUSER": f"{USER}:{PASSWORD}", "SECRET_KEY": "0f8e4b2a6c" * 5 + "$ome #more"},
            "migrate": [
                "python manage.py check --deploy --fail-level WARNING",
                "python manage.py migrate snappea --database=snappea --noinput",
                "python manage.py migrate --noinput",
                "python manage.py prestart",
            ],
            "probe": {"path": "/health/ready", "text": "OK"},
        },
        "serve": {
            "server_names": ["bugsink.example.com"],
            "static": [{"path": "/static/", "directory": "collected"}],
            "max_body_size": "20m",
        },
    }


def scenario(ann: Browser) -> None:
    """Log in at the admin, set up a project, and find there the error that a program has reported."""
    mark = uuid.uuid4().hex[:8]
    form = ann.get("/admin/")
    assert form.url == f"{ann.base}/admin/login/?next=/admin/"
    style = ann.get(form.find(r'<link rel="stylesheet" href="(/static/admin/css/base\.[0-9a-f]{12}\.css)"'))
    assert (style.status, style.headers["content-type"].split(";")[0]) == (200, "text/css")

    login = {"username": USER, "password": PASSWORD, "next": "/admin/"}
    forged = ann.post("/admin/login/", csrfmiddlewaretoken="made up", **login)
    assert (forged.status, "403 Forbidden" in forged.text) == (403, True)
    token = form.field("csrfmiddlewaretoken")
    wrong = ann.post("/admin/login/", csrfmiddlewaretoken=token, **{**login, "password": "a guess"})
    assert (wrong.status, "Please enter the correct username" in wrong.text) == (200, True)
    foreign = ann.ask(
        "POST",
        "/admin/login/",
        urllib.parse.urlencode({**login, "csrfmiddlewaretoken": token}).encode(),
        Content_Type="application/x-www-form-urlencoded",
        Origin="http://elsewhere.example.com",
    )
    assert foreign.status == 403
    index = ann.post("/admin/login/", csrfmiddlewaretoken=token, **login)
    assert (index.status, index.url) == (200, f"{ann.base}/admin/")
    assert "<title>Admin | Bugsink</title>" in index.text and 'href="/admin/projects/project/"' in index.text

    # Collecting has put the hashes into what names a file, in pages as in styles.
    page = ann.get("/admin/users/user/add/")
    for pattern in (
        r'href="(/static/admin/css/forms\.[0-9a-f]{12}\.css)"',
        r'@import url\("(widgets\.[0-9a-f]{12}\.css)"\)',
        r'url\("(\.\./img/[\w-]+\.[0-9a-f]{12}\.svg)"\)',
    ):
        page = ann.get(urllib.parse.urljoin(page.url, page.find(pattern)))
        assert page.status == 200, page.url
    assert page.headers["content-type"] == "image/svg+xml"

    token = ann.get("/teams/new/").field("csrfmiddlewaretoken")
    made = ann.post("/teams/new/", csrfmiddlewaretoken=token, name=f"Team {mark}", visibility="99", action="invite")
    (team,) = re.findall(r"/teams/([0-9a-f-]{36})/members/$", made.url)
    project = {"name": f"Shop {mark}", "team": team, "visibility": "99", "action": "invite"}
    more = {"retention_max_event_count": "1000", "grouping_mechanism": "bugsink-v2"}
    made = ann.post("/projects/new/", csrfmiddlewaretoken=token, **project, **more)
    key = made.find(rf"http://([0-9a-f]{{32}})@{re.escape(ann.site)}/\d+")
    number = made.find(rf"http://{key}@{re.escape(ann.site)}/(\d+)")
    assert f"Shop {mark}" in ann.get("/admin/projects/project/").text

    program = ann.another()
    assert report(program, number, "0" * 32, mark).status == 403
    reported = report(program, number, key, mark)
    assert reported.status == 200, reported.text
    issues = ann.get(f"/issues/{number}/")
    assert f"ZeroDivisionError: für &lt;{mark}&gt;" in issues.text
    event = ann.get(issues.find(r'href="(/issues/issue/[0-9a-f-]{36}/event/last/)"'))
    assert (event.status, "shop.py" in event.text, f"SHOP-{mark.upper()}-1" in event.text) == (200, True, True)
    assert program.get(f"/issues/{number}/").url.startswith(f"{ann.base}/accounts/login/")

    assert ann.post("/accounts/logout/", csrfmiddlewaretoken=token).status == 200
    assert ann.get("/admin/").url == f"{ann.base}/admin/login/?next=/admin/"


def report(program: Browser, project: str, key: str, mark: str) -> Page:
    """Report an error as the SDK of Sentry does: an envelope, compressed."""
    frame = {"filename": "shop.py", "function": "pay", "lineno": 3, "in_app": True, "context_line": "1 / 0"}
    error = {"type": "ZeroDivisionError", "value": f"für <{mark}>", "stacktrace": {"frames": [frame]}}
    event = {"event_id": uuid.uuid4().hex, "timestamp": time.time(), "platform": "python", "level": "error"}
    payload = json.dumps({**event, "exception": {"values": [error]}})
    heads = [json.dumps({"event_id": event["event_id"]}), json.dumps({"type": "event", "length": len(payload)})]
    return program.ask(
        "POST",
        f"/api/{project}/envelope/",
        gzip.compress("\n".join([*heads, payload, ""]).encode()),
        Content_Type="application/x-sentry-envelope",
        Content_Encoding="gzip",
        X_Sentry_Auth=f"Sentry sentry_version=7, sentry_client=tests/1, sentry_key={key}",
    )
