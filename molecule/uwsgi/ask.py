"""Asks for / over the uwsgi protocol, at the port of the first argument, and prints the answer."""

import socket
import struct
import sys

VARIABLES = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "ask", "SERVER_PORT": "80"}

packet = b"".join(struct.pack("<H", len(word)) + word.encode() for pair in VARIABLES.items() for word in pair)
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10) as connection:
    connection.sendall(struct.pack("<BHB", 0, len(packet), 0) + packet)
    print(b"".join(iter(lambda: connection.recv(65536), b"")).decode())
