"""Crowds before port 80. Runs on a server, and prints what they saw.

`visit` is honest visitors at a steady pace, `slow` clients that send a byte a second for as long as the input lasts,
and `crowd` visitors who have all come before the first of them asks.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from typing import Any

MODE, HOST, AMOUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
HEAD = f"Host: {HOST}\r\nConnection: close\r\n"
REQUEST = f"GET / HTTP/1.1\r\n{HEAD}\r\n".encode()
# A request that never gets to the end of its headers, and one that never gets to the end of its body.
ENDLESS_HEADERS = f"GET / HTTP/1.1\r\n{HEAD}X-Slow: {'x' * 1000}".encode()
ENDLESS_BODY = f"POST /echo HTTP/1.1\r\n{HEAD}Content-Length: 1000\r\n\r\n".encode()

RATE = 250
# So many visitors make a window: enough that the slowest hundredth of them is more than one.
WINDOW = 500
# Seconds after which a visitor gives up, and after which a slow client does, who is to be let go of before.
PATIENCE = 30
SLOW_PATIENCE = 15

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def come() -> Connection:
    """Open a connection."""
    return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", 80), PATIENCE)


async def ask(connection: Connection) -> str:
    """Send a request over `connection`, and return the status of the answer."""
    reader, writer = connection
    writer.write(REQUEST)
    said = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return said[9:12].decode() or "no answer"


async def visit(seconds: int) -> dict[str, Any]:
    """Let visitors come for `seconds`, each at his time, however long those before him wait."""
    statuses: Counter[str] = Counter()
    waits = [0.0] * (seconds * RATE)

    async def one(number: int) -> None:
        begun = time.monotonic()
        try:
            statuses[await ask(await come())] += 1
        except (TimeoutError, OSError) as failure:
            statuses[type(failure).__name__] += 1
        waits[number] = time.monotonic() - begun

    begun = time.monotonic()
    visitors = []
    for number in range(len(waits)):
        await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        visitors.append(asyncio.create_task(one(number)))
    await asyncio.gather(*visitors)
    windows = [sorted(waits[start : start + WINDOW]) for start in range(0, len(waits), WINDOW)]
    return {"statuses": statuses, "p99": [window[len(window) * 99 // 100] for window in windows]}


async def slow(count: int) -> dict[str, Any]:
    """Let `count` clients come, and each come again when he is let go of, until the input ends."""
    over = asyncio.Event()
    here = [0]
    answers: Counter[str] = Counter()
    # The seconds from when a client's time began to run until he was let go of.
    held: dict[str, list[float]] = {"headers": [], "body": []}

    async def drip(writer: asyncio.StreamWriter, data: bytes, lasting: bool) -> float:
        """Send `data` byte by byte, until it is over or, if `lasting`, until hung up; return when the last went."""
        sent = time.monotonic()
        for byte in data:
            if over.is_set() and not lasting:
                break
            writer.write(bytes([byte]))
            sent = time.monotonic()
            await asyncio.sleep(1)
        return sent

    async def one(part: str, delay: float) -> None:
        # All bytes of a second in one moment would be a load of another kind.
        await asyncio.sleep(delay)
        while not over.is_set():
            reader, writer = await come()
            here[0] += 1
            since = time.monotonic()
            if part == "body":
                writer.write(ENDLESS_BODY)
            data = b"x" * 1000 if part == "body" else ENDLESS_HEADERS
            dripping = asyncio.create_task(drip(writer, data, lasting=part == "headers"))
            hung_up = asyncio.create_task(reader.read())
            if part == "body":
                # What runs for a body is the time since the last byte.
                await asyncio.wait([dripping, hung_up], return_when=asyncio.FIRST_COMPLETED)
                since = dripping.result() if dripping.done() else since
            done, _ = await asyncio.wait([hung_up], timeout=SLOW_PATIENCE)
            dripping.cancel()
            hung_up.cancel()
            here[0] -= 1
            held[part].append(time.monotonic() - since)
            answers[said(hung_up) if done else "held"] += 1
            writer.transport.abort()

    def said(reading: asyncio.Task[bytes]) -> str:
        """Return the status of what came, if anything did before the connection was closed."""
        return "" if reading.exception() else reading.result()[9:12].decode()

    clients = [
        asyncio.create_task(one(part, number / count)) for number in range(0, count, 2) for part in ("headers", "body")
    ]
    while here[0] < count:
        await asyncio.sleep(0.05)
    print("all here", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    over.set()
    await asyncio.gather(*clients)
    return {"answers": answers, "held": {part: [min(times), max(times)] for part, times in held.items()}}


async def crowd(count: int) -> dict[str, Any]:
    """Let `count` visitors come, and only then ask, all at once."""
    came = await asyncio.gather(*(come() for _ in range(count)), return_exceptions=True)
    here = [one for one in came if not isinstance(one, BaseException)]
    begun = time.monotonic()
    said = await asyncio.gather(*(ask(one) for one in here), return_exceptions=True)
    statuses = Counter(one if isinstance(one, str) else type(one).__name__ for one in said)
    return {"came": len(here), "statuses": statuses, "seconds": time.monotonic() - begun}


# A file for each connection: more than a process may have by default, and less than it may ask for.
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
print(json.dumps(asyncio.run({"visit": visit, "slow": slow, "crowd": crowd}[MODE](AMOUNT))))
