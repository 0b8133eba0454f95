# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The edge: NGINX, whose configuration is checked beside the live one, taken up without a restart, and taken back."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import certificate, edge_units
from ansible_collections.wsgi.production.plugins.module_utils.certificate import Acme, Certificate
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, has, run
from ansible_collections.wsgi.production.plugins.module_utils.edge_units import SERVICE, SOCKET
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    CACHES,
    CERTIFICATES,
    MAINTENANCE,
    SYSTEM_UNITS,
    VERIFY_TOKEN,
    write_file,
)
from ansible_collections.wsgi.production.plugins.module_utils.store import remove_tree
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

# How long new workers may take to appear, and the seconds from one look to the next.
RELOAD_SECONDS = 20
LOOK = 0.05

# A snippet may hold a secret.
MODE = 0o640

# The block of each site in the configuration, by the comments around it.
BLOCK = re.compile(r"^    # site (\S+)\n.*?^    # end of site \1\n", re.MULTILINE | re.DOTALL)

# What all sites share that use HTTP/3 has the form of a block, so that it can stay with them.
HTTP3 = "_"
HTTP3_IS_USED = " quic;\n"

IS_DEFAULT = " 80 default_server;\n"


class Edge:
    """NGINX on this host, with all of its configuration in one file.

    One file is replaced in one step, so there is no moment at which half of a change is in place.

    :param root: NGINX's own configuration directory.
    """

    def __init__(
        self,
        systemd: Systemd,
        root: Path = Path("/etc/nginx"),
        units: Path = SYSTEM_UNITS,
        workers: Workers | None = None,
        log: Path = Path("/var/log/nginx/error.log"),
        caches: Path = CACHES,
    ) -> None:
        self.systemd = systemd
        self.live = root / "nginx.conf"
        self.trial = root / "nginx.conf.trial"
        self.before = root / "nginx.conf.before"
        self.token = root / VERIFY_TOKEN.name
        self.workers = workers or Workers(systemd)
        self.log = log
        self.caches = caches
        self.certificates = root / CERTIFICATES.name
        self.maintenance = root / MAINTENANCE.name
        self.units = [units / SOCKET, units / f"{SERVICE}.d/wsgi.conf"]

    def text(self) -> str:
        """Return the configuration that is in place; empty while there is none."""
        return _read(self.live)

    def serves(self) -> bool:
        """Tell whether NGINX runs with the file in place, and will after the host's next boot."""
        units = (SERVICE, SOCKET)
        return not self.before.exists() and all(
            self.systemd.is_active(unit) and self.systemd.is_enabled(unit) for unit in units
        )

    def has_units(self, slowest: int) -> bool:
        """Tell whether systemd holds the ports and hardens NGINX as this version of the collection wants it.

        :param slowest: the seconds that the slowest answer of all sites may take.
        """
        return [_read(path) for path in self.units] == _units(slowest)

    def replace(self, wanted: str, missing: Iterable[Certificate] = ()) -> None:
        """Check the text `wanted` with `nginx -t` beside the live file, and put it in place.

        What was served before stays beside it until NGINX has taken it up: a run that is killed in
        between leaves a mark of what is due.

        :param missing: the certificates that NGINX has to find for it.
        :raises Failed: with what NGINX said, and where that was described; no file has changed then.
        """
        if not self.token.exists():
            write_file(self.token, f'"{secrets.token_hex(16)}" 1;\n', 0o600)
        try:
            with certificate.placed(missing, self.certificates):
                write_file(self.trial, wanted, MODE)
                run(["nginx", "-t", "-q", "-c", self.trial], "use the new configuration of NGINX")
        except Failed as failure:
            self.trial.unlink(missing_ok=True)
            raise Failed(explain(str(failure), wanted)) from failure
        if not self.before.exists():
            write_file(self.before, self.text(), MODE)
        self.trial.replace(self.live)

    def place_units(self, slowest: int) -> None:
        """Write NGINX's units. What runs already goes on; its sandbox is that of its next start.

        :param slowest: the seconds that the slowest answer of all sites may take.
        """
        for path, text in zip(self.units, _units(slowest)):
            path.parent.mkdir(exist_ok=True)
            write_file(path, text)
        self.systemd.reload()

    def serve(self, acme: Acme | None = None, due: Iterable[Certificate] = ()) -> None:
        """Make NGINX serve what the file says: reload it where it runs, else start it.

        :param due: the certificates to get from `acme`, which NGINX has to answer for.
        :raises Failed: where it does not take it up, or there are no certificates; it serves what it served before
            then, and the file says so.
        """
        try:
            self._take_up()
        except Failed as failure:
            wanted = self.text()
            self._go_back()
            raise Failed(
                "NGINX did not take up the new configuration, and what it served goes on: "
                f"{explain(str(failure), wanted)}"
            ) from failure
        if acme and due:
            try:
                for one in due:
                    acme.obtain(one)
                self._reload()
            except (Failed, OSError) as failure:
                self._go_back(taken_up=True)
                raise Failed(f"what NGINX served before goes on: {failure}") from failure
        self.systemd.enable(SOCKET, SERVICE)
        self.before.unlink(missing_ok=True)
        certificate.prune(self.text(), self.certificates)
        for path in self.caches.glob("cache-*"):
            if f"{path} " not in self.text():
                remove_tree(path)
        for path in self.maintenance.glob("*"):
            if f"{path})" not in self.text():
                path.unlink()

    def _take_up(self) -> None:
        if not self.systemd.is_active(SOCKET):
            self._take_over()
        elif self.systemd.is_active(SERVICE):
            self._reload()
        else:
            self.systemd.start(SERVICE)

    def _reload(self) -> None:
        """Reload NGINX, and see that it did: its check of the configuration is not its last word on it."""
        known = self.workers.pids()
        logged = len(_read(self.log))
        run(["systemctl", "reload", SERVICE], "reload NGINX")
        deadline = time.monotonic() + RELOAD_SECONDS
        while not self.workers.pids() - known:
            said = [line for line in _read(self.log)[logged:].splitlines() if "[emerg]" in line]
            if said:
                raise Failed("\n".join(said))
            if time.monotonic() > deadline:
                raise Failed(f"it has no new workers after {RELOAD_SECONDS} s")
            time.sleep(LOOK)

    def _take_over(self) -> None:
        """Give the ports to systemd, once: the NGINX that the distribution has started holds them itself."""
        self.systemd.stop(SERVICE)
        try:
            self.systemd.start(SOCKET, SERVICE)
        except Failed as failure:
            for unit in (SOCKET, SERVICE):
                if not self.systemd.is_active(unit):
                    raise Failed(f"{failure}; the log of {unit} ends with:\n{self.systemd.journal(unit)}") from failure
            raise

    def _go_back(self, taken_up: bool = False) -> None:
        """Put in place what NGINX served before, and let it run.

        :param taken_up: whether NGINX has taken up what comes after it, or certificates that have come already.
        """
        before = _read(self.before)
        if before:
            write_file(self.live, before, MODE)
        if not self.systemd.is_active(SERVICE):
            if not self.systemd.is_active(SOCKET):
                for path in self.units:
                    path.unlink(missing_ok=True)
                self.systemd.reload()
            with suppress(Failed):
                self.systemd.start(SERVICE)
        elif taken_up:
            try:
                self._reload()
            except Failed:
                # What lies beside the file tells the next run that a reload is due.
                return
        if before:
            self.before.unlink()
            certificate.prune(before, self.certificates)


