# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The passwords of sites, as NGINX checks them: salted and hashed, in a file for each site."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import has, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import PASSWORDS, WEB_SERVER, write_file

# NGINX hashes at each request, and serves nobody else meanwhile: this takes half a millisecond, not 3.
ROUNDS = 1000


class Passwords:
    """The passwords of all sites.

    Their files are named by their content: new passwords mean new names in the configuration, and are loaded with it.

    :param users: the password of each user, by site.
    """

    def __init__(self, users: dict[str, dict[str, str]], root: Path = PASSWORDS) -> None:
        self.root = root
        self.users = {site: passwords for site, passwords in users.items() if passwords}

    def named(self, config: str) -> str:
        """Return `config`, which names a file only by its site, with the real names of the files."""
        for site, (path, _text) in self._files.items():
            config = config.replace(f" {self.root / site};", f" {path};")
        return config

    def are_there(self) -> bool:
        """Return whether the host has these passwords."""
        return all(path.exists() and path.read_text(encoding="utf-8") == text for path, text in self._files.values())

    def write(self) -> None:
        """Write them, readable only by root and NGINX."""
        self.root.mkdir(exist_ok=True)
        for path, text in self._files.values():
            write_file(path, text, 0o640, WEB_SERVER)

    @cached_property
    def _files(self) -> dict[str, tuple[Path, str]]:
        """The file of each site, and what is in it."""
        # Without openssl, which comes with NGINX, the host cannot have any passwords yet.
        texts = {site: _hashed(site, users) if has("openssl") else "" for site, users in self.users.items()}
        return {site: (self.root / f"{site}-{_digest(text)}", text) for site, text in texts.items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _hashed(site: str, passwords: dict[str, str]) -> str:
    """Return a line for each user, in the format of crypt(3).

    The salt is derived from the names, so that a second run computes the same hash, and no two users share a salt.
    """
    lines = []
    for user, password in sorted(passwords.items()):
        salt = hashlib.sha256(f"{site}:{user}".encode()).hexdigest()[:16]
        command = ["openssl", "passwd", "-6", "-salt", f"rounds={ROUNDS}${salt}", "-stdin"]
        lines.append(f"{user}:{run(command, 'hash a password', given=password).strip()}\n")
    return "".join(lines)
