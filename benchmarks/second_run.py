"""What a run costs that changes nothing, in pings of the same host over SSH."""

from __future__ import annotations

from benchmarks.servers import Cost, cost, deploy, ping, server

ROUNDS = 5
MOST = 2.5


def main() -> None:
    """Print the ratio."""
    with server("second-run") as (_, inventory):
        deploy(inventory)
        pairs = [(cost(ping, inventory), cost(deploy, inventory)) for _ in range(ROUNDS)]
    pings, runs = (Cost.middle(list(costs)) for costs in zip(*pairs))
    print(f"second run: {runs}; ping: {pings}; {runs.times(pings)}, at most {MOST}")
