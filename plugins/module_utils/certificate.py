# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The certificates of sites, on the host: put in place, made, or got from an ACME server."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    CERTIFICATES,
    CHALLENGES,
    replace_link,
    write_file,
)
from ansible_collections.wsgi.production.plugins.module_utils.probe import unverified
from ansible_collections.wsgi.production.plugins.module_utils.rules import split_address

# Days that a certificate which signs itself is valid, and with how many left it is made anew.
SELF_SIGNED_DAYS = 365
SELF_SIGNED_LEFT = 30

# With which part of its time left a certificate should have been renewed long ago: the timer does it with a third.
OVERDUE = 1 / 4


@dataclass(frozen=True)
class Facts:
    """What a certificate says of itself.

    :ivar names: the host names that it is for.
    """

    names: frozenset[str]
    begins: datetime
    ends: datetime

    @property
    def left(self) -> timedelta:
        """How long it is still valid; negative once it is not."""
        return self.ends - datetime.now(timezone.utc)

    @classmethod
    def of(cls, path: Path) -> Facts | None:
        """Return what the first certificate in the file `path` says, or None where there is none."""
        return cls.read(path.read_text(encoding="ascii")) if path.exists() else None

    @classmethod
    def read(cls, text: str) -> Facts:
        """Return what the first certificate in a text in PEM says."""
        said = run(
            ["openssl", "x509", "-noout", "-startdate", "-enddate", "-ext", "subjectAltName"],
            "read a certificate",
            given=text,
        )
        dates = dict(re.findall(r"^(notBefore|notAfter)=(.+)$", said, re.MULTILINE))
        # openssl writes `Nov 24 14:00:00 2026 GMT`, a mail `24 Nov 2026 14:00:00 GMT`.
        begins, ends = (
            parsedate_to_datetime(re.sub(r"(\w+) +(\d+) (\S+) (\d+)", r"\2 \1 \4 \3", dates[key]))
            for key in ("notBefore", "notAfter")
        )
        return cls(frozenset(re.findall(r"DNS:([^,\s]+)", said)), begins, ends)


