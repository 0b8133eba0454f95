"""A WSGI application, and beside it one for ASGI that echoes websockets and sends events."""

import asyncio
import os
from pathlib import Path

RELEASE = Path.cwd().parents[1].resolve().name
VERSION = (Path(__file__).parent / "version").read_text().strip()
STATUS = int(os.environ.get("LIVE_STATUS", "200"))


def application(environ, start_response):
    """Answer with the version, or with what was sent."""
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [sent or VERSION.encode()]


async def live(scope, receive, send):
    """Answer over HTTP with the version, or with events; over a websocket, echo each message after the version."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    elif scope["type"] == "websocket":
        await _echo(receive, send)
    elif scope["path"].endswith("/events"):
        await _start(send, 200, b"text/event-stream")
        for number in range(3):
            await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
            await asyncio.sleep(1)
        await send({"type": "http.response.body", "body": b""})
    else:
        sent = b""
        while (message := await receive()).get("more_body"):
            sent += message["body"]
        sent += message.get("body", b"")
        await _start(send, STATUS, b"text/plain")
        said = {"version": VERSION, "path": scope["path"], "scheme": scope["scheme"]}
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = VERSION if scope["path"] == "/" else repr({**said, **headers})
        await send({"type": "http.response.body", "body": sent or body.encode()})


async def _start(send, status, kind):
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})


async def _echo(receive, send):
    while True:
        message = await receive()
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif message["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": f"{VERSION} {message['text']}"})
        else:
            return
