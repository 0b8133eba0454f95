"""pypiserver: a package index, below a path of a site that another application has. WSGI with Bottle."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from tests.integration.applications.browser import Browser
from tests.integration.applications.entry import lock
from tests.integration.applications.isso import SITE

NAME = "pypiserver"
PATH = "/pypi/"


def entry() -> dict[str, Any]:
    """Return the entry of the description."""
    return {
        "name": NAME,
        "build": {"source": "pypiserver==2.4.2", "dependencies": str(lock(NAME))},
        "run": {
            "callable": "pypiserver:app(root='/srv/pypiserver/data/packages', password_file='.', authenticate=[])",
            "migrate": ["mkdir -p /srv/pypiserver/data/packages"],
            "probe": {"path": "/health", "text": "Ok"},
        },
        "serve": {"server_names": [SITE], "path": PATH, "max_body_size": "100m"},
    }


def scenario(visitor: Browser) -> None:
    """Publish a package as twine does, find it as pip does, and fetch it."""
    name = f"shop-{uuid.uuid4().hex[:8]}"
    content = uuid.uuid4().bytes * 1000
    file = f"{name.replace('-', '_')}-1.0.tar.gz"
    assert publish(visitor, name, file, content) == 200
    assert publish(visitor, name, file, content) == 409
    assert f'href="{PATH}simple/"' in visitor.get(PATH).text or "simple" in visitor.get(PATH).text
    assert name in visitor.get(f"{PATH}simple/").text
    page = visitor.get(f"{PATH}simple/{name}")
    assert page.url == f"{visitor.base}{PATH}simple/{name}/"
    link = page.find(rf'href="([^"]*{file}[^"]*)"')
    assert link.startswith(f"{PATH}packages/") and link.endswith(hashlib.sha256(content).hexdigest()), link
    assert visitor.get(link).body == content


def publish(visitor: Browser, name: str, file: str, content: bytes) -> int:
    """Send a file, and return the status of the answer."""
    fields = {":action": "file_upload", "name": name, "version": "1.0", "filetype": "sdist"}
    lines = [f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    head = f'--x\r\nContent-Disposition: form-data; name="content"; filename="{file}"\r\n\r\n'
    body = "".join([*lines, head]).encode() + content + b"\r\n--x--\r\n"
    return visitor.ask("POST", PATH, body, Content_Type="multipart/form-data; boundary=x").status
