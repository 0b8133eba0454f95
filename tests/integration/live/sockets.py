"""Opens websockets until its input ends: some that stay, and one after another that do not. Prints what they saw.

Usage: sockets.py HOST PATH STAYING
"""

import asyncio
import json
import sys

import websockets

HOST, PATH, STAYING = sys.argv[1], sys.argv[2], int(sys.argv[3])
seen = {"short": 0, "versions": [], "staying": [], "failures": []}
over = asyncio.Event()


async def ask(connection):
    """Send a message, and return the version that answered it."""
    await connection.send("ping")
    return (await asyncio.wait_for(connection.recv(), 10)).split()[0]


def connect():
    """Open a websocket through NGINX."""
    return websockets.connect(f"ws://{HOST}{PATH}", host="127.0.0.1", port=80)


async def stay():
    """Keep one websocket, and note the versions that answer on it."""
    versions = []
    try:
        async with connect() as connection:
            while not over.is_set():
                versions.append(await ask(connection))
                await asyncio.sleep(0.1)
    except Exception as failure:
        seen["failures"].append(f"staying: {failure!r}")
    seen["staying"].append(sorted(set(versions)))


async def come_and_go():
    """Open one websocket after another."""
    while not over.is_set():
        try:
            async with connect() as connection:
                version = await ask(connection)
        except Exception as failure:
            seen["failures"].append(f"short: {failure!r}")
        else:
            seen["short"] += 1
            if version not in seen["versions"]:
                seen["versions"].append(version)
        await asyncio.sleep(0.02)


async def main():
    """Run until the input ends."""
    tasks = [asyncio.create_task(stay()) for _ in range(STAYING)] + [asyncio.create_task(come_and_go())]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    over.set()
    await asyncio.gather(*tasks)
    print(json.dumps(seen))


asyncio.run(main())