@dataclass(frozen=True)
class Certificate:
    """What a site wants: a certificate and its key, in two files.

    :ivar source: `own`, `host`, `self_signed` or `acme`, as the role `nginx` documents it.
    :ivar names: the host names that it is to be for.
    :ivar file: the file that NGINX reads it from.
    :ivar key_file: that of the key.
    :ivar certificate: its text, where it is `own`.
    :ivar key: that of the key.
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
        """Return what the module `edge` is told of it.

        :param keys: the texts of keys, by site.
        """
        paths = {"file": Path(values["file"]), "key_file": Path(values["key_file"])}
        return cls(**{**values, **paths, "key": keys.get(values["site"], "")})

    def is_placed(self) -> bool:
        """Tell whether NGINX finds something in both files that it may serve with."""
        if self.source == "host":
            return True
        if not (self.file.exists() and self.key_file.exists()):
            return False
        facts = Facts.of(self.file) if self.source == "self_signed" else None
        return facts is None or facts.left.days >= SELF_SIGNED_LEFT

    def place(self) -> None:
        """Write both files; where an ACME server is yet to be asked, with one that signs itself until then.

        :raises Failed: when openssl cannot make a key.
        """
        self.file.parent.mkdir(mode=0o700, exist_ok=True)
        if self.source == "own":
            write_file(self.key_file, self.key, 0o600)
            write_file(self.file, self.certificate)
            return
        if self.source == "self_signed":
            sign(self.names, self.file, self.key_file)
            return
        pair = [self.file.parent / f"{self.site}-until-then.{kind}" for kind in ("crt", "key")]
        sign(self.names, *pair)
        for link, target in zip((self.file, self.key_file), pair):
            replace_link(link, str(target))


def sign(names: list[str], file: Path, key_file: Path) -> None:
    """Make a certificate for `names` that signs itself, and its key."""
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
    # openssl writes a key that only its owner can read.
    beside[1].replace(key_file)
    beside[0].replace(file)


class Acme:
    """An ACME server, asked by means of certbot, whose own timer renews what it has got.

    :param directory: the address of the server's directory.
    :param email: where it may write to; empty for nowhere.
    :param root: certbot's own directory.
    :param challenges: where NGINX finds what the server asks for.
    """

    def __init__(
        self, directory: str, email: str, root: Path = Path("/etc/letsencrypt"), challenges: Path = CHALLENGES
    ) -> None:
        self.directory = directory
        self.email = email
        self.root = root
        self.challenges = challenges

    def is_due(self, wanted: Certificate) -> bool:
        """Tell whether NGINX would find something else than what the server gave for all the names."""
        links = self._links(wanted)
        return not self._has(wanted) or any(
            not link.is_symlink() or os.readlink(link) != str(target) for link, target in links.items()
        )

    def obtain(self, wanted: Certificate) -> None:
        """Get the certificate, which NGINX has to answer for at the challenge, and point the files to it.

        :raises Failed: with what certbot said; what was there stays.
        """
        if not self._has(wanted):
            self._ask(wanted)
        for link, target in self._links(wanted).items():
            replace_link(link, str(target))

    def _has(self, wanted: Certificate) -> bool:
        """Tell whether certbot has what is wanted, from this server and for long enough."""
        facts = Facts.of(self._live(wanted.site) / "fullchain.pem")
        return (
            facts is not None
            and facts.names == set(wanted.names)
            and facts.left >= (facts.ends - facts.begins) * OVERDUE
            and f"server = {self.directory}\n" in self._renewal(wanted.site)
        )

    def _ask(self, wanted: Certificate) -> None:
        self.challenges.mkdir(parents=True, exist_ok=True)
        account = ["--email", self.email] if self.email else ["--register-unsafely-without-email"]
        try:
            run(
                [
                    *("certbot", "certonly", "--non-interactive", "--agree-tos", *account, "--server", self.directory),
                    *("--webroot", "--webroot-path", self.challenges, "--cert-name", wanted.site),
                    *("--domains", ",".join(wanted.names), "--renew-with-new-domains", "--force-renewal"),
                    *("--deploy-hook", "systemctl reload nginx.service", "--key-type", "ecdsa"),
                ],
                f"get a certificate for {', '.join(wanted.names)} from {self.directory}",
            )
        except Failed as failure:
            raise Failed(f"{failure}\n{self._still(wanted)}") from failure

    def abandoned(self, kept: Iterable[Certificate], left: Iterable[str] = ()) -> list[str]:
        """Return the sites whose certificate goes on being renewed, although they want it no more.

        :param left: sites of which nobody says what they want.
        """
        sites = {one.site for one in kept if one.source == "acme"}.union(left)
        names = [path.stem for path in sorted((self.root / "renewal").glob("*.conf"))]
        return [name for name in names if name not in sites and str(self.challenges) in self._renewal(name)]

    def abandon(self, site: str) -> None:
        """Renew the certificate of `site` no longer."""
        run(
            ["certbot", "delete", "--non-interactive", "--cert-name", site],
            f"abandon the certificate of {site}",
        )

    def _still(self, wanted: Certificate) -> str:
        """Return how it stands with what NGINX goes on to serve."""
        facts = Facts.of(wanted.file)
        if facts is None or wanted.file.resolve().parent == wanted.file.parent.resolve():
            return f"{wanted.site} has no certificate yet"
        return f"the certificate that {wanted.site} has is valid for {facts.left.days} more days"

    def _links(self, wanted: Certificate) -> dict[Path, Path]:
        """Return where the files that NGINX reads have to lead."""
        live = self._live(wanted.site)
        return {wanted.file: live / "fullchain.pem", wanted.key_file: live / "privkey.pem"}

    def _live(self, site: str) -> Path:
        return self.root / "live" / site

    def _renewal(self, site: str) -> str:
        with suppress(FileNotFoundError):
            return (self.root / "renewal" / f"{site}.conf").read_text(encoding="utf-8")
        return ""


@contextmanager
def placed(missing: Iterable[Certificate], root: Path = CERTIFICATES) -> Iterator[None]:
    """Put certificates in place for the body; where it fails, what was not there before is gone from `root`."""
    before = set(root.glob("*"))
    try:
        for one in missing:
            one.place()
        yield
    except BaseException:
        for path in set(root.glob("*")) - before:
            path.unlink()
        raise


def prune(config: str, root: Path = CERTIFICATES) -> None:
    """Remove from the directory `root`, which is the collection's own, what the text `config` does not name."""
    named = {path for path in root.glob("*") if f"{path};" in config}
    named |= {Path(os.readlink(path)) for path in named if path.is_symlink()}
    for path in set(root.glob("*")) - named:
        path.unlink()


def served(address: str, name: str) -> Facts:
    """Return what the certificate says that a server shows to visitors of the host `name`.

    :raises OSError: when the server cannot be reached.
    """
    plain = socket.create_connection(split_address(address), timeout=5)
    with unverified().wrap_socket(plain, server_hostname=name) as connection:
        shown = connection.getpeercert(binary_form=True)
    assert shown, "a server without a certificate ends the handshake"
    return Facts.read(ssl.DER_cert_to_PEM_cert(shown))
