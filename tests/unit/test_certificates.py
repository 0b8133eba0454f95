"""What the controller promises of the certificates of sites."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ansible_collections.wsgi.production.plugins.module_utils.command import run
from ansible_collections.wsgi.production.plugins.plugin_utils import certificates, specification
from ansible_collections.wsgi.production.plugins.plugin_utils.certificates import objections
from tests.unit.fakes import Pem, certify

NAMES = ["hello.example.org", "www.hello.example.org"]
FILES = {"certificate": "/etc/ssl/hello.crt", "key": "/etc/ssl/hello.key"}

# Text that only the key of a test contains.
SECRET = "hunter2hunter2"


def site(source: str = "none", **given: Any) -> dict[str, Any]:
    """Return the complete settings of a site: its `names` and `aliases`, and the rest is `tls`."""
    names = {"server_names": given.pop("names", NAMES), "aliases": given.pop("aliases", [])}
    known = {"name": "hello", "servers": ["127.0.0.1:8001"], **names, "tls": {"source": source, **given}}
    return specification.with_defaults(known, specification.input_spec("nginx"))


def only(site: dict[str, Any]) -> str:
    """Return the one objection to `site`."""
    (found,) = objections(site)
    return found


@pytest.fixture
def pem() -> Pem:
    return certify(*NAMES)


def locked(key: str) -> str:
    """Return `key` with a passphrase."""
    private = load_pem_private_key(key.encode(), None)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")).decode()


# pair, wanted


def pair(site: dict[str, Any], acme: str = "https://acme.example.org") -> tuple[str, str] | None:
    """Return where the certificate of a site is, if ACME certificates come from `acme`."""
    return certificates.pair(site, acme)


def wanted(site: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the host has to know of it."""
    return certificates.wanted(site, "https://acme.example.org")


def test_a_site_over_plain_http_has_no_certificate() -> None:
    assert pair(site()) is None
    assert wanted(site()) == []


def test_a_certificate_of_the_host_stays_at_its_path() -> None:
    assert pair(site("host", **FILES)) == ("/etc/ssl/hello.crt", "/etc/ssl/hello.key")


@pytest.mark.parametrize("source", ["own", "self_signed", "acme"])
def test_a_certificate_is_in_the_directory_of_the_collection(source: str, pem: Pem) -> None:
    found = pair(site(source, **(pem._asdict() if source == "own" else {})))
    assert found
    stems = [Path(path).with_suffix("") for path in found]
    assert stems[0] == stems[1]
    assert (stems[0].parent, stems[0].name.split("-")[0]) == (Path("/etc/nginx/certificates"), "hello")
    assert [Path(path).suffix for path in found] == [".crt", ".key"]


def test_a_new_certificate_gets_a_new_file_so_that_nginx_loads_it(pem: Pem) -> None:
    other = certify(*NAMES)
    files = {
        pair(site("own", certificate=one.certificate, key=key.key)) for one in (pem, other) for key in (pem, other)
    }
    assert len(files) == 4
    assert pair(site("own", **pem._asdict())) == pair(site("own", **pem._asdict()))


@pytest.mark.parametrize("source", ["self_signed", "acme"])
def test_other_names_give_another_certificate_file(source: str) -> None:
    given: list[dict[str, Any]] = [
        {},
        {"names": NAMES[:1]},
        {"names": [*NAMES, "more.example.org"]},
        {"names": NAMES[:1], "aliases": ["old.example.org"]},
        {"names": ["a", "bc"]},
        {"names": ["ab", "c"]},
    ]
    assert len({pair(site(source, **one)) for one in given}) == len(given)
    assert pair(site(source)) == pair(site(source))


def test_another_acme_server_gives_another_certificate_file() -> None:
    assert pair(site("acme")) != pair(site("acme"), "https://staging.example.org")


