"""An application that fails in the way that its environment says, as those of people do."""

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

FAULT = os.environ["FAULT"]
if FAULT == "import error":
    from collections import there_is_no_such_name  # noqa: F401 (importing it is the fault)
if FAULT == "missing module":
    import there_is_no_such_module  # noqa: F401 (importing it is the fault)
if FAULT == "database":
    sqlite3.connect("shop.sqlite3").execute("create table t (i)")
if FAULT == "missing secret":
    SECRET = os.environ["PAYMENT_SECRET"]
if FAULT == "time-out":
    time.sleep(600)
if FAULT == "memory":
    HUGE = bytearray(b"x") * (300 << 20)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer, unless the host is not to its liking."""
    if FAULT == "host":
        start_response("400 Bad Request", [])
        return [b"who is that?"]
    start_response("200 OK", [])
    return [b"fine"]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Answer as what uWSGI does not run."""


if __name__ == "__main__":
    sys.exit("a worker that ends")
