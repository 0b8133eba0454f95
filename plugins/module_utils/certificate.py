# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The certificates of sites on the host: installed, created, or obtained from an ACME server."""

from __future__ import annotations

import os
import re
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    CHALLENGES,
    LETS_ENCRYPT,
    replace_link,
    write_file,
)
from ansible_collections.wsgi.production.plugins.module_utils.probe import unverified
from ansible_collections.wsgi.production.plugins.module_utils.rules import split_address

# How many days a self-signed certificate is valid, and with how many days left it is replaced.
SELF_SIGNED_DAYS = 365
SELF_SIGNED_LEFT = 30

# With less than this part of its lifetime left, a certificate is overdue: the timer renews it with a third left.
OVERDUE = 1 / 4


@dataclass(frozen=True)
class Facts:
    """The facts that a certificate states.

    :ivar names: the host names that it is for.
    """

    names: frozenset[str]
    begins: datetime
    ends: datetime

    @property
    def left(self) -> timedelta:
        """How long it is still valid; negative after it has expired."""
        return self.ends - datetime.now(UTC)

    @classmethod
    def of(cls, path: Path) -> Facts | None:
        """Return the facts of the first certificate in the file `path`, or None if the file does not exist."""
        return cls.read(path.read_text(encoding="ascii")) if path.exists() else None

    @classmethod
    def read(cls, text: str) -> Facts:
        """Return the facts of the first certificate in a PEM text."""
        said = run(
            ["openssl", "x509", "-noout", "-startdate", "-enddate", "-ext", "subjectAltName"],
            "read a certificate",
            given=text,
        )
        dates = dict(re.findall(r"^(notBefore|notAfter)=(.+)$", said, re.MULTILINE))
        # openssl writes `Nov 24 14:00:00 2026 GMT`, an email has `24 Nov 2026 14:00:00 GMT`.
        begins, ends = (
            parsedate_to_datetime(re.sub(r"(\w+) +(\d+) (\S+) (\d+)", r"\2 \1 \4 \3", dates[key]))
            for key in ("notBefore", "notAfter")
        )
        return cls(frozenset(re.findall(r"DNS:([^,\s]+)", said)), begins, ends)


@dataclass(frozen=True)
class Certificate:
    """The certificate and the key that a site needs, in two files.

    :ivar source: `own`, `host`, `self_signed` or `acme`, as the role `nginx` documents it.
    :ivar names: the host names that it must be for.
    :ivar file: the file that NGINX reads it from.
    :ivar key_file: the file that NGINX reads the key from.
    :ivar certificate: its text, if the source is `own`.
    :ivar key: the text of the key, if the source is `own`.
    """

    site: str
    source: str
    names: list[str]
    file: Path
    key_file: Path
    certificate: str = ""
    key: str = ""

    @classmethod
    def of(cls, values: dict[str, Any], keys: dict[str, str]) -> Certificate:
        """Return the certificate that the arguments of the module `nginx` describe.

        :param keys: the texts of keys, by site.
        """
        paths = {"file": Path(values["file"]), "key_file": Path(values["key_file"])}
        return cls(**{**values, **paths, "key": keys.get(values["site"], "")})

    def is_placed(self) -> bool:
        """Return whether both files contain what NGINX needs to serve the site."""
        if self.source == "host":
            return True
        if not (self.file.exists() and self.key_file.exists()):
            return False
        if self.source == "own":
            there = [path.read_text(encoding="utf-8", errors="replace") for path in (self.file, self.key_file)]
            return there == [self.certificate, self.key]
        facts = Facts.of(self.file)
        return facts is not None and facts.left.days >= SELF_SIGNED_LEFT

    def place(self) -> None:
        """Write both files, for a certificate that does not come from an ACME server.

        :raises Failed: if openssl cannot create a key.
        """
        self.file.parent.mkdir(mode=0o700, exist_ok=True)
        if self.source == "own":
            write_file(self.key_file, self.key, 0o600)
            write_file(self.file, self.certificate)
        else:
            sign(self.names, self.file, self.key_file)


def sign(names: list[str], file: Path, key_file: Path) -> None:
    """Create a self-signed certificate for `names`, and its key."""
    beside = [path.with_name(f".{path.name}.new") for path in (file, key_file)]
    run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", str(SELF_SIGNED_DAYS), "-subj", "/CN=self-signed"),
            *("-addext", f"subjectAltName={','.join(f'DNS:{name}' for name in names)}"),
            *("-out", beside[0], "-keyout", beside[1]),
        ],
        f"make a certificate for {names[0]}",
    )
    # openssl makes the key file readable only by its owner.
    beside[1].replace(key_file)
    beside[0].replace(file)