def test_a_certificate_in_a_file_is_the_same_as_its_text(pem: Pem, tmp_path: Path) -> None:
    files = {key: tmp_path / key for key in ("certificate", "key")}
    for key, path in files.items():
        path.write_text(pem._asdict()[key])
    given = {key: str(path) for key, path in files.items()}
    in_files, as_text = site("own", **given), site("own", **pem._asdict())
    assert wanted(in_files) == wanted(as_text)
    assert certificates.key(in_files) == certificates.key(as_text) == pem.key


def test_a_file_may_be_in_the_home_of_the_user(pem: Pem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "hello.key").write_text(pem.key)
    assert objections(site("own", certificate=pem.certificate, key="~/hello.key")) == []


@pytest.mark.parametrize("source", ["own", "host", "self_signed", "acme"])
def test_the_host_gets_the_certificate_details_without_the_key(source: str, pem: Pem) -> None:
    given = {"own": pem._asdict(), "host": FILES}.get(source, {})
    one = site(source, aliases=["old.example.org"], **given)
    (found,) = wanted(one)
    assert (found["file"], found["key_file"]) == pair(one)
    assert {key: value for key, value in found.items() if "file" not in key} == {
        "site": "hello",
        "source": source,
        "names": [*NAMES, "old.example.org"],
        "certificate": pem.certificate if source == "own" else "",
    }
    # The key is sent separately, so that nothing logs it.
    assert certificates.key(one) == (pem.key if source == "own" else "")


# objections


def test_a_certificate_with_its_key_is_accepted(pem: Pem) -> None:
    assert objections(site("own", **pem._asdict())) == []


@pytest.mark.parametrize("serve", [{}, {"tls": {}}, {"tls": {"redirect": False}}])
def test_missing_tls_settings_are_accepted(serve: dict[str, Any]) -> None:
    assert objections({**serve, "server_names": NAMES}) == []


def test_a_chain_begins_with_the_certificate_of_the_site(pem: Pem) -> None:
    authority = certify("authority.example.org").certificate
    assert objections(site("own", certificate=pem.certificate + authority, key=pem.key)) == []
    assert only(site("own", certificate=authority + pem.certificate, key=pem.key)).startswith("tls.key: the key does")


@pytest.mark.parametrize("source", ["none", "self_signed", "acme"])
@pytest.mark.parametrize("key", ["certificate", "key"])
def test_an_unused_tls_file_is_refused(source: str, key: str) -> None:
    assert only(site(source, **{key: "/etc/ssl/hello"})) == (
        f"tls.{key}: {source} has its own; remove it, or set source: own"
    )


def test_http_3_without_a_certificate_is_refused() -> None:
    assert only(site(http3=True)) == ("tls.http3: this needs a certificate; set tls.source")
    assert objections(site("self_signed", http3=True)) == []


@pytest.mark.parametrize("source", ["own", "host"])
@pytest.mark.parametrize("key", ["certificate", "key"])
def test_a_certificate_or_key_alone_is_refused(source: str, key: str) -> None:
    assert only(site(source, **{**FILES, key: ""})) == f"tls.{key} is missing; write the file that contains it"


@pytest.mark.parametrize("source", ["own", "host"])
def test_a_source_without_files_is_refused_for_both(source: str) -> None:
    assert objections(site(source)) == [
        f"tls.{key} is missing; write the file that contains it" for key in ("certificate", "key")
    ]


@pytest.mark.parametrize("key", ["certificate", "key"])
def test_host_files_need_an_absolute_path(key: str) -> None:
    for wrong in ("ssl/hello.pem", "~/hello.pem", "/etc/ssl/hello.pem\n", "/etc/ssl/hello;pem"):
        assert only(site("host", **{**FILES, key: wrong})) == (
            f"tls.{key}: write the absolute path of a file on the host"
        )
    assert objections(site("host", **FILES)) == []


