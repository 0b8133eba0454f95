"""The nginx changes without failing a request, and what NGINX would not take never replaces what it serves."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import NginxSite, assert_nothing_to_do, everywhere
from tests.rig import PROJECT, often
from tests.rig.server import Load, Server

# NGINX 1.22 is the older one: how it takes over ports has had fewer fixes.
pytestmark = pytest.mark.on("debian12")

NAME = "patient.example.com"
CHANGES = often(6, 20, 20)
MOST_TASKS = 5
LEAST_RATE = 200

WORKERS = "pgrep --full 'nginx: worker process$'"


def assert_nobody_noticed(seen: Load) -> None:
    """No request failed; what may be cut is a connection that is open and idle, of which the number is shown."""
    resets = [failure for failure in seen.failures if "keep-alive" in failure]
    print(f"{seen.requests} requests, the longest {seen.longest:.3f} s; {len(resets)} idle connections were reset")
    assert sorted(set(seen.failures) - set(resets)) == []
    assert [reset for reset in resets if "answer" in reset] == []
    assert seen.rate >= LEAST_RATE


def test_no_change_of_the_configuration_fails_a_request(nginx: NginxSite) -> None:
    nginx.serve()
    with nginx.server.load(NAME) as seen:
        for number in range(CHANGES):
            nginx.serve(snippet=f"add_header X-Change {number};")
    assert_nobody_noticed(seen)
    assert nginx.server.header(NAME, "X-Change") == str(CHANGES - 1)


@everywhere
@pytest.mark.parametrize(
    "action",
    [
        "apt-get update -qq && apt-get install --yes --quiet --reinstall nginx-common nginx",
        "systemctl restart nginx",
        pytest.param("kill -9 $(systemctl show --property MainPID --value nginx)", marks=pytest.mark.quiet),
        "systemctl reload nginx",
        "logrotate --force /etc/logrotate.d/nginx",
    ],
    ids=["reinstall", "restart", "kill", "reload", "rotate"],
)
def test_nothing_that_happens_to_nginx_fails_a_request(nginx: NginxSite, action: str) -> None:
    nginx.serve()
    with nginx.server.load(NAME) as seen:
        time.sleep(1)
        nginx.server.shell(f"export DEBIAN_FRONTEND=noninteractive; {action}")
        time.sleep(2)
    if action.startswith("kill"):
        # What its workers were answering is lost with it, and nothing else: of each client the one request at most.
        assert len([failure for failure in seen.failures if " close, request" in failure]) <= 4
        assert not any("refused" in failure for failure in seen.failures)
    else:
        assert_nobody_noticed(seen)
    assert "changed=0 " in nginx.serve().stdout
    assert exposure(nginx.server) <= 2.5


def test_a_rotation_of_the_log_loses_no_line(nginx: NginxSite) -> None:
    nginx.serve()
    time.sleep(6)
    nginx.server.shell("rm /var/log/nginx/access.log*; systemctl kill --signal USR1 --kill-whom main nginx; sleep 1")
    with nginx.server.load(NAME) as seen:
        for _ in range(3):
            time.sleep(1)
            nginx.server.shell("logrotate --force /etc/logrotate.d/nginx")
    # So long a line may wait for others.
    time.sleep(6)
    lines = nginx.server.shell("cd /var/log/nginx; zcat --force access.log*").splitlines()
    assert len(lines) == seen.requests


def test_a_request_in_flight_when_nginx_stops_is_answered_in_full(nginx: NginxSite) -> None:
    nginx.serve()
    said = []
    visitor = threading.Thread(target=lambda: said.append(nginx.server.get(NAME, "/slow?seconds=8")))
    visitor.start()
    time.sleep(0.5)
    begun = time.monotonic()
    nginx.server.shell("systemctl stop nginx.socket nginx")
    assert time.monotonic() - begun > 6, "it did not wait"
    visitor.join()
    assert said == ["first"]
    nginx.server.shell("systemctl start nginx")


def exposure(server: Server) -> float:
    """Return how systemd rates the sandbox of NGINX."""
    said = server.shell("systemd-analyze security --no-pager nginx.service")
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", said)
    assert found, said
    return float(found.group(1))


@everywhere
def test_the_sandbox_is_tight(nginx: NginxSite) -> None:
    assert exposure(nginx.server) <= 2.5
    log = nginx.server.shell("cat /var/log/nginx/error.log")
    assert [line for line in log.splitlines() if "[alert]" in line or "[crit]" in line] == []


@everywhere
def test_no_worker_blocks_in_accept_when_another_took_the_connection(nginx: NginxSite) -> None:
    nginx.serve()
    master = nginx.server.shell("systemctl show --property MainPID --value nginx").strip()
    flags = nginx.server.shell(f"grep --no-filename flags /proc/{master}/fdinfo/{{3,4,5,6}}").split()[1::2]
    assert len(flags) == 4
    assert [flag for flag in flags if not int(flag, 8) & os.O_NONBLOCK] == []


def test_a_second_run_changes_nothing_and_is_short(nginx: NginxSite) -> None:
    nginx.serve()
    before = nginx.state(), nginx.server.shell(WORKERS)
    second = nginx.serve()
    assert "changed=0 " in second.stdout
    assert second.stdout.count("TASK [") <= MOST_TASKS
    assert (nginx.state(), nginx.server.shell(WORKERS)) == before


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a wrong snippet": (
        {"snippet": "keepalive_requests 500;\nfooo bar;"},
        'patient: snippet: unknown directive "fooo"; line',
    ),
    "a snippet that does not end": ({"snippet": "add_header X-Y z"}, "patient: snippet: "),
    "a cipher that NGINX does not know": (
        {"tls": {"source": "self_signed"}, "snippet": "ssl_ciphers NO-SUCH-CIPHER;"},
        'patient: snippet: SSL_CTX_set_cipher_list("NO-SUCH-CIPHER") failed',
    ),
    "a certificate that is not there": (
        {"tls": {"source": "host", "certificate": "/etc/ssl/absent.crt", "key": "/etc/ssl/absent.key"}},
        'patient: tls: cannot load certificate "/etc/ssl/absent.crt"',
    ),
    "two sites with one name": (
        {"more": ({"name": "other", "server_names": ["patient.example.com"], "servers": ["127.0.0.1:9"]},)},
        "two sites, patient and other, have the host name patient.example.com; change one",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_configuration_that_nginx_refuses_changes_nothing(nginx: NginxSite, case: str) -> None:
    nginx.serve()
    before = nginx.state(), nginx.server.shell(WORKERS)
    site, words = REFUSED[case]
    refused = nginx.serve(check=False, **site)
    assert refused.returncode != 0
    assert words in " ".join(refused.stdout.split()), refused.stdout
    assert (nginx.state(), nginx.server.shell(WORKERS)) == before
    assert nginx.get(NAME).startswith("first")


def test_a_site_without_an_entry_stays_until_its_state_is_absent(nginx: NginxSite) -> None:
    nginx.serve()
    other = {"name": "other", "server_names": ["other.example.com"], "servers": ["127.0.0.1:9"]}
    described = {"nginx_sites": [other], "nginx_described": ["other"]}
    said = " ".join(nginx.play(described).stdout.split())
    assert "patient is left over: NGINX serves its site here" in said
    assert nginx.get(NAME).startswith("first")
    assert "changed=0 " in nginx.play(described).stdout
    nginx.play({**described, "nginx_described": ["other", "patient"]})
    with pytest.raises(ConnectionError):
        nginx.get(NAME)


def test_a_configuration_that_a_reload_does_not_load_is_rolled_back(nginx: NginxSite) -> None:
    def zone(key: str) -> dict[str, Any]:
        return {"nginx_sites": [nginx.site], "nginx_snippet": f"limit_req_zone {key} zone=one:1m rate=1r/s;"}

    nginx.play(zone("$uri"))
    before = nginx.state(), nginx.server.shell(WORKERS)
    with nginx.server.load(NAME) as seen:
        # NGINX finds nothing wrong with it, until it comes to the zone that runs.
        refused = nginx.play(zone("$request_uri"), check=False)
    assert refused.returncode != 0
    said = " ".join(refused.stdout.split())
    assert "NGINX did not load the new configuration and keeps serving the old one: nginx_snippet: " in said
    assert re.search(r"uses the \W+request_uri\W+ key while previously it used the \W+uri\W+ key", said), said
    assert (nginx.state(), nginx.server.shell(WORKERS)) == before
    assert_nobody_noticed(seen)
    assert seen.failures == []
    assert "changed=0 " in nginx.play(zone("$uri")).stdout


def test_a_host_with_the_files_of_other_templates_is_brought_over_without_failing_a_request(
    nginx: NginxSite, tmp_path: Path
) -> None:
    """Other templates stand for another version of the collection: every file of a release and of NGINX differs."""
    for path in PROJECT.glob("roles/*/templates/*.j2"):
        text = path.read_text(encoding="utf-8")
        if path.name == "uwsgi.ini.j2" or path.name.startswith(("instance.", "nginx.s")):
            (tmp_path / path.name).write_text(f"{text}# Another version.\n", encoding="utf-8")
    nginx.deploy("-e", f"uwsgi_templates={tmp_path}", "-e", f"nginx_templates={tmp_path}")
    units = "/etc/systemd/system/nginx.socket /etc/systemd/system/nginx.service.d/wsgi.conf"
    release = (
        "/srv/patient/current/uwsgi.ini /srv/patient/current/instance.socket /srv/patient/current/instance.service"
    )
    assert nginx.server.shell(f"cat {units} {release}").count("# Another version.") == 5
    with nginx.server.load(NAME) as seen:
        nginx.deploy()
    assert_nobody_noticed(seen)
    assert "# Another version." not in nginx.server.shell(f"cat {units} {release}")
    assert_nothing_to_do(lambda *words: nginx.deploy(*words).stdout)
