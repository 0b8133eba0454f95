"""What certificates promise on the host."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import certificate as unit
from ansible_collections.wsgi.production.plugins.module_utils.certificate import (
    SELF_SIGNED_DAYS,
    SELF_SIGNED_LEFT,
    Acme,
    Certificate,
    Facts,
    abandon,
    served,
)
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import replace_link, write_file
from tests.unit.fakes import TlsServer, certify

DIRECTORY = "https://acme.example.org/directory"
NAMES = ["hello.example.org", "www.hello.example.org"]
STEM = "hello-acme-0123456789ab"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the directory with the certificates of a host that has none yet."""
    return tmp_path / "certificates"


def wanted(root: Path, source: str, stem: str = STEM, **values: Any) -> Certificate:
    """Return what the site `hello` wants."""
    return Certificate("hello", source, NAMES, root / f"{stem}.crt", root / f"{stem}.key", **values)


def own(root: Path, stem: str = STEM, days: float = 90) -> Certificate:
    """Return a certificate that the controller has, with its key."""
    pem = certify(*NAMES, days=days)
    return wanted(root, "own", stem, certificate=pem.certificate, key=pem.key)


def in_place(root: Path) -> list[str]:
    """Return the names of all that is in the directory."""
    return sorted(path.name for path in root.glob("*"))


