"""HTTPS as browsers and auditors want it, with certificates from all the places that they come from."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.integration.conftest import HOST, NginxSite, assert_nothing_to_do, everywhere
from tests.integration.test_around import until
from tests.integration.test_nginx import assert_nobody_noticed
from tests.rig import STATE, apt_install, scanners
from tests.rig.authority import Authority
from tests.rig.server import ansible

# OpenSSL 3.5 is the newer one, and only its NGINX was built with HTTP/3.
pytestmark = pytest.mark.on("debian13")

NAME, ALIAS, ANOTHER = "patient.example.com", "old.example.com", "new.example.com"
DIRECTORY = "https://localhost:14000/dir"

# With which role and settings a load on port 80 goes on to be answered there.
BOTH = {"redirect": False}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority whose certificates nobody knows."""
    return Authority(tmp_path_factory.mktemp("authority"))


def own(authority: Authority, *names: str, **tls: Any) -> dict[str, Any]:
    """Return the settings of a site with a certificate of `authority`."""
    certificate, key = authority.issue(*(names or (NAME,)))
    return {"tls": {"source": "own", "certificate": str(certificate), "key": str(key), **tls}}


@everywhere
def test_https_is_served_and_http_redirects_to_it(nginx: NginxSite, authority: Authority) -> None:
    nginx.serve(**own(authority, NAME, ALIAS), aliases=[ALIAS])
    page = nginx.server.https(NAME, "/seen", authority.root)
    assert page.headers["Strict-Transport-Security"] == "max-age=63072000"
    seen = json.loads(page.body)
    assert (seen["HTTPS"], seen["REQUEST_SCHEME"], seen["HTTP_X_FORWARDED_PROTO"]) == ("on", "https", "https")
    there = nginx.server.https(ALIAS, "/a?b=c", authority.root)
    assert (there.status, there.headers["Location"]) == (308, f"https://{NAME}/a?b=c")
    for name in (NAME, ALIAS):
        said = nginx.server.shell(ask(f"http://{name}/a?b=c"))
        assert f"\r\nLocation: https://{NAME}/a?b=c\r\n" in said.replace("\n", "\r\n").replace("\r\r", "\r")
        assert "Strict-Transport-Security" not in said


def ask(url: str, *options: str) -> str:
    """Return the command that asks the server for `url` on the server itself, whoever signed its certificate."""
    names = "".join(f" --resolve {name}:{port}:127.0.0.1" for name in (NAME, ALIAS, ANOTHER) for port in (80, 443))
    return f"curl --silent --insecure --include --max-time 10 {' '.join(options)} {names} '{url}'"


@everywhere
def test_http_2_works(nginx: NginxSite, authority: Authority) -> None:
    nginx.serve(**own(authority))
    assert nginx.server.shell(ask(f"https://{NAME}/")).startswith("HTTP/2 200")


@everywhere
def test_http_3_works_if_nginx_supports_it(nginx: NginxSite, authority: Authority) -> None:
    site = own(authority, http3=True)
    if nginx.server.distribution == "debian12":
        before = nginx.state()
        refused = nginx.serve(check=False, **site)
        assert "patient: tls.http3: NGINX 1.22.1 of this host does not support HTTP/3" in refused.stdout
        assert nginx.state() == before
        return
    nginx.serve(**site)
    assert nginx.server.shell(ask(f"https://{NAME}/", "--http3-only")).startswith("HTTP/3 200")
    assert nginx.server.https(NAME).headers["Alt-Svc"].startswith('h3=":443"')


def test_an_unknown_name_is_refused_in_the_handshake(nginx: NginxSite, authority: Authority) -> None:
    nginx.serve(**own(authority))
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        nginx.server.https("unknown.example.com")


def test_another_certificate_is_loaded_without_failing_a_request(nginx: NginxSite, authority: Authority) -> None:
    nginx.serve(**own(authority, **BOTH))
    first = nginx.server.https(NAME, root=authority.root).certificate
    with nginx.server.load(NAME) as seen:
        nginx.serve(**own(authority, **BOTH))
    assert_nobody_noticed(seen)
    assert nginx.server.https(NAME, root=authority.root).certificate != first
    assert len(nginx.server.shell("ls /etc/nginx/certificates").split()) == 2, "the first is gone"


def test_a_certificate_that_the_host_has_is_used(nginx: NginxSite, authority: Authority) -> None:
    certificate, key = authority.issue(NAME)
    nginx.server.shell(f"cat > /etc/ssl/mine.crt <<'END'\n{certificate.read_text()}END")
    nginx.server.shell(f"cat > /etc/ssl/private/mine.key <<'END'\n{key.read_text()}END")
    nginx.serve(tls={"source": "host", "certificate": "/etc/ssl/mine.crt", "key": "/etc/ssl/private/mine.key"})
    assert nginx.server.https(NAME, root=authority.root).status == 200


