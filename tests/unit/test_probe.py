"""What a probe asks, and which answer it accepts as healthy."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import probe as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.probe import (
    AGENT,
    MOST_BYTES,
    Answer,
    Ask,
    Probe,
    over_http,
    over_uwsgi,
    uwsgi_packet,
    wait_for,
)
from tests.unit.fakes import TlsServer, certify

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"

# A probe counts whole seconds; a test has no time for them.
SOON: Any = 0.2


class Server:
    """Answers each connection with `pieces` and closes, unless it `stays`; before each piece it pauses.

    `asked` is what clients sent; without `reads` it closes without reading.
    """

    def __init__(
        self, listener: socket.socket, ask: Ask, pieces: list[bytes], pause: float, reads: bool, stays: bool
    ) -> None:
        self.listener = listener
        self.ask = ask
        self.pieces = pieces
        self.pause = pause
        self.reads = reads
        self.stays = stays
        self.asked: list[bytes] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Stop listening."""
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while not self.over.is_set():
                connection, _ = self.listener.accept()
                with connection, suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        if self.reads:
            self.asked.append(connection.recv(65536))
        for piece in self.pieces:
            self.over.wait(self.pause)
            connection.sendall(piece)
        if self.stays:
            self.over.wait()


Serve = Callable[..., Server]


@pytest.fixture(params=["uwsgi", "http"])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serve]:
    """Return a function that starts a server, for each protocol in turn."""
    servers = []

    def start(*pieces: bytes, pause: float = 0, reads: bool = True, stays: bool = False) -> Server:
        if request.param == "uwsgi":
            listener, address = socket.socket(socket.AF_UNIX), str(tmp_path / "socket")
            listener.bind(address)
            ask = over_uwsgi(Path(address))
        else:
            listener = socket.create_server(("127.0.0.1", 0))
            ask = over_http(f"127.0.0.1:{listener.getsockname()[1]}")
        listener.listen()
        servers.append(Server(listener, ask, list(pieces), pause, reads, stays))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