class Nginx:
    """What the NGINX of a host is able to do.

    :param said: what it says of itself, `nginx -V`; empty before it is installed.
    :ivar version: its version, such as `1.22.1`.
    """

    def __init__(self, said: str) -> None:
        self.said = said
        match = re.search(r"nginx/([\d.]+)", said)
        self.version = match.group(1) if match else ""

    @classmethod
    def read(cls) -> Nginx:
        """Ask the NGINX of this host."""
        return cls(run(["sh", "-c", "nginx -V 2>&1"], "ask NGINX how it was built") if has("nginx") else "")

    def text(self, config: dict[str, str]) -> str:
        """Return the one of the texts in `config` that is right for it; of one that is yet to come, the newest.

        :param config: texts by the version from which on they are right.
        """
        fitting = [since for since in config if not self.version or _number(since) <= _number(self.version)]
        return config[max(fitting, key=_number)]

    def objection(self, sites: Iterable[dict[str, Any]]) -> str | None:
        """Object to sites that want what this NGINX cannot do."""
        wanting = [site["name"] for site in sites if site.get("http3")]
        if wanting and self.said and "--with-http_v3_module" not in self.said:
            return f"{wanting[0]}: tls.http3: NGINX {self.version} of this host was built without HTTP/3; leave it out"
        return None


def verify_token(path: Path = VERIFY_TOKEN) -> str:
    """Return the secret by which NGINX lets through who verifies a change; empty where it has none yet."""
    return _read(path).partition('"')[2].partition('"')[0]