def belong_together(one: Certificate) -> bool:
    """Tell whether NGINX could serve with the files of `one`."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(one.file, one.key_file)
    return True


def facts_of(path: Path) -> Facts:
    facts = Facts.of(path)
    assert facts
    return facts


# Facts


@pytest.mark.parametrize("begins", [datetime(2026, 1, 4, 5, 6, 7), datetime(2026, 11, 24, 14, 0)])
def test_names_and_dates_of_a_certificate_are_read(begins: datetime) -> None:
    begins = begins.replace(tzinfo=UTC)
    ends = begins + timedelta(days=200, hours=13)
    facts = Facts.read(certify("hello.example.org", "*.example.org", begins=begins, ends=ends).certificate)
    assert facts == Facts(frozenset({"hello.example.org", "*.example.org"}), begins, ends)


@pytest.mark.parametrize(("days", "left"), [(90.5, 90), (0.5, 0), (-0.5, -1), (-20.5, -21)])
def test_the_remaining_days_of_an_expired_certificate_are_negative(days: float, left: int) -> None:
    assert Facts.read(certify("hello.example.org", days=days, age=100).certificate).left.days == left


def test_a_certificate_may_have_no_name() -> None:
    assert Facts.read(certify().certificate).names == frozenset()


def test_the_first_certificate_of_a_chain_counts() -> None:
    chain = certify("hello.example.org").certificate + certify("authority.example.org").certificate
    assert Facts.read(chain).names == {"hello.example.org"}


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"])
def test_an_invalid_certificate_shows_the_error_of_openssl(text: str) -> None:
    with pytest.raises(Failed, match=r"^could not read a certificate; openssl said:\n."):
        Facts.read(text)


def test_a_certificate_file_is_read_and_a_missing_one_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.crt").write_text(certify("hello.example.org").certificate)
    assert facts_of(tmp_path / "one.crt").names == {"hello.example.org"}
    assert Facts.of(tmp_path / "none.crt") is None


# Certificate


def test_a_certificate_is_made_from_module_arguments() -> None:
    values = {"site": "hello", "source": "own", "names": NAMES, "certificate": "one"}
    told = {**values, "file": f"/c/{STEM}.crt", "key_file": f"/c/{STEM}.key"}
    assert Certificate.of(told, {"hello": "two", "world": "three"}) == wanted(
        Path("/c"), "own", certificate="one", key="two"
    )
    assert Certificate.of(told, {"world": "three"}).key == ""


def test_a_certificate_of_the_host_is_left_alone(root: Path) -> None:
    assert wanted(root, "host").is_placed()


@pytest.mark.parametrize("source", ["own", "self_signed"])
def test_a_certificate_is_placed_with_both_files(root: Path, source: str) -> None:
    one = wanted(root, source, certificate="a", key="b")
    assert not one.is_placed()
    one.place()
    assert one.is_placed()


@pytest.mark.parametrize("source", ["own", "self_signed"])
@pytest.mark.parametrize("lost", ["crt", "key"])
def test_a_certificate_missing_a_file_is_placed_again(root: Path, source: str, lost: str) -> None:
    one = wanted(root, source, certificate="a", key="b")
    one.place()
    (root / f"{STEM}.{lost}").unlink()
    assert not one.is_placed()
    one.place()
    assert one.is_placed()


@pytest.mark.parametrize("damaged", ["crt", "key"])
def test_an_own_certificate_that_was_changed_on_the_host_is_placed_again(root: Path, damaged: str) -> None:
    one = own(root)
    one.place()
    (root / f"{STEM}.{damaged}").write_text("")
    assert not one.is_placed()
    one.place()
    assert one.is_placed()


def test_an_own_certificate_has_a_key_that_only_root_can_read(root: Path) -> None:
    one = own(root)
    one.place()
    assert (one.file.read_text(), one.key_file.read_text()) == (one.certificate, one.key)
    assert one.key_file.stat().st_mode & 0o777 == 0o600
    assert root.stat().st_mode & 0o777 == 0o700
    assert in_place(root) == [f"{STEM}.crt", f"{STEM}.key"]


def test_an_expiring_own_certificate_is_left_to_the_operator(root: Path) -> None:
    one = own(root, days=0.5)
    one.place()
    assert one.is_placed()


def test_a_self_signed_certificate_covers_all_names_for_a_year(root: Path) -> None:
    one = wanted(root, "self_signed")
    one.place()
    facts = facts_of(one.file)
    assert facts.names == set(NAMES)
    assert facts.ends - facts.begins == timedelta(days=SELF_SIGNED_DAYS)
    assert belong_together(one)
    assert one.key_file.stat().st_mode & 0o777 == 0o600
    assert in_place(root) == [f"{STEM}.crt", f"{STEM}.key"]


@pytest.mark.parametrize(("days", "stays"), [(SELF_SIGNED_LEFT + 0.1, True), (SELF_SIGNED_LEFT - 0.1, False)])
def test_a_self_signed_certificate_is_renewed_before_it_expires(root: Path, days: float, stays: bool) -> None:
    one = wanted(root, "self_signed")
    one.place()
    one.file.write_text(certify(*NAMES, days=days).certificate)
    assert one.is_placed() is stays
    one.place()
    assert facts_of(one.file).left.days == SELF_SIGNED_DAYS - 1
    assert belong_together(one)


def test_a_certificate_that_cannot_be_made_leaves_the_existing_one(root: Path) -> None:
    wanted(root, "self_signed").place()
    before = {path: path.read_text() for path in root.glob("*")}
    wrong = Certificate("hello", "self_signed", ["a,b"], root / f"{STEM}.crt", root / f"{STEM}.key")
    with pytest.raises(Failed, match="could not make a certificate for a,b; openssl said"):
        wrong.place()
    assert {path: path.read_text() for path in root.glob("*")} == before


# Acme


class Certbot:
    """Does what certbot does, or fails; `calls` are the programs that were run."""

    def __init__(self, etc: Path, challenges: Path) -> None:
        self.etc = etc
        self.challenges = challenges
        self.calls: list[list[str]] = []
        self.refuses = ""
        self.during: Callable[[], None] = lambda: None

    def __call__(self, argv: list[Any], purpose: str) -> str:
        """Take the place of `run`."""
        words = [str(word) for word in argv]
        self.calls.append(words)
        self.during()
        if self.refuses:
            raise Failed(f"could not {purpose}; certbot said:\n{self.refuses}")
        if words[1] == "certonly":
            site, names = (words[words.index(option) + 1] for option in ("--cert-name", "--domains"))
            self.issue(site, names.split(","), words[words.index("--server") + 1])
        return ""

    def issue(self, site: str, names: list[str], server: str = DIRECTORY, days: float = 89, age: float = 1) -> None:
        """Have a certificate from `server`."""
        live, renewal = self.etc / "live" / site, self.etc / "renewal"
        live.mkdir(parents=True, exist_ok=True)
        renewal.mkdir(parents=True, exist_ok=True)
        pem = certify(*names, days=days, age=age)
        write_file(live / "fullchain.pem", pem.certificate)
        write_file(live / "privkey.pem", pem.key)
        text = f"version = 4.0.0\n[renewalparams]\nserver = {server}\nwebroot_path = {self.challenges},\n"
        write_file(renewal / f"{site}.conf", text)

    def says(self, option: str) -> str:
        """Return what `option` was in the last call."""
        return self.calls[-1][self.calls[-1].index(option) + 1]


@pytest.fixture
def certbot(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certbot:
    fake = Certbot(tmp_path / "letsencrypt", tmp_path / "wsgi/acme")

    def run_or_pretend(argv: list[Any], purpose: str, **options: Any) -> str:
        return run(argv, purpose, **options) if argv[0] == "openssl" else fake(argv, purpose)

    monkeypatch.setattr(unit, "run", run_or_pretend)
    return fake


@pytest.fixture
def acme(certbot: Certbot) -> Acme:
    return Acme(DIRECTORY, "ops@example.org", certbot.etc, certbot.challenges)


@pytest.fixture
def site(root: Path, acme: Acme) -> Certificate:
    """Return the certificate of a site that already has it from the ACME server."""
    one = wanted(root, "acme")
    acme.obtain(one)
    return one


def test_a_new_certificate_is_not_due(acme: Acme, site: Certificate) -> None:
    assert not acme.is_due(site)


def test_the_order_of_names_does_not_matter(acme: Acme, site: Certificate) -> None:
    assert not acme.is_due(Certificate("hello", "acme", NAMES[::-1], site.file, site.key_file))


def test_a_certificate_that_was_never_requested_is_due(acme: Acme, root: Path) -> None:
    assert acme.is_due(wanted(root, "acme"))


@pytest.mark.parametrize(("days", "due"), [(23, False), (22, True), (-1, True)])
def test_a_certificate_that_the_timer_should_have_renewed_is_due(
    acme: Acme, site: Certificate, certbot: Certbot, days: int, due: bool
) -> None:
    certbot.issue(STEM, NAMES, days=days, age=90 - days)
    assert acme.is_due(site) is due


@pytest.mark.parametrize("lost", [f"live/{STEM}/fullchain.pem", f"renewal/{STEM}.conf"])
def test_a_certificate_that_certbot_has_lost_is_due(acme: Acme, site: Certificate, certbot: Certbot, lost: str) -> None:
    (certbot.etc / lost).unlink()
    assert acme.is_due(site)


def test_a_certificate_that_nginx_does_not_serve_is_due(acme: Acme, site: Certificate) -> None:
    site.file.unlink()
    assert acme.is_due(site)
    site.file.write_text(certify(*NAMES).certificate)
    assert acme.is_due(site)
    replace_link(site.file, "/etc/letsencrypt/live/another/fullchain.pem")
    assert acme.is_due(site)


def test_a_certificate_whose_key_nginx_has_lost_is_due(acme: Acme, site: Certificate) -> None:
    site.key_file.unlink()
    assert acme.is_due(site)


@pytest.mark.parametrize("lost", ["file", "key_file"])
def test_lost_files_are_restored_without_asking_the_server(
    acme: Acme, site: Certificate, certbot: Certbot, lost: str
) -> None:
    getattr(site, lost).unlink()
    certbot.calls.clear()
    acme.obtain(site)
    assert certbot.calls == []
    assert not acme.is_due(site)
    assert belong_together(site)


def test_the_server_is_asked_to_replace_an_expiring_certificate(
    acme: Acme, site: Certificate, certbot: Certbot
) -> None:
    certbot.issue(STEM, NAMES, days=20, age=70)
    certbot.calls.clear()
    acme.obtain(site)
    assert len(certbot.calls) == 1
    assert not acme.is_due(site)


def test_a_new_certificate_is_linked_where_nginx_expects_it(acme: Acme, root: Path, certbot: Certbot) -> None:
    one = wanted(root, "acme")
    seen: list[bool] = []
    certbot.during = lambda: seen.append(certbot.challenges.is_dir())
    acme.obtain(one)
    assert seen == [True]
    assert os.readlink(one.file) == str(certbot.etc / f"live/{STEM}/fullchain.pem")
    assert os.readlink(one.key_file) == str(certbot.etc / f"live/{STEM}/privkey.pem")
    assert belong_together(one)
    assert root.stat().st_mode & 0o777 == 0o700


def test_the_acme_request_matches_the_site(acme: Acme, site: Certificate, certbot: Certbot) -> None:
    assert certbot.calls[-1][:2] == ["certbot", "certonly"]
    assert certbot.says("--server") == DIRECTORY
    assert certbot.says("--cert-name") == STEM
    assert certbot.says("--domains") == ",".join(NAMES)
    assert certbot.says("--webroot-path") == str(certbot.challenges)
    assert certbot.says("--deploy-hook") == "systemctl reload nginx.service"
    assert {"--non-interactive", "--agree-tos", "--webroot"} <= set(certbot.calls[-1])
    # certbot would keep its certificate, and we ask only if that is not good enough.
    assert "--force-renewal" in certbot.calls[-1]


@pytest.mark.parametrize("email", ["ops@example.org", ""])
def test_acme_registers_an_email_address_only_if_one_is_set(certbot: Certbot, root: Path, email: str) -> None:
    one = wanted(root, "acme")
    Acme(DIRECTORY, email, certbot.etc, certbot.challenges).obtain(one)
    assert ("--register-unsafely-without-email" in certbot.calls[-1]) is not bool(email)
    assert ("--email" in certbot.calls[-1]) is bool(email)
    assert not email or certbot.says("--email") == email


def test_a_failed_request_leaves_the_existing_certificate(acme: Acme, site: Certificate, certbot: Certbot) -> None:
    certbot.issue(STEM, NAMES, days=9.5, age=80)
    certbot.refuses = "DNS problem: NXDOMAIN looking up A for hello.example.org"
    links = [os.readlink(link) for link in (site.file, site.key_file)]
    with pytest.raises(Failed) as failure:
        acme.obtain(site)
    assert str(failure.value) == (
        "could not get a certificate for hello.example.org, www.hello.example.org from "
        f"{DIRECTORY}; certbot said:\n{certbot.refuses}\nthe certificate of hello is valid for 9 "
        "more days"
    )
    assert [os.readlink(link) for link in (site.file, site.key_file)] == links


def test_a_failed_first_request_says_that_there_is_no_certificate(acme: Acme, root: Path, certbot: Certbot) -> None:
    certbot.refuses = "no"
    with pytest.raises(Failed, match=r"certbot said:\nno\nhello has no certificate yet$"):
        acme.obtain(wanted(root, "acme"))
    assert in_place(root) == []


def test_a_failed_request_for_new_names_says_how_long_the_old_certificate_is_valid(
    acme: Acme, site: Certificate, root: Path, certbot: Certbot
) -> None:
    certbot.refuses = "no"
    with pytest.raises(Failed, match=r"\nthe certificate of hello is valid for 88 more days$"):
        acme.obtain(wanted(root, "acme", "hello-acme-ba9876543210"))


def test_a_failed_request_for_a_lost_certificate_says_that_there_is_none(
    acme: Acme, site: Certificate, certbot: Certbot
) -> None:
    (certbot.etc / f"live/{STEM}/fullchain.pem").unlink()
    certbot.refuses = "no"
    with pytest.raises(Failed, match=r"\nhello has no certificate yet$"):
        acme.obtain(site)


def test_a_certificate_that_no_site_needs_any_more_is_deleted(root: Path, certbot: Certbot) -> None:
    for stem in (STEM, "gone-acme-1", "hello"):
        certbot.issue(stem, NAMES)
    abandon(f"ssl_certificate {root}/{STEM}.crt;\n", certbot.etc, certbot.challenges)
    names = [
        call[-1] for call in certbot.calls if call[:4] == ["certbot", "delete", "--non-interactive", "--cert-name"]
    ]
    assert names == ["gone-acme-1", "hello"] and len(certbot.calls) == 2


def test_other_certificates_of_certbot_are_left_alone(certbot: Certbot) -> None:
    certbot.issue("mail.example.org", NAMES)
    (certbot.etc / "renewal/mail.example.org.conf").write_text(f"server = {DIRECTORY}\nwebroot_path = /var/www,\n")
    abandon("", certbot.etc, certbot.challenges)
    assert certbot.calls == []


def test_without_certbot_nothing_is_deleted(certbot: Certbot) -> None:
    abandon("", certbot.etc, certbot.challenges)
    assert certbot.calls == []


# served


def test_the_certificate_that_a_host_serves_can_be_read(tmp_path: Path) -> None:
    hosts = {name: certify(name, days=days) for name, days in (("a.example.org", 10.5), ("b.example.org", 20.5))}
    server = TlsServer(tmp_path, b"", hosts)
    try:
        found = [served(server.address, name) for name in hosts]
    finally:
        server.end()
    assert [(*facts.names, facts.left.days) for facts in found] == [("a.example.org", 10), ("b.example.org", 20)]


def test_an_unreachable_server_is_an_error(tmp_path: Path) -> None:
    server = TlsServer(tmp_path, b"", {"a.example.org": certify("a.example.org")})
    server.end()
    with pytest.raises(OSError, match="refused"):
        served(server.address, "a.example.org")
