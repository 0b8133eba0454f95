# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Probing: one request to an application, and whether the response is that of a healthy one."""

from __future__ import annotations

import http.client
import io
import math
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.rules import split_address

MOST_BYTES = 1 << 20

# How many characters of a redirect's target or of an error are shown.
MOST_WORDS = 200

AGENT = "wsgi.production"

# The client address that a probe states.
VISITOR = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """The response of an application.

    :param body: the first mebibyte of it.
    :param location: where it redirects the visitor to; empty for no redirect.
    """

    status: int
    body: bytes
    location: str = ""


@dataclass(frozen=True)
class Probe:
    """What to request from an application, and which response to expect; the role `uwsgi` documents the fields.

    :param path: what to request, below `prefix`.
    :param scheme: what visitors use, `http` or `https`; the request is like one that NGINX makes for a visitor.
    :param prefix: the path below which the application is served, such as `/shop`; empty for the whole host name.
    :param status: the statuses that pass; empty for any from 200 to 399.
    :param text: what the body must contain; empty for anything.
    :param timeout: seconds to wait for one response.
    :param interval: seconds from one try to the next.
    """

    path: str = "/"
    host: str = "localhost"
    status: list[int] = field(default_factory=list)
    text: str = ""
    timeout: int = 5
    tries: int = 5
    interval: int = 1
    scheme: str = "http"
    prefix: str = ""

    @classmethod
    def of(cls, values: dict[str, Any]) -> Probe:
        """Return the probe from the `values` that `as_dict` returned, even in another version of this collection."""
        known = {known.name for known in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, without an empty `prefix`, which would change the names of existing releases."""
        return {name: value for name, value in asdict(self).items() if value or name != "prefix"}

    @property
    def url_path(self) -> str:
        """What a visitor requests."""
        return self.prefix + self.path

    def objection(self, answer: Answer) -> str | None:
        """Return an objection to a response that a healthy application would not give."""
        if self.status and answer.status not in self.status:
            wanted = " or ".join(str(status) for status in self.status)
            return f"the response was {answer.status}, not {wanted}"
        if not self.status and not 200 <= answer.status < 400:
            hint = ""
            if answer.status == 400:
                hint = f"; does the application accept the host {self.host}? In Django, add it to ALLOWED_HOSTS"
            return f"the response was {answer.status}, not a status from 200 to 399{hint}"
        if not self.status and self._is_asked_again(answer):
            return (
                f"the response was {answer.status} to {answer.location[:MOST_WORDS]}, the same path over "
                "HTTPS: if clients use HTTPS, set serve.tls, or probe.scheme if a proxy in front "
                "terminates TLS"
            )
        if self.text.encode() not in answer.body:
            return f"the response was {answer.status}, but does not contain the text {self.text!r}"
        return None

    def headers(self) -> dict[str, str]:
        """Return the headers that NGINX adds to a visitor's request, except the id of the request."""
        prefix = {"X-Forwarded-Prefix": self.prefix} if self.prefix else {}
        return {"X-Forwarded-For": VISITOR, "X-Forwarded-Proto": self.scheme, "X-Real-IP": VISITOR, **prefix}

    def _is_asked_again(self, answer: Answer) -> bool:
        """Return whether a response only redirects the visitor to the same path over HTTPS."""
        to = urlsplit(answer.location)
        return (
            300 <= answer.status < 400 and to.scheme == "https" and (to.path or "/") == self.url_path.partition("?")[0]
        )


class AnyResponse(Probe):
    """A probe that every response passes: something answers."""

    def objection(self, answer: Answer) -> str | None:
        """Object to nothing."""
        return None


Ask = Callable[[Probe], Answer]


def over_uwsgi(path: Path) -> Ask:
    """Return a function that sends requests over the uwsgi protocol to the Unix socket `path`."""

    def ask(probe: Probe) -> Answer:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            return _exchange(connection, str(path), uwsgi_packet(probe), probe.timeout)

    return ask


def over_unix(path: Path) -> Ask:
    """Return what asks over HTTP at the Unix socket `path`."""

    def ask(probe: Probe) -> Answer:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            return _exchange(connection, str(path), _http_request(probe), probe.timeout)

    return ask


def over_http(address: str, token: str = "", tls: bool = False) -> Ask:
    """Return a function that sends requests over HTTP to `address`, such as `127.0.0.1:80`; a wildcard means this host.

    :param token: the secret with which the NGINX of this host admits a request.
    :param tls: whether to use HTTPS, whoever signed the certificate.
    """
    host, port = split_address(address)
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    family = socket.AF_INET6 if ":" in local else socket.AF_INET

    def ask(probe: Probe) -> Answer:
        request = _http_request(probe, {"X-Wsgi-Verify": token} if token else {})
        with socket.socket(family, socket.SOCK_STREAM) as plain:
            name = probe.host.partition(":")[0]
            with unverified().wrap_socket(plain, server_hostname=name) if tls else plain as connection:
                return _exchange(connection, (local, port), request, probe.timeout)

    return ask


def unverified() -> ssl.SSLContext:
    """Return a TLS context for this host itself, which accepts any certificate, such as one for a test."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def wait_for(probe: Probe, ask: Ask, tries: int, interval: float, seconds: float = math.inf) -> None:
    """Send requests until a response passes.

    :param tries: the maximum number of requests.
    :param interval: seconds from one try to the next.
    :param seconds: the time after which no other try is made.
    :raises Failed: with what was wrong with the last try.
    """
    objection: str | None = None
    begun = time.monotonic()
    asked = 0
    while asked < tries and (not asked or time.monotonic() + interval - begun <= seconds):
        if asked:
            time.sleep(interval)
        asked += 1
        try:
            objection = probe.objection(ask(probe))
        except TimeoutError:
            objection = f"there was no response within {probe.timeout} s"
        except (OSError, http.client.HTTPException) as failure:
            objection = f"there was no response: {(str(failure) or type(failure).__name__)[:MOST_WORDS]}"
        if objection is None:
            return
    times = "once" if asked == 1 else f"{asked} times"
    raise Failed(f"asked {times} for {probe.url_path} of {probe.host}, and {objection}")


def uwsgi_packet(probe: Probe) -> bytes:
    """Return the request in the uwsgi protocol: a header of four bytes, then names and values with their lengths.

    (uwsgi-docs, Protocol.rst: modifier1 0 is a WSGI request, lengths are 16 bits little-endian.)
    """
    path, _mark, query = probe.path.partition("?")
    name, _colon, port = probe.host.partition(":")
    variables = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": probe.url_path,
        # As NGINX and the HTTP socket pass it on; bytes that are not UTF-8 stay unchanged.
        "PATH_INFO": unquote(path, errors="surrogateescape"),
        **({"SCRIPT_NAME": probe.prefix} if probe.prefix else {}),
        "QUERY_STRING": query,
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": "",
        "SERVER_PROTOCOL": "HTTP/1.0",
        "SERVER_NAME": name,
        "SERVER_PORT": port or ("443" if probe.scheme == "https" else "80"),
        "REQUEST_SCHEME": probe.scheme,
        "UWSGI_SCHEME": probe.scheme,
        **({"HTTPS": "on"} if probe.scheme == "https" else {}),
        "REMOTE_ADDR": VISITOR,
        "HTTP_HOST": probe.host,
        "HTTP_USER_AGENT": AGENT,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in probe.headers().items()},
    }
    body = b""
    for name, value in variables.items():
        for word in (name.encode(), value.encode(errors="surrogateescape")):
            body += struct.pack("<H", len(word)) + word
    return struct.pack("<BHB", 0, len(body), 0) + body


def _http_request(probe: Probe, more: Mapping[str, str] | None = None) -> bytes:
    """Return the request as HTTP, with the headers that NGINX adds and `more`."""
    headers = {"Host": probe.host, "User-Agent": AGENT, **probe.headers(), **(more or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {probe.url_path} HTTP/1.0\r\n{lines}\r\n".encode()


def _exchange(connection: socket.socket, address: Any, request: bytes, timeout: float) -> Answer:
    """Send a request and read until the other side closes the connection; `timeout` covers all of it."""
    deadline = time.monotonic() + timeout
    connection.settimeout(timeout)
    connection.connect(address)
    connection.sendall(request)
    said = b""
    while len(said) < MOST_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        some = connection.recv(65536)
        if not some:
            break
        said += some
    # It uses only the part of a socket that `_Said` has.
    response = http.client.HTTPResponse(_Said(said))  # type: ignore[arg-type]
    response.begin()
    # A short response must be complete; of a long one, only the first part is read.
    body = response.read() if len(said) < MOST_BYTES else response.read(MOST_BYTES)
    return Answer(response.status, body, response.getheader("Location") or "")


class _Said:
    """The part of a socket that `HTTPResponse` needs: a file with the received bytes."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._said)
