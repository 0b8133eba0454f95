# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Probing: one request to an application, and whether its answer is that of a healthy one."""

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

# Of what an answer said that is none.
MOST_WORDS = 200

AGENT = "wsgi.production"

# Where a probe says that it comes from.
VISITOR = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What an application said.

    :param body: the first mebibyte of it.
    :param location: where it sends the visitor instead; empty for nowhere.
    """

    status: int
    body: bytes
    location: str = ""


@dataclass(frozen=True)
class Probe:
    """What to ask an application, and what it has to answer. The role `uwsgi` documents the fields.

    :param scheme: over what visitors come, `http` or `https`; it is asked as NGINX asks for one of them.
    :param status: the statuses that pass; empty for any from 200 to 399.
    :param text: what must occur in the body; empty for anything.
    :param timeout: seconds to wait for one answer.
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

    @classmethod
    def of(cls, values: dict[str, Any]) -> Probe:
        """Return the probe that `as_dict` made `values` of, be it in another version of this collection."""
        known = {known.name for known in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    def objection(self, answer: Answer) -> str | None:
        """Object to an answer that a healthy application would not give."""
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
        """Return the headers that NGINX adds to what a visitor asks, but for the number of the request."""
        return {"X-Forwarded-For": VISITOR, "X-Forwarded-Proto": self.scheme, "X-Real-IP": VISITOR}

    def _is_asked_again(self, answer: Answer) -> bool:
        """Tell whether an answer only sends the visitor to the same path over HTTPS."""
        to = urlsplit(answer.location)
        return 300 <= answer.status < 400 and to.scheme == "https" and (to.path or "/") == self.path.partition("?")[0]


class AnyResponse(Probe):
    """A probe that every response passes: something answers."""

    def objection(self, answer: Answer) -> str | None:
        """Object to nothing."""
        return None


Ask = Callable[[Probe], Answer]


def over_uwsgi(path: Path) -> Ask:
    """Return what asks over the uwsgi protocol at the Unix socket `path`."""

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
    """Return what asks over HTTP at `address`, such as `127.0.0.1:80`; a wildcard means this host.

    :param token: the secret with which the NGINX of this host lets a request through.
    :param tls: whether to ask over HTTPS, whoever signed the certificate.
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
    """Return how to speak TLS with this very host, whose certificate may be one for a test."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def wait_for(probe: Probe, ask: Ask, tries: int, interval: float, seconds: float = math.inf) -> None:
    """Ask until an answer passes.

    :param tries: how often to ask at most.
    :param interval: seconds from one try to the next.
    :param seconds: after which no other try is made.
    :raises Failed: with what was wrong the last time.
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
    raise Failed(f"asked {times} for {probe.path} of {probe.host}, and {objection}")


def uwsgi_packet(probe: Probe) -> bytes:
    """Return the request in the uwsgi protocol: a header of four bytes, then names and values with their lengths.

    (uwsgi-docs, Protocol.rst: modifier1 0 is a WSGI request, lengths are 16 bits little-endian.)
    """
    path, _mark, query = probe.path.partition("?")
    name, _colon, port = probe.host.partition(":")
    variables = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": probe.path,
        # As NGINX and the HTTP socket hand it on; what is not UTF-8 goes through unharmed.
        "PATH_INFO": unquote(path, errors="surrogateescape"),
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
    return f"GET {probe.path} HTTP/1.0\r\n{lines}\r\n".encode()


def _exchange(connection: socket.socket, address: Any, request: bytes, timeout: float) -> Answer:
    """Send a request and read until the other side closes; `timeout` is for all of it."""
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
    # Of a socket, it wants no more than what `_Said` has.
    response = http.client.HTTPResponse(_Said(said))  # type: ignore[arg-type]
    response.begin()
    # All of a short answer has to be there; of a long one, as much as is read.
    body = response.read() if len(said) < MOST_BYTES else response.read(MOST_BYTES)
    return Answer(response.status, body, response.getheader("Location") or "")


class _Said:
    """What `HTTPResponse` needs of a socket: a file of what came through it."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._said)
