"""What a run costs that changes the code, or the environment, in pings of the same host over SSH."""

from __future__ import annotations

import copy
import shutil
import tempfile
from pathlib import Path

from benchmarks.servers import APPS, HOST, Cost, cost, deploy, ping, server
from tests.rig import PROJECT

ROUNDS = 5
MOST = 4.5


def main() -> None:
    """Print the ratios."""
    with server("changes") as (host, inventory), tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "app"
        shutil.copytree(PROJECT / "app", source)
        apps = copy.deepcopy(APPS)
        apps[0]["build"] = {"source": str(source)}
        code = source / "application.py"
        pings, codes, environments = [], [], []
        for number in range(ROUNDS + 1):
            code.write_text(code.read_text(encoding="utf-8") + f"# {number}\n", encoding="utf-8")
            host.write_inventory(HOST, {"wsgi_apps": apps})
            codes.append(cost(deploy, inventory))
            apps[0]["run"] = {"callable": "main:application", "env": {"NUMBER": str(number)}}
            host.write_inventory(HOST, {"wsgi_apps": apps})
            environments.append(cost(deploy, inventory))
            pings.append(cost(ping, inventory))
    # The first of each is a deploy to a bare host, and what it leaves to do.
    once = Cost.middle(pings[1:])
    for what, took in (("code", codes), ("environment", environments)):
        change = Cost.middle(took[1:])
        print(f"change of {what}: {change}; ping: {once}; {change.times(once)}, at most {MOST}")
