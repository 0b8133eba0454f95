"""Written by wsgi.production: waits until uWSGI has accepted every connection in the queues of its sockets.

systemd runs it before it ends an instance that is no longer live. A queue is first come, first served, so whoever
connects last and is accepted knows that it is empty.
"""

import os
import socket
import sys
import time

current, release, *sockets = sys.argv[1:]
dead = "MAINPID" not in os.environ
live = os.path.islink(current) and os.path.basename(os.readlink(current)) == release
if dead or live:
    # Nothing would accept the connection, or the queue never empties; and the socket survives a restart.
    sys.exit()
for path in sockets:
    with socket.socket(socket.AF_UNIX) as last:
        try:
            last.connect(path)
            last.shutdown(socket.SHUT_WR)
            last.recv(1)
        except OSError as failure:
            print(f"{path}: {failure}")
# A worker that just accepted a connection does not count as busy until it reads the request.
time.sleep(0.2)
