# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Wheels: gathered on one host, and installed on all others without an index, a compiler, or internet access."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import build_user
from ansible_collections.wsgi.production.plugins.module_utils.build import CODE, Recipe, unpack_source
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, lower_priority
from ansible_collections.wsgi.production.plugins.module_utils.formats import Resolved, Wanted
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, Pip, Uv, pinned_tool
from ansible_collections.wsgi.production.plugins.module_utils.layout import CACHE, write_file
from ansible_collections.wsgi.production.plugins.module_utils.store import Store, digest

WHEELS = CACHE / "wheels"

# PEP 427
NAME = re.compile(r"(?P<project>[\w.]+)-(?P<version>[\w.!+]+)(-\d\w*)?(-[\w.]+){3}\.whl", re.ASCII)


@dataclass(frozen=True)
class Wheels:
    """A description of the wheels gathered for one application and one kind of interpreter.

    It reaches the other hosts by another way than the wheels: whoever alters the wheels must not be able to alter it.

    :param folder: the name of the folder that contains them.
    :param interpreter: the tag of the interpreter that they are for.
    :param files: the SHA-256 of each wheel that the application needs, by the name of the file.
    :param tools: the same, for the wheels that the collection itself needs.
    """

    folder: str
    interpreter: str
    files: dict[str, str]
    tools: dict[str, str]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Wheels:
        """Return the wheels that `told`, from `as_dict` or a manifest, describes.

        :raises Failed: if a name in it, which becomes a path, is not one that the collection gives.
        """
        wheels = cls(told["folder"], told["interpreter"], told["files"], told["tools"])
        if not re.fullmatch("[0-9a-f]{12}", wheels.folder):
            raise Failed(f"{wheels.folder!r} is not the name of a folder of wheels")
        for name in wheels.all:
            _pin(name)
        return wheels

    @property
    def all(self) -> dict[str, str]:
        """All of them, by the name of the file."""
        return {**self.files, **self.tools}

    @property
    def packed(self) -> str:
        """The name of their archive; after gathering again, the same folder may contain other wheels."""
        return f"{self.folder}-{self.digest}"

    def as_dict(self) -> dict[str, Any]:
        """Return the description of the wheels."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """The digest of the wheels, for `Recipe.wheels`.

        It includes the wheels of the collection, so that a build is never without the folder that its release needs.
        """
        return digest("wheels", self.files, self.tools)

    def requirements(self) -> str:
        """Return them as a requirements file that allows these files and no others."""
        return "".join(f"{_pin(name)} --hash=sha256:{sha256}\n" for name, sha256 in sorted(self.files.items()))


class Folder(Index):
    """A folder that replaces an index: nothing is requested from any other place."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def environment(self) -> dict[str, str]:
        """Return the variables that configure pip and uv, and make pip ignore the host's own configuration."""
        return {**super().environment(), "PIP_CONFIG_FILE": os.devnull}

    def arguments(self) -> list[str]:
        """Return the arguments for both, because uv has no variable for "no index"."""
        return ["--no-index", "--find-links", str(self.path)]


class FromFolder:
    """Packages that are installed from wheels on this host.

    :param path: the folder with the wheels.
    :param interpreter: the tag of the host's interpreter.
    :raises Failed: if they were gathered for another interpreter.
    """

    def __init__(self, wheels: Wheels, path: Path, interpreter: str) -> None:
        if wheels.interpreter != interpreter:
            raise Failed(
                f"the wheels are for {wheels.interpreter}, but this host has {interpreter}: set the same "
                "build.python on both, or let this host fetch its own packages"
            )
        self.wheels = wheels
        self.path = path

    def about(self) -> dict[str, Any]:
        """Return what the manifest of a virtual environment records about the source of its packages."""
        return {"wheels": self.wheels.folder}

    def install(self, tool: Pip | Uv, venv: Path, code: Path, python: str) -> None:
        """Install all wheels, of the dependencies and of the project, into the virtual environment `venv`.

        :raises Failed: when one is missing or is not the one that was gathered.
        """
        _check(self.path, self.wheels)
        if not self.wheels.files:
            return
        with build_user.scratch() as scratch:
            requirements = scratch / "requirements.txt"
            requirements.write_text(self.wheels.requirements(), encoding="utf-8")
            words = ["--require-hashes", "--no-deps", "-r", str(requirements)]
            tool.install(venv, words, "install the packages from wheels")


class Gatherer:
    """Gathers on this host the wheels that an application needs, and those of uv and uWSGI.

    :param recipe: the recipe that they are for; its own `wheels` are ignored.
    :param pins: the locked requirements of uv, pip, uWSGI and the required lock tool, by their names.
    """

    def __init__(self, recipe: Recipe, pins: Mapping[str, str], root: Path = WHEELS) -> None:
        self.recipe = recipe
        self.pins = pins
        self.store = Store(root)
        dependencies = recipe.content["dependencies"]
        inside = recipe.content["digest"] if dependencies["local"] else None
        self.name = digest("wheels", dependencies["digest"], inside, recipe.interpreter, pins["uv"], pins["pyuwsgi"])
        self.path = self.store.path(self.name)

    def find(self) -> Wheels | None:
        """Return the wheels, or None if they are not gathered yet."""
        manifest = self.store.manifest(self.name) if self.store.is_whole(self.name) else None
        return None if manifest is None else Wheels.of(manifest)

    def make(self, archive: Path, python: str, tool: Pip | Uv) -> Wheels:
        """Gather the wheels: fetch them, or build them from source.

        :param archive: the source, as a tar archive.
        :param python: the interpreter that they are for.
        :raises Failed: if one is not available, or is not what was locked; nothing incomplete remains.
        """
        lower_priority()
        pip = [Path(python), pinned_tool(tool, "pip", self.pins["pip"]) / "pip"]
        manifest: dict[str, Any] = {}
        with self.store.create(self.name, manifest) as folder, build_user.scratch() as scratch:
            builder = _WheelBuilder(tool.index, pip, folder, scratch)
            builder.add_application(self.recipe, archive, python, tool, self.pins)
            files = _sums(folder)
            # If the index has no uv, the other hosts install with pip, too.
            for name in (*(["uv"] if isinstance(tool, Uv) else []), "pyuwsgi"):
                builder.add_pinned(self.pins[name])
            tools = {name: sha256 for name, sha256 in _sums(folder).items() if name not in files}
            wheels = Wheels(self.name, self.recipe.interpreter, files, tools)
            write_file(folder / "requirements.txt", wheels.requirements())
            manifest.update(wheels.as_dict())
        return wheels


