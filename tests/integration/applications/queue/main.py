"""An application that leaves jobs for a worker, and tells what became of them."""

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from tasks import RUNS, job, redis, slow


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer `POST /enqueue?n=1000`, `POST /slow` and `GET /state`, with JSON."""
    asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    status, answer = "200 OK", {}
    if asked == "POST /enqueue":
        count = int(parse_qs(environ["QUERY_STRING"])["n"][0])
        last = int(redis.incrby("jobs", count))
        for number in range(last - count, last):
            job.delay(number)
        answer = {"enqueued": count}
    elif asked == "POST /slow":
        slow.delay(int(redis.incr("jobs")) - 1)
        answer = {"enqueued": 1}
    elif asked == "GET /state":
        runs = redis.hgetall(RUNS)
        answer = {
            "enqueued": int(redis.get("jobs") or 0),
            "done": len(runs),
            "repeated": sum(int(count) > 1 for count in runs.values()),
            "begun": sorted(map(float, redis.hvals("begun"))),
            "ended": sorted(map(float, redis.hvals("ended"))),
            "waiting": redis.llen("celery"),
            "taken": redis.hlen("unacked"),
        }
    else:
        status = "404 Not Found"
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
