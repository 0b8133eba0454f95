# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The certificates of sites on the controller: their paths on a host, and the mistakes in their settings."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import CERTIFICATES
from ansible_collections.wsgi.production.plugins.plugin_utils import host_names
from ansible_collections.wsgi.production.plugins.plugin_utils.libraries import note_missing

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
except ImportError as error:
    note_missing(error)

VAULTED = "$ANSIBLE_VAULT"
PEM = "-----BEGIN "

# A value that does not match this may be a key that lost its first line, so it is not shown.
FILE_NAME = re.compile(r"[\w./~@+-]{1,255}")


def pair(site: dict[str, Any], acme: str) -> tuple[str, str] | None:
    """Return the paths on the host of the certificate of `site` and its key, or None if it has no certificate.

    The file names change with the content, so that NGINX loads a new certificate like any other change. A certificate
    from an ACME server is renewed without a run, so its name depends on the server and the host names instead.

    :param acme: the URL of the directory of the ACME server.
    """
    tls = site["tls"]
    if tls["source"] == "none":
        return None
    if tls["source"] == "host":
        return tls["certificate"], tls["key"]
    mark = f"acme-{_digest(acme, *host_names.names(site))}"
    if tls["source"] == "own":
        mark = _digest(_text(tls["certificate"]), _text(tls["key"]))
    elif tls["source"] == "self_signed":
        mark = f"self-signed-{_digest(*host_names.names(site))}"
    stem = CERTIFICATES / f"{site['name']}-{mark}"
    return f"{stem}.crt", f"{stem}.key"


def wanted(site: dict[str, Any], acme: str) -> list[dict[str, Any]]:
    """Return what the host must know about the certificate of `site`, in a list with at most one element.

    :param acme: the URL of the directory of the ACME server.
    """
    files, tls = pair(site, acme), site["tls"]
    if files is None:
        return []
    return [
        {
            "site": site["name"],
            "source": tls["source"],
            "names": host_names.names(site),
            "file": files[0],
            "key_file": files[1],
            "certificate": _text(tls["certificate"]) if tls["source"] == "own" else "",
        }
    ]


def key(site: dict[str, Any]) -> str:
    """Return the text of the key of `site` if the controller has it, else an empty string."""
    return _text(site["tls"]["key"]) if site["tls"]["source"] == "own" else ""


def objections(site: dict[str, Any]) -> list[str]:
    """Return a sentence for each mistake in the certificate settings of `site`.

    :param site: its settings in their types, with lists as `aliases` and `server_names`. Settings of `tls` that have a
        default may be missing.
    """
    tls = {"certificate": "", "key": "", "source": "none", "http3": False, **site.get("tls", {})}
    wildcards = [name for name in host_names.names(site) if name.startswith("*.")]
    if wildcards and wildcards[0] == next(iter(site.get("server_names", [])), ""):
        return [f"server_names: {wildcards[0]}: the first name is the main one, which must not be a wildcard"]
    if wildcards and tls["source"] == "acme":
        return [f"tls.source: an ACME server gives no certificate for {wildcards[0]} this way; use own or host"]
    if tls["source"] == "none" and tls["http3"]:
        return ["tls.http3: this needs a certificate; set tls.source"]
    if tls["source"] not in ("own", "host"):
        return [
            f"tls.{key}: {tls['source']} has its own; remove it, or set source: own"
            for key in ("certificate", "key")
            if tls[key]
        ]
    missing = [key for key in ("certificate", "key") if not tls[key]]
    if missing:
        return [f"tls.{key} is missing; write the file that contains it" for key in missing]
    if tls["source"] == "host":
        wrong = [key for key in ("certificate", "key") if not (tls[key][0] == "/" and FILE_NAME.fullmatch(tls[key]))]
        return [f"tls.{key}: write the absolute path of a file on the host" for key in wrong]
    try:
        return list(_wrong(_text(tls["certificate"]), _text(tls["key"]), host_names.names(site)))
    except Failed as failure:
        return [f"tls: {failure}"]


def _wrong(certificate: str, key: str, names: list[str]) -> list[str]:
    try:
        chain = x509.load_pem_x509_certificates(certificate.encode())
    except ValueError:
        return [
            "tls.certificate: this is not a certificate in PEM format, which begins with -----BEGIN CERTIFICATE-----"
        ]
    try:
        private = load_pem_private_key(key.encode(), None)
    except TypeError:
        return ["tls.key: the key has a passphrase, which nobody can enter when NGINX starts; remove the passphrase"]
    except ValueError:
        return ["tls.key: this is not a private key in PEM format, which begins with -----BEGIN PRIVATE KEY-----"]
    first = chain[0]
    encoded = [
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for public in (first.public_key(), private.public_key())
    ]
    if encoded[0] != encoded[1]:
        return [
            "tls.key: the key does not belong to the first certificate; use a key and a certificate "
            "that were made together"
        ]
    # Since cryptography 42, the names without `_utc` are deprecated.
    since, until = (
        getattr(first, f"{name}_utc", None) or getattr(first, name).replace(tzinfo=UTC)
        for name in ("not_valid_before", "not_valid_after")
    )
    if since > datetime.now(UTC):
        return [f"tls.certificate: it is valid from {since:%Y-%m-%d %H:%M} UTC; use one that is valid now"]
    if until < datetime.now(UTC):
        return [f"tls.certificate: it was valid until {until:%Y-%m-%d}; use one that is valid now"]
    known = _names(first)
    others = [name for name in names if name not in known and f"*.{name.partition('.')[2]}" not in known]
    if others:
        return [f"tls.certificate: it is for {', '.join(known) or 'no name'}, not for {', '.join(others)}"]
    return []


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]


def _text(value: str) -> str:
    """Return `value` if it is a PEM text, else the text of the file that it names.

    :raises Failed: when there is no such file, or it is encrypted with Ansible Vault.
    """
    if PEM in value:
        return value
    if not FILE_NAME.fullmatch(value):
        raise Failed(f"neither a text in PEM format, which has a line {PEM}...-----, nor the name of a file")
    path = Path(value).expanduser().absolute()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        why = getattr(failure, "strerror", None) or "it is no text"
        # A key on one line looks like a file name, but contains no dot.
        raise Failed(f"the controller cannot read {path if path.suffix else 'a file of that name'}: {why}") from failure
    if text.startswith(VAULTED):
        raise Failed(f"{path} is encrypted with Ansible Vault; use the lookup ansible.builtin.file, which decrypts it")
    return text


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
