"""A run that fails leaves NGINX as it was, and one that goes well changes code and settings at the same moment."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from typing import Any, NamedTuple

import pytest

from tests.integration.conftest import NginxSite

# NGINX 1.22 is the older one: how it is reloaded has had fewer fixes.
pytestmark = pytest.mark.on("debian12")

NAME, NEW, SECOND = "patient.example.com", "new.example.com", "second.example.com"
ALICE = base64.b64encode(b"alice:hunter2hunter2").decode()

# For how long visitors may see new code with old settings, in seconds: links move, then NGINX gets new workers.
MOMENT = 1.0

# Seconds from an answer to the next request of a visitor: the server has other work to do at the switch.
PAUSE = 0.01


class Answer(NamedTuple):
    """What a visitor got who knows the password of before."""

    status: int
    body: str
    colour: str


def ask(nginx: NginxSite, path: str = "/", host: str = NAME) -> Answer:
    """Ask a site; who is hung up on without an answer has the status 0."""
    connection = http.client.HTTPConnection("127.0.0.1", nginx.server.port(80), timeout=30)
    try:
        connection.request("GET", path, headers={"Host": host, "Authorization": f"Basic {ALICE}"})
        answer = connection.getresponse()
        body = answer.read().decode()
        return Answer(answer.status, body if answer.status == 200 else "", answer.getheader("X-Colour", ""))
    except ConnectionError:
        return Answer(0, "", "")
    finally:
        connection.close()


def zone(key: str) -> tuple[str, str]:
    """Return the words for a run in which NGINX shares a zone whose key a reload cannot change."""
    return "-e", json.dumps({"nginx_snippet": f"limit_req_zone {key} zone=one:1m rate=9r/s;"})


@pytest.fixture(scope="module")
def site(nginx: NginxSite) -> NginxSite:
    """Return a server with a site of which much can change."""
    (nginx.source / "static").mkdir()
    (nginx.source / "static/a.css").write_text("before")
    nginx.app["run"]["env"]["COLOUR"] = "blue"
    nginx.app["run"]["probe"] = {"path": "/health", "tries": 2, "interval": 1}
    nginx.app["serve"].update(
        static=[{"path": "/static/", "directory": "static"}],
        basic_auth={"alice": "hunter2hunter2"},
        headers={"X-Colour": "blue"},
        tls={"source": "self_signed", "redirect": False},
    )
    nginx.deploy(*zone("$uri"))
    return nginx


# What a change does besides all that is changed of the site, and what is said of it.
FAILS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "does not start": ({"callable": "main:none"}, {}, "$uri", "does not start"),
    "has a door where sshd listens": ({"listen_http": "127.0.0.1:22"}, {}, "$uri", "cannot listen on 127.0.0.1:22"),
    "has a snippet that NGINX refuses": ({}, {"snippet": "fooo bar;"}, "$uri", 'unknown directive "fooo"'),
    "has a zone that a reload does not take up": ({}, {}, "$request_uri", "NGINX did not load"),
    "is sick behind NGINX": ({"env": {"MOOD": "sick behind NGINX"}}, {}, "$uri", "is not healthy at "),
}


@pytest.mark.parametrize("case", FAILS)
def test_a_failed_run_leaves_nginx_unchanged_byte_for_byte(site: NginxSite, case: str) -> None:
    run, serve, key, words = FAILS[case]

    def seen() -> tuple[str, str, list[Answer]]:
        pages = [ask(site, path, host) for host in (NAME, NEW) for path in ("/", "/static/a.css", "/new/a.css")]
        return site.state(), site.server.shell("readlink /srv/patient/current"), pages

    before = seen()
    change = {
        "server_names": [NEW],
        "static": [{"path": "/new/", "directory": "static"}],
        "basic_auth": {"alice": "another password"},
        "headers": {"X-Colour": "green"},
        "tls": {"source": "self_signed", "redirect": True},
    }
    changed = {
        **site.app,
        "run": {**site.app["run"], **run, "env": {**site.app["run"]["env"], **run.get("env", {})}},
        "serve": {**site.app["serve"], **change, **serve},
    }
    (site.source / "static/a.css").write_text("after")
    refused = site.deploy(*zone(key), apps=[changed], check=False)
    (site.source / "static/a.css").write_text("before")
    assert refused.returncode != 0 and words in " ".join(refused.stdout.split()), refused.stdout
    assert seen() == before
    page, style = before[2][:2]
    assert " blue " in page.body and page.colour == "blue" and style == Answer(200, "before", "blue")


@pytest.mark.parametrize("mood", ["sick", "sick behind NGINX"])
def test_a_first_deploy_that_fails_leaves_no_trace_for_clients(site: NginxSite, mood: str) -> None:
    second = {
        **site.app,
        "name": "second",
        "run": {**site.app["run"], "env": {"IMPORT_SECONDS": "0", "MOOD": mood}},
        "serve": {"server_names": [SECOND]},
    }
    before = site.state()
    assert site.deploy(*zone("$uri"), apps=[site.app, second], check=False).returncode != 0
    assert ask(site, "/", SECOND) == Answer(0, "", "")
    assert site.state() == before
    site.deploy(*zone("$uri"), apps=[site.app, {"name": "second", "state": "absent"}])


@pytest.mark.quiet
def test_clients_see_new_code_only_with_new_settings(site: NginxSite) -> None:
    seen: list[tuple[float, Answer]] = []
    done = threading.Event()

    def visit() -> None:
        while not done.is_set():
            seen.append((time.monotonic(), ask(site)))
            time.sleep(PAUSE)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for one in visitors:
        one.start()
    try:
        for colour in ("green", "blue"):
            site.app["run"]["env"]["COLOUR"] = colour
            site.app["serve"]["headers"] = {"X-Colour": colour}
            site.deploy(*zone("$uri"))
            time.sleep(1)
    finally:
        done.set()
        for one in visitors:
            one.join()
    assert {answer.status for _, answer in seen} == {200}
    mixed = [(when, answer) for when, answer in sorted(seen) if answer.colour not in answer.body.split()]
    switches = [[when for when, answer in mixed if answer.colour == old] for old in ("blue", "green")]
    print(f"{len(seen)} answers, of them mixed {len(mixed)}, within", *(max(one) - min(one) for one in switches if one))
    # The links move before NGINX takes its settings up, so who comes between sees new code with old settings.
    assert all(answer.colour in ("blue", "green") for _, answer in mixed)
    assert all(max(one) - min(one) <= MOMENT for one in switches if one)
    assert len(mixed) <= len(seen) / 10


def test_an_nginx_that_serves_something_else_is_refused_unless_it_may_be_taken_over(site: NginxSite) -> None:
    site.deploy(*zone("$uri"))
    shop = "events {} http { server { listen 127.0.0.1:8088; return 200 shop; } }"
    site.server.shell(f"cp /etc/nginx/nginx.conf /root && echo '{shop}' > /etc/nginx/nginx.conf")
    before = site.state()
    refused = site.deploy(*zone("$uri"), check=False)
    said = " ".join(refused.stdout.split())
    assert refused.returncode != 0
    assert "NGINX on this host serves sites that this collection did not configure: /etc/nginx/nginx.conf." in said
    assert "nginx_take_over: true" in said
    assert site.state() == before
    site.deploy(*zone("$uri"), "-e", "nginx_take_over=true")
    assert ask(site).status == 200
    assert site.server.shell("cat /etc/nginx/nginx.conf.original").strip() == shop
    assert " changed=0 " in site.deploy(*zone("$uri")).stdout
