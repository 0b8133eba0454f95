# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Builds: code and virtual environment, complete and immutable, named by what went into them."""

from __future__ import annotations

import os
import platform
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import give_way, run
from ansible_collections.wsgi.production.plugins.module_utils.installer import Pip, Uv
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.store import Store, digest

CODE = "app"
VENV = "venv"


def interpreter_tag(python: str | Path) -> str:
    """Return what decides whether compiled packages fit an interpreter, such as `cpython-3.11-x86_64`.

    :raises Failed: when `python` is not an interpreter that runs on the host.
    """
    code = "import platform as p; print(p.python_implementation().lower(), *p.python_version_tuple()[:2])"
    implementation, major, minor = run([python, "-c", code], f"run the interpreter {python}").split()
    return f"{implementation}-{major}.{minor}-{platform.machine()}"


@dataclass(frozen=True)
class Recipe:
    """What a build is made of, and the digests that follow from it.

    :param source: the directory on the controller that the code comes from.
    :param content: what is in it, as `Source.content` says.
    :param interpreter: an interpreter's tag.
    """

    source: str
    content: dict[str, Any]
    interpreter: str

    @property
    def venv(self) -> str:
        """The digest of the packages: a change of code alone leaves the virtual environment as it is."""
        requirements = self.content["requirements"]
        inside = self.content["digest"] if requirements["local"] else None
        return digest("venv", requirements["digest"], inside, self.interpreter)

    @property
    def build(self) -> str:
        """The digest of code and packages."""
        return digest("build", self.content["digest"], self.venv)


class Builder:
    """Makes builds of one application on this host."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.builds = Store(layout.builds)
        self.venvs = Store(layout.venvs)

    def exists(self, recipe: Recipe) -> bool:
        """Tell whether the build of `recipe` is there, complete."""
        return self.builds.manifest(recipe.build) is not None

    def has_packages(self, recipe: Recipe) -> bool:
        """Tell whether the virtual environment of `recipe` is there, complete."""
        return self.venvs.manifest(recipe.venv) is not None

    def make(self, recipe: Recipe, archive: Path, python: str, tool: Pip | Uv) -> None:
        """Make the build of `recipe`.

        :param archive: the source, as a tar archive.
        :param python: the interpreter of the virtual environment.
        :raises Failed: when the packages cannot be installed; nothing half-made stays behind.
        """
        manifest = {
            "build": recipe.build,
            "source": recipe.source,
            "commit": recipe.content["commit"],
            "packages": recipe.venv,
            "interpreter": recipe.interpreter,
        }
        give_way()
        with self.builds.create(recipe.build, manifest) as path:
            code = path / CODE
            with tarfile.open(archive) as files:
                # The archive is the collection's own; Python 3.14 would refuse some links in it.
                files.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
                files.extractall(code)
            if not self.has_packages(recipe):
                self._make_venv(recipe, code, python, tool)
            (path / VENV).symlink_to(os.path.relpath(self.venvs.path(recipe.venv), path))
            _compile(path / VENV / "bin/python", code)

    def _make_venv(self, recipe: Recipe, code: Path, python: str, tool: Pip | Uv) -> None:
        manifest = {"packages": recipe.venv, "interpreter": recipe.interpreter, "installer": tool.name}
        words = ["--require-hashes"] if recipe.content["requirements"]["hashed"] else []
        with self.venvs.create(recipe.venv, manifest) as venv:
            tool.make_venv(venv, python)
            tool.install(venv, [*words, "-r", "requirements.txt"], "install the packages", cwd=code)
            # uv leaves its lock behind, writable by everyone.
            (venv / ".lock").unlink(missing_ok=True)


def _compile(python: Path, code: Path) -> None:
    """Byte-compile `code`, which the application could not do: it cannot write there.

    A file that does not compile is no error here: an application may carry templates of code.
    """
    subprocess.run([python, "-m", "compileall", "-q", "-j", "0", code], capture_output=True, check=False)
