"""Applications that others have written, all on one host; and a queue whose workers change with every deploy."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.applications import bugsink, hgweb, ihatemoney, radicale
from tests.integration.applications.browser import Browser
from tests.integration.conftest import Run, Site
from tests.rig import PROJECT, often
from tests.rig.server import Server

# Python 3.13 is the newer one, which what others have written may not know yet.
pytestmark = pytest.mark.on("debian13")

QUEUE = "queue.example.com"
DEPLOYS = often(3, 5, 5)

# How many jobs are queued before and during each deploy, and how many of those take longer than a switch.
PORTION = 100
SLOW = 4


@pytest.fixture(scope="module")
def host(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a server on which nothing is live yet."""
    return Site(server, tmp_path_factory.mktemp("applications"))


def test_four_applications_of_others_run_on_one_host_with_only_an_entry(host: Site, tmp_path: Path) -> None:
    apps = [
        ihatemoney.entry(ihatemoney.source(tmp_path / "ihatemoney")),
        bugsink.entry(bugsink.source(tmp_path / "bugsink")),
        radicale.entry(),
        hgweb.entry(),
    ]
    host.deploy(apps=apps)
    port = host.server.port(80)
    ihatemoney.scenario(Browser("ihatemoney.example.com", port))
    bugsink.scenario(Browser("bugsink.example.com", port))
    radicale.scenario(Browser("radicale.example.com", port))
    (tmp_path / "hg").mkdir()
    hgweb.scenario(Browser("hgweb.example.com", port), tmp_path / "hg")
    host.assert_nothing_to_do(apps)


class Queue:
    """An application that leaves jobs for a worker of Celery, with Redis on the same host."""

    def __init__(self, host: Site) -> None:
        self.host = host
        self.app: dict[str, Any] = {
            "name": "queue",
            "build": {"source": str(PROJECT / "tests/integration/applications/queue")},
            "run": {
                "callable": "main:application",
                "env": {"BROKER_URL": "redis://127.0.0.1:6379/0"},
                "probe": {"path": "/state"},
                "workers": [{"name": "celery", "command": "celery --app tasks worker --concurrency 2"}],
            },
            "serve": {"server_names": [QUEUE]},
        }

    def run(self, number: int) -> Run:
        """Begin to bring another release live."""
        self.app["run"]["env"]["NUMBER"] = number
        return self.host.run(apps=[self.app])

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """Ask the application for something."""
        url = f"http://127.0.0.1:{self.host.server.port(80)}{path}"
        request = urllib.request.Request(url, headers={"Host": QUEUE}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def state(self) -> dict[str, Any]:
        """Return what became of the jobs."""
        return self.ask("GET", "/state")


def test_no_deploy_loses_a_job_and_one_in_flight_at_a_switch_completes(host: Site) -> None:
    host.server.install("redis-server")
    # What a container cannot have.
    host.server.shell("mkdir -p /etc/systemd/system/redis-server.service.d")
    host.server.shell("printf '[Service]\nPrivateUsers=no\n' > /etc/systemd/system/redis-server.service.d/test.conf")
    host.server.shell("systemctl daemon-reload; systemctl restart redis-server")
    queue = Queue(host)
    assert queue.run(0).finish() == 0
    switches = []
    for number in range(1, DEPLOYS + 1):
        # In portions, for there are jobs in line at each of the deploys then, however long one takes.
        queue.ask("POST", f"/enqueue?n={PORTION}")
        run = queue.run(number)
        assert run.until("Serve the sites")
        # As many as both workers can take, that before the switch and that after it.
        for _ in range(SLOW):
            queue.ask("POST", "/slow")
        queue.ask("POST", f"/enqueue?n={PORTION}")
        assert run.finish() == 0, run.said
        switches.append(float(host.server.shell("stat --format %.9Y /srv/queue/current")))
    jobs = DEPLOYS * (2 * PORTION + SLOW)
    deadline = time.monotonic() + 120
    while queue.state()["done"] < jobs and time.monotonic() < deadline:
        time.sleep(1)
    state = queue.state()
    in_flight = [sum(begun < switch < begun + 5 for begun in state["begun"]) for switch in switches]
    print(f"{state['done']} of {state['enqueued']} jobs done, {state['repeated']} of them more than once")
    print(f"jobs of 5 s in flight at each switch: {in_flight}")
    assert state["enqueued"] == state["done"] == jobs
    assert len(state["ended"]) == DEPLOYS * SLOW
    assert min(in_flight) > SLOW / 2, "the worker before the switch may have had none of them"
