"""Answers for the whole host name, and returns what it is sent."""

import os


def application(environ, start_response):
    """Return the version, or the body of the request."""
    start_response("200 OK", [])
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    wrong = environ.get("SCRIPT_NAME") or environ.get("HTTP_X_FORWARDED_PREFIX")
    return [sent or f"front {wrong or os.environ['VERSION']}".encode()]
