"""marimo: a notebook as an application. Each visitor has a websocket, and a process that computes for it."""

from __future__ import annotations

from typing import Any

from tests.integration.applications.browser import Browser
from tests.integration.applications.entry import HERE

NAME = "marimo"
SITE = "marimo.example.com"

# A visitor: opens the websocket of the notebook, moves the slider, and waits for the end of its input. It says what
# follows, and at the end whether the websocket has stayed open.
VISITOR = """\
import asyncio, json, re, sys, urllib.request, uuid, websockets

site = sys.argv[1]
session = "s_" + uuid.uuid4().hex[:6]


def ask(path, body=None, **headers):
    data = json.dumps(body).encode() if body else None
    asked = urllib.request.Request("http://127.0.0.1" + path, data, {"Host": site, **headers})
    return urllib.request.urlopen(asked, timeout=30).read().decode()


async def wait_for(connection, text):
    while True:
        said = await asyncio.wait_for(connection.recv(), 30)
        if text in said:
            return said


async def main():
    token = re.search(r'data-token="([^"]*)"', ask("/"))[1]
    url = f"ws://{site}/ws?session_id={session}"
    async with websockets.connect(url, host="127.0.0.1", port=80, max_size=None) as connection:
        slider = re.search("object-id='([^']*)'", await wait_for(connection, "marimo-slider"))[1]
        await wait_for(connection, "stars: ***<")
        moved = {"objectIds": [slider], "values": [7], "token": uuid.uuid4().hex}
        headers = {"Content-Type": "application/json", "Marimo-Session-Id": session, "Marimo-Server-Token": token}
        await asyncio.to_thread(lambda: ask("/api/kernel/set_ui_element_value", moved, **headers))
        await wait_for(connection, "stars: *******<")
        print("seven", flush=True)
        closed = asyncio.create_task(connection.wait_closed())
        await asyncio.to_thread(sys.stdin.read)
        print("closed" if closed.done() else "open", flush=True)

asyncio.run(main())
"""


def entry() -> dict[str, Any]:
    """Return the entry of the description."""
    worker = {"name": "web", "command": "uvicorn --fd 3 main:application", "listen": True, "stop_timeout": 300}
    return {
        "name": NAME,
        "build": {"source": str(HERE / "sites/marimo")},
        # It keeps its sessions below the home directory.
        "run": {"workers": [worker], "env": {"HOME": "/srv/marimo/data"}, "probe": {"path": "/health"}},
        "serve": {"server_names": [SITE], "routes": [{"path": "/", "worker": "web"}]},
    }


def scenario(visitor: Browser) -> None:
    """Load the page and what it needs; what happens over the websocket is for `VISITOR`."""
    page = visitor.get("/")
    assert page.status == 200 and "<marimo-filename" in page.text
    script = visitor.get(page.find(r'<script type="module"[^>]* src="\./(assets/[^"]+\.js)"'))
    assert script.headers["content-type"].startswith("text/javascript")
