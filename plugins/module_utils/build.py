# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Builds: code and virtual environment, complete and immutable, named by what went into them."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.build_commands import Commands
from ansible_collections.wsgi.production.plugins.module_utils.build_user import read_made
from ansible_collections.wsgi.production.plugins.module_utils.command import PATH, Failed, lower_priority, run
from ansible_collections.wsgi.production.plugins.module_utils.home import Home
from ansible_collections.wsgi.production.plugins.module_utils.installer import Pip, Uv
from ansible_collections.wsgi.production.plugins.module_utils.layout import APPLICATIONS, PASSABLE, Layout
from ansible_collections.wsgi.production.plugins.module_utils.store import Store, digest

CODE = "app"
VENV = "venv"

# With these options, Python runs no code of its virtual environment: any package can put code into a `.pth` file.
ALONE = ("-I", "-S")

# The directories with a host's interpreters.
PROGRAMS = (Path("/usr/local/bin"), Path("/usr/bin"))


def base_interpreter(python: str | Path, programs: Sequence[Path] = PROGRAMS) -> Path:
    """Return the program that `python` names, the base of a virtual environment, which no package can change.

    :param programs: where to look for interpreters to suggest instead.
    :raises Failed: if the host has no such program, it belongs to an application, or applications cannot access it.
    """
    found = shutil.which(python, path=PATH)
    if found is None:
        names = {path.name for place in programs for path in place.glob("python3.*")}
        there = sorted((name for name in names if re.fullmatch(r"python3\.\d+", name)), key=lambda name: int(name[8:]))
        raise Failed(
            f"the host has no interpreter {python} (it has {', '.join(there) or 'none'}): set build.python to one that "
            f"it has, or install a package with {python}"
        )
    program = Path(found).resolve()
    if program.is_relative_to(APPLICATIONS):
        raise Failed(
            f"the interpreter {python} is {program}, which belongs to an application: use an interpreter of the host"
        )
    objection = rules.hidden(program)
    if objection:
        raise Failed(f"the interpreter {python} is {program}: {objection}")
    return program


def interpreter_tag(python: str | Path) -> str:
    """Return the tag that decides whether compiled packages fit an interpreter, such as `cpython-3.11-x86_64`.

    :raises Failed: if `python` is not a working interpreter of the host.
    """
    code = "import platform as p; print(p.python_implementation().lower(), *p.python_version_tuple()[:2])"
    argv = [str(base_interpreter(python)), *ALONE, "-c", code]
    implementation, major, minor = run(argv, f"run the interpreter {python}").split()
    return f"{implementation}-{major}.{minor}-{platform.machine()}"


@dataclass(frozen=True)
class Recipe:
    """The inputs of a build, and the digests computed from them.

    :param source: the directory on the controller that the code comes from.
    :param content: the description of this source, from `Source.content`.
    :param interpreter: the tag of the interpreter.
    :param commands: the commands that complete the build, run in the directory of its code.
    :param env: the variables that these commands see.
    :param wheels: the digest of the wheels that the packages are installed from; empty if they come from an index.
    :param revision: a different value forces a new build and a new virtual environment.
    """

    source: str
    content: dict[str, Any]
    interpreter: str
    commands: list[str] = field(default_factory=list)
    env: dict[str, Any] = field(default_factory=dict)
    wheels: str = ""
    revision: str = ""

    @property
    def venv(self) -> str:
        """The digest of the packages, which a change to the code alone does not affect.

        Packages installed from the code itself may refer to it, so they belong to this one build.
        """
        dependencies = self.content["dependencies"]
        inside = self._code() if dependencies["local"] else None
        return digest("venv", dependencies["digest"], inside, self.interpreter, self.wheels, self.revision)

    @property
    def build(self) -> str:
        """The digest of code and packages."""
        return digest("build", self._code(), self.venv)

    def _code(self) -> list[Any]:
        return [self.content["digest"], self.commands, self.env]


class Packages(Protocol):
    """Where the packages of a virtual environment come from."""

    def about(self) -> dict[str, Any]:
        """Return what the manifest of a virtual environment records about their source."""

    def install(self, tool: Pip | Uv, venv: Path, code: Path, python: str) -> None:
        """Install the dependencies of the source in `code`, and its project, into the virtual environment `venv`.

        :raises Failed: if the installation fails.
        """


