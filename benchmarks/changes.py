"""How long it takes until a change of the code, or of the environment, is live, in pings of the same host over SSH."""

from __future__ import annotations

import copy
import shutil
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.servers import APPS, HOST, deploy, ping, seconds, server
from tests.rig import PROJECT

ROUNDS = 5
MOST_FOR_CODE = 10.0
MOST_FOR_ENVIRONMENT = 8.0


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
            codes.append(seconds(deploy, inventory))
            apps[0]["run"] = {"callable": "main:application", "env": {"NUMBER": str(number)}}
            host.write_inventory(HOST, {"wsgi_apps": apps})
            environments.append(seconds(deploy, inventory))
            pings.append(seconds(ping, inventory))
    # The first of each is a deploy to a bare host, and what it leaves to do.
    once = median(pings[1:])
    for what, took, most in (("code", codes, MOST_FOR_CODE), ("environment", environments, MOST_FOR_ENVIRONMENT)):
        change = median(took[1:])
        print(f"change of {what}: {change:.1f} s, ping {once:.2f} s: {change / once:.1f} times (at most {most})")