def test_a_key_of_another_certificate_changes_nothing(nginx: NginxSite, authority: Authority) -> None:
    nginx.serve(**own(authority))
    (certificate, _), (_, key) = authority.issue(NAME), authority.issue(NAME)
    nginx.server.shell(f"cat > /etc/ssl/one.crt <<'END'\n{certificate.read_text()}END")
    nginx.server.shell(f"cat > /etc/ssl/private/other.key <<'END'\n{key.read_text()}END")
    before, shown = nginx.state(), nginx.server.https(NAME).certificate
    on_the_host = {"source": "host", "certificate": "/etc/ssl/one.crt", "key": "/etc/ssl/private/other.key"}
    on_the_controller = {"source": "own", "certificate": str(certificate), "key": str(key)}
    for tls, words in (
        (on_the_host, 'patient: tls: SSL_CTX_use_PrivateKey("/etc/ssl/private/other.key") failed'),
        (on_the_controller, "nginx_sites (patient): tls.key: the key does not belong to the first certificate"),
    ):
        refused = nginx.serve(check=False, tls=tls)
        assert refused.returncode != 0
        assert words in " ".join(refused.stdout.split())
        assert (nginx.state(), nginx.server.https(NAME).certificate) == (before, shown)


def test_a_key_is_never_shown_or_logged(nginx: NginxSite, authority: Authority) -> None:
    site = own(authority)
    key = Path(site["tls"]["key"]).read_text()
    site["tls"]["key"] = key
    inventory = nginx.server.write_inventory(HOST, {"nginx_sites": [{**nginx.site, **site}]})
    said = ansible("ansible-playbook", "-vvv", "--diff", "tests/integration/nginx.yml", "-i", inventory).stdout
    secret = key.splitlines()[1]
    assert secret not in said
    readable = (
        f"grep --recursive --no-messages --text '{secret}' /etc /home /opt /proc/[0-9]*/environ /run /srv /tmp /var"
    )
    shown = nginx.server.shell(f'journalctl --no-pager; su --shell /bin/sh nobody --command "{readable}"', check=False)
    assert secret not in shown
    assert secret in nginx.server.shell("cat /etc/nginx/certificates/*.key")


