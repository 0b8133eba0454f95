"""Many at once, and many who take their time, keep nobody else from being answered."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import NginxSite

# NGINX 1.26 is the newer one, and may treat who takes his time in another way.
pytestmark = [pytest.mark.on("debian13"), pytest.mark.quiet]

NAME = "patient.example.com"
SCRIPT = "/flood.py"

SLOW = 500
CROWD = 2000

# Seconds in which visitors come, with the slow clients and without: four windows of two seconds.
VISIT = 8

# Where visitors wait less than this without the slow clients, twice as much says more of the machine than of NGINX: who
# waits for a processor behind a few others waits for as many slices of it, of some milliseconds each. Where slow
# clients hold what others need, these wait for seconds.
LEAST_P99 = 0.02

# The seconds after which NGINX lets go of who says nothing, and how much later it may be seen.
TIMEOUT = 10
LATE = 3


@pytest.fixture(scope="module")
def site(nginx: NginxSite) -> NginxSite:
    """Return NGINX with its site as it is by default, and the script on the server."""
    nginx.serve()
    script = Path(__file__).with_name("flood.py").read_text(encoding="utf-8")
    nginx.server.shell(f"cat > {SCRIPT} <<'END'\n{script}\nEND")
    return nginx


def flood(site: NginxSite, mode: str, amount: int) -> dict[str, Any]:
    """Run a mode of the script to its end, and return what it saw."""
    said: dict[str, Any] = json.loads(site.server.shell(f"python3 {SCRIPT} {mode} {NAME} {amount}"))
    return said


def connections(site: NginxSite) -> int:
    """Return how many connections NGINX has from clients, this question included."""
    code = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:8099').read().decode())"
    found = re.search(r"Active connections: (\d+)", site.server.shell(f'python3 -c "{code}"'))
    assert found
    return int(found.group(1))


def test_slow_clients_do_not_slow_others_down(site: NginxSite) -> None:
    before = flood(site, "visit", VISIT)
    command = ["docker", "exec", "--interactive", site.server.name, "python3", SCRIPT, "slow", NAME, str(SLOW)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "all here\n"
            during = flood(site, "visit", VISIT)
            held = connections(site)
        finally:
            said, _ = process.communicate()
    slow = json.loads(said)
    print(f"without: {before}\nwith: {during}\nslow: {slow}")
    assert set(before["statuses"]) == set(during["statuses"]) == {"200"}
    # The slow clients are there in each window, and what else this machine does is not: the best ones are compared.
    assert min(during["p99"]) < 2 * max(min(before["p99"]), LEAST_P99)
    # A few may be on their way back in.
    assert held >= SLOW * 0.9
    # A connection is closed without a word: there is no answer to half a request, and no 5xx above all.
    assert set(slow["answers"]) <= {"", "408"}
    for shortest, longest in slow["held"].values():
        assert TIMEOUT - 1 < shortest <= longest < TIMEOUT + LATE
    time.sleep(0.5)
    assert connections(site) < 10


def test_many_connections_at_once_are_all_answered(site: NginxSite) -> None:
    seen = flood(site, "crowd", CROWD)
    print(seen)
    assert seen["came"] == CROWD
    assert seen["statuses"] == {"200": CROWD}
