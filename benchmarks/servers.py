"""Servers for the benchmarks, and the playbook run on them."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.rig import PROJECT, named
from tests.rig.server import Server, ansible

HOST = "web1.example.com"
APPS = [
    {
        "name": "hello",
        "build": {"source": str(PROJECT / "app")},
        "run": {"callable": "main:application"},
        "serve": {"server_names": ["hello.example.com"]},
    }
]


class Cost(NamedTuple):
    """What something took: the seconds that passed, and those of the controller's processors."""

    wall: float
    processor: float

    def __str__(self) -> str:
        """Return both figures for people."""
        return f"{self.wall:.2f} s ({self.processor:.2f} s of the controller's processors)"

    def times(self, other: Cost) -> str:
        """Return how many times as much this is as `other`."""
        return f"{self.wall / other.wall:.1f} times (processors {self.processor / other.processor:.1f})"

    @classmethod
    def middle(cls, costs: list[Cost]) -> Cost:
        """Return the median of `costs`, of each figure by itself."""
        return cls(median(cost.wall for cost in costs), median(cost.processor for cost in costs))


@contextmanager
def server(name: str) -> Iterator[tuple[Server, Path]]:
    """Give a bare Debian 12 and the inventory that describes it; it is gone afterwards."""
    one = Server(named(f"bench-{name}"))
    one.down()
    try:
        one.up()
        yield one, one.write_inventory(HOST, {"wsgi_apps": APPS})
    finally:
        one.down()


def deploy(inventory: Path) -> None:
    """Run `site.yml`."""
    ansible("ansible-playbook", "playbooks/site.yml", "-i", inventory)


def ping(inventory: Path) -> None:
    """Run the least that Ansible can do on a host."""
    ansible("ansible", HOST, "-i", inventory, "-m", "ansible.builtin.ping")


def cost(step: Callable[..., None], *arguments: object) -> Cost:
    """Return what a step costs, with all processes that it starts on this machine and waits for."""
    begun, before = time.monotonic(), _processor()
    step(*arguments)
    return Cost(time.monotonic() - begun, _processor() - before)


def seconds(step: Callable[..., None], *arguments: object) -> float:
    """Return how long a step takes."""
    return cost(step, *arguments).wall


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