@everywhere
@pytest.mark.parametrize("profile", ["intermediate", "modern"])
def test_it_complies_with_mozillas_guidelines(nginx: NginxSite, authority: Authority, profile: str) -> None:
    nginx.play({"nginx_sites": [{**nginx.site, **own(authority)}], "nginx_tls_profile": profile})
    scanned = subprocess.run(
        [
            *(scanners.program("sslyze"), f"--mozilla_config={profile}", "--certinfo_ca_file", authority.root),
            f"{NAME}:{nginx.server.port(443)}{{127.0.0.1}}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "OK - Compliant" in scanned.stdout, scanned.stdout[-2000:]
    assert scanned.returncode == 0


# What testssl.sh rates above low, and why it may stay so.
WAIVED = {
    "cipher_order": "Mozilla leaves it to the browser, which knows whether it has AES in hardware; no cipher is weak",
    "cert_trust": "nobody knows the authority of the tests",
    "cert_chain_of_trust": "nobody knows the authority of the tests",
    "cert_revocation": "the authority of the tests revokes nothing",
    "cert_crlDistributionPoints": "the authority of the tests revokes nothing",
    "cert_ocspURL": "the authority of the tests revokes nothing",
}


def test_testssl_finds_nothing_above_low(nginx: NginxSite, authority: Authority) -> None:
    if not Path("/usr/bin/testssl").exists():
        apt_install("testssl.sh", "bsdextrautils", "dnsutils")
    nginx.serve(**own(authority))
    found = STATE / f"testssl-{nginx.server.distribution}.json"
    found.unlink(missing_ok=True)
    subprocess.run(
        [
            *("testssl", "--quiet", "--color", "0", "--warnings", "batch", "--ip", "127.0.0.1", "--jsonfile", found),
            *("--protocols", "--server-defaults", "--server-preference", "--headers", "--vulnerable", "--std"),
            f"https://{NAME}:{nginx.server.port(443)}/",
        ],
        capture_output=True,
        check=False,
        timeout=600,
    )
    findings = json.loads(found.read_text())
    assert len(findings) > 50
    assert {one["id"] for one in findings} >= {"TLS1_2", "HSTS_time", "heartbleed"}
    bad = [one for one in findings if one["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")]
    assert [one for one in bad if not any(word in one["id"] for word in WAIVED)] == []


def acme(
    nginx: NginxSite, *names: str, check: bool = True, words: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Serve the site under `names` with certificates of the ACME server."""
    site = {**nginx.app["serve"], "server_names": list(names), "tls": {"source": "acme", **BOTH}}
    apps = [{**nginx.app, "serve": site}]
    return nginx.deploy("-e", f"nginx_acme_directory={DIRECTORY}", *words, apps=apps, check=check)


@pytest.fixture(scope="module")
def certified(nginx: NginxSite) -> NginxSite:
    """Return a server with NGINX on which a real ACME server runs, which comes and goes."""
    nginx.server.install("pebble")
    script = Path(__file__).with_name("pebble.sh").read_text(encoding="utf-8")
    nginx.server.shell(f"bash -s <<'END'\n{script}\nEND")
    return nginx


def serial(nginx: NginxSite, name: str = NAME) -> tuple[bytes, list[str]]:
    """Return the certificate that visitors are shown, and the names that it is for."""
    page = nginx.server.https(name)
    assert page.status == 200
    shown = x509.load_der_x509_certificate(page.certificate)
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return page.certificate, names.get_values_for_type(x509.DNSName)


def test_a_host_that_serves_nothing_yet_has_its_certificate_after_one_run(certified: NginxSite) -> None:
    certified.server.shell(
        "systemctl stop nginx.socket nginx.service 'patient@*'"
        " && apt-get purge --yes --quiet nginx nginx-common certbot && rm -rf /etc/nginx /etc/letsencrypt /srv/patient"
        " && find /etc/systemd/system '(' -name 'patient@*' -or -name 'nginx.*' ')' -prune -exec rm -rf {} +"
        " && systemctl daemon-reload"
    )
    acme(certified, NAME, words=("--check", "--diff"))
    acme(certified, NAME)
    page = certified.server.https(NAME)
    assert (page.status, page.body.split()[0]) == (200, "first")


@everywhere
def test_the_first_certificate_comes_in_one_run_and_fails_no_request(certified: NginxSite) -> None:
    certified.deploy()
    told = acme(certified, NAME, words=("--check",)).stdout
    assert "changed=0" not in told
    with certified.server.load(NAME) as seen:
        said = acme(certified, NAME).stdout
    assert_nobody_noticed(seen)
    assert re.search(rf"{NAME}: the certificate is valid for 8\d more days", said)
    issuer = certified.server.shell("openssl x509 -noout -issuer -in /etc/nginx/certificates/patient-acme-*.crt")
    assert "Pebble" in issuer
    assert serial(certified)[1] == [NAME]


def test_a_second_run_changes_nothing(certified: NginxSite) -> None:
    before = serial(certified)
    assert_nothing_to_do(lambda *words: acme(certified, NAME, words=words).stdout)
    assert serial(certified) == before


def test_a_new_host_name_gets_a_certificate_without_failing_a_request(certified: NginxSite) -> None:
    before = serial(certified)
    with certified.server.load(NAME) as seen:
        acme(certified, NAME, ANOTHER)
    assert_nobody_noticed(seen)
    after = serial(certified, ANOTHER)
    assert after[0] != before[0]
    assert set(after[1]) == {NAME, ANOTHER}


@everywhere
def test_the_timer_renews_and_nginx_is_not_stopped(certified: NginxSite) -> None:
    assert "certbot.timer" in certified.server.shell("systemctl list-timers")
    before = serial(certified)
    master = certified.server.shell("systemctl show --property MainPID nginx")
    certified.server.shell(
        "sed -i '1i renew_before_expiry = 400 days' /etc/letsencrypt/renewal/patient-acme-*.conf"
        " && mkdir -p /etc/systemd/system/certbot.service.d"
        " && printf '[Service]\\nExecStart=\\nExecStart=certbot -q renew --no-random-sleep-on-renew\\n'"
        " > /etc/systemd/system/certbot.service.d/test.conf && systemctl daemon-reload"
    )
    with certified.server.load(NAME) as seen:
        certified.server.shell("systemctl start certbot.service")
    assert_nobody_noticed(seen)
    # certbot does not wait until NGINX has new workers.
    assert until(lambda: serial(certified)[0] != before[0])
    assert certified.server.shell("systemctl show --property MainPID nginx") == master
    certified.server.shell("sed -i 1d /etc/letsencrypt/renewal/patient-acme-*.conf")


def test_without_the_acme_server_the_old_certificate_serves_on(certified: NginxSite) -> None:
    before, state = serial(certified), certified.state()
    certified.server.shell("systemctl stop pebble")
    try:
        with certified.server.load(NAME) as seen:
            failed = acme(certified, NAME, ANOTHER, "more.example.com", check=False)
        assert failed.returncode != 0
        said = " ".join(failed.stdout.split())
        assert "could not get a certificate for " in said and "this host serves what it served before" in said
        assert re.search(r"the certificate of patient is valid for 8\d more days", said)
        assert_nobody_noticed(seen)
        assert (serial(certified), certified.state()) == (before, state)
        assert "changed=0 " in acme(certified, NAME, ANOTHER).stdout, "what is there needs no ACME server"
    finally:
        certified.server.shell("systemctl start pebble")


def test_the_certificate_of_a_removed_site_is_no_longer_renewed(certified: NginxSite) -> None:
    certified.deploy()
    assert certified.server.shell("ls /etc/letsencrypt/renewal /etc/nginx/certificates").split() == [
        "/etc/letsencrypt/renewal:",
        "/etc/nginx/certificates:",
    ]


def test_a_self_signed_certificate_is_created_on_request(nginx: NginxSite) -> None:
    nginx.serve(tls={"source": "self_signed"})
    page = nginx.server.https(NAME)
    assert page.status == 200
    assert "Strict-Transport-Security" not in page.headers
    assert "changed=0 " in nginx.serve(tls={"source": "self_signed"}).stdout
    assert nginx.server.https(NAME).certificate == page.certificate
