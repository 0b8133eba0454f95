"""An application that a burglar has taken: it tries what it is told to try, and tells what came of it."""

import fcntl
import json
import os
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


TRIES: dict[str, Callable[[str], str]] = {"builds": look_into_builds, "lock": take_the_lock}


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
