"""More than one host: a load balancer in front of app servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import PROJECT
from tests.rig.server import Server, ansible, write_inventory

APP = {
    "name": "hello",
    "build": {"source": str(PROJECT / "app")},
    "run": {"callable": "main:application", "listen_http": "0.0.0.0:9000"},
    "serve": {"server_names": ["hello.example.com"]},
}


@pytest.fixture
def servers() -> Iterator[dict[str, Server]]:
    found = {
        "app1": Server("wsgi-test-app1"),
        "app2": Server("wsgi-test-app2", "debian13"),
        "lb": Server("wsgi-test-lb"),
    }
    try:
        for server in found.values():
            server.down()
            server.up()
        yield found
    finally:
        for server in found.values():
            server.down()


def test_a_load_balancer_reaches_all_app_servers_over_http(servers: dict[str, Server], tmp_path: Path) -> None:
    hosts = {name: {**server.connection(), "wsgi_address": server.address()} for name, server in servers.items()}
    groups = {"app_servers": ["app1", "app2"], "load_balancers": ["lb"]}
    inventory = write_inventory(tmp_path, hosts, groups, {"wsgi_apps": [APP]})
    ansible("ansible-playbook", "playbooks/site.yml", "-i", inventory)
    assert {servers["lb"].get("hello.example.com") for _ in range(4)} == {"Hello, World!"}
    assert servers["lb"].shell("ls /srv") == ""
    for name in groups["app_servers"]:
        assert f"{servers[name].address()}:9000" in servers["lb"].shell("cat /etc/nginx/nginx.conf")
        assert servers[name].shell("which nginx", check=False) == ""
        servers[name].shell("systemctl stop hello-http.socket hello-http.service")
        servers[name].shell("systemctl start hello-http.socket")
        assert servers["lb"].get("hello.example.com") == "Hello, World!"
