"""What a stranger sends never reaches the application as something that it is not."""

from __future__ import annotations

import base64
import json
import socket
import time
from typing import Any, NamedTuple

import pytest

from ansible_collections.wsgi.production.plugins.plugin_utils.nginx_config import BELIEVED, DROPPED
from tests.integration.conftest import NginxSite

# NGINX 1.22 is the older one: what it reads requests with has had fewer fixes.
pytestmark = pytest.mark.on("debian12")

NAME = "patient.example.com"
GOOD = f"Host: {NAME}"
CLOSED = 0


class Answer(NamedTuple):
    """An answer as it came; `status` is `CLOSED` where the connection was closed without one."""

    status: int
    headers: str
    body: str

    def seen(self) -> dict[str, Any]:
        """Return what the application says that it saw."""
        found: dict[str, Any] = json.loads(self.body)
        return found


def send(nginx: NginxSite, request: str | bytes, pieces: float = 0) -> Answer:
    """Send `request` as it is, and return the answer.

    :param pieces: seconds to wait between two halves of it.
    """
    raw = request.encode("latin-1") if isinstance(request, str) else request
    with socket.create_connection(("127.0.0.1", nginx.server.port(80)), timeout=30) as connection:
        half = len(raw) // 2 if pieces else len(raw)
        connection.sendall(raw[:half])
        time.sleep(pieces)
        said = b""
        try:
            connection.sendall(raw[half:])
            while some := connection.recv(65536):
                said += some
        except ConnectionResetError:
            pass
    head, _, body = said.decode("latin-1").partition("\r\n\r\n")
    status = int(head.split()[1]) if head else CLOSED
    return Answer(status, f"{head}\r\n", body)


def get(nginx: NginxSite, *headers: str, target: str = "/seen") -> Answer:
    """Ask for `target` with `headers`."""
    return send(nginx, "\r\n".join([f"GET {target} HTTP/1.1", *headers, "Connection: close", "", ""]))


@pytest.fixture(scope="module")
def site(nginx: NginxSite) -> NginxSite:
    """Return NGINX with its site as it is by default."""
    nginx.serve()
    return nginx


@pytest.fixture(autouse=True)
def forgotten(site: NginxSite) -> None:
    """Let the application forget what it has seen."""
    site.server.shell("rm --force /srv/patient/data/seen")


def reached(site: NginxSite) -> bool:
    """Tell whether anything has reached the application."""
    return bool(site.server.shell("cat /srv/patient/data/seen", check=False))


def test_an_honest_request_reaches_the_application(site: NginxSite) -> None:
    answer = get(site, GOOD)
    assert answer.status == 200
    assert answer.seen()["HTTP_HOST"] == NAME
    assert reached(site)


