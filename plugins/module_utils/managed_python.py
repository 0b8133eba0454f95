# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Interpreters that uv installs for a host whose distribution does not have the version that an application needs."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, Uv, installer
from ansible_collections.wsgi.production.plugins.module_utils.layout import PYTHONS
from ansible_collections.wsgi.production.plugins.module_utils.store import Store, digest

# The option of a module, documented in plugins/doc_fragments/python_mirror.py. The URL may carry a password.
MIRROR_OPTION = {"python_mirror": {"type": "str", "default": "", "no_log": True}}

# A URL with this ending is that of a table of interpreters, not of a mirror of the usual ones.
TABLE = ".json"


class ManagedPython:
    """A Python of one version, installed once on a host and shared by all builds that ask for it.

    The version that uv knows as `3.13` is the newest one when that uv was released. So the entry is named by the
    version that was asked for and by the pinned uv: it stays the same until the collection pins another uv, and
    whether a host has it needs no network to tell.

    :param version: a version of CPython with two or three numbers, such as `3.13`.
    :param pin: the locked requirement of uv.
    """

    def __init__(self, version: str, pin: str, root: Path = PYTHONS) -> None:
        self.version = version
        self.pin = pin
        self.minor = ".".join(version.split(".")[:2])
        self.store = Store(root)
        self.name = f"{version}-{digest(pin)}"
        # For builds and wheels, it differs from an interpreter of the distribution, even from one of the same version.
        self.tag = f"cpython-{self.minor}-{platform.machine()}-{self.name}"

    @classmethod
    def of(cls, python: str, pin: str) -> ManagedPython | None:
        """Return the Python that the setting `python` asks for, or None if it names an interpreter of the host."""
        return cls(python, pin) if re.fullmatch(r"[0-9.]+", python) else None

    @property
    def path(self) -> Path:
        """The interpreter."""
        return self.store.path(self.name) / "bin" / f"python{self.minor}"

    def is_whole(self) -> bool:
        """Return whether the host has all of it."""
        return self.store.is_whole(self.name)

    def install(self, index: Index, mirror: str) -> None:
        """Install it.

        :param index: the package index that uv itself comes from.
        :param mirror: the URL of a mirror, or of a table of interpreters in the format of uv; empty for its default.
        :raises Failed: if it cannot be fetched, or is not what uv expects; nothing incomplete remains.
        """
        uv = installer(index, self.pin)
        if not isinstance(uv, Uv):
            raise Failed(
                f"Python {self.version} is installed with uv, which this package index does not have: add uv to the "
                "index, or set build.python to an interpreter of the host"
            )
        # Its address may contain a password, which no message may show.
        source = Index(mirror, index.ca_bundle, index.proxy)
        variable = "UV_PYTHON_DOWNLOADS_JSON_URL" if mirror.endswith(TABLE) else "UV_PYTHON_INSTALL_MIRROR"
        env = {**index.environment(), "UV_PYTHON_DOWNLOADS": "manual", **({variable: mirror} if mirror else {})}
        with self.store.create(self.name, {"version": self.version}) as path:
            argv: list[str | Path] = [
                uv.executable,
                "python",
                "install",
                self.version,
                "--install-dir",
                path,
                "--no-bin",
            ]
            source.run(argv, f"install Python {self.version}", env=env)
            there = sorted(path.glob(f"cpython-{self.minor}.*/bin/python{self.minor}"))
            if not there:
                raise Failed(f"uv installed no Python {self.minor} into {path}; does the mirror have it?")
            (path / "bin").symlink_to(there[0].parent.relative_to(path))
            # uv leaves its lock file behind, writable by everyone.
            (path / ".lock").unlink(missing_ok=True)
