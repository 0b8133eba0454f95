"""Written by wsgi.production: loads the WSGI callable that `run.callable` names, or says which names exist instead."""

import ast
import contextlib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
import tempfile

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "callable"), encoding="utf-8") as file:
    WANTED = file.read().strip()
STARTING = os.path.join(os.environ["RUNTIME_DIRECTORY"], "starting")


def load(place):
    """Import a module, or a file below the code."""
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as missing:
            if not f"{place}.".startswith(f"{missing.name}."):
                raise
            there = ", ".join(sorted(one.name for one in pkgutil.iter_modules(["."]))) or "none"
            sys.exit(f"{WANTED}: there is no module {missing.name}; in the source there are: {there}")
    if not os.path.isfile(place):
        there = ", ".join(sorted(name for name in os.listdir() if name.endswith(".py"))) or "none"
        sys.exit(f"{WANTED}: there is no file {place}; in the source there are: {there}")
    name = os.path.basename(place)[:-3]
    sys.path.insert(0, os.path.dirname(os.path.abspath(place)))
    spec = importlib.util.spec_from_file_location(name, place)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find(module, node):
    """Return what a name, an attribute, or a call with literal arguments stands for in a module."""
    if isinstance(node, ast.Call):
        arguments = [ast.literal_eval(one) for one in node.args]
        return find(module, node.func)(*arguments, **{one.arg: ast.literal_eval(one.value) for one in node.keywords})
    owner, name = (find(module, node.value), node.attr) if isinstance(node, ast.Attribute) else (module, node.id)
    try:
        return getattr(owner, name)
    except AttributeError:
        names = [one for one in dir(owner) if callable(getattr(owner, one)) and not one.startswith("_")]
        there = ", ".join(names) or "nothing"
        sys.exit(f"{WANTED}: there is no {name}; what can be called there: {there}")


place, _colon, name = WANTED.partition(":")
application = find(load(place), ast.parse(name or "application", mode="eval").body)
if not callable(application):
    sys.exit(f"{WANTED} is a {type(application).__name__}, which cannot be called")
if any(inspect.iscoroutinefunction(one) for one in (application, type(application).__call__)):
    sys.exit(
        f"{WANTED} is an ASGI application, and uWSGI runs WSGI. With Django, name the callable of wsgi.py; with "
        "others, add a2wsgi to the dependencies and name wsgi = a2wsgi.ASGIMiddleware(application)"
    )
asked = application


def application(environ, start_response):
    """Call the application, with the whole body of the request in `wsgi.input`."""
    if environ.get("HTTP_TRANSFER_ENCODING"):
        # NGINX sends the length of a body. At a door, a client may send a chunked body of unknown length.
        try:
            receive(environ)
        except (OSError, ValueError) as failure:
            start_response("400 Bad Request", [("Content-Type", "text/plain")])
            return [f"The body could not be read: {failure}".encode()]
    return asked(environ, start_response)


def receive(environ):
    """Read a chunked body.

    :raises ValueError: when it is in another encoding.
    """
    import uwsgi

    encoding = environ.pop("HTTP_TRANSFER_ENCODING")
    if encoding.strip().lower() != "chunked":
        raise ValueError(f"its encoding is {encoding}")
    body = tempfile.TemporaryFile()  # noqa: SIM115 (the application reads it later; without a reference it is closed)
    while chunk := uwsgi.chunked_read():
        body.write(chunk)
    environ["CONTENT_LENGTH"] = str(body.tell())
    body.seek(0)
    environ["wsgi.input"] = body


with contextlib.suppress(FileNotFoundError):
    # From here on, waiting connections are served.
    os.remove(STARTING)
