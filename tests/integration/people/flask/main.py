"""An application as many people bring it: it takes files, sets many cookies, and takes a while to import."""

import hashlib
import time
from typing import Any

from flask import Flask, Response, request

# Longer than the probe has patience for an application that is there.
time.sleep(7)

application = Flask(__name__)


@application.get("/")
def hello() -> str:
    """Answer."""
    return "hello"


@application.post("/echo")
def echo() -> dict[str, Any]:
    """Say what has arrived, as an application reads it."""
    files = {name: hashlib.sha256(file.read()).hexdigest() for name, file in request.files.items()}
    return {
        "form": request.form.to_dict(),
        "files": files,
        "json": request.get_json(silent=True),
        "body": hashlib.sha256(request.get_data()).hexdigest(),
    }


@application.get("/cookies")
def cookies() -> Response:
    """Set more cookies than a header of 16 kB holds."""
    answer = Response("cookies")
    for number in range(12):
        answer.set_cookie(f"cookie{number}", "x" * 3500)
    return answer


@application.get("/<path:path>")
def seen(path: str) -> str:
    """Say which path was asked for."""
    return str(request.environ["PATH_INFO"])
