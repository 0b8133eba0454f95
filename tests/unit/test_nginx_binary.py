"""What the collection knows about the NGINX of a host."""

from __future__ import annotations

import errno
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import nginx_binary as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.nginx_binary import NginxBinary, Workers
from tests.unit.fakes import FakeSystemd

SERVICE = "nginx.service"

SAID = "nginx version: nginx/{}\nbuilt with OpenSSL 3.0.15\nconfigure arguments: --with-http_v2_module {}\n"


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("1.22.1", "old"),
        ("1.25.0", "old"),
        ("1.9.15", "old"),
        ("1.25.1", "new"),
        ("1.26.3", "new"),
        ("1.100.0", "new"),
        ("2.0", "new"),
    ],
)
def test_the_text_matches_the_version_of_nginx(version: str, text: str) -> None:
    known = NginxBinary(SAID.format(version, ""))
    assert known.version == version
    assert known.text({"0": "old", "1.25.1": "new"}) == known.text({"1.25.1": "new", "0": "old"}) == text


def test_an_nginx_that_is_not_installed_yet_gets_the_newest_text() -> None:
    unknown = NginxBinary("")
    assert unknown.version == ""
    assert unknown.text({"0": "old", "1.25.1": "new", "1.9.5": "older"}) == "new"


@pytest.mark.parametrize(("there", "said"), [(True, SAID.format("1.22.1", "")), (False, "")])
def test_an_installed_nginx_is_asked_for_its_version(monkeypatch: pytest.MonkeyPatch, there: bool, said: str) -> None:
    asked: list[list[str]] = []

    def run(argv: list[str], purpose: str) -> str:
        asked.append(argv)
        return SAID.format("1.22.1", "")

    monkeypatch.setattr(unit, "has", {"nginx": there}.__getitem__)
    monkeypatch.setattr(unit, "run", run)
    assert NginxBinary.read().said == said
    assert asked == [["sh", "-c", "nginx -V 2>&1"]][: int(there)]


HTTP3 = [{"name": "world", "http3": False}, {"name": "hello", "http3": True}]


@pytest.mark.parametrize(
    ("said", "sites", "objection"),
    [
        ("", HTTP3, None),
        (SAID.format("1.26.3", "--with-http_v3_module"), HTTP3, None),
        (SAID.format("1.22.1", ""), HTTP3[:1], None),
        (SAID.format("1.22.1", ""), [{"name": "hello"}], None),
        (
            SAID.format("1.22.1", ""),
            HTTP3,
            "hello: tls.http3: NGINX 1.22.1 of this host does not support HTTP/3; remove the setting",
        ),
    ],
)
def test_http_3_is_refused_if_nginx_lacks_it(said: str, sites: list[dict[str, Any]], objection: str | None) -> None:
    assert NginxBinary(said).objection(sites) == objection


def test_without_ipv6_nginx_listens_only_on_ipv4() -> None:
    text = "    server {\n        listen 80 default_server;\n        listen [::]:80 default_server;\n        # [::]\n"
    without = text.replace("        listen [::]:80 default_server;\n", "")
    assert NginxBinary("", ipv6=True).text({"0": text}) == text
    assert NginxBinary("", ipv6=False).text({"0": text}) == without


def test_a_kernel_without_ipv6_is_recognized_by_its_socket_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unit.has_ipv6()

    def refuse(family: int) -> None:
        assert family == socket.AF_INET6
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    assert not unit.has_ipv6()


def test_only_accepting_workers_count(tmp_path: Path, systemd: FakeSystemd) -> None:
    systemd.main[SERVICE] = "10"
    processes = {
        (10, 1): "nginx: master process /usr/sbin/nginx",
        (11, 10): "nginx: worker process",
        (12, 10): "nginx: worker process is shutting down",
        (13, 10): "nginx: cache manager process",
        (14, 9): "nginx: worker process",
    }
    for (pid, parent), title in processes.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (nginx: (x) y) S {parent} 10 10 0")
        (tmp_path / str(pid) / "cmdline").write_bytes(title.encode() + b"\0")
    (tmp_path / "15").mkdir()
    assert Workers(systemd, tmp_path).pids() == {11}


def test_only_the_master_is_told_to_renew_workers(systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
    systemd.main[SERVICE] = "10"
    Workers(systemd).renew()
    assert told == [(10, signal.SIGHUP)]


def test_a_stopped_nginx_cannot_be_reloaded(systemd: FakeSystemd) -> None:
    with pytest.raises(Failed, match=r"^could not reload NGINX, because it is not running$"):
        Workers(systemd).renew()