class Asked:
    """An application that gives each of `answers` in turn, and then always the last; `times` is how often."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = answers
        self.times = 0

    def __call__(self, probe: Probe) -> Answer:
        """Take the place of an `Ask`."""
        self.times += 1
        answer = self.answers[min(self.times, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds that were slept, without sleeping."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


HEALTHY = Answer(200, b"Hello")
BROKEN = Answer(500, b"Oops")


def test_an_answer_has_a_status_and_a_body(serve: Serve) -> None:
    assert serve(b"HTTP/1.1 418 I'm a teapot\r\nX: y\r\n\r\n", b"short\r\n\r\nand stout").ask(Probe()) == Answer(
        418, b"short\r\n\r\nand stout"
    )


def test_an_answer_in_pieces_is_one_answer(serve: Serve) -> None:
    assert serve(HEAD[:5], HEAD[5:30], HEAD[30:] + b"Hel", b"lo", pause=0.01).ask(Probe()) == HEALTHY


def test_at_most_one_mebibyte_of_an_answer_is_read(serve: Serve) -> None:
    body = serve(HEAD, *[b"x" * 65536] * 18, stays=True).ask(Probe()).body
    assert MOST_BYTES - len(HEAD) <= len(body) <= MOST_BYTES


def test_each_try_has_its_own_connection(serve: Serve) -> None:
    server = serve(HEAD)
    with pytest.raises(Failed):
        wait_for(Probe(text="Hello"), server.ask, 3, 0)
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [200, 204, 301, 399])
def test_by_default_statuses_200_to_399_pass(status: int) -> None:
    assert Probe().objection(Answer(status, b"")) is None


@pytest.mark.parametrize("status", [199, 400, 404, 500, 503])
def test_by_default_no_error_passes(status: int) -> None:
    sentence = f"the response was {status}, not a status from 200 to 399"
    assert str(Probe().objection(Answer(status, b""))).startswith(sentence)


def test_a_refusal_with_400_suggests_checking_the_host() -> None:
    assert "does the application accept the host a.example.org?" in str(
        Probe(host="a.example.org").objection(Answer(400, b""))
    )
    assert "does the application" not in str(Probe().objection(Answer(404, b"")))


@pytest.mark.parametrize(
    ("path", "location", "passes"),
    [
        ("/", "https://hello.example.org/", False),
        ("/", "https://hello.example.org", False),
        ("/health", "https://hello.example.org/health", False),
        ("/health?deep=1", "https://www.example.org/health?deep=1", False),
        ("/", "http://hello.example.org/", True),
        ("/", "https://hello.example.org/login", True),
        ("/", "/login", True),
        ("/", "", True),
    ],
)
def test_a_redirect_only_to_https_does_not_pass(path: str, location: str, passes: bool) -> None:
    answer = Answer(301, b"", location)
    assert (Probe(path).objection(answer) is None) is passes
    assert Probe(path, status=[301]).objection(answer) is None


@pytest.mark.parametrize(
    ("status", "objection"),
    [
        (401, None),
        (204, None),
        (200, "the response was 200, not 401 or 204"),
        (500, "the response was 500, not 401 or 204"),
    ],
)
def test_with_statuses_only_those_pass(status: int, objection: str | None) -> None:
    assert Probe(status=[401, 204]).objection(Answer(status, b"")) == objection


@pytest.mark.parametrize("body", [b"healthy", b"I am healthy.", "Grüße, healthy".encode()])
def test_an_answer_with_the_text_in_it_passes(body: bytes) -> None:
    assert Probe(text="healthy").objection(Answer(200, body)) is None


def test_a_text_may_have_letters_of_any_language() -> None:
    assert Probe(text="Grüße").objection(Answer(200, "Viele Grüße!".encode())) is None


def test_an_answer_without_the_text_does_not_pass() -> None:
    objection = Probe(text="healthy").objection(Answer(200, b"It works!"))
    assert objection == "the response was 200, but does not contain the text 'healthy'"


def test_an_error_with_the_text_in_it_does_not_pass() -> None:
    assert Probe(text="healthy").objection(Answer(500, b"healthy")) is not None


def test_a_silent_application_fails_after_its_timeout(serve: Serve) -> None:
    begun = time.monotonic()
    with pytest.raises(Failed, match=r"asked once for / of localhost, and there was no response within 0\.2 s"):
        wait_for(Probe(timeout=SOON), serve(stays=True).ask, 1, 0)
    assert time.monotonic() - begun < 5


def test_an_unfinished_answer_fails_after_its_timeout(serve: Serve) -> None:
    with pytest.raises(Failed, match=r"there was no response within 0\.2 s"):
        wait_for(Probe(timeout=SOON), serve(HEAD, b"Hello", stays=True).ask, 1, 0)


def test_a_very_slow_answer_fails_after_its_timeout(serve: Serve) -> None:
    begun = time.monotonic()
    with pytest.raises(Failed, match=r"there was no response within 0\.2 s"):
        wait_for(Probe(timeout=SOON), serve(HEAD, *[b"."] * 600, pause=0.05).ask, 1, 0)
    assert time.monotonic() - begun < 5


def test_closing_without_an_answer_fails(serve: Serve) -> None:
    with pytest.raises(Failed, match=r"there was no response: .*closed connection without response"):
        wait_for(Probe(), serve().ask, 1, 0)


def test_an_application_that_hangs_up_fails(serve: Serve) -> None:
    with pytest.raises(Failed, match=r"there was no response: ."):
        wait_for(Probe(), serve(reads=False).ask, 1, 0)


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\r\n\r\n",
        b"\0\1\2\xff",
        b"\r\n" * 9,
        b"HTTP/1.0",
        b"HTTP/1.0 fine\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n" + b"A: b\r\n" * 200,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_malformed_answer_fails(serve: Serve, garbage: bytes) -> None:
    with pytest.raises(Failed, match="there was no response"):
        wait_for(Probe(), serve(garbage).ask, 1, 0)


def test_a_missing_socket_fails(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"there was no response: .*No such file"):
        wait_for(Probe(), over_uwsgi(tmp_path / "none"), 1, 0)


def test_over_tls_the_host_is_named_and_any_certificate_is_accepted(tmp_path: Path) -> None:
    server = TlsServer(
        tmp_path, HEAD + b"Hello", {"another.example.org": certify("another.example.org", days=-1, age=9)}
    )
    try:
        answer = over_http(server.address, "secret", tls=True)(Probe("/health", host="hello.example.org:8443"))
    finally:
        server.end()
    assert answer == HEALTHY
    assert server.named == ["hello.example.org"]
    request = b"GET /health HTTP/1.0\r\nHost: hello.example.org:8443\r\n"
    assert server.asked[0].startswith(request)
    assert b"\r\nX-Wsgi-Verify: secret\r\n" in server.asked[0]


def test_a_server_without_tls_fails_over_tls(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ask = over_http(f"127.0.0.1:{listener.getsockname()[1]}", tls=True)
    server = Server(listener, ask, [HEAD], 0, True, False)
    with pytest.raises(Failed, match=r"asked once for / of localhost, and there was no response: .*SSL"):
        wait_for(Probe(), server.ask, 1, 0)
    server.end()


def test_over_tls_a_silent_server_fails_after_its_timeout() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ask = over_http(f"127.0.0.1:{listener.getsockname()[1]}", tls=True)
    server = Server(listener, ask, [], 0, True, True)
    with pytest.raises(Failed, match=r"there was no response within 0\.2 s"):
        wait_for(Probe(timeout=SOON), server.ask, 1, 0)
    server.end()


def test_a_closed_port_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Failed, match=r"there was no response: .*refused"):
        wait_for(Probe(), over_http(f"127.0.0.1:{port}"), 1, 0)


def test_a_healthy_application_is_asked_once(slept: list[float]) -> None:
    asked = Asked(HEALTHY)
    wait_for(Probe(), asked, 5, 2)
    assert (asked.times, slept) == (1, [])


@pytest.mark.parametrize("failure", [BROKEN, ConnectionRefusedError("refused"), TimeoutError()])
def test_an_application_may_need_some_tries(slept: list[float], failure: Answer | Exception) -> None:
    asked = Asked(failure, failure, HEALTHY)
    wait_for(Probe(), asked, 5, 2)
    assert (asked.times, slept) == (3, [2, 2])


@pytest.mark.parametrize(("tries", "times"), [(1, "once"), (2, "2 times"), (5, "5 times")])
def test_no_pause_follows_the_last_try(slept: list[float], tries: int, times: str) -> None:
    asked = Asked(BROKEN)
    with pytest.raises(Failed, match=f"asked {times} for "):
        wait_for(Probe(), asked, tries, 0.5)
    assert (asked.times, slept) == (tries, [0.5] * (tries - 1))


@pytest.mark.usefixtures("slept")
def test_a_failure_states_the_request_and_the_last_error() -> None:
    with pytest.raises(Failed) as failure:
        wait_for(Probe("/health", "hello.example.org"), Asked(TimeoutError(), BROKEN), 2, 1)
    assert str(failure.value) == (
        "asked 2 times for /health of hello.example.org, and the response was 500, not a status from 200 to 399"
    )


@pytest.mark.parametrize("failure", [OSError(), http.client.HTTPException()])
def test_a_failure_without_a_text_shows_its_name(failure: Exception) -> None:
    with pytest.raises(Failed, match=f"there was no response: {type(failure).__name__}"):
        wait_for(Probe(), Asked(failure), 1, 0)


def decoded(packet: bytes) -> dict[str, str]:
    """Read a uwsgi packet as its documentation says (uwsgi-docs, Protocol.rst)."""
    assert (packet[0], packet[3]) == (0, 0), "a WSGI request has the modifiers 0 and 0"
    rest = packet[4:]
    assert int.from_bytes(packet[1:3], "little") == len(rest)
    words = []
    while rest:
        size = int.from_bytes(rest[:2], "little")
        assert len(rest) >= 2 + size
        words.append(rest[2 : 2 + size].decode())
        rest = rest[2 + size :]
    return dict(zip(words[::2], words[1::2], strict=True))


def test_a_packet_matches_those_of_nginx() -> None:
    assert decoded(uwsgi_packet(Probe("/health?deep=1&x=?", "hello.example.org"))) == {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/health?deep=1&x=?",
        "PATH_INFO": "/health",
        "QUERY_STRING": "deep=1&x=?",
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": "",
        "SERVER_PROTOCOL": "HTTP/1.0",
        "SERVER_NAME": "hello.example.org",
        "SERVER_PORT": "80",
        "REQUEST_SCHEME": "http",
        "UWSGI_SCHEME": "http",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "hello.example.org",
        "HTTP_USER_AGENT": AGENT,
        "HTTP_X_FORWARDED_FOR": "127.0.0.1",
        "HTTP_X_FORWARDED_PROTO": "http",
        "HTTP_X_REAL_IP": "127.0.0.1",
    }


def test_a_packet_says_below_which_path_the_application_is() -> None:
    said = decoded(uwsgi_packet(Probe("/health?x", "hello.example.org", prefix="/shop")))
    names = ("REQUEST_URI", "SCRIPT_NAME", "PATH_INFO", "HTTP_X_FORWARDED_PREFIX")
    assert [said[name] for name in names] == ["/shop/health?x", "/shop", "/health", "/shop"]


def test_a_packet_can_say_that_a_visitor_uses_https() -> None:
    said = decoded(uwsgi_packet(Probe(host="hello.example.org", scheme="https")))
    names = ("HTTPS", "UWSGI_SCHEME", "REQUEST_SCHEME", "SERVER_PORT", "HTTP_X_FORWARDED_PROTO")
    assert [said[name] for name in names] == ["on", "https", "https", "443", "https"]


def test_the_lengths_in_a_packet_are_little_endian() -> None:
    packet = uwsgi_packet(Probe("/" + "x" * 600))
    length = (len(packet) - 4).to_bytes(2, "little")
    assert packet.startswith(b"\0" + length + b"\0" + b"\x0e\0REQUEST_METHOD\x03\0GET")
    assert b"\x09\0PATH_INFO\x59\x02/xxx" in packet


def test_a_path_is_unquoted_as_nginx_does_it() -> None:
    said = decoded(uwsgi_packet(Probe("/caf%C3%A9?q=%20")))
    assert (said["PATH_INFO"], said["REQUEST_URI"], said["QUERY_STRING"]) == ("/café", "/caf%C3%A9?q=%20", "q=%20")


@pytest.mark.parametrize("serve", ["uwsgi"], indirect=True)
def test_an_instance_is_asked_with_a_packet(serve: Serve) -> None:
    server, probe = serve(HEAD), Probe("/health", "hello.example.org")
    server.ask(probe)
    assert server.asked == [uwsgi_packet(probe)]


@pytest.mark.parametrize("serve", ["http"], indirect=True)
def test_a_front_door_is_asked_with_a_request(serve: Serve) -> None:
    server = serve(HEAD)
    server.ask(Probe("/health?deep=1", "hello.example.org"))
    assert server.asked == [
        b"GET /health?deep=1 HTTP/1.0\r\nHost: hello.example.org\r\nUser-Agent: wsgi.production\r\n"
        b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Real-IP: 127.0.0.1\r\n\r\n"
    ]


@pytest.mark.parametrize(
    ("address", "family", "asked_at"),
    [
        ("0.0.0.0:9000", socket.AF_INET, ("127.0.0.1", 9000)),
        ("[::]:9000", socket.AF_INET6, ("::1", 9000)),
        ("192.0.2.10:80", socket.AF_INET, ("192.0.2.10", 80)),
        ("[2001:db8::1]:80", socket.AF_INET6, ("2001:db8::1", 80)),
    ],
)
def test_a_front_door_is_asked_at_its_address_and_a_wildcard_is_this_host(
    address: str, family: int, asked_at: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []

    def exchange(connection: socket.socket, address: Any, request: bytes, timeout: float) -> Answer:
        found.append((connection.family, address))
        return HEALTHY

    monkeypatch.setattr(unit, "_exchange", exchange)
    over_http(address)(Probe())
    assert found == [(family, asked_at)]


def test_a_probe_is_unchanged_by_storage_in_a_manifest() -> None:
    probe = Probe("/health", "hello.example.org", [200, 204], "fine", 1, 2, 3)
    assert Probe(**probe.as_dict()) == probe
