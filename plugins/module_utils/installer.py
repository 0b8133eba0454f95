# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Installing Python packages on a host: with uv, and with pip where uv is not to be had."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils import pins
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import CACHE, TOOLS
from ansible_collections.wsgi.production.plugins.module_utils.store import Store, digest

# The options of a module that make an `Index`, in its order; documented in plugins/doc_fragments/index.py.
INDEX_OPTIONS = {option: {"type": "str", "default": ""} for option in ("index_url", "ca_bundle", "proxy")}

DISTRIBUTION_WHEELS = Path("/usr/share/python-wheels")


class Index:
    """Where packages come from and how to get there.

    :param url: the package index in the form of PEP 503; empty for the tools' own default.
    :param ca_bundle: a file on the host with the certificates to trust; unused while it is missing.
    :param proxy: the URL of an HTTP proxy; empty for none.
    """

    def __init__(self, url: str = "", ca_bundle: str = "", proxy: str = "") -> None:
        self.url = url
        self.ca_bundle = ca_bundle
        self.proxy = proxy

    def environment(self) -> dict[str, str]:
        """Return the variables that tell pip and uv. Never arguments: `ps` would show a password."""
        env = {
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            "UV_CACHE_DIR": str(CACHE / "uv"),
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }
        if self.url:
            env.update(PIP_INDEX_URL=self.url, UV_DEFAULT_INDEX=self.url)
        if self.ca_bundle and Path(self.ca_bundle).is_file():
            env.update(PIP_CERT=self.ca_bundle, SSL_CERT_FILE=self.ca_bundle)
        if self.proxy:
            env.update(HTTP_PROXY=self.proxy, HTTPS_PROXY=self.proxy, http_proxy=self.proxy, https_proxy=self.proxy)
        return env


class Pip:
    """pip, run from the wheel that Debian's and Ubuntu's `python3-venv` brings along.

    Running it from there needs no pip in the virtual environment, which takes seconds to put there.
    """

    name = "pip"

    def __init__(self, index: Index) -> None:
        self.env = index.environment()

    def make_venv(self, path: Path, python: str) -> None:
        """Make the virtual environment `path` on the interpreter `python`."""
        run([python, "-m", "venv", "--without-pip", path], "make a virtual environment", env=self.env)

    def install(self, venv: Path, arguments: list[str], purpose: str, cwd: Path | None = None) -> None:
        """Install into the virtual environment `venv` what `arguments` name, byte-compiled."""
        target = ["--python", str(venv / "bin/python")]
        run([*self._pip(), *target, "install", *arguments], purpose, cwd=cwd, env=self.env)

    def install_into(self, target: Path, python: str, arguments: list[str], purpose: str) -> None:
        """Install into the plain directory `target` what `arguments` name, for the interpreter `python`."""
        run([python, *self._pip()[1:], "install", "--target", str(target), *arguments], purpose, env=self.env)

    @staticmethod
    def _pip() -> list[str]:
        wheels = sorted(DISTRIBUTION_WHEELS.glob("pip-*.whl"))
        if wheels:
            return [sys.executable, str(wheels[-1] / "pip")]
        return [sys.executable, "-m", "pip"]


class Uv:
    """uv, which takes a tenth of the time and the same arguments.

    :param executable: the path of `uv`.
    """

    name = "uv"

    def __init__(self, index: Index, executable: Path) -> None:
        self.env = index.environment()
        self.executable = executable

    def make_venv(self, path: Path, python: str) -> None:
        """Make the virtual environment `path` on the interpreter `python`."""
        run([self.executable, "venv", "--python", python, path], "make a virtual environment", env=self.env)

    def install(self, venv: Path, arguments: list[str], purpose: str, cwd: Path | None = None) -> None:
        """Install into the virtual environment `venv` what `arguments` name, byte-compiled."""
        target = ["--python", str(venv / "bin/python"), "--compile-bytecode"]
        run([self.executable, "pip", "install", *target, *arguments], purpose, cwd=cwd, env=self.env)

    def install_into(self, target: Path, python: str, arguments: list[str], purpose: str) -> None:
        """Install into the plain directory `target` what `arguments` name, for the interpreter `python`."""
        where = ["--python", python, "--target", str(target)]
        run([self.executable, "pip", "install", *where, *arguments], purpose, env=self.env)


def installer(index: Index) -> Pip | Uv:
    """Return uv, fetched once per host and version, or pip where the index does not have that uv."""
    CACHE.mkdir(mode=0o700, exist_ok=True)
    tools = Store(TOOLS)
    name = tool_name()
    executable = tools.path(name) / "bin/uv"
    pip = Pip(index)
    if tools.manifest(name) is None:
        try:
            with tools.create(name, {"requirement": pins.UV.split()[0]}) as path:
                install_pinned(pip, path, sys.executable, pins.UV)
        except Failed:
            return pip
    return Uv(index, executable)


def tool_name() -> str:
    """Return the name of the uv that the collection pins, among the host's tools."""
    return f"uv-{digest(pins.UV)}"


def install_pinned(tool: Pip | Uv, path: Path, python: str, pin: str, *arguments: str) -> None:
    """Install what the collection pins in `pin` into the directory `path`.

    :param python: the interpreter that it is for.
    :raises Failed: when the index lacks it, or serves a file with another digest.
    """
    requirements = path / "requirements.txt"
    requirements.write_text(pin, encoding="utf-8")
    words = ["--require-hashes", "--no-deps", *arguments, "-r", str(requirements)]
    tool.install_into(path, python, words, f"install {pin.split()[0]}")
    # uv leaves its lock behind, writable by everyone.
    (path / ".lock").unlink(missing_ok=True)
