"""Puts load on a server, as a client that does not retry, until its input ends; then prints what it saw.

It runs on the server, and sends GET and POST requests at a fixed rate, over connections that stay open and others that
do not. It measures whether a change fails or delays a request, not how many requests the server can handle. For the
same reason, time in which this client itself could not run, as on a busy machine, does not count as a delay.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from typing import Any

HOST, RATE, BELOW = sys.argv[1], float(sys.argv[2]), sys.argv[3]
KINDS = [(method, keep) for method in ("GET", "POST") for keep in (True, False)]
THREADS = 2
STOP = threading.Event()
TICK = 0.01
# Seconds above which the duration of a request or the delay of a tick is recorded.
SLOW = 0.1


class Clock(threading.Thread):
    """Ticks, and records the periods in which it should have ticked but could not."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[tuple[float, float]] = []

    def run(self) -> None:
        """Tick until `STOP` is set."""
        while not STOP.is_set():
            due = time.monotonic() + TICK
            STOP.wait(TICK)
            now = time.monotonic()
            if now - due > SLOW:
                self.late.append((due, now))

    def seconds(self, begun: float, ended: float) -> float:
        """Return for how many seconds from `begun` to `ended` this client could not run."""
        return sum(max(0.0, min(ended, until) - max(begun, since)) for since, until in self.late)


class Visitor(threading.Thread):
    """One client that sends requests repeatedly."""

    def __init__(self, method: str, keep: bool, number: int) -> None:
        super().__init__()
        self.method = method
        self.keep = keep
        self.number = number
        self.requests = 0
        self.failures: list[str] = []
        self.slow: list[tuple[float, float, str]] = []
        self.bodies: dict[str, tuple[float, float]] = {}

    def run(self) -> None:
        """Send requests until `STOP` is set."""
        pause = len(KINDS) * THREADS / RATE
        connection = None
        due = time.monotonic()
        while not STOP.is_set():
            begun = time.monotonic()
            connection = self.ask(connection or http.client.HTTPConnection("127.0.0.1", 80, timeout=60))
            ended = time.monotonic()
            if ended - begun > SLOW:
                self.slow.append((begun, ended, f"{time.strftime('%H:%M:%S')} {self}"))
            # After a slow answer, the next request follows sooner, which keeps the rate.
            due += pause
            STOP.wait(max(0, due - time.monotonic()))

    def ask(self, connection: http.client.HTTPConnection) -> http.client.HTTPConnection | None:
        """Send one request; return the connection if it stays open."""
        self.requests += 1
        body = f"{self.method} {self.number} {self.requests}".encode() if self.method == "POST" else None
        path = BELOW + ("/echo" if body else "/")
        headers = {"Host": HOST, "Connection": "keep-alive" if self.keep else "close"}
        try:
            connection.request(self.method, path, body=body, headers=headers)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as failure:
            self.fail(f"{type(failure).__name__}: {failure}")
            connection.close()
            return None
        if not 200 <= answer.status < 300:
            self.fail(f"answer {answer.status}")
        elif body and said != body:
            self.fail(f"sent {body!r}, got {said!r}")
        elif not body:
            now = time.monotonic()
            first, _ = self.bodies.setdefault(said.decode(), (now, now))
            self.bodies[said.decode()] = (first, now)
        if answer.will_close or not self.keep:
            connection.close()
            return None
        return connection

    def fail(self, what: str) -> None:
        """Record a request that failed."""
        self.failures.append(f"{time.strftime('%H:%M:%S')} {self}: {what}")

    def __str__(self) -> str:
        """Return which request this is."""
        return f"{self.method} {'keep-alive' if self.keep else 'close'}, request {self.requests}"


def main() -> None:
    """Put load on port 80 until the input ends."""
    visitors = [Visitor(method, keep, number) for method, keep in KINDS for number in range(THREADS)]
    clock = Clock()
    begun = time.monotonic()
    for thread in (clock, *visitors):
        thread.start()
    sys.stdin.read()
    STOP.set()
    for thread in (clock, *visitors):
        thread.join()
    slow = [
        (ended - begun - clock.seconds(begun, ended), said)
        for visitor in visitors
        for begun, ended, said in visitor.slow
    ]
    seen: dict[str, list[float]] = {}
    for visitor in visitors:
        for body, times in visitor.bodies.items():
            seen.setdefault(body, []).extend(times)
    requests = sum(visitor.requests for visitor in visitors)
    result: dict[str, Any] = {
        "requests": requests,
        "rate": requests / (time.monotonic() - begun),
        "failures": [failure for visitor in visitors for failure in visitor.failures],
        "longest": max((seconds for seconds, _ in slow), default=SLOW),
        "slow": [f"{said}: {seconds:.3f} s" for seconds, said in sorted(slow, reverse=True)[:10]],
        "late": sum(until - since for since, until in clock.late),
        "bodies": {body: max(times) - min(times) for body, times in sorted(seen.items())},
    }
    print(json.dumps(result))


main()
