# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Installing Python packages on a host: with uv, or with pip if uv is not available."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from ansible_collections.wsgi.production.plugins.module_utils import build_user
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run, shown
from ansible_collections.wsgi.production.plugins.module_utils.layout import BUILD_CACHE, CACHE, TOOLS
from ansible_collections.wsgi.production.plugins.module_utils.store import Store, digest

# The options of a module for an `Index`, in the order of its parameters; documented in plugins/doc_fragments/index.py.
# The two URLs may carry a password.
INDEX_OPTIONS = {
    option: {"type": "str", "default": "", "no_log": option != "ca_bundle"}
    for option in ("index_url", "ca_bundle", "proxy")
}

# The option with the locked requirements of the programs that a step installs, documented in the same place. They are
# not secret, but too long for a log.
PINS_OPTION = {"pins": {"type": "dict", "default": {}, "no_log": True}}

# The caches that the build user keeps for the next build, separate from those of root. They are not part of a build.
BUILDER_CACHES = {
    "PIP_CACHE_DIR": str(BUILD_CACHE / "pip"),
    "UV_CACHE_DIR": str(BUILD_CACHE / "uv"),
    "UV_LINK_MODE": "copy",
}

DISTRIBUTION_WHEELS = Path("/usr/share/python-wheels")

MASK = "****"

# How a warning of pip or uv starts, and how many characters of it are shown.
WARNING = re.compile(r"\s*warning: ", re.IGNORECASE)
MOST_WORDS = 500

# What the host lacks and what to do about it, by the message of the program that cannot find it.
LACKING = {
    re.compile(r"Git executable not found|Cannot find command 'git'|[Nn]o such file or directory: .?git\b"): (
        "a package comes from a git repository: add git to python_app_extra_packages"
    ),
    re.compile(
        r"error: command '[^']*(?:cc|clang|\+\+)[^']*' failed|[Uu]nable to find .*compiler|[Cc]ompiler .*not found|"
        r"\.h: No such file|No such file or directory: '?[\w-]*(?:gcc|cc|g\+\+|c\+\+|make|cargo|rustc)\b|"
        r"pg_config|pkg-config|mysql_config|can't find Rust compiler|linker .?cc.? not found|[Uu]nknown compiler"
    ): (
        "a package without a wheel has to be compiled, and a compiler or header is missing: add "
        "the packages to python_app_extra_packages, such as [build-essential, python3-dev] and a "
        "library such as libpq-dev"
    ),
}

# What uv always writes before an error, and at the end of each failed build.
NOISE = re.compile(
    r"^(?:Using Python .* environment at.*|Resolved \d+ .*|\s*Building .*|hint: Build failures .*)\n?", re.MULTILINE
)


class Index:
    """The package index, and how to reach it.

    :param url: the URL of a package index as in PEP 503; empty for the tools' own default.
    :param ca_bundle: a file on the host with the certificates to trust; ignored if it is missing.
    :param proxy: the URL of an HTTP proxy; empty for none.
    """

    def __init__(self, url: str = "", ca_bundle: str = "", proxy: str = "") -> None:
        self.url = url
        self.ca_bundle = ca_bundle
        self.proxy = proxy
        # The warnings of programs, each one once.
        self.warnings: list[str] = []

    def environment(self) -> dict[str, str]:
        """Return the variables that configure pip and uv; in arguments, `ps` would show a password."""
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

    def arguments(self) -> list[str]:
        """Return the arguments for settings that pip or uv cannot read from a variable."""
        return []

    def run(
        self,
        argv: list[str | Path],
        purpose: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        writes: tuple[Path, ...] | None = None,
    ) -> str:
        """Run a program that uses the index, and return what it wrote to standard output.

        :param purpose: completes the sentence "could not ..." when the program fails.
        :param env: variables to use instead of those from `environment`.
        :param writes: for a program that may run code of a package: it runs as the build user, and may write to these
            directories. If unset, root runs the program.
        :raises Failed: if it fails; the error contains no password.
        """
        env = self.environment() if env is None else env
        try:
            if writes is None:
                return run(argv, purpose, cwd=cwd, env=env, hear=self._hear)
            with build_user.at_work(*writes) as (user, home):
                told = {**env, **BUILDER_CACHES, **home}
                return run(argv, purpose, cwd=cwd, env=told, options=build_user.switch(user), hear=self._hear)
        except Failed as failure:
            raise Failed(_with_hint(self._masked(str(failure)))) from None

    def _hear(self, errors: str) -> None:
        """Remember the warnings of a program: even if it succeeded, it may have left something out."""
        found = [shown(self._masked(line.strip()))[:MOST_WORDS] for line in errors.splitlines() if WARNING.match(line)]
        self.warnings += [line for line in dict.fromkeys(found) if line not in self.warnings]

    def _masked(self, text: str) -> str:
        secrets = {secret for url in (self.url, self.proxy) for secret in _secrets(url)}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text


