"""An application that a burglar has taken: it tries what it is told to try, and tells what came of it."""

import atexit
import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import parse_qs


def look_into_builds(_: str) -> str:
    """Change the code of a build while it is made, through the process that makes it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place = Path(os.readlink(process / "cwd"))
        except OSError:
            continue
        if "/builds/" in str(place) and not (place / "main.py").samefile(__file__):
            found.append(str(process))
            try:
                with open(process / f"root{place}/main.py", "a") as code:
                    code.write("# changed by a stranger\n")
            except OSError as error:
                found.append(str(error))
    return " ".join(found) or "nothing to see"


def take_the_lock(path: str) -> str:
    """Keep a run waiting by the kernel's lock on a file."""
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return "taken"


def look_into_others(_: str) -> str:
    """Read the environment of processes of the same user that belong to another release."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "environ").read_bytes()
        except OSError:
            continue
        found += [word.decode() for word in said.split(b"\0") if word.startswith(b"KEY=") and b"old" not in word]
    return " ".join(found) or "nothing to see"


def read(path: str) -> str:
    """Read a file, or the names in a directory."""
    place = Path(path)
    return " ".join(os.listdir(place)) if place.is_dir() else place.read_text()


def leave(path: str) -> str:
    """Leave a file where another application might find it."""
    Path(path).write_text("left by a stranger")
    return "left"


def nest(path: str) -> str:
    """Make directories that are nested too deep for a program that goes through them by calling itself."""
    os.chdir(path)
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
    return "nested"


def beg() -> None:
    """Ask systemd for more time without end, which gives it to whoever asks."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        while True:
            notify.sendto(b"EXTEND_TIMEOUT_USEC=60000000", os.environ["NOTIFY_SOCKET"])
            time.sleep(1)


TRIES: dict[str, Callable[[str], str]] = {
    "builds": look_into_builds,
    "leave": leave,
    "lock": take_the_lock,
    "nest": nest,
    "others": look_into_others,
    "read": read,
}

if os.environ.get("IMPORT") == "slow":
    time.sleep(6)
elif os.environ.get("IMPORT") == "begs":
    beg()
elif os.environ.get("IMPORT") == "clings":
    # When uWSGI has made its workers: one that is forked beside a thread at work may wait for its locks for ever.
    later = threading.Timer(3, beg)
    later.daemon = True
    later.start()
    atexit.register(time.sleep, 600)
elif os.environ.get("IMPORT") == "escapes":
    sys.exit("\033]0;owned\007\033[2J\u009b31mred\u202e")


def application(
    environ: dict[str, str], start_response: Callable[[str, list[tuple[str, str]]], None]
) -> Iterable[bytes]:
    """Try what the query says."""
    asked = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    try:
        said = TRIES[asked["try"]](asked.get("with", "")) if "try" in asked else "at home"
    except OSError as error:
        said = f"{type(error).__name__}: {error}"
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(said).encode()]
