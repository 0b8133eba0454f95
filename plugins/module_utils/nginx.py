# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""NGINX: a new configuration is checked next to the live one, loaded without a restart, and can be undone."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils import certificate
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    CACHES,
    CERTIFICATES,
    LETS_ENCRYPT,
    MAINTENANCE,
    PASSWORDS,
    SYSTEM_UNITS,
    VERIFY_TOKEN,
    write_file,
)
from ansible_collections.wsgi.production.plugins.module_utils.nginx_binary import Workers, has_ipv6
from ansible_collections.wsgi.production.plugins.module_utils.nginx_text import OURS, explain, put_back, slowest
from ansible_collections.wsgi.production.plugins.module_utils.nginx_units import (
    SERVICE,
    SOCKET,
    filled,
    with_stop_timeout,
)
from ansible_collections.wsgi.production.plugins.module_utils.store import remove_tree
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

# How many seconds new workers may take to appear, and the seconds between two checks.
RELOAD_SECONDS = 20
LOOK = 0.05

# What a plan says about loading a new configuration.
TAKE_UP = "reload NGINX"

# A snippet may hold a secret.
MODE = 0o640


class Nginx:
    """NGINX on this host, with all of its configuration in one file.

    A change is prepared in a file next to the live one and applied with a single rename. The previous file stays next
    to it until the run has succeeded, so that a run that fails or is killed can go back. Files that the configuration
    names, such as certificates, are named by their content: new files exist next to those that they replace, and files
    are removed when no configuration names them.

    :param root: NGINX's configuration directory.
    """

    def __init__(
        self,
        systemd: Systemd,
        root: Path = Path("/etc/nginx"),
        directory: Path = SYSTEM_UNITS,
        workers: Workers | None = None,
        log: Path = Path("/var/log/nginx/error.log"),
        caches: Path = CACHES,
        lets_encrypt: Path = LETS_ENCRYPT,
    ) -> None:
        self.systemd = systemd
        self.root = root
        self.live = root / "nginx.conf"
        self.next = root / "nginx.conf.next"
        self.before = root / "nginx.conf.before"
        self.original = root / "nginx.conf.original"
        self.token = root / VERIFY_TOKEN.name
        self.workers = workers or Workers(systemd)
        self.log = log
        self.caches = caches
        self.lets_encrypt = lets_encrypt
        self.certificates = root / CERTIFICATES.name
        self.passwords = root / PASSWORDS.name
        self.maintenance = root / MAINTENANCE.name
        self.units = [directory / SOCKET, directory / f"{SERVICE}.d/wsgi.conf"]

    def text(self) -> str:
        """Return the configuration that is in place; empty if it is not ours."""
        text = _read(self.live)
        return text if text.startswith(OURS) else ""

    def is_taken_over(self) -> bool:
        """Return whether the collection manages this host's NGINX."""
        # If its file is lost, systemd still holds the ports.
        return bool(self.text()) or (not self.live.exists() and self.systemd.is_active(SOCKET))

    def foreign(self) -> list[Path]:
        """Return the configuration files of NGINX that are neither ours nor unchanged from a package."""
        if self.text() or not self.live.exists():
            return []
        packaged = _packaged()
        found = [self.live, *sorted(self.root.glob("conf.d/*.conf")), *sorted(self.root.glob("sites-enabled/*"))]
        return [path for path in found if path.exists() and packaged.get(str(path.resolve())) != _digest(path)]

    def serves(self) -> bool:
        """Return whether NGINX runs with the file in place, and starts at the host's next boot."""
        return not (self.next.exists() or self.before.exists()) and all(
            self.systemd.is_active(unit) and self.systemd.is_enabled(unit) for unit in (SERVICE, SOCKET)
        )

    def is_complete(self, units: list[str]) -> bool:
        """Return whether everything else that NGINX needs is in place: its units, and the verification secret."""
        return self.token.exists() and [_read(path) for path in self.units] == self.filled(units, self.text())

    def filled(self, units: list[str], config: str) -> list[str]:
        """Return the text of the units on this host for a configuration."""
        return filled(units, slowest(config), has_ipv6())

    def diff(self, config: str, units: list[str]) -> list[dict[str, str]]:
        """Return the changes that a configuration and its units would make, as Ansible shows them."""
        wanted = zip([self.live, *self.units], [config, *self.filled(units, config)])
        texts = [(path, self.text() if path == self.live else _read(path), text) for path, text in wanted]
        return [
            {"before_header": str(path), "after_header": str(path), "before": before, "after": after}
            for path, before, after in texts
            if before != after
        ]

    def is_changing(self) -> bool:
        """Return whether a run has started to change the configuration, and has not finished."""
        return self.next.exists() or self.before.exists() or bool(self._unnamed())

    def take_over(self, config: str, units: list[str]) -> None:
        """Make NGINX use our configuration file, and ports that systemd holds; the existing file is kept.

        :param config: a configuration without sites.
        :raises Failed: if NGINX does not start this way; it then serves the same as before.
        """
        self.stage(config, units)
        there = os.path.lexists(self.live)
        if there:
            # Not copied: it may be a link, or contain text that others may not read.
            self.live.replace(self.original)
        self.next.replace(self.live)
        self._place_units()
        try:
            self._serve()
        except Failed:
            self.live.unlink()
            if there:
                self.original.replace(self.live)
            if not self.systemd.is_active(SOCKET):
                for path in self.units:
                    path.unlink(missing_ok=True)
                self.systemd.reload()
            self._forget_units()
            with suppress(Failed):
                self.systemd.start(SERVICE)
            raise
        self._forget_units()
        self.systemd.enable(SOCKET, SERVICE)

    def stage(self, config: str, units: list[str] | None = None) -> None:
        """Prepare a configuration for `take_up`: check it with `nginx -t` next to the live one.

        :param units: the rendered units for it; if unset, the units in place stay.
        :raises Failed: with the message of NGINX, and where the faulty line was described; nothing is prepared then.
        """
        if not self.token.exists():
            write_file(self.token, f'"{secrets.token_hex(16)}" 1;\n', 0o600)
        write_file(self.next, config, MODE)
        try:
            run(["nginx", "-t", "-q", "-c", self.next], "use the new configuration of NGINX")
        except Failed as failure:
            self.next.unlink()
            raise Failed(explain(str(failure), config)) from failure
        for path, text in zip(self.units, self.filled(units, config) if units else []):
            if text != _read(path):
                path.parent.mkdir(exist_ok=True)
                write_file(_next(path), text)

    def take_up(self, kept: Iterable[str] = ()) -> None:
        """Load the prepared configuration.

        :param kept: the names of sites that stay as they are.
        :raises Failed: if NGINX does not load it; it then keeps serving the old one.
        """
        self._leave(kept, _read(self.next), self.text())
        if not self.before.exists():
            write_file(self.before, self.text(), MODE)
        # Visitors already reach the new code, so nothing else may delay the next steps.
        self.systemd.look_at(SOCKET, SERVICE)
        self.next.replace(self.live)
        self._place_units()
        try:
            self._serve()
        except Failed as failure:
            wanted = self.text()
            # If NGINX does not run and does not start again, the files left next to the live one show this to the next
            # run.
            with suppress(Failed):
                self.go_back(taken_up=not self.systemd.is_active(SERVICE))
            raise Failed(
                "NGINX did not load the new configuration and keeps serving the old one: "
                f"{explain(str(failure), wanted)}"
            ) from failure

    def go_back(self, taken_up: bool = True) -> None:
        """Restore the configuration from before a failed run, and remove what that run prepared.

        :param taken_up: whether NGINX may have loaded another configuration.
        :raises Failed: if NGINX does not load it.
        """
        self.next.unlink(missing_ok=True)
        self._restore_units()
        before = _read(self.before)
        if before:
            write_file(self.live, before, MODE)
            if taken_up:
                self._serve()
        self.before.unlink(missing_ok=True)
        self._prune()

    def settle(self, kept: Iterable[str] = ()) -> None:
        """Make the changes of a run permanent, and remove files that the configuration no longer names.

        :param kept: the names of sites that nevertheless keep their previous configuration.
        :raises Failed: if NGINX does not load the result.
        """
        if self._leave(kept, self.text(), _read(self.before)):
            self.next.replace(self.live)
            self._serve()
        self.systemd.enable(SOCKET, SERVICE)
        self._prune()
        # Not when a run goes back: the next one may want certificates that an ACME server issues only so often. And not
        # if the configuration is lost, because it may have named all of them.
        if self.text():
            certificate.abandon(self.text(), self.lets_encrypt)
        self._forget_units()
        self.before.unlink(missing_ok=True)

    def _leave(self, sites: Iterable[str], config: str, before: str) -> bool:
        """Prepare `config` with `sites` as they are in `before`, and return whether that changes `config`."""
        left = put_back(config, before, sites)
        if left != config:
            self.stage(left)
        return left != config

    def _serve(self) -> None:
        """Make NGINX load the file in place; if it is running, a new sandbox applies only from its next start."""
        late = {path: with_stop_timeout(_read(path), slowest(self.text())) for path in self.units if path.exists()}
        if any(text != _read(path) for path, text in late.items()):
            for path, text in late.items():
                write_file(path, text)
            self.systemd.reload()
        if not self.systemd.is_active(SOCKET):
            self._hold_ports()
        elif self.systemd.is_active(SERVICE):
            self._reload()
        else:
            self.systemd.start(SERVICE)

    def _reload(self) -> None:
        """Reload NGINX, and confirm it: a configuration that passes the check may still fail to load."""
        known = self.workers.pids()
        logged = len(_read(self.log))
        self.workers.renew()
        deadline = time.monotonic() + RELOAD_SECONDS
        while not self.workers.pids() - known:
            said = [line for line in _read(self.log)[logged:].splitlines() if "[emerg]" in line]
            if said:
                raise Failed("\n".join(said))
            if time.monotonic() > deadline:
                raise Failed(f"no new worker process started within {RELOAD_SECONDS} s")
            time.sleep(LOOK)

    def _hold_ports(self) -> None:
        """Give the ports to systemd, because an NGINX that the distribution started holds them itself."""
        self.systemd.stop(SERVICE)
        try:
            self.systemd.start(SOCKET, SERVICE)
        except Failed as failure:
            for unit in (SOCKET, SERVICE):
                if not self.systemd.is_active(unit):
                    raise Failed(f"{failure}; the log of {unit} ends with:\n{self.systemd.journal(unit)}") from failure
            raise

    def _place_units(self) -> None:
        """Put the prepared units in place; the units that they replace stay next to them."""
        ready = [path for path in self.units if _next(path).exists()]
        for path in ready:
            if path.exists() and not _before(path).exists():
                path.replace(_before(path))
            _next(path).replace(path)
        if ready:
            self.systemd.reload()

    def _restore_units(self) -> None:
        """Restore the previous units, and remove the prepared ones."""
        replaced = [path for path in self.units if _before(path).exists()]
        for path in self.units:
            _next(path).unlink(missing_ok=True)
        for path in replaced:
            _before(path).replace(path)
        if replaced:
            self.systemd.reload()

    def _forget_units(self) -> None:
        """Remove the previous units, so that no run can go back to them."""
        for path in self.units:
            _before(path).unlink(missing_ok=True)

    def _unnamed(self) -> list[Path]:
        """Return the certificates, keys and password files that the configuration in place does not name."""
        config = self.text()
        kept = [path for root in (self.certificates, self.passwords) for path in root.glob("*")]
        return [path for path in kept if f"{path};" not in config] if config else []

    def _prune(self) -> None:
        """Remove the files that the configuration in place does not name."""
        config = self.text()
        if not config:
            return
        for path in self._unnamed():
            path.unlink()
        for path in self.caches.glob("cache-*"):
            if f"{path} " not in config:
                remove_tree(path)
        for path in self.maintenance.glob("*"):
            if f"{path})" not in config:
                path.unlink()


