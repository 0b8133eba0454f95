"""The smallest application there is. Replace it with your own."""


def application(environ, start_response):
    """Answer each request with the same text."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"Hello, World!\n"]
