"""Shows what Flask makes of its place."""

import os

from flask import Flask, jsonify, request, url_for

application = Flask(__name__, static_folder=None)


@application.get("/health")
def health():
    """Return the URL that leads here, without its end."""
    return url_for("health").removesuffix("/health") + " " + os.environ["VERSION"]


@application.post("/echo")
def echo():
    """Return what was sent."""
    return request.get_data()


@application.get("/file/<path:path>")
def file(path):
    """Have NGINX send a file."""
    return "", {"X-Accel-Redirect": f"/{path}"}


@application.errorhandler(404)
def anything(_error):
    """Return what a request for any other path says of this place."""
    said = jsonify(
        script_name=request.environ["SCRIPT_NAME"],
        path_info=request.environ["PATH_INFO"],
        made=url_for("health"),
        prefix=request.headers.get("X-Forwarded-Prefix"),
    )
    return said, 200
