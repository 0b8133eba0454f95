"""Written by wsgi.production: starts uWSGI.

Clients wait in the queue of the socket meanwhile, and are served when the application is there. Where the start before
failed, they would wait in vain: their connections are closed until it is there, and NGINX shows them a page.
"""

import contextlib
import os
import select
import signal
import socket
import sys

STARTING = os.path.join(os.environ["RUNTIME_DIRECTORY"], "starting")
LINES = [socket.socket(fileno=number) for number in (3, 4)]


def turn_away(seconds):
    """Close the connections that wait, or arrive within so many seconds; return the sockets that they came to."""
    ready = select.select(LINES, [], [], seconds)[0]
    for line in ready:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with contextlib.suppress(TimeoutError):
            line.accept()[0].close()
        signal.setitimer(signal.ITIMER_REAL, 0)
    return ready


def late(*_):
    """Give up: another process was faster to accept the connection."""
    raise TimeoutError


if os.path.exists(STARTING):
    signal.signal(signal.SIGALRM, late)
    while turn_away(0):
        pass
    main = os.getpid()
    if os.fork() == 0:
        # entry.py removes the file when the application is ready.
        while os.getppid() == main and os.path.exists(STARTING):
            turn_away(0.2)
        os._exit(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
with open(STARTING, "w"):
    pass
for line in LINES:
    line.detach()
os.execv(sys.argv[1], sys.argv[1:])
