"""What a run costs that changes nothing on eight hosts, in such runs on one."""

from __future__ import annotations

import copy
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.servers import APPS, Cost, cost, deploy
from tests.rig import prepared
from tests.rig.server import write_inventory

ROUNDS = 5
HOSTS = 8
MOST_PROCESSOR, MOST_WALL = 2.0, 2.5


def main() -> None:
    """Print the ratio."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        servers = {f"web{number}": prepared.server(f"bench-web{number}") for number in range(HOSTS)}
        for one in servers.values():
            one.down()
            stack.callback(one.down)
            one.up()
        hosts = {name: one.connection() for name, one in servers.items()}
        inventories = []
        for names in (list(hosts), list(hosts)[:1]):
            groups = {"app_servers": names, "load_balancers": names}
            described = {"wsgi_apps": copy.deepcopy(APPS)}
            listed = {name: hosts[name] for name in names}
            inventories.append(write_inventory(directory / str(len(names)), listed, groups, described))
        deploy(inventories[0])
        pairs = [[cost(deploy, inventory) for inventory in inventories] for _ in range(ROUNDS)]
    eight, one_host = (Cost.middle(list(costs)) for costs in zip(*pairs))
    bounds = f"at most {MOST_WALL} (processors {MOST_PROCESSOR})"
    print(f"{HOSTS} hosts: {eight}; 1 host: {one_host}; {eight.times(one_host)}, {bounds}")
