"""Asks for / over the uwsgi protocol, at the socket of the first argument, and prints the answer.

As a user who may do nothing but what the group of the second argument may.
"""

import grp
import os
import socket
import struct
import sys

VARIABLES = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "ask", "SERVER_PORT": "80"}
NOBODY = 65534

os.setgroups([grp.getgrnam(sys.argv[2]).gr_gid])
os.setgid(NOBODY)
os.setuid(NOBODY)
packet = b"".join(struct.pack("<H", len(word)) + word.encode() for pair in VARIABLES.items() for word in pair)
with socket.socket(socket.AF_UNIX) as connection:
    connection.settimeout(10)
    connection.connect(sys.argv[1])
    connection.sendall(struct.pack("<BHB", 0, len(packet), 0) + packet)
    print(b"".join(iter(lambda: connection.recv(65536), b"")).decode())
