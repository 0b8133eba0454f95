"""An application that tells what it was given: its environment, its files, and what was done beside it."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

MARK = "first"

Answer = Iterable[bytes]


def log() -> str:
    """Return what was done, a line for each thing."""
    path = Path(os.environ["DATA_DIRECTORY"], "log")
    return path.read_text() if path.exists() else ""


def secrets() -> dict[str, str]:
    """Return the secrets in files."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return {path.name: path.read_text() for path in Path(directory).iterdir()} if directory else {}


def create_app(greeting: str, *, loud: bool = False) -> Callable[..., Answer]:
    """Return an application that begins with `greeting`."""

    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Answer:
        start_response("200 OK", [("Content-Type", "application/json")])
        if environ["REQUEST_METHOD"] == "POST":
            return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]
        known = {
            "mark": MARK,
            "greeting": greeting.upper() if loud else greeting,
            "env": dict(os.environ),
            "files": secrets(),
            "log": log().splitlines(),
        }
        return [json.dumps(known).encode()]

    return application


application = create_app("hello")
number = 7
