"""What NGINX serves beside the application: its files, what it keeps, and pages for when it does not answer."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import time
from typing import Any

import pytest

from tests.integration.conftest import NginxSite
from tests.rig.server import ansible

# NGINX 1.22 is the older one: how it finds files has had fewer fixes.
pytestmark = pytest.mark.on("debian12")

NAME = "patient.example.com"
OLD, NEW, PLAIN = "app.3f9c2a17.css", "app.a41b5c60.css", "plain.css"


class Answer:
    """What a visitor got, with the names of headers in lower case."""

    def __init__(self, nginx: NginxSite, path: str, method: str = "GET", **headers: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", nginx.server.port(80), timeout=30)
        # As it is: what a client makes of `..` is its own affair.
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": NAME, **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.body = answer.read()
        connection.close()


@pytest.fixture(scope="module")
def site(nginx: NginxSite) -> NginxSite:
    """Return a server on which an application with files is live."""
    (nginx.source / "static").mkdir()
    put(nginx, OLD, "body { color: red }")
    put(nginx, PLAIN, "body { color: blue }")
    put(nginx, ".env", "SECRET=1")
    (nginx.source / "static" / f"{PLAIN}.gz").write_bytes(gzip.compress(b"precompressed"))
    (nginx.source / "static/version.txt").symlink_to("/etc/debian_version")
    nginx.app["serve"].update(
        static=[{"path": "/static/", "directory": "static"}], uploads=[{"path": "/media/", "directory": "media"}]
    )
    nginx.deploy()
    return nginx


def put(nginx: NginxSite, name: str, text: str) -> None:
    """Put a file among the static ones of the application."""
    (nginx.source / "static" / name).write_text(text)


def serve(site: NginxSite, **settings: Any) -> None:
    """Bring the site live with other settings of `serve`."""
    site.deploy(apps=[{**site.app, "serve": {**site.app["serve"], **settings}}])


def test_static_files_come_from_nginx_and_their_hashed_names_are_kept(site: NginxSite) -> None:
    hashed, plain = Answer(site, f"/static/{OLD}"), Answer(site, f"/static/{PLAIN}")
    assert (hashed.status, hashed.body) == (200, b"body { color: red }")
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert hashed.headers["content-type"] == "text/css"
    assert hashed.headers["x-content-type-options"] == "nosniff"
    assert (plain.status, plain.headers["cache-control"]) == (200, "no-cache")
    again = Answer(site, f"/static/{PLAIN}", If_None_Match=plain.headers["etag"])
    assert again.status == 304


def test_a_precompressed_file_is_served_if_it_exists(site: NginxSite) -> None:
    answer = Answer(site, f"/static/{PLAIN}", Accept_Encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == b"precompressed"


@pytest.mark.parametrize(
    "path",
    [
        "/static/.env",
        "/static/../main.py",
        "/static/..%2fmain.py",
        "/static/%2e%2e/main.py",
        "/static/%2e%2e%2fmain.py",
        "/static../main.py",
        "/static/..%5cmain.py",
        "/static/main.py",
        "/static/",
        "/static",
        "/static//etc/passwd",
        "/media/../../../../etc/passwd",
        "/media/%2e%2e/%2e%2e/env",
        "/media/",
    ],
)
def test_no_path_leaves_the_served_directory(site: NginxSite, path: str) -> None:
    answer = Answer(site, path)
    assert answer.status in (400, 403, 404), answer.body
    assert b"import" not in answer.body
    assert b"root:" not in answer.body


def test_no_link_in_the_code_is_followed_though_root_owns_it_and_what_it_leads_to(site: NginxSite) -> None:
    there = "/srv/patient/current/build/app/static/version.txt"
    assert site.server.shell(f"stat --format %U {there} /etc/debian_version").split() == ["root", "root"]
    assert Answer(site, "/static/version.txt").status == 404


def test_a_null_byte_does_not_end_a_path(site: NginxSite) -> None:
    assert Answer(site, f"/static/{PLAIN}%00.css").status == 400


def test_only_get_and_head_are_allowed_for_files(site: NginxSite) -> None:
    assert Answer(site, f"/static/{PLAIN}", "POST", Content_Length="0").status == 405
    absent = Answer(site, "/static/none.3f9c2a17.css")
    assert absent.status == 404
    assert "cache-control" not in absent.headers, "a mistake must not be kept for a year"


def test_a_page_that_was_loaded_before_a_switch_still_finds_its_files(site: NginxSite) -> None:
    assert Answer(site, f"/static/{OLD}").status == 200
    (site.source / "static" / OLD).unlink()
    put(site, NEW, "body { color: green }")
    put(site, PLAIN, "body { color: black }")
    (site.source / "static" / f"{PLAIN}.gz").unlink()
    site.deploy()
    new, old, plain = (Answer(site, f"/static/{name}") for name in (NEW, OLD, PLAIN))
    assert (new.status, new.body) == (200, b"body { color: green }")
    assert (old.status, old.body) == (200, b"body { color: red }")
    assert old.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.body == b"body { color: black }", "what both have comes from the live one"
    assert Answer(site, "/static/.env").status == 404


def test_uploads_are_served_and_nobody_else_can_read_them(site: NginxSite) -> None:
    data = "/srv/patient/data"
    script = f"umask 027; mkdir -p {data}/media/a; echo hi > {data}/media/a/x.html; ln -sf /etc/passwd {data}/media/p"
    site.server.shell(f'su --shell /bin/sh patient --command "{script}"')
    answer = Answer(site, "/media/a/x.html")
    assert (answer.status, answer.body) == (200, b"hi\n")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-cache"
    assert Answer(site, "/media/p").status in (403, 404), "what it links to is not its own"
    site.server.shell("id other 2>/dev/null || useradd --system other")
    refused = site.server.shell(f"su --shell /bin/sh other --command 'cat {data}/media/a/x.html' 2>&1", check=False)
    assert "Permission denied" in refused


def test_an_upload_does_not_replace_another_for_clients_that_accept_gzip(site: NginxSite) -> None:
    media = "/srv/patient/data/media"
    site.server.shell(f"su --shell /bin/sh patient -c 'echo good > {media}/a.txt; echo evil | gzip > {media}/a.txt.gz'")
    answer = Answer(site, "/media/a.txt", Accept_Encoding="gzip")
    assert (answer.status, answer.body) == (200, b"good\n")


def test_a_single_page_application_is_served_beside_the_paths_of_the_application(site: NginxSite) -> None:
    dist = site.source / "dist"
    (dist / ".well-known").mkdir(parents=True)
    texts = {"index.html": "<p>page", "robots.txt": "all", ".well-known/security.txt": "mail", ".env": "hidden"}
    for name, text in texts.items():
        (dist / name).write_text(text)
    static = [{"path": "/", "directory": "dist", "fallback": "index.html"}]
    put(site, PLAIN, "body { color: blue }")
    static.append({"path": "/assets/app/", "directory": "static"})
    serve(site, static=static, routes=[{"path": path} for path in ("/echo", "/seen", "/health")])
    for path in ("/", "/people/7"):
        page = Answer(site, path)
        assert (page.status, page.body, page.headers["content-type"]) == (200, b"<p>page", "text/html")
        assert page.headers["cache-control"] == "no-cache"
    assert [Answer(site, path).body for path in ("/robots.txt", "/.well-known/security.txt")] == [b"all", b"mail"]
    assert [Answer(site, path).status for path in ("/.env", "/logo.png", "/people/../.env")] == [404] * 3
    assert Answer(site, f"/assets/app/{PLAIN}").body == b"body { color: blue }"
    assert Answer(site, "/", method="POST").status == 405
    assert Answer(site, "/seen").status == 200
    site.deploy()


def reached(site: NginxSite) -> int:
    """Return how many requests have reached the application since it was last asked for."""
    count = site.server.shell("cat /srv/patient/data/seen 2>/dev/null | wc -l; rm -f /srv/patient/data/seen")
    return int(count)


def test_requests_with_an_identity_bypass_the_cache(site: NginxSite) -> None:
    serve(site, cache_seconds=30)
    reached(site)
    assert {Answer(site, "/seen?cached").status for _ in range(10)} == {200}
    assert reached(site) == 1
    for header in ("Cookie", "Authorization"):
        before = [Answer(site, "/seen?cached", **{header: "a=b"}).status for _ in range(3)]
        assert (before, reached(site)) == ([200] * 3, 3)
    numbers = {Answer(site, "/seen?cached").headers["x-request-id"] for _ in range(3)}
    assert len(numbers) == 3
    instance = site.server.shell("basename $(readlink /srv/patient/current)").strip()
    serve(site, cache_seconds=1)
    Answer(site, "/seen?stale")
    site.server.shell(f"systemctl stop patient@{instance}.socket patient@{instance}.service")
    try:
        time.sleep(2)
        assert Answer(site, "/seen?stale").status == 200, "an old answer is better than none"
        assert Answer(site, "/seen?stale", Cookie="a=b").status == 502
    finally:
        site.server.shell(f"systemctl start patient@{instance}.socket patient@{instance}.service")


def ask(nginx: NginxSite, path: str, *headers: str, method: str = "GET", body: str = "") -> dict[str, Any]:
    """Return what the application saw of a request, or of that of which the answer was kept."""
    length = [f"Content-Length: {len(body)}"] if body else []
    request = [f"{method} {path} HTTP/1.1", f"Host: {NAME}", "Connection: close", *length, *headers, "", body]
    with socket.create_connection(("127.0.0.1", nginx.server.port(80)), timeout=30) as connection:
        connection.sendall("\r\n".join(request).encode())
        said = b""
        while some := connection.recv(65536):
            said += some
    found: dict[str, Any] = json.loads(said.partition(b"\r\n\r\n")[2] or "{}")
    return found


def test_no_client_decides_what_another_gets_from_the_cache(site: NginxSite) -> None:
    serve(site, cache_seconds=30)
    evil = ("X-Evil: 1", "User-Agent: evil", "Content-Type: evil", "Referer: evil", "X-Forwarded-For: 192.0.2.1")
    poisons: list[tuple[tuple[str, ...], str, str]] = [
        (evil, "GET", ""),
        (evil, "GET", "poison"),
        (evil, "HEAD", ""),
        (("X-Requested-With: XMLHttpRequest",), "GET", ""),
        (("Accept: application/evil", "Accept-Language: evil"), "GET", ""),
    ]
    for number, (headers, method, body) in enumerate(poisons):
        path = f"/seen?{number}"
        ask(site, path, *headers, method=method, body=body)
        seen = ask(site, path)
        assert "evil" not in json.dumps(seen) and seen["body"] == 0 and seen["REQUEST_METHOD"] == "GET"
        assert seen["REMOTE_ADDR"] == "127.0.0.1" and "HTTP_X_FORWARDED_FOR" not in seen
        assert not {"HTTP_X_REQUESTED_WITH", "HTTP_USER_AGENT", "CONTENT_TYPE"} & {*seen}
    # Who asks for something of his own is answered by the application, and hears all that he said.
    assert ask(site, "/seen?own", "X-Requested-With: XMLHttpRequest", "X-Odd: 1")["HTTP_X_ODD"] == "1"
    assert ask(site, "/seen?language", "Accept-Language: de")["HTTP_ACCEPT_LANGUAGE"] == "de"
    site.deploy()


def test_an_error_page_replaces_an_application_that_does_not_answer(site: NginxSite) -> None:
    site.deploy()
    instance = site.server.shell("basename $(readlink /srv/patient/current)").strip()
    site.server.shell(f"systemctl stop patient@{instance}.socket patient@{instance}.service")
    try:
        answer = Answer(site, "/")
    finally:
        site.server.shell(f"systemctl start patient@{instance}.socket patient@{instance}.service")
    assert answer.status == 502
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b"<h1>This site is not answering</h1>" in answer.body
    assert answer.headers["x-request-id"].encode() in answer.body
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    site.serve(read_timeout=1)
    late = Answer(site, "/slow?seconds=3")
    assert (late.status, b"<h1>This took too long</h1>" in late.body) == (504, True)
    site.deploy()
    assert Answer(site, "/").status == 200


def close(site: NginxSite, closed: str) -> float:
    """Close the site or open it with the playbook, and return how many seconds that took."""
    begun = time.monotonic()
    ansible(*site.command("-e", f"wsgi_maintenance={closed}", playbook="maintenance"))
    return time.monotonic() - begun


def test_a_site_is_closed_and_opened_within_seconds_and_without_a_release(site: NginxSite) -> None:
    serve(site, maintenance={"retry_after": 120})
    live, state = site.server.shell("readlink /srv/patient/current"), site.state()
    assert close(site, "on") < 10
    try:
        answer = Answer(site, "/", "POST", Content_Length="0")
        assert (answer.status, answer.headers["retry-after"]) == (503, "120")
        assert b"<h1>We will be back soon</h1>" in answer.body
        assert Answer(site, f"/static/{NEW}").status == 503
        put(site, "another.css", "")
        serve(site, maintenance={"retry_after": 120})
        assert site.server.shell("readlink /srv/patient/current") != live, "a run is verified all the same"
        assert Answer(site, "/").status == 503, "and opens nothing"
        serve(site, maintenance={"bypass": ["127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]})
        assert Answer(site, "/").status == 200, "who may pass, passes"
    finally:
        close(site, "off")
    serve(site, maintenance={"retry_after": 120})
    assert Answer(site, "/").status == 200
    assert site.state() == state


def test_a_site_that_the_host_does_not_serve_cannot_be_closed(site: NginxSite) -> None:
    apps = [{**site.app, "name": "other"}]
    command = site.command("-e", "wsgi_maintenance=on", apps=apps, playbook="maintenance")
    refused = ansible(*command, check=False)
    assert refused.returncode != 0
    assert "other: this host serves no such site" in refused.stdout


def test_only_clients_with_the_password_see_the_site(site: NginxSite) -> None:
    password = "a long one, with $ % and : in it"
    site.app["serve"]["basic_auth"] = {"ann": password, "bob": "another long one"}
    try:
        said = site.deploy("-vvv", "--diff").stdout
        assert Answer(site, "/").status == 401
        assert Answer(site, f"/static/{NEW}").status == 401
        assert Answer(site, "/", Authorization=basic("ann", "wrong")).status == 401
        assert Answer(site, "/", Authorization=basic("ann", password)).status == 200
        site.assert_nothing_to_do()
        del site.app["serve"]["basic_auth"]["ann"]
        site.deploy()
        assert Answer(site, "/", Authorization=basic("ann", password)).status == 401
        assert Answer(site, "/", Authorization=basic("bob", "another long one")).status == 200
    finally:
        del site.app["serve"]["basic_auth"]
        site.deploy()
    assert password not in said + site.server.shell("journalctl --no-pager")
    assert site.server.shell("ls /etc/nginx/passwords") == ""


def test_a_path_has_its_own_passwords_networks_limits_and_cache(site: NginxSite) -> None:
    ann, bob = basic("ann", "one long password"), basic("bob", "another long one")
    routes = [
        {"path": "/health", "basic_auth": {}, "allowed_networks": []},
        {"path": "/pid", "basic_auth": {"bob": "another long one"}},
        {"path": "/slow", "allowed_networks": ["192.0.2.0/24"]},
        {"path": "/echo", "requests_per_second": 1, "burst": 1},
        {"path": "/seen", "basic_auth": {}, "cache_seconds": 30},
    ]
    users = {"ann": "one long password"}
    serve(site, routes=routes, basic_auth=users, allowed_networks=["127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])
    try:
        assert [Answer(site, "/", Authorization=who).status for who in (ann, bob)] == [200, 401]
        assert Answer(site, "/health").status == 200
        assert [Answer(site, "/pid", Authorization=who).status for who in (ann, bob)] == [401, 200]
        assert Answer(site, "/slow?seconds=0", Authorization=ann).status == 403
        codes = [Answer(site, "/echo", "POST", Authorization=ann, Content_Length="0").status for _ in range(6)]
        assert (codes[0], codes[-1]) == (200, 429)
        reached(site)
        assert {Answer(site, "/seen?of_a_path").status for _ in range(5)} == {200}
        assert reached(site) == 1
        # The application sees the header only where NGINX has not checked it.
        assert "HTTP_AUTHORIZATION" in ask(site, "/seen?own", f"Authorization: {ann}")
    finally:
        serve(site)
    # A path may also be open to more networks than the site.
    serve(site, routes=[{"path": "/health", "allowed_networks": []}], allowed_networks=["192.0.2.0/24"])
    assert [Answer(site, path).status for path in ("/", "/health")] == [403, 200]
    serve(site)
    assert site.server.shell("ls /etc/nginx/passwords") == ""


def basic(user: str, password: str) -> str:
    """Return the header that a browser sends."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