class Pip:
    """pip, run from the wheel that Debian's and Ubuntu's `python3-venv` installs.

    This way, the virtual environment needs no pip, which takes seconds to install.
    """

    name = "pip"

    def __init__(self, index: Index) -> None:
        self.index = index

    def make_venv(self, path: Path, python: str) -> None:
        """Create the virtual environment `path` with the interpreter `python`."""
        self.index.run([python, "-m", "venv", "--without-pip", path], "create a virtual environment")

    def install(
        self, venv: Path, arguments: list[str], purpose: str, cwd: Path | None = None, *, writes: tuple[Path, ...] = ()
    ) -> None:
        """Install the packages in `arguments` into the virtual environment `venv`, byte-compiled.

        :param writes: other directories that the build of a package may write to.
        """
        target = ["--python", str(venv / "bin/python")]
        words = [*target, "install", *self.index.arguments(), *arguments]
        self.index.run([*self._pip(), *words], purpose, cwd, writes=(venv, *writes))

    def install_into(self, target: Path, python: str, arguments: list[str], purpose: str) -> None:
        """Install the packages in `arguments` into the plain directory `target`, for the interpreter `python`."""
        words = ["install", "--target", str(target), *self.index.arguments(), *arguments]
        self.index.run([python, *self._pip()[1:], *words], purpose)

    def words(self, options: Iterable[str]) -> list[str]:
        """Return no arguments, because pip itself reads the options in a requirements file."""
        return []

    @staticmethod
    def _pip() -> list[str]:
        wheels = sorted(DISTRIBUTION_WHEELS.glob("pip-*.whl"))
        if wheels:
            return [sys.executable, str(wheels[-1] / "pip")]
        return [sys.executable, "-m", "pip"]


class Uv:
    """uv, which takes the same arguments as pip and a tenth of the time.

    :param executable: the path of `uv`.
    """

    name = "uv"

    def __init__(self, index: Index, executable: Path) -> None:
        self.index = index
        self.executable = executable

    def make_venv(self, path: Path, python: str) -> None:
        """Create the virtual environment `path` with the interpreter `python`."""
        self.index.run([self.executable, "venv", "--python", python, path], "create a virtual environment")

    def install(
        self, venv: Path, arguments: list[str], purpose: str, cwd: Path | None = None, *, writes: tuple[Path, ...] = ()
    ) -> None:
        """Install the packages in `arguments` into the virtual environment `venv`, byte-compiled.

        :param writes: other directories that the build of a package may write to.
        """
        target = ["--python", str(venv / "bin/python"), "--compile-bytecode"]
        words = ["pip", "install", *target, *self.index.arguments(), *arguments]
        self.index.run([self.executable, *words], purpose, cwd, writes=(venv, *writes))

    def install_into(self, target: Path, python: str, arguments: list[str], purpose: str) -> None:
        """Install the packages in `arguments` into the plain directory `target`, for the interpreter `python`."""
        words = ["pip", "install", "--python", python, "--target", str(target), *self.index.arguments(), *arguments]
        self.index.run([self.executable, *words], purpose)

    def words(self, options: Iterable[str]) -> list[str]:
        """Return the arguments that make uv apply the options of a requirements file like pip does.

        Without them, uv warns about `--pre`, and uses only one index for a package that is on two.
        """
        known = {"--pre": "--prerelease=allow", "--extra-index-url": "--index-strategy=unsafe-best-match"}
        return [known[option] for option in options if option in known]