@pytest.mark.parametrize("key", ["certificate", "key"])
def test_a_file_missing_on_the_controller_is_refused(
    pem: Pem, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given in (str(tmp_path / "none.pem"), "none.pem"):
        assert only(site("own", **{**pem._asdict(), key: given})) == (
            f"tls: the controller cannot read {tmp_path}/none.pem: No such file or directory"
        )


@pytest.mark.parametrize("key", ["certificate", "key"])
@pytest.mark.parametrize("text", ["\0", "/etc/ssl/a\0b", SECRET + "\n" + SECRET, "x" * 256])
def test_a_value_that_is_neither_pem_nor_a_file_name_is_refused(pem: Pem, key: str, text: str) -> None:
    assert only(site("own", **{**pem._asdict(), key: text})) == (
        "tls: neither a text in PEM format, which has a line -----BEGIN ...-----, nor the name of a file"
    )


def test_text_before_the_key_is_accepted(pem: Pem) -> None:
    assert objections(site("own", certificate=pem.certificate, key=f"Bag Attributes\n{pem.key}")) == []


def test_ec_parameters_before_a_key_are_accepted(tmp_path: Path) -> None:
    files = {key: str(tmp_path / key) for key in ("certificate", "key")}
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", files["key"]], "create a key")
    run(
        [
            *("openssl", "req", "-x509", "-key", files["key"], "-subj", "/CN=a test"),
            *("-addext", f"subjectAltName={','.join(f'DNS:{name}' for name in NAMES)}", "-out", files["certificate"]),
        ],
        "create a certificate",
    )
    assert "-----BEGIN EC PARAMETERS-----" in Path(files["key"]).read_text()
    assert objections(site("own", **files)) == []


def test_binaries_and_directories_are_refused(pem: Pem, tmp_path: Path) -> None:
    (tmp_path / "hello.der").write_bytes(b"\x30\x82\xff\xfe")
    der = tmp_path / "hello.der"
    for path, said in ((der, f"{der}: it is no text"), (tmp_path, "a file of that name: Is a directory")):
        assert (
            only(site("own", certificate=pem.certificate, key=str(path))) == f"tls: the controller cannot read {said}"
        )


def test_a_vaulted_file_is_refused_with_a_hint(pem: Pem, tmp_path: Path) -> None:
    path = tmp_path / "hello.key"
    path.write_text("$ANSIBLE_VAULT;1.1;AES256\n6162")
    assert only(site("own", certificate=pem.certificate, key=str(path))) == (
        f"tls: {path} is encrypted with Ansible Vault; use the lookup ansible.builtin.file, which decrypts it"
    )


BROKEN = "-----BEGIN {0}-----\n{1}\n-----END {0}-----\n"


def test_an_invalid_certificate_is_refused(pem: Pem, tmp_path: Path) -> None:
    (tmp_path / "hello.crt").write_text("hello")
    for text in (BROKEN.format("CERTIFICATE", SECRET), pem.key, str(tmp_path / "hello.crt")):
        assert only(site("own", certificate=text, key=pem.key)) == (
            "tls.certificate: this is not a certificate in PEM format, which begins with -----BEGIN CERTIFICATE-----"
        )


def test_an_invalid_key_is_refused(pem: Pem, tmp_path: Path) -> None:
    (tmp_path / "hello.key").write_text("hello")
    for text in (BROKEN.format("PRIVATE KEY", SECRET), pem.certificate, str(tmp_path / "hello.key")):
        assert only(site("own", certificate=pem.certificate, key=text)) == (
            "tls.key: this is not a private key in PEM format, which begins with -----BEGIN PRIVATE KEY-----"
        )


def test_a_key_with_a_passphrase_is_refused(pem: Pem) -> None:
    assert only(site("own", certificate=pem.certificate, key=locked(pem.key))) == (
        "tls.key: the key has a passphrase, which nobody can enter when NGINX starts; remove the passphrase"
    )


def test_a_key_of_another_certificate_is_refused(pem: Pem) -> None:
    assert only(site("own", certificate=pem.certificate, key=certify(*NAMES).key)) == (
        "tls.key: the key does not belong to the first certificate; use a key and a certificate that were made together"
    )


def test_an_expired_certificate_is_refused() -> None:
    over = certify(*NAMES, days=-0.01, age=90)
    assert only(site("own", **over._asdict())).startswith("tls.certificate: it was valid until 20")
    assert objections(site("own", **certify(*NAMES, days=0.01)._asdict())) == []


def test_a_certificate_that_is_not_valid_yet_is_refused() -> None:
    begins = datetime.now(UTC) + timedelta(days=5)
    assert only(site("own", **certify(*NAMES, begins=begins)._asdict())) == (
        f"tls.certificate: it is valid from {begins:%Y-%m-%d %H:%M} UTC; use one that is valid now"
    )


@pytest.mark.parametrize(
    ("known", "names", "missing"),
    [
        (["hello.example.org"], ["hello.example.org"], None),
        (["*.example.org"], ["hello.example.org", "world.example.org"], None),
        (["example.org", "*.example.org"], ["example.org", "hello.example.org"], None),
        (["hello.example.org"], NAMES, "www.hello.example.org"),
        (["*.example.org"], ["example.org"], "example.org"),
        # A wildcard covers one level.
        (["*.example.org"], ["a.hello.example.org", "hello.example.org"], "a.hello.example.org"),
        (["*.hello.example.org"], ["hello.example.org"], "hello.example.org"),
        (["other.example.org"], NAMES, ", ".join(NAMES)),
        (["hello.example.org.evil.example"], ["hello.example.org"], "hello.example.org"),
        (["Hello.Example.ORG", "*.Other.example.org"], ["hello.example.org", "a.other.example.org"], None),
    ],
)
def test_a_certificate_covers_all_names_of_the_site(known: list[str], names: list[str], missing: str | None) -> None:
    found = objections(site("own", names=names, **certify(*known)._asdict()))
    assert found == ([f"tls.certificate: it is for {', '.join(known)}, not for {missing}"] if missing else [])


def test_a_certificate_covers_the_aliases_too(pem: Pem) -> None:
    assert only(site("own", aliases=["old.example.org"], **pem._asdict())) == (
        "tls.certificate: it is for hello.example.org, www.hello.example.org, not for old.example.org"
    )


def test_a_certificate_without_a_name_covers_none() -> None:
    assert only(site("own", names=NAMES[:1], **certify()._asdict())) == (
        "tls.certificate: it is for no name, not for hello.example.org"
    )


def test_no_error_shows_a_key(pem: Pem) -> None:
    body = pem.key.splitlines()[1]
    broken = BROKEN.format("PRIVATE KEY", SECRET)
    wrong = [
        site("own", certificate=certify(*NAMES).certificate, key=pem.key),
        site("own", certificate="/no/such/file", key=pem.key),
        site("own", certificate=pem.key, key=pem.key),
        site("own", certificate=pem.certificate, key=broken),
        site("own", certificate=pem.certificate, key=broken + pem.key),
        site("own", certificate=pem.certificate, key=pem.key.partition("\n")[2]),
        site("own", certificate=pem.certificate, key="".join(pem.key.splitlines()[1:-1])),
        site("own", certificate=certify(*NAMES).certificate, key=f"Bag Attributes\n{pem.key}"),
        site("host", certificate="/etc/ssl/hello.crt", key=pem.key),
        site("host", certificate=pem.key, key="/etc/ssl/hello.key"),
        site("own", key=pem.key),
        site("own", names=["other.example.org"], **pem._asdict()),
        *(site(source, key=pem.key) for source in ("none", "acme", "self_signed")),
    ]
    for one in wrong:
        assert body not in only(one)
        assert SECRET not in only(one)


def test_a_certificate_is_for_the_aliases_of_a_site_as_well() -> None:
    (wanted,) = certificates.wanted(site("self_signed", aliases=["old.example.org"]), "")
    assert wanted["names"] == [*NAMES, "old.example.org"]