class Builder:
    """Makes builds of one application on this host."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        # NGINX can pass through to the files that it serves, but only root can list the directory.
        self.builds = Store(layout.builds, mode=PASSABLE)
        self.venvs = Store(layout.venvs)

    def exists(self, recipe: Recipe) -> bool:
        """Return whether the build of `recipe` is complete, including its packages."""
        return self.builds.is_whole(recipe.build) and self.has_packages(recipe)

    def has_packages(self, recipe: Recipe) -> bool:
        """Return whether the virtual environment of `recipe` is complete and has its interpreter."""
        return self.venvs.is_whole(recipe.venv) and (self.venvs.path(recipe.venv) / "bin/python").exists()

    def make(self, recipe: Recipe, archive: Path, python: str, tool: Pip | Uv, packages: Packages) -> None:
        """Make the build of `recipe`.

        :param archive: the source, as a tar archive.
        :param python: the interpreter of the virtual environment.
        :raises Failed: if the packages cannot be installed or a command fails; no partial build remains.
        """
        python = str(base_interpreter(python))
        manifest = {
            "build": recipe.build,
            "source": recipe.source,
            "commit": recipe.content["commit"],
            "packages": recipe.venv,
            "interpreter": recipe.interpreter,
            "python": python,
        }
        lower_priority()
        Home(self.layout).make()
        if self.builds.manifest(recipe.build) is not None:
            # A part of it, or of its packages, is missing.
            self.builds.remove(recipe.build)
        with self.builds.create(recipe.build, manifest) as path:
            code, venv = path / CODE, path / VENV
            unpack_source(archive, code)
            if not self.has_packages(recipe):
                self._make_venv(recipe, code, python, tool, packages)
            venv.symlink_to(os.path.relpath(self.venvs.path(recipe.venv), path))
            Commands(recipe.commands, recipe.env).run(code, venv, self.layout.group())
            _compile(python, code)
            close_to_others(code, self.layout.group())

    def _make_venv(self, recipe: Recipe, code: Path, python: str, tool: Pip | Uv, packages: Packages) -> None:
        dependencies = recipe.content["dependencies"]
        manifest = {
            "packages": recipe.venv,
            "interpreter": recipe.interpreter,
            "installer": tool.name,
            "dependencies": {"file": dependencies["file"], "hashes": dependencies["hashed"]},
            **packages.about(),
        }
        with self.venvs.create(recipe.venv, manifest) as venv:
            tool.make_venv(venv, python)
            before = _interpreter_files(venv)
            packages.install(tool, venv, code, python)
            _object_to_replaced(venv, before)
            # uv leaves its lock file behind, writable by everyone.
            with suppress(OSError):
                (venv / ".lock").unlink()
            os.chown(venv, -1, self.layout.group())
            venv.chmod(0o750)


def close_to_others(path: Path, group: int) -> None:
    """Make a directory and everything in it readable only by root and a group."""
    run(["chgrp", "--recursive", "--no-dereference", str(group), path], f"give {path} to the group of the application")
    run(["chmod", "--recursive", "u=rwX,g=rX,o=", path], f"make {path} unreadable for other users")


def unpack_source(archive: Path, code: Path) -> None:
    """Unpack the archive of a source into the new directory `code`."""
    with tarfile.open(archive) as files:
        # The archive is the collection's own; Python 3.14 would refuse some links in it.
        files.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
        files.extractall(code)


def _interpreter_files(venv: Path) -> dict[str, str]:
    """Return the files that make a virtual environment run its interpreter, with their link targets or texts."""
    paths = [venv / "pyvenv.cfg", *sorted((venv / "bin").glob("python*"))]
    return {
        str(path.relative_to(venv)): os.readlink(path) if path.is_symlink() else read_made(path)
        for path in paths
        if path.is_symlink() or path.is_file()
    }


def _object_to_replaced(venv: Path, before: dict[str, str]) -> None:
    """Reject packages that replace a file that runs the interpreter, or a program of another package.

    :raises Failed: with the names of the packages.
    """
    owners: dict[str, list[str]] = {}
    for record in sorted(venv.glob("lib/python3*/site-packages/*.dist-info/RECORD")):
        package = record.parent.name.removesuffix(".dist-info").partition("-")[0]
        for line in read_made(record).splitlines():
            name = line.partition(",")[0]
            if name.startswith("../"):
                place = os.path.relpath(os.path.normpath(record.parent.parent / name), venv)
                owners.setdefault(place, []).append(package)
    after = _interpreter_files(venv)
    replaced = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if replaced:
        names = sorted({package for name in replaced for package in owners.get(name, [])})
        who = " and ".join(names) or "a package"
        raise Failed(
            f"{who} replaces {', '.join(replaced)} of the virtual environment: remove it from the dependencies"
        )
    for name, packages in sorted(owners.items()):
        if name.startswith("bin/") and len(set(packages)) > 1:
            raise Failed(f"{' and '.join(sorted(set(packages)))} both contain {name}: remove one of them")


def _compile(python: str, code: Path) -> None:
    """Byte-compile `code`, because the application itself cannot write there.

    A file that does not compile is not an error: an application may contain code templates. This runs no code of the
    packages, and writes nothing through a link.
    """
    for directory, below, _files in os.walk(code):
        cache = Path(directory, "__pycache__")
        if cache.name in below and cache.is_symlink():
            cache.unlink()
    subprocess.run([python, *ALONE, "-m", "compileall", "-q", "-j", "0", code], capture_output=True, check=False)
