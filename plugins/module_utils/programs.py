# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The programs of a release that are not the application's: what starts it, finds its callable, and lets it end."""

from __future__ import annotations

LAUNCHER = """\
# Runs uWSGI inside the interpreter of the virtual environment that starts this file.
from pyuwsgi import run

run()
"""

START = """\
# Starts uWSGI. Visitors wait in line meanwhile, and are served when the application is there. Where it failed the last
# time, they would wait in vain: they are turned away until it is there, and NGINX shows them a page that says so.
import os
import select
import signal
import socket
import sys

STARTING = os.path.join(os.environ["RUNTIME_DIRECTORY"], "starting")
LINES = [socket.socket(fileno=number) for number in (3, 4)]


def turn_away(seconds):
    ready = select.select(LINES, [], [], seconds)[0]
    for line in ready:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            line.accept()[0].close()
        except TimeoutError:
            # Somebody else was faster.
            pass
        signal.setitimer(signal.ITIMER_REAL, 0)
    return ready


def late(*_):
    raise TimeoutError


if os.path.exists(STARTING):
    signal.signal(signal.SIGALRM, late)
    while turn_away(0):
        pass
    main = os.getpid()
    if os.fork() == 0:
        # The program that finds the callable removes the file.
        while os.getppid() == main and os.path.exists(STARTING):
            turn_away(0.2)
        os._exit(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
with open(STARTING, "w"):
    pass
for line in LINES:
    line.detach()
os.execv(sys.argv[1], sys.argv[1:])
"""

DRAIN = """\
# Runs before systemd ends an instance that is no longer live: waits until uWSGI has taken everyone who stands in line
# at its sockets. A line is first come, first served, so whoever comes last and is taken knows that it is empty.
import os
import socket
import sys
import time

current, release, *sockets = sys.argv[1:]
dead = "MAINPID" not in os.environ
live = os.path.islink(current) and os.path.basename(os.readlink(current)) == release
if dead or live:
    # Nobody would take us, or the line never ends; and the socket outlasts a restart.
    sys.exit()
for path in sockets:
    with socket.socket(socket.AF_UNIX) as last:
        try:
            last.connect(path)
            last.shutdown(socket.SHUT_WR)
            last.recv(1)
        except OSError as failure:
            print(f"{path}: {failure}")
# A worker that has just taken somebody does not count as busy until it reads the request.
time.sleep(0.2)
"""

ENTRY = """\
# Finds the callable of the application, and says what there is where it is not there.
import ast
import contextlib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
import tempfile

WANTED = {wanted!r}
STARTING = os.path.join(os.environ["RUNTIME_DIRECTORY"], "starting")


def load(place):
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as missing:
            if not f"{{place}}.".startswith(f"{{missing.name}}."):
                raise
            there = ", ".join(sorted(one.name for one in pkgutil.iter_modules(["."]))) or "none"
            sys.exit(f"{{WANTED}}: there is no module {{missing.name}}; in the source there are: {{there}}")
    if not os.path.isfile(place):
        there = ", ".join(sorted(name for name in os.listdir() if name.endswith(".py"))) or "none"
        sys.exit(f"{{WANTED}}: there is no file {{place}}; in the source there are: {{there}}")
    name = os.path.basename(place)[:-3]
    sys.path.insert(0, os.path.dirname(os.path.abspath(place)))
    spec = importlib.util.spec_from_file_location(name, place)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find(module, node):
    if isinstance(node, ast.Call):
        arguments = [ast.literal_eval(one) for one in node.args]
        return find(module, node.func)(*arguments, **{{one.arg: ast.literal_eval(one.value) for one in node.keywords}})
    owner, name = (find(module, node.value), node.attr) if isinstance(node, ast.Attribute) else (module, node.id)
    try:
        return getattr(owner, name)
    except AttributeError:
        names = [one for one in dir(owner) if callable(getattr(owner, one)) and not one.startswith("_")]
        there = ", ".join(names) or "nothing"
        sys.exit(f"{{WANTED}}: there is no {{name}}; what can be called there: {{there}}")


place, _, name = WANTED.partition(":")
application = find(load(place), ast.parse(name or "application", mode="eval").body)
if not callable(application):
    sys.exit(f"{{WANTED}} is a {{type(application).__name__}}, which cannot be called")
if any(inspect.iscoroutinefunction(one) for one in (application, getattr(type(application), "__call__", None))):
    sys.exit(
        f"{{WANTED}} is an ASGI application, and uWSGI runs WSGI. With Django, name the callable of wsgi.py; with "
        "others, add a2wsgi to the dependencies and name wsgi = a2wsgi.ASGIMiddleware(application)"
    )
asked = application


def application(environ, start_response):
    if environ.get("HTTP_TRANSFER_ENCODING"):
        # NGINX sends the length of a body. At a door a client may send it in chunks, whose length nobody knows.
        try:
            receive(environ)
        except (OSError, ValueError) as failure:
            start_response("400 Bad Request", [("Content-Type", "text/plain")])
            return [f"The body could not be read: {{failure}}".encode()]
    return asked(environ, start_response)


def receive(environ):
    import uwsgi

    encoding = environ.pop("HTTP_TRANSFER_ENCODING")
    if encoding.strip().lower() != "chunked":
        raise ValueError(f"its encoding is {{encoding}}")
    body = tempfile.TemporaryFile()
    while chunk := uwsgi.chunked_read():
        body.write(chunk)
    environ["CONTENT_LENGTH"] = str(body.tell())
    body.seek(0)
    environ["wsgi.input"] = body


with contextlib.suppress(FileNotFoundError):
    # Who waits in line is served from here on.
    os.remove(STARTING)
"""