class _WheelBuilder:
    """pip, which puts wheels into a folder.

    :param pip: the command that runs pip.
    """

    def __init__(self, index: Index, pip: list[Path], folder: Path, scratch: Path) -> None:
        self.index = index
        self.pip = pip
        self.folder = folder
        self.scratch = scratch

    def add_application(
        self, recipe: Recipe, archive: Path, python: str, tool: Pip | Uv, pins: Mapping[str, str]
    ) -> None:
        wanted = Wanted.of(recipe.content["dependencies"])
        code = self.scratch / CODE
        unpack_source(archive, code)
        resolved = Resolved(wanted, tool, code, self.scratch, python, pins)
        words = resolved.arguments()
        if words:
            # pip requires a hash for every package as soon as one has a hash; it checks existing hashes in any case.
            strict = [] if "--require-hashes" in words else ["--no-require-hashes"]
            self._add([*strict, *words], "gather the packages", code)
        project = resolved.project()
        if project:
            cwd = Path(project) if os.path.isdir(project) else code
            self._add(["--no-deps", project], "build a wheel of the project", cwd)

    def add_pinned(self, pin: str) -> None:
        requirements = self.scratch / "pinned.txt"
        requirements.write_text(pin, encoding="utf-8")
        words = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(requirements)]
        self._add(words, f"gather {pin.split()[0]}", self.scratch)

    def _add(self, words: list[str], purpose: str, cwd: Path) -> None:
        # With the current time in it, the same project would give another wheel each time, and so another build.
        env = {**self.index.environment(), "SOURCE_DATE_EPOCH": "315532800"}
        target = ["wheel", "--wheel-dir", str(self.folder)]
        self.index.run([*self.pip, *target, *words], purpose, cwd, env, writes=(self.folder, cwd))


def pack(folder: Path, wheels: Wheels, archive: Path) -> None:
    """Write `wheels` from `folder` to an uncompressed tar archive, because wheels are already compressed.

    :raises Failed: when one is missing or is not the one that was gathered.
    """
    _check(folder, wheels)
    with tarfile.open(archive, "w") as files:
        for name in sorted(wheels.all):
            files.add(folder / name, arcname=name)


def unpack(archive: Path, wheels: Wheels, sent: str, root: Path = WHEELS) -> Path:
    """Return the folder of `wheels` on this host; if it is missing, make it from an archive that `pack` wrote.

    A folder of the same name with other wheels is replaced: they were built again, with a different result.

    :param sent: where the archive was sent from, for the message that says what to remove.
    :raises Failed: if they are not in the archive as they were gathered; nothing incomplete remains.
    """
    store = Store(root)
    path = store.path(wheels.folder)
    manifest = store.manifest(wheels.folder)
    if manifest is not None and (Wheels.of(manifest) != wheels or not store.is_whole(wheels.folder)):
        store.remove(wheels.folder)
        manifest = None
    if manifest is None:
        with store.create(wheels.folder, wheels.as_dict()), tarfile.open(archive) as files:
            for entry in files:
                content = files.extractfile(entry) if entry.isreg() and NAME.fullmatch(entry.name) else None
                if content is None:
                    raise Failed(f"the archive of wheels contains {entry.name!r}, which is not a wheel")
                with content, (path / entry.name).open("wb") as target:
                    shutil.copyfileobj(content, target)
            _check(path, wheels, sent)
    return path


def _check(folder: Path, wheels: Wheels, sent: str = "") -> None:
    """Reject a wheel that is missing in `folder`, or is not the one that was gathered.

    uv would use a copy that it unpacked before without checking the file, and only say that a file is broken.

    :param sent: where it comes from, if that is not the folder itself.
    """
    for name, wanted in wheels.all.items():
        path = folder / name
        found = _sha256(path) if path.exists() else "none, because it is missing"
        if found != wanted:
            raise Failed(
                f"the wheel of {_pin(name)} is not the one that the build host gathered: {path} should "
                f"have SHA-256 {wanted}, and has {found}. Remove {sent or f'{folder} on this host'}, and "
                "run again"
            )


def _pin(name: str) -> str:
    """Return the project and the version in the file name of a wheel, as a requirement.

    :raises Failed: when it is not the name of a wheel.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise Failed(f"{name!r} is not the name of a wheel")
    return f"{match['project']}=={match['version']}"


def _sums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each wheel in `folder`, by the name of its file.

    :raises Failed: if a build has left something else there under the name of a wheel.
    """
    paths = sorted(folder.glob("*.whl"))
    for path in paths:
        if not build_user.is_plain_file(path):
            raise Failed(f"a build left {path.name}, which is not a file, and so not a wheel")
    return {path.name: _sha256(path) for path in paths}


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            total.update(part)
    return total.hexdigest()
