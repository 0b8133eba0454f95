"""Written by wsgi.production: waits until the connections of a worker with its own socket have ended, within a limit.

systemd runs it before it stops a worker of a release that is no longer live: NGINX opens no new connections to it.
"""

import os
import sys
import time

current, release, seconds, path = sys.argv[1:]
# What the kernel says of a connection: it waits to be accepted, or it is open (Linux, include/uapi/linux/net.h).
CONNECTED = ("02", "03")


def connections():
    """Return how many connections to the socket there are.

    Each has a line with its state in the sixth field, and the path of the socket in the last (proc(5), /proc/net/unix).
    Any user can give a socket a name with line breaks in it.
    """
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
        fields = (line.split() for line in file)
        return sum(len(field) == 8 and field[7] == path and field[5] in CONNECTED for field in fields)


live = os.path.islink(current) and os.path.basename(os.readlink(current)) == release
if live or "MAINPID" not in os.environ:
    # It is being restarted, or there is nobody to finish anything.
    sys.exit()
deadline = time.monotonic() + int(seconds)
while connections() and time.monotonic() < deadline:
    time.sleep(0.5)
