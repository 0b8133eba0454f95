# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Installing the dependencies of an application, whatever the format of the file that lists them.

The tool for a format converts it into a requirements file, and the installer installs that.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import build_user
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import Pip, Uv, lock_tool
from ansible_collections.wsgi.production.plugins.module_utils.layout import write_file

# The tools that must be installed on the host to read a format.
LOCK_TOOLS = {"poetry": "poetry", "pipfile": "pipenv"}

QUIET = ("--no-interaction", "--no-ansi")

# Requirements that have no hash and need none: a package in the source itself, and a commit, which is itself a hash.
# pip and uv refuse them if every package must have a hash; otherwise, they still check all hashes that are given.
UNHASHED = {
    "requirements.txt": re.compile(r"^(-e |[./])| @ (file:|git\+)", re.MULTILINE),
    "pylock": re.compile(r"\b(directory|vcs)\b"),
}


@dataclass(frozen=True)
class Wanted:
    """The dependencies of an application, as the controller found them.

    :param file: the name of the file in the source that lists them.
    :param format: `requirements`, `pyproject`, `uv`, `pylock`, `poetry`, `pipfile`, or `none`.
    :param hashed: whether the file pins packages by hash.
    :param project: what to install afterwards without its dependencies: `.`, the name of a wheel, or nothing.
    :param extras: the wanted extras of the project.
    :param options: the options in a requirements file that must be passed to uv.
    """

    file: str
    format: str
    hashed: bool
    project: str = ""
    extras: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Wanted:
        """Return the dependencies that `content`, from the controller, describes."""
        extras, options = tuple(content["extras"]), tuple(content["options"])
        return cls(content["file"], content["format"], content["hashed"], content["project"], extras, options)


