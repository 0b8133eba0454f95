"""Isso: comments for other pages. WSGI, and a configuration file whose path is in a variable."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests.integration.applications.browser import Browser
from tests.integration.applications.entry import lock

NAME = "isso"
SITE = "team.example.com"

CONFIG = """\
[general]
dbpath = /srv/isso/data/comments.db
host = http://team.example.com
[guard]
ratelimit = 100
reply-to-self = true
"""


def entry() -> dict[str, Any]:
    """Return the entry of the description."""
    return {
        "name": NAME,
        "build": {"source": "isso==0.14.0", "dependencies": str(lock(NAME))},
        "run": {
            "callable": "isso.run:application",
            "files": {"isso.cfg": CONFIG},
            "paths": {"ISSO_SETTINGS": "isso.cfg"},
            "probe": {"path": "/config", "text": "reply-to-self"},
        },
        "serve": {"server_names": [SITE]},
    }


def scenario(visitor: Browser) -> None:
    """Comment on a page, answer, like, change one's own comment, and remove it."""
    page = f"/post-{uuid.uuid4().hex[:8]}/"
    assert "Isso" in visitor.get("/js/embed.min.js").text
    first = said(visitor, "POST", f"/new?uri={page}", {"author": "Ann", "text": "Grüße, *world*", "title": "A post"})
    assert "<em>world</em>" in first["text"] and first["author"] == "Ann"
    other = visitor.another()
    answer = said(other, "POST", f"/new?uri={page}", {"text": "Hello, Ann", "parent": first["id"]})
    assert said(other, "GET", f"/?uri={page}")["replies"][0]["replies"][0]["id"] == answer["id"]
    assert said(other, "POST", "/count", [page]) == [2]
    changed = said(visitor, "PUT", f"/id/{first['id']}", {"text": "Changed my mind"})
    assert "Changed my mind" in changed["text"]
    assert (
        other.ask("PUT", f"/id/{first['id']}", b'{"text": "Not mine"}', Content_Type="application/json").status == 403
    )
    assert visitor.ask("DELETE", f"/id/{first['id']}", None, Content_Type="application/json").status == 200


def said(visitor: Browser, method: str, path: str, body: Any = None) -> Any:
    """Return what is answered to JSON, as JSON."""
    data = None if body is None else json.dumps(body).encode()
    page = visitor.ask(method, path, data, Content_Type="application/json", Origin=visitor.base)
    assert page.status in (200, 201), (page.status, page.text)
    return json.loads(page.text)
