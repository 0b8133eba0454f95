"""Several applications under one host name, each below its own path, with one certificate.

Two minutes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Site
from tests.rig import PROJECT
from tests.rig.server import Server

pytestmark = pytest.mark.on("debian12")

HOST = "all.example.com"
NAMES = {"server_names": [HOST]}
CODE = PROJECT / "tests/integration/paths"


class Paths(Site):
    """A server with an application at `/`, one with Flask at `/shop/`, and one with Django at `/a.b/blog/`."""

    def __init__(self, server: Server, directory: Path) -> None:
        super().__init__(server, directory / "front", "front")
        self.version = 0
        shutil.copytree(CODE, directory, dirs_exist_ok=True)
        self.front = self._entry(
            "front", {**NAMES, "uploads": [{"path": "/private/", "directory": "p", "private": True}]}
        )
        self.shop = self._entry(
            "shop",
            {
                **NAMES,
                "path": "/shop/",
                "static": [{"path": "/static/", "directory": "static"}, {"path": "/robots.txt", "directory": "static"}],
                "uploads": [{"path": "/private/", "directory": "p", "private": True}],
                # With everything that a path can have of its own.
                "routes": [
                    {
                        **{"path": "/desk/", "max_body_size": "2k", "read_timeout": 30, "cache_seconds": 5},
                        **{"requests_per_second": 50, "burst": 50, "connections": 50, "allowed_networks": []},
                        "basic_auth": {"bob": "another long one"},
                    }
                ],
            },
            # The probe of an application is below its path, too.
            probe={"path": "/health", "text": "/shop"},
        )
        self.blog = self._entry("blog", {**NAMES, "path": "/a.b/blog/"}, probe={"path": "/page"})

    def _entry(self, name: str, serve: dict[str, Any], **run: Any) -> dict[str, Any]:
        build = {"source": str(self.source.parent / name)}
        run = {"callable": "main:application", "processes": 1, **run}
        return {"name": name, "build": build, "run": run, "serve": serve}

    @property
    def apps(self) -> list[dict[str, Any]]:
        """All three entries; the one with the server of the name is not the first."""
        return [self.shop, self.front, self.blog]

    def bring(self, *words: str, check: bool = True) -> Any:
        """Deploy a new version of all three."""
        self.version += 1
        for app in self.apps:
            app["run"]["env"] = {"VERSION": str(self.version)}
        return self.deploy(*words, apps=self.apps, check=check)

    def ask(self, path: str, *words: str) -> str:
        """Return the status of the answer, its `Location`, and its body."""
        curl = ["curl", "-sk", "--max-time", "10", "-w", r"\n%{http_code} %header{location}", *words]
        quoted = " ".join(f"'{word}'" for word in [*curl, "-H", f"Host: {HOST}", f"http://127.0.0.1{path}"])
        body, _newline, status = self.server.shell(quoted).rpartition("\n")
        return f"{status.strip()}: {body}"


@pytest.fixture(scope="module")
def paths(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    one = Paths(server, tmp_path_factory.mktemp("paths"))
    one.bring()
    return one


def test_each_application_knows_its_place(paths: Paths) -> None:
    assert paths.ask("/") == "200: front 1"
    assert paths.ask("/anything%20here") == "200: front 1"
    shop = json.loads(paths.ask("/shop/a%2Fb%0Ac?q").partition(" ")[2])
    assert shop == {"script_name": "/shop", "path_info": "/a/b\nc", "made": "/shop/health", "prefix": "/shop"}
    assert json.loads(paths.ask("/shop/", "-H", "X-Forwarded-Prefix: /x").partition(" ")[2])["prefix"] == "/shop"
    assert paths.ask("/", "-H", "X-Forwarded-Prefix: /x", "-H", "Script-Name: /x") == "200: front 1"
    assert paths.ask("/a.b/blog/page") == "200: /a.b/blog/page"
    assert paths.ask("/a.b/blog/away") == "302 /a.b/blog/page: "
    assert paths.ask("/axb/blog/page") == "200: front 1"
    for link in ("/shop", "/shop?q=1"):
        assert paths.ask(link).startswith(f"308 http://{HOST}{link.replace('/shop', '/shop/')}: ")
    assert paths.ask("/shopping") == "200: front 1"


def test_static_files_and_uploads_are_below_the_path(paths: Paths) -> None:
    assert paths.ask("/shop/static/shop.css") == "200: shop {}\n"
    assert paths.ask("/shop/robots.txt") == "200: nothing\n"
    assert paths.ask("/shop/robots.txt/").startswith("200: {")
    assert paths.ask("/static/shop.css") == "200: front 1"


def test_no_application_has_private_files_of_another_sent(paths: Paths) -> None:
    for app in ("front", "shop"):
        script = f"umask 027; echo of {app} > /srv/{app}/data/p/file"
        paths.server.shell(f"su --shell /bin/sh {app} --command '{script}'")
    assert paths.ask("/shop/file/shop/private/file") == "200: of shop\n"
    assert paths.ask("/shop/file/private/file").startswith("404")


def test_a_deploy_of_one_or_all_fails_no_request_of_any(paths: Paths) -> None:
    with paths.server.load(HOST, rate=60) as front, paths.server.load(HOST, rate=60, below="/shop") as shop:
        paths.bring()
        paths.shop["run"]["env"]["VERSION"] = "alone"
        paths.deploy(apps=paths.apps)
        paths.deploy("-e", "wsgi_app=shop", apps=paths.apps, playbook="rollback")
    assert front.failures == shop.failures == []
    assert front.requests > 300 and shop.requests > 300
    paths.deploy(apps=paths.apps)
    paths.assert_nothing_to_do(apps=paths.apps)


def test_each_has_its_own_passwords_limits_and_maintenance(paths: Paths) -> None:
    paths.front["serve"]["basic_auth"] = {"alice": "correct horse battery"}
    paths.blog["serve"]["allowed_networks"] = ["192.0.2.0/24"]
    paths.shop["serve"].update(max_body_size="1k", headers={"X-Shop": "yes"}, requests_per_second=1, burst=1)
    try:
        paths.deploy(apps=paths.apps)
        assert paths.ask("/").startswith("401")
        assert paths.ask("/", "-u", "alice:correct horse battery") == "200: front 2"
        assert paths.ask("/a.b/blog/page").startswith("403")
        assert paths.ask("/shop/desk/").startswith("401")
        assert '"path_info":"/desk/"' in paths.ask("/shop/desk/", "-u", "bob:another long one")
        large = ("--data", "x" * 2000)
        assert paths.ask("/shop/echo", *large).startswith("413")
        assert paths.ask("/", "-u", "alice:correct horse battery", *large).startswith("200")
        assert [paths.ask("/shop/")[:3] for _ in range(6)][-1] == "429"
        assert "X-Shop: yes" in paths.ask("/shop/static/shop.css", "-D", "-")
        assert "X-Shop" not in paths.ask("/a.b/blog/page", "-D", "-")
    finally:
        del paths.front["serve"]["basic_auth"], paths.blog["serve"]["allowed_networks"]
        for key in ("max_body_size", "headers", "requests_per_second", "burst"):
            del paths.shop["serve"][key]
    close = ("-e", "wsgi_app=shop", "-e")
    paths.deploy(*close, "wsgi_maintenance=on", apps=paths.apps, playbook="maintenance")
    paths.deploy(apps=paths.apps)
    assert paths.ask("/shop/").startswith("503") and "closed for maintenance" in paths.ask("/shop/")
    assert paths.ask("/") == "200: front 2" and paths.ask("/a.b/blog/page").startswith("200")
    paths.deploy(*close, "wsgi_maintenance=off", apps=paths.apps, playbook="maintenance")
    paths.deploy("-e", "wsgi_app=front", "-e", "wsgi_maintenance=on", apps=paths.apps, playbook="maintenance")
    assert paths.ask("/").startswith("503") and paths.ask("/shop/").startswith("200")
    paths.deploy("-e", "wsgi_app=front", "-e", "wsgi_maintenance=off", apps=paths.apps, playbook="maintenance")


def test_the_certificate_of_one_serves_all(paths: Paths) -> None:
    paths.blog["serve"]["tls"] = {"source": "self_signed"}
    paths.deploy(apps=paths.apps)
    assert paths.ask("/shop/").startswith(f"308 https://{HOST}/shop/")
    for path, text in (("/", "front 2"), ("/shop/health", "/shop"), ("/a.b/blog/page", "/a.b/blog/page")):
        assert text in paths.server.https(HOST, path).body
    paths.assert_nothing_to_do(apps=paths.apps)
    assert len(paths.server.shell("ls /etc/nginx/certificates").split()) == 2
    paths.deploy("-e", "wsgi_app=shop", apps=paths.apps, playbook="rollback")
    assert "/shop" in paths.server.https(HOST, "/shop/health").body
    paths.deploy(apps=paths.apps)


def test_a_broken_application_stays_and_the_others_change(paths: Paths) -> None:
    for broken, others in ((paths.front, {"/shop/health": "/shop 3"}), (paths.shop, {"/": "front 4"})):
        main = Path(broken["build"]["source"]) / "main.py"
        code = main.read_text()
        main.write_text("raise SystemExit\n")
        try:
            before = paths.server.https(HOST, "/" if broken is paths.front else "/shop/health").body
            failed = paths.bring("-e", "wsgi_on_failure=continue", check=False)
            assert failed.returncode != 0
            assert paths.server.https(HOST, "/" if broken is paths.front else "/shop/health").body == before
            for path, text in others.items():
                assert paths.server.https(HOST, path).body == text, failed.stdout
        finally:
            main.write_text(code)


def test_one_can_be_left_over_or_removed_without_the_others(paths: Paths) -> None:
    paths.bring()
    left = paths.deploy(apps=[paths.front, paths.blog])
    assert "shop is left over" in left.stdout
    assert paths.server.https(HOST, "/shop/health").body.startswith("/shop")
    refused = paths.deploy(apps=[paths.shop, paths.blog], check=False)
    assert "front, which is left over, has the server of all.example.com" in refused.stdout
    assert paths.server.https(HOST, "/").body.startswith("front")
    # Without the one at the root, the others stay.
    gone = {"name": "front", "state": "absent"}
    paths.deploy(apps=[paths.shop, paths.blog, gone])
    assert paths.server.https(HOST, "/").status == 404
    assert paths.server.https(HOST, "/shop/health").body.startswith("/shop")
    assert paths.server.https(HOST, "/a.b/blog/page").body == "/a.b/blog/page"
    paths.deploy(apps=[paths.blog, {"name": "shop", "state": "absent"}, gone])
    assert paths.server.https(HOST, "/shop/health").status == 404
    assert paths.server.https(HOST, "/a.b/blog/page").body == "/a.b/blog/page"
