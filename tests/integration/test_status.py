"""What the playbook `status` says of a healthy host and of one that is not.

Fifty seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import HOST, Site
from tests.rig.server import ansible, write_inventory

pytestmark = pytest.mark.on("debian12")


def status(site: Site, file: Path, *words: str, inventory: Path | None = None) -> tuple[int, str, dict[str, Any]]:
    """Return how the playbook ends, what it says, and the file that it writes."""
    more: list[str | Path] = ["-i", inventory] if inventory else []
    done = ansible(*site.command("-e", f"wsgi_json={file}", *words, playbook="status"), *more, check=False)
    return done.returncode, done.stdout, json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def running(site: Site) -> Site:
    """Return the site with a worker beside it, over HTTPS."""
    site.app["run"]["workers"] = [{"name": "idle", "command": "sleep infinity"}]
    site.app["serve"]["tls"] = {"source": "self_signed"}
    site.deploy()
    return site


def test_nothing_is_wrong_with_a_healthy_host(running: Site, tmp_path: Path) -> None:
    ended, said, file = status(running, tmp_path / "status.json", "-e", f"wsgi_html={tmp_path}/status.html")
    assert ended == 0, said
    page = (tmp_path / "status.html").read_text(encoding="utf-8")
    assert '<h1 class="good">Nothing is wrong</h1>' in page and f"<dd>{running.live()}</dd>" in page
    (one,) = file["hosts"][HOST]["applications"]
    assert one["release"] == running.live() and one["healthy"] and one["served"] and one["restarts"] == 0
    assert one["processes"] > 0 and one["queue"] == 0 and one["certificate_days"] > 14
    assert f"{HOST}  hello        {one['release']}" in said and "healthy" in said and file["problems"] == []
    # Looking changes nothing.
    running.assert_nothing_to_do()


def test_what_is_wrong_is_named_and_the_run_fails(running: Site, tmp_path: Path) -> None:
    service, worker = (f"hello@{running.live()}{part}.service" for part in ("", "-idle"))
    gone = write_inventory(tmp_path / "gone", {"web2.example.com": {"ansible_host": "192.0.2.1"}}, {}, {})
    (gone / "hosts.yml").write_text(
        "all: {hosts: {web2.example.com: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n"
        "app_servers: {hosts: {web2.example.com: }}\n"
    )
    foreign, conf = f"/etc/systemd/system/{service}.d", "/etc/nginx/nginx.conf"
    running.server.shell(
        f"mkdir {foreign}; printf '[Service]\nNice=3\n' > {foreign}/mine.conf; systemctl daemon-reload"
    )
    running.server.shell(f"systemctl stop {worker}; systemctl kill --signal KILL {service}; sleep 2")
    running.server.shell(f"cp -p {conf} /kept; sed -i 's/server_tokens off;/nonsense;/' {conf}")
    words = ("-e", f"wsgi_html={tmp_path}/status.html")
    ended, said, file = status(running, tmp_path / "status.json", *words, inventory=gone)
    page = (tmp_path / "status.html").read_text(encoding="utf-8")
    assert f"{worker} is inactive</li>" in page and "No answer" in page
    assert ended != 0
    assert f"{HOST}: hello: {worker} is inactive" in file["problems"]
    assert f"{HOST}: hello: {service} was restarted once since {running.live()} went live" in file["problems"]
    assert any(f"also has settings from {foreign}/mine.conf" in problem for problem in file["problems"])
    assert any('would not load its configuration: unknown directive "nonsense"' in one for one in file["problems"])
    running.server.shell(f"rm -r {foreign}; systemctl daemon-reload; cp -p /kept {conf}")
    assert "web2.example.com: cannot be reached" in file["problems"] and "cannot be reached" in said
    running.server.shell(f"systemctl stop hello@{running.live()}.socket {service}")
    ended, said, file = status(running, tmp_path / "status.json")
    assert ended != 0 and "sick, not served" in said
    assert any("clients do not reach it at 127.0.0.1:443" in problem for problem in file["problems"])
    running.deploy()
    assert status(running, tmp_path / "status.json")[0] == 0