class Sign:
    """The sign at a site that says "closed", which NGINX looks for with each request.

    :param site: the name of the site.
    :raises Failed: where this host serves no such site.
    """

    def __init__(self, site: str, live: Path = Path("/etc/nginx/nginx.conf"), root: Path = MAINTENANCE) -> None:
        self.path = root / site
        if f"{self.path})" not in _read(live):
            raise Failed(f"{site}: this host serves no site of that name")

    def is_up(self) -> bool:
        """Tell whether the site is closed."""
        return self.path.exists()

    def put_up(self) -> None:
        """Close the site."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.touch()

    def take_down(self) -> None:
        """Open the site."""
        self.path.unlink()


class Workers:
    """The processes of NGINX that accept connections."""

    def __init__(self, systemd: Systemd, processes: Path = Path("/proc")) -> None:
        self.systemd = systemd
        self.processes = processes

    def pids(self) -> set[int]:
        """Return their ids; those that only finish what they have begun are not among them."""
        (master,) = self.systemd.properties(SERVICE, "MainPID")
        found = set()
        for directory in self.processes.glob("[0-9]*"):
            # What ends meanwhile cannot be read, and is no worker any more.
            with suppress(OSError):
                parent = (directory / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
                title = (directory / "cmdline").read_bytes().rstrip(b"\0 ")
                if parent == master and title == b"nginx: worker process":
                    found.add(int(directory.name))
        return found


def blocks(config: str) -> dict[str, str]:
    """Return the block of each site in `config` by the site's name, and what they share for HTTP/3 as that of `_`."""
    return {found.group(1): found.group() for found in BLOCK.finditer(config)}


def left_over(live: str, described: Iterable[str]) -> dict[str, str]:
    """Return the blocks of `live` whose site is not among `described`, by its name."""
    return {name: block for name, block in blocks(live).items() if name not in {HTTP3, *described}}


def carry_over(left: dict[str, str], live: str, wanted: str) -> str:
    """Return the text `wanted` with the blocks `left` of `live` in it, as they are.

    :raises Failed: where a site of `wanted` cannot be beside one of them.
    """
    there = blocks(wanted)
    for (old, block), (new, other) in product(left.items(), there.items()):
        if IS_DEFAULT in block and IS_DEFAULT in other:
            raise Failed(
                f"{new}: default: {old}, which is left over, is the default site; leave it out, or {undo(old)}"
            )
        if old.replace("-", "_") == new.replace("-", "_"):
            raise Failed(f"{new}: {old}, which is left over, has nearly the same name; change it, or {undo(old)}")
    kept = set(left)
    if HTTP3 not in there and any(HTTP3_IS_USED in block for block in left.values()):
        kept.add(HTTP3)
    carried = [f"\n{block}" for name, block in blocks(live).items() if name in kept]
    before, brace, after = wanted.rpartition("}")
    return "".join([before, *carried, brace, after])


def undo(site: str) -> str:
    """Return what removes a site that is left over."""
    return f"add to wsgi_apps: - {{name: {site}, state: absent}}"


def read_timeout(block: str) -> int:
    """Return the seconds to wait for an answer of the site with this block; what its snippet says comes later."""
    found = re.search(r"_read_timeout (\d+)s;", block)
    return int(found.group(1)) if found else 0


def explain(said: str, config: str) -> str:
    """Return what NGINX said of `config`, with the line that it means and where that was described.

    It names the line of most things, but of a certificate or a cipher only the value.
    """
    match = re.search(r"\[emerg\] (?:\d+#\d+: )?(.*?)(?: in \S+?nginx\.conf(?:\.trial)?:(\d+))?$", said, re.MULTILINE)
    if not match:
        return said
    reason, lines = match.group(1), config.splitlines()
    number = int(match.group(2)) if match.group(2) else _line_with(re.findall(r'"([^"]+)"', reason), lines)
    if number is None or number > len(lines):
        return reason
    return f"{_origin(lines[:number])}{reason}; line {number} of the configuration is: {lines[number - 1].strip()}"


def _line_with(values: list[str], lines: list[str]) -> int | None:
    """Return the number of the line that has the most of `values` as words of their own, the first of several."""
    words = [re.compile(rf"(?<![\w$]){re.escape(value)}(?!\w)") for value in values]
    counts = [0 if line.lstrip().startswith("#") else sum(bool(word.search(line)) for word in words) for line in lines]
    most = max(counts, default=0)
    return counts.index(most) + 1 if most else None


def _origin(lines: list[str]) -> str:
    """Return where the last of `lines` was described, which the configuration says in a comment before it."""
    comments = (re.fullmatch(r"\s*# from (.+)", line) for line in reversed(lines))
    return next((f"{comment.group(1)}: " for comment in comments if comment), "")


def _units(slowest: int) -> list[str]:
    return [edge_units.PORTS, edge_units.drop_in(slowest)]


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