class Acme:
    """An ACME server, used through certbot, whose own timer renews the certificates.

    :param directory: the address of the server's directory.
    :param email: the address that it may send mail to; empty for none.
    :param root: certbot's own directory.
    :param challenges: where NGINX finds the files for the server's challenges.
    """

    def __init__(self, directory: str, email: str, root: Path = LETS_ENCRYPT, challenges: Path = CHALLENGES) -> None:
        self.directory = directory
        self.email = email
        self.root = root
        self.challenges = challenges

    def is_due(self, wanted: Certificate) -> bool:
        """Return whether the certificate must be obtained, or the files that NGINX reads must be pointed to it."""
        links = self._links(wanted)
        return not self._has(wanted) or any(
            not link.is_symlink() or os.readlink(link) != str(target) for link, target in links.items()
        )

    def obtain(self, wanted: Certificate) -> None:
        """Get the certificate, for which NGINX must answer the challenge, and point the files to it.

        :raises Failed: with the output of certbot; existing files stay.
        """
        if not self._has(wanted):
            self._ask(wanted)
        wanted.file.parent.mkdir(mode=0o700, exist_ok=True)
        for link, target in self._links(wanted).items():
            replace_link(link, str(target))

    def _has(self, wanted: Certificate) -> bool:
        """Return whether certbot has it, valid for long enough; its name there identifies host names and server."""
        facts = Facts.of(self._live(wanted) / "fullchain.pem")
        renews = (self.root / f"renewal/{wanted.file.stem}.conf").exists()
        return renews and facts is not None and facts.left >= (facts.ends - facts.begins) * OVERDUE

    def _ask(self, wanted: Certificate) -> None:
        self.challenges.mkdir(parents=True, exist_ok=True)
        account = ["--email", self.email] if self.email else ["--register-unsafely-without-email"]
        try:
            run(
                [
                    *("certbot", "certonly", "--non-interactive", "--agree-tos", *account, "--server", self.directory),
                    *("--webroot", "--webroot-path", self.challenges, "--cert-name", wanted.file.stem),
                    *("--domains", ",".join(wanted.names), "--force-renewal"),
                    *("--deploy-hook", "systemctl reload nginx.service", "--key-type", "ecdsa"),
                ],
                f"get a certificate for {', '.join(wanted.names)} from {self.directory}",
            )
        except Failed as failure:
            raise Failed(f"{failure}\n{self._still(wanted)}") from failure

    def _still(self, wanted: Certificate) -> str:
        """Return a sentence about the certificate that NGINX keeps serving."""
        there = map(Facts.of, wanted.file.parent.glob(f"{wanted.site}-acme-*.crt"))
        days = [facts.left.days for facts in there if facts]
        if not days:
            return f"{wanted.site} has no certificate yet"
        return f"the certificate of {wanted.site} is valid for {max(days)} more days"

    def _links(self, wanted: Certificate) -> dict[Path, Path]:
        """Return the link targets for the files that NGINX reads."""
        live = self._live(wanted)
        return {wanted.file: live / "fullchain.pem", wanted.key_file: live / "privkey.pem"}

    def _live(self, wanted: Certificate) -> Path:
        return self.root / "live" / wanted.file.stem


def abandon(config: str, root: Path = LETS_ENCRYPT, challenges: Path = CHALLENGES) -> None:
    """Stop renewing certificates that were obtained for a site, and that NGINX's configuration `config` does not name.

    :param root: certbot's own directory.
    """
    for path in sorted(root.glob("renewal/*.conf")):
        ours = str(challenges) in path.read_text(encoding="utf-8")
        if ours and f"/{path.stem}.crt;" not in config:
            run(["certbot", "delete", "--non-interactive", "--cert-name", path.stem], f"stop renewing {path.stem}")


def served(address: str, name: str) -> Facts:
    """Return the facts of the certificate that a server shows to visitors of the host `name`.

    :raises OSError: when the server cannot be reached.
    """
    plain = socket.create_connection(split_address(address), timeout=5)
    with unverified().wrap_socket(plain, server_hostname=name) as connection:
        shown = connection.getpeercert(binary_form=True)
    if not shown:
        raise OSError("the server shows no certificate")
    return Facts.read(ssl.DER_cert_to_PEM_cert(shown))
