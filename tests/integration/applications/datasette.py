"""Datasette: publishes a database. ASGI alone, served by uvicorn in place of uWSGI."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.applications.browser import Browser
from tests.integration.applications.entry import HERE

NAME = "datasette"
SITE = "datasette.example.com"


def entry() -> dict[str, Any]:
    """Return the entry of the description."""
    command = "uvicorn --fd 3 --proxy-headers --forwarded-allow-ips * main:application"
    return {
        "name": NAME,
        "build": {"source": str(HERE / "sites/datasette")},
        "run": {
            "workers": [{"name": "web", "command": command, "listen": True}],
            "migrate": ["python fill.py"],
            "probe": {"path": "/-/versions.json", "text": '"datasette"'},
        },
        "serve": {"server_names": [SITE], "routes": [{"path": "/", "worker": "web"}]},
    }


def scenario(visitor: Browser) -> None:
    """Read the table as a page, as data, and with a query of one's own."""
    page = visitor.get("/shop/products")
    assert page.status == 200 and "Käse" in page.text and "3 rows" in page.text
    assert visitor.get(page.find(r'href="(/-/static/app\.css[^"]*)"')).headers["content-type"].startswith("text/css")
    rows = json.loads(visitor.get("/shop/products.json?_shape=array&price__lt=5&_sort=price").text)
    assert [row["name"] for row in rows] == ["Brot", "Käse"]
    found = json.loads(visitor.get("/shop.json?sql=select+max(price)+as+most+from+products&_shape=array").text)
    assert found == [{"most": 9}]
    table = visitor.get("/shop/products.csv?_stream=on")
    assert table.headers["content-type"].startswith("text/plain") and table.text.splitlines()[3] == "3,Wein,9"
    assert visitor.get("/shop/nothing").status == 404
