"""How long a run takes that changes nothing, in pings of the same host over SSH."""

from __future__ import annotations

from statistics import median

from benchmarks.servers import deploy, ping, seconds, server

ROUNDS = 5
MOST = 8.0


def main() -> None:
    """Print the ratio."""
    with server("second-run") as (_, inventory):
        deploy(inventory)
        pairs = [(seconds(ping, inventory), seconds(deploy, inventory)) for _ in range(ROUNDS)]
    pings, runs = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    print(f"second run: {runs:.1f} s, ping {pings:.2f} s: {runs / pings:.1f} times (at most {MOST})")