LONG = "x" * 15000
REFUSED: dict[str, tuple[str, set[int]]] = {
    "an unknown host": ("GET /seen HTTP/1.1\r\nHost: unknown.example.com\r\n\r\n", {CLOSED}),
    "no host": ("GET /seen HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (f"GET /seen HTTP/1.1\r\n{GOOD}\r\nHost: other.example.com\r\n\r\n", {400}),
    "another host in the request line": (f"GET http://other.example.com/seen HTTP/1.1\r\n{GOOD}\r\n\r\n", {CLOSED}),
    "a null byte": (f"GET /seen%00 HTTP/1.1\r\n{GOOD}\r\n\r\n", {400}),
    "a way out of the root": (f"GET /../../etc/passwd HTTP/1.1\r\n{GOOD}\r\n\r\n", {400}),
    "a length and chunks": (
        f"POST /seen HTTP/1.1\r\n{GOOD}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        {400},
    ),
    "two lengths": (f"POST /seen HTTP/1.1\r\n{GOOD}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345", {400}),
    "a malformed chunk": (f"POST /seen HTTP/1.1\r\n{GOOD}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n", {400}),
    "a header of 64 kB": (f"GET /seen HTTP/1.1\r\n{GOOD}\r\nX-Long: {'x' * 65536}\r\n\r\n", {400}),
    "an address of 64 kB": (f"GET /seen?{'x' * 65536} HTTP/1.1\r\n{GOOD}\r\n\r\n", {414}),
    "many long headers": (
        f"GET /seen HTTP/1.1\r\n{GOOD}\r\n" + "".join(f"X-{n}: {LONG}\r\n" for n in range(5)) + "\r\n",
        {400},
    ),
    "a body over the limit": (f"POST /seen HTTP/1.1\r\n{GOOD}\r\nContent-Length: 20000000\r\n\r\n", {413}),
    "no HTTP at all": ("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", {400, CLOSED}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_malformed_requests_are_refused_and_not_passed_on(site: NginxSite, case: str) -> None:
    request, right = REFUSED[case]
    answer = send(site, request)
    assert answer.status in right, answer
    assert not reached(site)


FORGED = [
    "Proxy: http://evil.example.com",
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.example.com",
    "X-Forwarded-Port: 444",
    "X-Forwarded-Prefix: /evil",
    "Forwarded: for=192.0.2.1;host=evil.example.com",
    "X-Real-IP: 192.0.2.1",
    "X-Request-Id: forged-forged",
    "X-Wsgi-Verify: 1",
    "X_Forwarded_For: 192.0.2.1",
    "X_Real_Ip: 192.0.2.1",
    "Remote-User: root",
    *(f"{header}: forged" for header in (*BELIEVED, *DROPPED) if header != "Transfer-Encoding"),
]


def test_headers_that_only_nginx_may_set_cannot_be_forged(site: NginxSite) -> None:
    honest = get(site, GOOD).seen()
    forged = get(site, GOOD, *FORGED).seen()
    assert forged["HTTP_X_REQUEST_ID"] != "forged-forged"
    for seen in (honest, forged):
        assert len(seen.pop("HTTP_X_REQUEST_ID")) == 32
        seen.pop("REMOTE_PORT")
    assert forged == honest
    assert honest["HTTP_X_FORWARDED_FOR"] == honest["HTTP_X_REAL_IP"] == honest["REMOTE_ADDR"]
    assert honest["HTTP_X_FORWARDED_PROTO"] == "http"


def test_the_host_of_the_request_line_counts(site: NginxSite) -> None:
    answer = get(site, "Host: other.example.com", target=f"http://{NAME}/seen")
    assert answer.seen()["HTTP_HOST"] == NAME


def test_a_port_stays_with_the_host(site: NginxSite) -> None:
    assert get(site, f"{GOOD}:8080").seen()["HTTP_HOST"] == f"{NAME}:8080"


def test_big_cookies_pass(site: NginxSite) -> None:
    cookies = [f"Cookie: a{number}={LONG}" for number in range(2)]
    assert get(site, GOOD, *cookies).status == 200


def test_each_request_has_an_id_in_the_response_in_the_log_and_in_the_application(site: NginxSite) -> None:
    answer = get(site, GOOD, 'User-Agent: odd "agent" \\ \x01', target="/seen?numbered")
    number = answer.seen()["HTTP_X_REQUEST_ID"]
    assert f"X-Request-Id: {number}" in answer.headers
    time.sleep(6)
    log = site.server.shell("cat /var/log/nginx/access.log").splitlines()
    (line,) = [entry for entry in map(json.loads, log) if entry["uri"] == "/seen?numbered"]
    assert line["id"] == number
    assert (line["status"], line["host"], line["upstream_status"]) == (200, NAME, "200")


def test_answers_carry_the_security_headers_errors_too(site: NginxSite) -> None:
    for answer in (get(site, GOOD), get(site, GOOD, target="/absent"), send(site, REFUSED["a body over the limit"][0])):
        for header in ("X-Content-Type-Options: nosniff", "X-Frame-Options: SAMEORIGIN", "Referrer-Policy: "):
            assert answer.headers.count(header) == 1, answer
        assert "Server: nginx\r\n" in answer.headers


def test_headers_from_a_trusted_proxy_are_accepted(site: NginxSite) -> None:
    said = ["X-Forwarded-For: 203.0.113.9, 192.0.2.1", "X-Forwarded-Proto: https", "X-Request-Id: taken-over-1"]
    site.play({"nginx_sites": [site.site], "nginx_trusted_proxies": ["127.0.0.0/8", "172.16.0.0/12", "192.0.2.1"]})
    seen = get(site, GOOD, *said).seen()
    site.serve()
    assert (seen["REMOTE_ADDR"], seen["HTTP_X_FORWARDED_FOR"]) == ("203.0.113.9", "203.0.113.9")
    assert (seen["HTTP_X_FORWARDED_PROTO"], seen["HTTP_X_REQUEST_ID"]) == ("https", "taken-over-1")
    assert seen["wsgi.url_scheme"] == "https"


def test_identity_headers_are_accepted_from_a_trusted_proxy(site: NginxSite) -> None:
    site.play({"nginx_sites": [site.site], "nginx_trusted_proxies": ["127.0.0.0/8", "172.16.0.0/12"]})
    seen = get(site, GOOD, *(f"{header}: alice" for header in BELIEVED)).seen()
    site.serve()
    assert {seen.get(f"HTTP_{header.upper().replace('-', '_')}") for header in BELIEVED} == {"alice"}
    # A header like any other says nothing of who the server thinks it is.
    assert "REMOTE_USER" not in seen


def test_the_password_for_a_site_does_not_reach_its_application(site: NginxSite) -> None:
    word = base64.b64encode(b"alice:hunter2hunter2").decode()
    assert get(site, GOOD, f"Authorization: Basic {word}").seen()["HTTP_AUTHORIZATION"] == f"Basic {word}"
    site.serve(basic_auth={"alice": "hunter2hunter2"})
    answer = get(site, GOOD, f"Authorization: Basic {word}")
    site.serve()
    assert answer.status == 200 and "HTTP_AUTHORIZATION" not in answer.seen()


def test_the_application_does_not_see_how_a_body_was_chunked(site: NginxSite) -> None:
    request = f"POST /seen HTTP/1.1\r\n{GOOD}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    seen = send(site, f"{request}5\r\nhello\r\n0\r\n\r\n").seen()
    assert seen["body"] == 5 and "HTTP_TRANSFER_ENCODING" not in seen


def test_limits_count_the_network_of_a_visitor_in_ipv6(site: NginxSite) -> None:
    def statuses(address: str) -> list[int]:
        return [get(site, GOOD, f"X-Forwarded-For: {address.format(number)}").status for number in range(10)]

    limited = {**site.site, "requests_per_second": 1, "burst": 3}
    site.play({"nginx_sites": [limited], "nginx_trusted_proxies": ["127.0.0.0/8", "172.16.0.0/12"]})
    of_one, of_many = statuses("2001:db8:0:1::{:x}"), statuses("2001:db8:1:{:x}::1")
    site.serve()
    assert of_one.count(429) >= 5 and of_one[:3] == [200] * 3
    assert of_many == [200] * 10


def test_a_client_that_sends_too_many_requests_gets_429_except_for_health_checks(site: NginxSite) -> None:
    site.serve(requests_per_second=1, burst=3, health="/health")
    statuses = [get(site, GOOD).status for _ in range(10)]
    health = [get(site, GOOD, target="/health").status for _ in range(10)]
    site.serve()
    assert statuses.count(429) >= 5
    assert statuses[:3] == [200] * 3
    assert health == [200] * 10


def test_a_network_that_is_not_allowed_is_refused_but_a_run_can_still_verify(site: NginxSite) -> None:
    site.app["serve"]["allowed_networks"] = ["192.0.2.0/24"]
    site.app["run"]["env"]["COLOUR"] = "green"
    try:
        site.deploy()
        assert get(site, GOOD).status == 403
        assert not reached(site)
    finally:
        del site.app["serve"]["allowed_networks"]
    site.deploy()
    assert " green " in get(site, GOOD, target="/").body


def test_an_alias_redirects_to_the_main_name(site: NginxSite) -> None:
    site.serve(aliases=["old.example.com"])
    answer = get(site, "Host: old.example.com", target="/a?b=c")
    site.serve()
    assert answer.status == 308
    assert f"Location: http://{NAME}/a?b=c\r\n" in answer.headers


def test_a_default_site_answers_to_any_name(site: NginxSite) -> None:
    site.serve(default=True)
    answer = get(site, "Host: whatever.example.com")
    site.serve()
    assert answer.seen()["HTTP_HOST"] == "whatever.example.com"
