"""A browser shows what NGINX serves: the application with its files, and the pages for when it does not answer."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Site, running
from tests.rig import STATE, apt_install, prepared
from tests.rig.server import ansible

CHROMIUM = Path("/usr/bin/chromium")
NAME = "hello.example.com"
URL = f"https://{NAME}/"
WIDTH, HEIGHT = 1280, 800

APPLICATION = """\
PAGE = b'''<!doctype html>
<html lang=en>
<title>Hello</title>
<link rel=stylesheet href=/static/look.css>
<script src=/static/tell.js></script>
<body>'''


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [PAGE]
"""
LOOK = "body { color: rgb(1, 2, 3) }"
TELL = """\
addEventListener("load", () => {
    const { nextHopProtocol } = performance.getEntriesByType("navigation")[0];
    document.body.textContent = `${location.protocol} ${nextHopProtocol} ${getComputedStyle(document.body).color}`;
});
"""


@pytest.fixture(scope="module", params=["debian13"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a server on which an application with a page and its files is live, over HTTPS."""
    if not CHROMIUM.exists():
        apt_install("chromium")
    source = tmp_path_factory.mktemp("browser")
    (source / "static").mkdir()
    for name, text in {"main.py": APPLICATION, "static/look.css": LOOK, "static/tell.js": TELL}.items():
        (source / name).write_text(text)
    (source / "requirements.txt").touch()
    with running(prepared.server("browser", request.param)) as server:
        one = Site(server, source)
        one.app["serve"].update(
            tls={"source": "self_signed"},
            static=[{"path": "/static/", "directory": "static"}],
            content_security_policy="default-src 'self'",
        )
        one.deploy()
        yield one


def browse(site: Site, url: str, *options: str) -> str:
    """Open `url` in a browser that knows nothing yet, and return what it wrote."""
    ports = ", ".join(f"MAP {NAME}:{port} 127.0.0.1:{site.server.port(port)}" for port in (80, 443))
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--incognito", "--no-proxy-server", "--hide-scrollbars"),
            *("--disable-background-networking", "--ignore-certificate-errors", f"--host-resolver-rules={ports}"),
            *(f"--window-size={WIDTH},{HEIGHT}", *options, url),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def drawn(site: Site, url: str, name: str) -> list[int]:
    """Take a screenshot of `url`, kept as `name`, and return the numbers of the rows of its pixels that show more.

    That is more than one colour, and more than the row above: of a row in a PNG stands there how it differs from its
    neighbours.
    """
    path = STATE / f"browser-{name}.png"
    path.unlink(missing_ok=True)
    browse(site, url, f"--screenshot={path}")
    data = path.read_bytes()
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (WIDTH, HEIGHT)
    packed, position = b"", 8
    while position < len(data):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        packed += data[position + 8 : position + 8 + length] if kind == b"IDAT" else b""
        position += length + 12
    raw = zlib.decompress(packed)
    size = len(raw) // HEIGHT
    # The first byte of a row says to which neighbours it is compared. One colour makes at most four values: the
    # channels of the first pixel, and nothing more.
    return [number for number in range(HEIGHT) if len(set(raw[number * size + 1 : (number + 1) * size])) > 4]


def assert_a_page_says(site: Site, words: str, name: str) -> None:
    """Assert that a browser shows a page with `words` as its headline, in the middle of its window."""
    shown = browse(site, URL, "--dump-dom")
    assert f"<h1>{words}</h1>" in shown
    assert f"<title>{words}</title>" in shown
    rows = drawn(site, URL, name)
    assert len(rows) > 50
    # Only with its style; without, it hangs at the top.
    assert abs(rows[0] + rows[-1] - HEIGHT) < HEIGHT / 10


def test_a_browser_shows_a_page_with_its_style_over_http_2(site: Site) -> None:
    shown = browse(site, f"http://{NAME}/", "--dump-dom")
    assert "<body>https: h2 rgb(1, 2, 3)" in shown


def test_nothing_is_drawn_of_an_empty_page(site: Site) -> None:
    assert drawn(site, "about:blank", "blank") == []


def test_clients_see_a_maintenance_page_while_the_site_is_closed(site: Site) -> None:
    ansible(*site.command("-e", "wsgi_maintenance=on", playbook="maintenance"))
    try:
        assert_a_page_says(site, "We will be back soon", "closed")
    finally:
        ansible(*site.command("-e", "wsgi_maintenance=off", playbook="maintenance"))


def test_clients_see_an_error_page_while_the_application_is_down(site: Site) -> None:
    units = f"hello@{site.live()}.socket hello@{site.live()}.service"
    site.server.shell(f"systemctl stop {units}")
    try:
        assert_a_page_says(site, "This site is not answering", "down")
    finally:
        site.server.shell(f"systemctl start {units}")