class Resolved:
    """The dependencies of an application, for one interpreter, as arguments of an installer.

    :param code: the directory of the source.
    :param scratch: an empty temporary directory that the build user may read.
    :param python: the interpreter that they are for.
    :param pins: the locked requirements of the lock tool that is needed, by its name.
    """

    def __init__(
        self, wanted: Wanted, tool: Pip | Uv, code: Path, scratch: Path, python: str, pins: Mapping[str, str]
    ) -> None:
        self.wanted = wanted
        self.tool = tool
        self.code = code
        self.scratch = scratch
        self.python = python
        self.pins = pins
        self.exported = scratch / "exported" / "requirements.txt"
        self.exported.parent.mkdir()

    def arguments(self) -> list[str]:
        """Return the arguments, for use in the directory of the source; none if there is nothing to install.

        :raises Failed: if a lock is out of date or cannot be read, or the tool for it is not available.
        """
        wanted = self.wanted
        if wanted.format == "none":
            return []
        if wanted.format == "requirements":
            return [*_strict(wanted.hashed), "-r", wanted.file]
        if wanted.format == "pylock":
            hashed = wanted.hashed and not UNHASHED["pylock"].search(build_user.read_made(self.code / wanted.file))
            return [*_strict(hashed), "-r", wanted.file]
        export = {"pyproject": self._pyproject, "uv": self._uv, "poetry": self._poetry, "pipfile": self._pipenv}
        export[wanted.format]()
        hashed = wanted.hashed and not UNHASHED["requirements.txt"].search(build_user.read_made(self.exported))
        # A Pipfile.lock is made on one system; packages that it lacks for this one must not go unnoticed.
        complete = wanted.format != "pipfile" or not hashed
        return [*_strict(hashed), *(["--no-deps"] if complete else []), "-r", str(self.exported)]

    def project(self) -> str:
        """Return the path of the project to install after its dependencies, or nothing."""
        if self.wanted.project != ".":
            return str(self.code / self.wanted.project) if self.wanted.project else ""
        # A build backend leaves its files in the directory.
        copy = self.scratch / "project"
        shutil.copytree(self.code, copy, symlinks=True)
        return str(copy)

    def uv(self) -> Uv:
        """Return uv, the only tool that reads some formats.

        :raises Failed: if it is not available.
        """
        if isinstance(self.tool, Uv):
            return self.tool
        raise Failed(
            f"{self.wanted.file} can only be read by uv, which this package index does not offer: add "
            "uv to the index, or export a requirements.txt with hashes, with `uv export` or `uv pip "
            "compile`"
        )

    def _pyproject(self) -> None:
        words = ["pip", "compile", "--quiet", "--no-header", "--python", self.python, *self._extras("--extra")]
        self._run([self.uv().executable, *words, "--output-file", self.exported, self.wanted.file])

    def _uv(self) -> None:
        env = self.tool.index.environment()
        # Only the settings in pyproject.toml may decide whether the lock matches it. An index that replaces another
        # also decides this: a lock names the index that it was made with.
        env.pop("UV_NO_CONFIG")
        env["XDG_CONFIG_DIRS"] = str(self.scratch)
        index = env.pop("UV_DEFAULT_INDEX", "")
        if index:
            env["UV_INDEX"] = index
        words = ["--quiet", "--locked", "--python", self.python, "--format", "requirements.txt", "--no-header"]
        words += ["--no-default-groups", "--no-emit-project", "--no-editable", *self._extras("--extra")]
        words += [] if index else ["--emit-index-url"]
        self._run([self.uv().executable, "export", *words, "--output-file", self.exported], env)

    def _poetry(self) -> None:
        poetry = self._lock_tool()
        # The export covers every interpreter, and contains no package at all for one that the project does not allow. A
        # command that looks into an environment first checks whether its interpreter is allowed.
        active = self.scratch / "active"
        self.tool.make_venv(active, self.python)
        env = {**self._environment(), "VIRTUAL_ENV": str(active)}
        self._run([poetry, "show", *QUIET], env)
        words = ["--only", "main", *self._extras("--extras"), *(["--without-urls"] if self.tool.index.url else [])]
        self._run([poetry, "export", *QUIET, *words, "--output", self.exported], env)

    def _pipenv(self) -> None:
        pipenv = self._lock_tool()
        self._run([pipenv, "verify"], self._environment())
        words = ["--hash", *(["--exclude-index"] if self.tool.index.url else [])]
        write_file(self.exported, self._run([pipenv, "requirements", *words], self._environment()))

    def _lock_tool(self) -> Path:
        name = LOCK_TOOLS[self.wanted.format]
        return lock_tool(self.tool, name, self.pins[name])

    def _environment(self) -> dict[str, str]:
        """Return the variables that keep a lock tool from creating environments or asking questions."""
        return {
            **self.tool.index.environment(),
            "NO_COLOR": "1",
            "PIPENV_DONT_LOAD_ENV": "1",
            "PIPENV_IGNORE_VIRTUALENVS": "1",
            "POETRY_VIRTUALENVS_CREATE": "false",
        }

    def _extras(self, option: str) -> list[str]:
        return [word for extra in self.wanted.extras for word in (option, extra)]

    def _run(self, argv: list[str | Path], env: Mapping[str, str] | None = None) -> str:
        return self.tool.index.run(
            argv, f"read {self.wanted.file}", self.code, env, writes=(self.code, self.exported.parent)
        )


class FromIndex:
    """Packages that each host fetches from an index.

    :param pins: the locked requirements of the lock tool that is needed, by its name.
    """

    def __init__(self, wanted: Wanted, pins: Mapping[str, str]) -> None:
        self.wanted = wanted
        self.pins = pins

    def about(self) -> dict[str, Any]:
        """Return what the manifest of a virtual environment records about the source of its packages."""
        return {}

    def install(self, tool: Pip | Uv, venv: Path, code: Path, python: str) -> None:
        """Install the dependencies of the source in `code`, and its project, into the virtual environment `venv`.

        :raises Failed: if they cannot be read or fetched, or are not the locked ones.
        """
        with build_user.scratch() as scratch:
            resolved = Resolved(self.wanted, tool, code, scratch, python, self.pins)
            if self.wanted.format == "pylock":
                resolved.uv()
            words = resolved.arguments()
            if words:
                # A package inside the source is built there.
                words = [*tool.words(self.wanted.options), *words]
                tool.install(venv, words, "install the packages", cwd=code, writes=(code,))
            project = resolved.project()
            if project:
                beside = (Path(project),) if os.path.isdir(project) else ()
                tool.install(venv, ["--no-deps", project], "install the project", writes=beside)


def _strict(hashed: bool) -> list[str]:
    return ["--require-hashes"] if hashed else []
