"""A worker of which there can be only one: it holds a port, and says so without a thought for buffers."""

import socket
import time

with socket.create_server(("127.0.0.1", 9555), reuse_port=False) as server:
    print("beating")
    server.settimeout(0.2)
    while True:
        try:
            server.accept()[0].close()
        except TimeoutError:
            time.sleep(0)
