"""Six more applications that others have written, each of another kind, redeployed under load and rolled back.

Four minutes.
"""

from __future__ import annotations

import http.client
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.applications import celery_beat, datasette, isso, marimo, pypiserver, wagtail
from tests.integration.applications.browser import Browser
from tests.integration.conftest import Site
from tests.rig.server import Server

pytestmark = pytest.mark.on("debian13")

# All of them, with the page of each that is asked for again and again.
PAGES = {
    datasette: (datasette.SITE, "/shop/products.json"),
    marimo: (marimo.SITE, "/"),
    isso: (isso.SITE, "/config"),
    pypiserver: (isso.SITE, f"{pypiserver.PATH}simple/"),
    wagtail: (wagtail.SITE, "/admin/login/"),
    celery_beat: (celery_beat.SITE, "/admin/login/"),
}
PAUSE = 0.1


class Visitor(threading.Thread):
    """Asks for the same page until it is told to stop."""

    def __init__(self, port: int, site: str, path: str) -> None:
        super().__init__()
        self.port, self.site, self.path = port, site, path
        self.requests = 0
        self.failures: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        """Ask, each time on a connection of its own, until `over` is set."""
        while not self.over.wait(PAUSE):
            self.requests += 1
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.request("GET", self.path, headers={"Host": self.site})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as failure:
                self.failures.append(f"{self.site}{self.path}: {failure!r}")
            else:
                if answer.status != 200:
                    self.failures.append(f"{self.site}{self.path}: {answer.status}")
            finally:
                connection.close()


@contextmanager
def visitors(port: int) -> Iterator[list[Visitor]]:
    """Let one visitor ask for a page of each application while the body runs."""
    found = [Visitor(port, *page) for page in PAGES.values()]
    for one in found:
        one.start()
    try:
        yield found
    finally:
        for one in found:
            one.over.set()
        for one in found:
            one.join()


@contextmanager
def notebook(server: Server) -> Iterator[list[str]]:
    """Use the notebook over its websocket, and leave that open while the body runs; what it said is in the result."""
    server.shell(f"cat > /notebook.py <<'END'\n{marimo.VISITOR}\nEND")
    command = ["docker", "exec", "--interactive", server.name, "timeout", "300", "python3", "/notebook.py", marimo.SITE]
    said: list[str] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said.append(process.stdout.readline().strip())
        try:
            yield said
        finally:
            rest, _ = process.communicate()
            said.append(rest.strip())


@pytest.fixture(scope="module")
def host(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a server with what the applications need besides their entries."""
    server.install("redis-server", "python3-websockets")
    # What a container cannot have.
    server.shell("mkdir -p /etc/systemd/system/redis-server.service.d")
    server.shell("printf '[Service]\nPrivateUsers=no\n' > /etc/systemd/system/redis-server.service.d/test.conf")
    server.shell("systemctl daemon-reload; systemctl restart redis-server")
    return Site(server, tmp_path_factory.mktemp("others"))


def test_six_applications_of_others_are_used_redeployed_and_rolled_back(host: Site) -> None:
    apps: list[dict[str, Any]] = [one.entry() for one in PAGES]
    # Isso has a package that is compiled.
    host.deploy("-e", '{"python_app_extra_packages": ["build-essential", "libffi-dev", "python3-dev"]}', apps=apps)
    port = host.server.port(80)

    def use() -> None:
        for one, (site, _path) in PAGES.items():
            one.scenario(Browser(site, port))

    use()
    before = live(host, apps)
    with visitors(port) as load:
        with notebook(host.server) as said:
            for app in apps:
                app["run"].setdefault("env", {})["AGAIN"] = "1"
            host.deploy(apps=apps)
        assert said == ["seven", "open"]
        after = live(host, apps)
        with notebook(host.server) as said:
            for app in apps:
                host.deploy("-e", f"wsgi_app={app['name']}", apps=apps, playbook="rollback")
        assert said == ["seven", "open"]
    assert [failure for one in load for failure in one.failures] == []
    print({f"{one.site}{one.path}": one.requests for one in load})
    assert min(one.requests for one in load) > 100
    assert all(before[name] != after[name] for name in before)
    assert live(host, apps) == before
    use()
    host.deploy(apps=apps)
    host.assert_nothing_to_do(apps)


def live(host: Site, apps: list[dict[str, Any]]) -> dict[str, str]:
    """Return the live release of each application."""
    names = [app["name"] for app in apps]
    said = host.server.shell(" ".join(["readlink", *(f"/srv/{name}/current" for name in names)]))
    return dict(zip(names, said.split()))
