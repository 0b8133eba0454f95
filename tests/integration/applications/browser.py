"""A visitor with cookies who asks a server for a site by its name, wherever that server is."""

from __future__ import annotations

import http.client
import http.cookiejar
import re
import socket
import urllib.parse
import urllib.request
from functools import partial
from html import unescape
from typing import Any


class Page:
    """What was answered in the end, after redirects.

    :ivar url: where that was.
    :ivar headers: with their names in lower case.
    """

    def __init__(self, answer: Any) -> None:
        self.url: str = answer.url
        self.status: int = answer.status
        self.headers = {name.lower(): value for name, value in answer.headers.items()}
        self.body: bytes = answer.read()
        answer.close()

    @property
    def text(self) -> str:
        """The body, as text."""
        return self.body.decode()

    def find(self, pattern: str) -> str:
        """Return what the first group of `pattern` matches in the body, freed from HTML's entities."""
        match = re.search(pattern, self.text, re.DOTALL)
        assert match, f"{self.url} answered {self.status} without {pattern}: {self.text[:2000]}"
        return unescape(match.group(1))

    def field(self, name: str) -> str:
        """Return the value of the hidden field `name` of a form."""
        tag = self.find(rf"(<input\b[^>]*\bname=[\"']{re.escape(name)}[\"'][^>]*>)")
        match = re.search(r"\bvalue=([\"'])(.*?)\1", tag)
        assert match, tag
        return unescape(match.group(2))


class Browser:
    """One visitor of one site.

    :param site: the site's name; with it, `http://<site>` is where the visitor believes to be.
    :param port: where the server is.
    :param address: where the server is.
    """

    def __init__(self, site: str, port: int, address: str = "127.0.0.1") -> None:
        self.site = site
        self.port = port
        self.address = address
        self.base = f"http://{site}"
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            # No proxy of the environment leads to a server of the tests.
            urllib.request.ProxyHandler({}),
            _Direct(address, port),
            _Unmoved(),
            urllib.request.HTTPCookieProcessor(self.cookies),
        )

    def another(self) -> Browser:
        """Return another visitor of the same site, without the cookies of this one."""
        return Browser(self.site, self.port, self.address)

    def get(self, path: str, **headers: str) -> Page:
        """Ask for a page, given by its path or its URL."""
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, **fields: str | list[str]) -> Page:
        """Send a form from a page of the site, as browsers do."""
        body = urllib.parse.urlencode(fields, doseq=True).encode()
        form = "application/x-www-form-urlencoded"
        return self.ask("POST", path, body, Content_Type=form, Origin=self.base, Referer=self._url(path))

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Page:
        """Ask with any method; `_` in the name of a header stands for `-`."""
        words = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self._url(path), body, words, method=method)
        return Page(self._opener.open(request, timeout=60))

    def _url(self, path: str) -> str:
        return urllib.parse.urljoin(f"{self.base}/", path)


class _Direct(urllib.request.HTTPHandler):
    """Connects to one server, whatever the URL says."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__()
        self._make = partial(_Connection, address, port)

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._make, req)


class _Connection(http.client.HTTPConnection):
    def __init__(self, address: str, port: int, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._server = (address, port)

    def connect(self) -> None:
        self.sock = socket.create_connection(self._server, self.timeout)


class _Unmoved(urllib.request.HTTPErrorProcessor):
    """Follows redirects, and takes any other status for an answer."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        if response.status in (301, 302, 303, 307, 308):
            return super().http_response(request, response)
        return response
