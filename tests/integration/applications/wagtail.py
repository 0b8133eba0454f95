"""Wagtail: documents that only some may read. Django, which decides, and NGINX, which sends them."""

from __future__ import annotations

import uuid
from typing import Any

from tests.integration.applications.browser import Browser
from tests.integration.applications.entry import HERE, shell

NAME = "wagtail"
SITE = "wagtail.example.com"
USER, PASSWORD = "ann", "correct horse, battery"


def entry() -> dict[str, Any]:
    """Return the entry of the description."""
    admin = "django-admin createsuperuser --noinput --username ann --email ann@example.com"
    return {
        "name": NAME,
        "build": {
            "source": str(HERE / "sites/wagtail"),
            "commands": ["django-admin collectstatic --noinput"],
            "env": {"SECRET_KEY": "of the build"},
        },
        "run": {
            "callable": "main:application",
            "env": {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": "."},
            "secrets": {"SECRET_KEY": "0f8e4b2a6c" * 5, "DJANGO_SUPERUSER_PASSWORD": PASSWORD},
            "migrate": ["django-admin migrate --noinput", shell(f"{admin} || true")],
            "migrate_timeout": 300,
            "probe": {"path": "/health", "text": "fine"},
        },
        "serve": {
            "server_names": [SITE],
            "static": [{"path": "/static/", "directory": "collected"}],
            "uploads": [{"path": "/media/", "directory": "media", "private": True}],
        },
    }


def scenario(ann: Browser) -> None:
    """Upload a document in the admin, and close its collection to all who have not logged in."""
    stranger, mark = ann.another(), uuid.uuid4().hex[:8]
    form = ann.get("/admin/")
    assert form.url == f"{ann.base}/admin/login/?next=/admin/"
    style = ann.get(form.find(r'href="(/static/wagtailadmin/css/core\.css[^"]*)"'))
    assert style.status == 200 and style.headers["content-type"].startswith("text/css")
    token = form.field("csrfmiddlewaretoken")
    index = ann.post("/admin/login/", csrfmiddlewaretoken=token, username=USER, password=PASSWORD, next="/admin/")
    assert (index.status, index.url) == (200, f"{ann.base}/admin/"), index.text[:500]

    form = ann.get("/admin/collections/add/")
    token = form.field("csrfmiddlewaretoken")
    ann.post("/admin/collections/add/", csrfmiddlewaretoken=token, name=f"Secret {mark}", parent="1")
    number = ann.get("/admin/collections/").find(rf'href="/admin/collections/(\d+)/"[^>]*>[^<]*Secret {mark}')
    privacy = f"/admin/collections/{number}/privacy/"
    ann.post(privacy, csrfmiddlewaretoken=token, restriction_type="login")

    content = f"for {mark} only\n" * 1000
    made = upload(ann, token, number, f"{mark}.txt", content)
    assert made.status == 200, made.text[:500]
    link = ann.get("/admin/documents/").find(rf'href="(/documents/\d+/{mark}\.txt)"')
    sent = ann.get(link)
    assert (sent.status, sent.text) == (200, content)
    # The application has said which file, and NGINX has sent it.
    assert "x-accel-redirect" not in sent.headers and sent.headers["content-security-policy"].endswith("sandbox")
    assert stranger.get(f"/media/documents/{mark}.txt").status == ann.get(f"/media/documents/{mark}.txt").status == 404
    asked = stranger.get(link)
    assert content[:20] not in asked.text and "/login/" in asked.url


def upload(visitor: Browser, token: str, collection: str, name: str, content: str) -> Any:
    """Send the form with which the admin adds a document."""
    fields = {"csrfmiddlewaretoken": token, "title": name, "collection": collection, "tags": ""}
    lines = [f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n'
    body = "".join([*lines, head, content, "\r\n--x--\r\n"]).encode()
    headers = {"Origin": visitor.base, "Referer": f"{visitor.base}/admin/documents/add/"}
    return visitor.ask("POST", "/admin/documents/add/", body, Content_Type="multipart/form-data; boundary=x", **headers)