def verify_token(path: Path = VERIFY_TOKEN) -> str:
    """Return the secret with which NGINX admits requests that verify a change; empty if there is none yet."""
    return _read(path).partition('"')[2].partition('"')[0]


class MaintenanceFlag:
    """The flag file that closes a site, which NGINX looks for at each request.

    :param site: the name of the site.
    :raises Failed: if this host serves no such site.
    """

    def __init__(self, site: str, live: Path = Path("/etc/nginx/nginx.conf"), root: Path = MAINTENANCE) -> None:
        self.path = root / site
        if f"{self.path})" not in _read(live):
            raise Failed(f"{site}: this host serves no such site")

    def is_set(self) -> bool:
        """Return whether the site is closed."""
        return self.path.exists()

    def set(self) -> None:
        """Close the site."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.touch()

    def clear(self) -> None:
        """Open the site."""
        self.path.unlink()


def _packaged() -> dict[str, str]:
    """Return the digest of each configuration file that an NGINX package installed, by its path."""
    try:
        said = run(["dpkg-query", "--show", "--showformat", "${Conffiles}\n", "nginx*"], "ask for files of packages")
    except Failed:
        # dpkg knows no such package.
        return {}
    words = (line.split() for line in said.splitlines())
    return {line[0]: line[1] for line in words if len(line) >= 2}


def _digest(path: Path) -> str:
    # The same digest as in dpkg, which has no security purpose.
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else ""


def _next(unit: Path) -> Path:
    """Return where a unit is prepared, under a name that systemd does not read."""
    return unit.with_name(f"{unit.name}.next")


def _before(unit: Path) -> Path:
    """Return where a unit is kept that another has replaced."""
    return unit.with_name(f"{unit.name}.before")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
