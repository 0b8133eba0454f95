"""Servers for the benchmarks, and the playbook run on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rig import PROJECT
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


@contextmanager
def server(name: str) -> Iterator[tuple[Server, Path]]:
    """Give a bare Debian 12 and the inventory that describes it; it is gone afterwards."""
    one = Server(f"wsgi-bench-{name}")
    one.down()
    try:
        one.up()
        yield one, one.write_inventory(HOST, {"wsgi_apps": APPS})
    finally:
        one.down()


def deploy(inventory: Path) -> None:
    """Run `site.yml`."""
    ansible("ansible-playbook", "playbooks/site.yml", "-i", "inventory/prod", "-i", inventory)


def ping(inventory: Path) -> None:
    """Run the least that Ansible can do on a host."""
    ansible("ansible", HOST, "-i", inventory, "-m", "ansible.builtin.ping")


def seconds(step: Callable[..., None], *arguments: object) -> float:
    """Return how long a step takes."""
    begun = time.monotonic()
    step(*arguments)
    return time.monotonic() - begun
