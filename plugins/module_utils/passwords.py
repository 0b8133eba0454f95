# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The passwords of sites, as NGINX checks them: salted and hashed, in a file for each site."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import has, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import PASSWORDS, WEB_SERVER, write_file

# NGINX hashes with each request, and serves nobody else meanwhile: that takes half a millisecond, not 3.
ROUNDS = 1000


class Passwords:
    """The passwords of all sites.

    :param users: the password of each user, by site.
    :param left: sites whose passwords stay as they are.
    """

    def __init__(self, users: dict[str, dict[str, str]], root: Path = PASSWORDS, left: Iterable[str] = ()) -> None:
        self.root = root
        self.left = set(left)
        self.users = {site: passwords for site, passwords in users.items() if passwords}

    def are_right(self) -> bool:
        """Tell whether the host has these passwords and no others."""
        there = {path: path.read_text(encoding="utf-8") for path in self._there()}
        # Without openssl, which comes with NGINX, the host cannot have any yet.
        return there == self._files() if has("openssl") else not self.users

    def write(self) -> None:
        """Write them, for root and NGINX alone. NGINX reads them with each request, so nothing has to be reloaded."""
        self.root.mkdir(exist_ok=True)
        files = self._files()
        for path, text in files.items():
            write_file(path, text, 0o640, WEB_SERVER)
        for path in self._there() - set(files):
            path.unlink()

    def _there(self) -> set[Path]:
        return {path for path in self.root.glob("*") if path.name not in self.left}

    def _files(self) -> dict[Path, str]:
        return {self.root / site: _hashed(site, passwords) for site, passwords in self.users.items()}


def _hashed(site: str, passwords: dict[str, str]) -> str:
    """Return a line for each user, as crypt(3) has it.

    The salt follows from the names, so that a second run finds the same, and no other user has it.
    """
    lines = []
    for user, password in sorted(passwords.items()):
        salt = hashlib.sha256(f"{site}:{user}".encode()).hexdigest()[:16]
        command = ["openssl", "passwd", "-6", "-salt", f"rounds={ROUNDS}${salt}", "-stdin"]
        lines.append(f"{user}:{run(command, 'hash a password', given=password).strip()}\n")
    return "".join(lines)
