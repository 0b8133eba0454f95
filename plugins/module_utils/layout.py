# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Where an application lives on a host: the one place that knows the paths."""

from __future__ import annotations

import grp
import os
import re
import shutil
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed

APPLICATIONS = Path("/srv")
SYSTEM_UNITS = Path("/etc/systemd/system")
TRANSIENT_UNITS = Path("/run/systemd/system")
SERVERS = Path("/opt/wsgi/servers")
TOOLS = Path("/opt/wsgi/tools")
PYTHONS = Path("/opt/wsgi/pythons")
CACHE = Path("/var/cache/wsgi")
# The cache of the build user, which cannot read the other one.
BUILD_CACHE = Path("/var/cache/wsgi-build")

# The group of the web server, which can access the sockets of all applications and the files that it may serve.
WEB_SERVER = "www-data"

# The addresses of NGINX on its own host, and the secret by which it recognizes requests that verify a change.
NGINX_ADDRESS = "127.0.0.1:80"
NGINX_HTTPS_ADDRESS = "127.0.0.1:443"
VERIFY_TOKEN = Path("/etc/nginx/verify.token")

# What NGINX uses besides its configuration: certificates and their keys, passwords, a file for each closed site, the
# files that an ACME server requests, and cached responses. And certbot's own directory.
CERTIFICATES = Path("/etc/nginx/certificates")
PASSWORDS = Path("/etc/nginx/passwords")
MAINTENANCE = Path("/etc/nginx/maintenance")
CHALLENGES = Path("/var/lib/wsgi/acme")
CACHES = Path("/var/lib/nginx")
LETS_ENCRYPT = Path("/etc/letsencrypt")

# The mode of a directory that NGINX may pass through to the files it serves, but that other users cannot list.
PASSABLE = 0o711

# The directory of a release that contains the links to the directories that NGINX serves.
STATIC = "static"

# In the directory of a release, the configuration files of the application.
FILES = "files"

# The protocols that every instance speaks, and the link in its release that points to each socket.
LINKS = {"uwsgi": "socket", "http": "http"}


class Layout:
    """The directories, links and unit names of one application.

    :param name: the name of the application, and of its system user.
    :param root: the directory that holds the applications.
    :param units: the directory that systemd reads units from.
    :param transient: the directory of units that disappear at the next boot of the host.
    """

    def __init__(
        self, name: str, root: Path = APPLICATIONS, units: Path = SYSTEM_UNITS, transient: Path = TRANSIENT_UNITS
    ) -> None:
        self.name = name
        self.home = root / name
        self.builds = self.home / "builds"
        self.venvs = self.home / "venvs"
        self.releases = self.home / "releases"
        self.current = self.home / "current"
        self.previous = self.home / "previous"
        # Shows that the collection created all this.
        self.mark = self.home / ".made-by-wsgi.production"
        self.data = self.home / "data"
        # Exists only on the one host that runs the timers that do not run on every host.
        self.first = self.home / "first"
        self.units = units
        self.transient = transient

    def group(self) -> int:
        """Return the id of the group that may read the application's files.

        :raises Failed: if the host has no group of the application's name.
        """
        try:
            return grp.getgrnam(self.name).gr_gid
        except KeyError as missing:
            raise Failed(f"the host has no group {self.name}: create it, with a user of the same name") from missing

    def live(self) -> str | None:
        """Return the id of the release that `current` points to, or None before the first switch."""
        try:
            return os.path.basename(os.readlink(self.current))
        except FileNotFoundError:
            return None

    def socket(self, release: str, protocol: str) -> Path:
        """Return the path that the instance of `release` listens on for `protocol`."""
        return Path("/run") / self.name / f"{release}.{LINKS[protocol]}"

    def worker_socket(self, release: str, worker: str) -> Path:
        """Return the path that a worker of `release` with a socket of its own listens on."""
        return Path("/run") / self.name / f"{release}.{worker_link(worker)}"

    def runtime(self, release: str) -> Path:
        """Return the runtime directory of the instance of `release`, which systemd creates."""
        return Path("/run") / self.name / release

    def stats(self, release: str) -> Path:
        """Return the path of the statistics socket of the instance of `release`."""
        return self.runtime(release) / "stats"

    def unit(self, release: str, kind: str) -> str:
        """Return the name of the unit of `release`; `kind` is `socket` or `service`."""
        return f"{self.name}@{release}.{kind}"

    def unit_of(self, release: str, file: str) -> str:
        """Return the name of the unit that `file`, such as `instance.socket`, describes in a release."""
        return f"{self.name}@{release}{file.removeprefix('instance')}"

    def part(self, unit: str) -> str:
        """Return the name of the worker or timer that `unit` is for; empty for the units of the server."""
        found = re.fullmatch(rf"{re.escape(self.name)}@[0-9a-f]+-(.+)\.(service|socket|timer)", unit)
        return found.group(1) if found else ""

    def unit_file(self, unit: str) -> str:
        """Return the name of the file that describes `unit` in the directory of its release."""
        beside = re.fullmatch(rf"{re.escape(self.name)}@[0-9a-f]+(.+)", unit)
        if not beside:
            raise ValueError(f"{unit} is not a unit of {self.name}")
        return f"instance{beside.group(1)}"

    def door(self, protocol: str, kind: str) -> str:
        """Return the name of the unit that opens a TCP port for `protocol` to the live instance."""
        return f"{self.name}-{protocol}.{kind}"

    def instances(self) -> list[str]:
        """Return the ids of the releases that have a service unit in place, in alphabetical order."""
        pattern = re.compile(re.escape(self.name) + r"@([0-9a-f]+)\.service")
        names = (pattern.fullmatch(path.name) for path in self.units.glob(f"{self.name}@*.service"))
        return sorted(match.group(1) for match in names if match)


def worker_link(worker: str) -> str:
    """Return the name, among the links of a release, of the socket of a worker."""
    return f"worker-{worker}"


def static_name(path: str) -> str:
    """Return the name of the link in a release to the directory that NGINX serves, or has a single file from."""
    single = "" if path.endswith("/") else "+"
    return single + path.strip("/").replace("/", "+") or "+"


def replace_link(link: Path, target: str) -> None:
    """Make `link` point to `target` in one step, so that no reader ever finds it missing."""
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(link)


def write_file(path: Path, text: str, mode: int = 0o644, group: str | None = None) -> None:
    """Replace the file at `path` in one step; its mode and group are set before its content is written."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        if group:
            shutil.chown(beside, group=group)
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
