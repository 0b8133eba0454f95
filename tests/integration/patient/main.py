"""An application that takes long to import, and that can be told to fail in every way there is."""

import importlib
import os
import time
from importlib.metadata import version
from typing import Any

import uwsgi
from flask import Flask, Response, request

time.sleep(float(os.environ.get("IMPORT_SECONDS", "2")))
MARK = "first"
PACKAGE = version("iniconfig")
if os.path.exists("/etc/broken"):
    raise RuntimeError("this host is broken")

application = Flask(__name__)


@application.get("/")
def state() -> str:
    """Say what is live: the code, the packages, the environment and the settings."""
    return " ".join([MARK, PACKAGE, os.environ.get("COLOUR", "none"), str(uwsgi.numproc)])


@application.post("/echo")
def echo() -> bytes:
    """Return what was sent."""
    return request.get_data()


@application.get("/slow")
def slow() -> str:
    """Take a while."""
    time.sleep(float(request.args["seconds"]))
    return MARK


@application.get("/pid")
def pid() -> str:
    """Say which process answers."""
    return f"{os.getpid()} {uwsgi.masterpid()}"


@application.route("/seen", methods=["GET", "POST"])
def seen() -> dict[str, Any]:
    """Say what reaches an application of a request, and remember that it did."""
    with open("/srv/patient/data/seen", "a") as file:
        file.write(f"{request.query_string.decode()}\n")
    words = {key: value for key, value in request.environ.items() if isinstance(value, str)}
    return {**words, "body": len(request.get_data())}


@application.get("/decorators")
def decorators() -> str:
    """Say what uWSGI brings for applications."""
    return str(importlib.import_module("uwsgidecorators").postfork.__name__)


@application.get("/health")
def health() -> Response:
    """Be as healthy as the environment says."""
    mood = os.environ.get("MOOD")
    if mood == "hangs":
        time.sleep(600)
    # A probe says what NGINX says, but for the number of the request.
    forwarded = "X-Request-Id" in request.headers
    sick = os.path.exists("/etc/sick") or mood == "sick" or (mood == "sick behind NGINX" and forwarded)
    return Response("sick" if sick else "fine", status=500 if sick else 200)
