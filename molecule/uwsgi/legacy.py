"""An application without a framework. It tells what it runs in."""

import os

import uwsgi


def application(environ, start_response):
    """Answer with the version of uWSGI and a variable of the environment."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [uwsgi.version, b" ", os.environ.get("GREETING", "nothing").encode()]