def installer(index: Index, pin: str) -> Pip | Uv:
    """Return uv, fetched once per host and version, or pip if the index does not have that uv.

    :param pin: the locked requirement of uv.
    """
    CACHE.mkdir(mode=0o700, exist_ok=True)
    pip = Pip(index)
    try:
        return Uv(index, pinned_tool(pip, "uv", pin) / "bin/uv")
    except Failed:
        return pip


def pinned_tool(tool: Pip | Uv, name: str, pin: str) -> Path:
    """Return the directory of a tool that the collection pins in `pin`; it is installed if the host lacks it.

    :raises Failed: when the index lacks it, or serves a file with another digest.
    """
    tools = Store(TOOLS)
    entry = tool_name(name, pin)
    if not tools.is_whole(entry):
        with tools.create(entry, {"requirement": pin.split()[0]}) as path:
            install_pinned(tool, path, sys.executable, pin)
    return tools.path(entry)


def lock_tool(tool: Pip | Uv, name: str, pin: str) -> Path:
    """Return the program `name`, which reads a lock format, from its own virtual environment.

    :param pin: the locked requirements of that environment.
    :raises Failed: when the index lacks one of them, or serves a file with another digest.
    """
    tools = Store(TOOLS)
    entry = _with_interpreter(tool_name(name, pin))
    if not tools.is_whole(entry):
        with tools.create(entry, {"requirement": name}) as path:
            tool.make_venv(path, sys.executable)
            requirements = path / "requirements.txt"
            requirements.write_text(pin, encoding="utf-8")
            words = ["--require-hashes", "--no-deps", "-r", str(requirements)]
            tool.install(path, words, f"install {name}")
            # uv leaves its lock file behind, writable by everyone.
            (path / ".lock").unlink(missing_ok=True)
    return tools.path(entry) / "bin" / name


def tool_name(name: str, pin: str) -> str:
    """Return the name of the tool pinned by `pin` in the store of the host's tools."""
    return f"{name}-{digest(pin)}"


def tool_entries(names: Iterable[str]) -> set[str]:
    """Return the names of all directories that the tools `names`, from `tool_name`, can have on this host."""
    return {entry for name in names for entry in (name, _with_interpreter(name))}


def _with_interpreter(name: str) -> str:
    # A virtual environment works only with the interpreter that it was made for.
    return f"{name}-{sys.version_info[0]}.{sys.version_info[1]}"


def install_pinned(tool: Pip | Uv, path: Path, python: str, pin: str, *arguments: str) -> None:
    """Install the package that the collection pins in `pin` into the directory `path`.

    :param python: the interpreter that it is for.
    :raises Failed: when the index lacks it, or serves a file with another digest.
    """
    requirements = path / "requirements.txt"
    requirements.write_text(pin, encoding="utf-8")
    words = ["--require-hashes", "--no-deps", *arguments, "-r", str(requirements)]
    tool.install_into(path, python, words, f"install {pin.split()[0]}")
    # uv leaves its lock file behind, writable by everyone.
    (path / ".lock").unlink(missing_ok=True)


def _with_hint(said: str) -> str:
    """Return the text of a failure with what the host lacks, if that is known, before the program's output."""
    said = NOISE.sub("", said)
    what, mark, words = said.partition("; ")
    hint = next((hint for sign, hint in LACKING.items() if sign.search(words)), "")
    return f"{what}: {hint}{mark}{words}" if hint else said


def _secrets(url: str) -> set[str]:
    """Return the secret part of the credentials in `url`, in each form in which a program may write it.

    Without a password, the user name is the secret: a token.
    """
    rest = url.partition("://")[2] or url
    authority = rest.partition("/")[0]
    # A password may contain a slash that should have been escaped, and then extends beyond the authority.
    credentials = (authority if "@" in authority else rest).rpartition("@")[0]
    name, _colon, password = credentials.partition(":")
    secret = password or name
    plain = unquote(secret)
    return {secret, plain, quote(plain, safe="")} - {""}
