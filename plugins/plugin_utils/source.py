# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The source of an application: which files go to the hosts, wherever they come from."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils import package, repository
from ansible_collections.wsgi.production.plugins.plugin_utils.dependencies import Dependencies, dependencies_of
from ansible_collections.wsgi.production.plugins.plugin_utils.directory import Directory

# What looks like a URL: it may be a repository for git or a package for pip, so it needs a prefix that says which.
URL = re.compile(r"://|^\s*[^\s/]+@[\w.-]+:")

# What may be the name of a package as well as of a directory.
NAME = re.compile(r"[\w.-]+", re.ASCII)


class Source:
    """What is sent to the hosts, and what decides which packages are installed there.

    :param files: a path on the controller, or the content itself, for each name.
    :param commit: the commit of the files, if git knows it.
    :param left_out: names of files and directories that are not sent, though somebody may expect them.
    """

    def __init__(
        self,
        files: Mapping[str, Path | bytes],
        dependencies: Dependencies,
        commit: str | None,
        left_out: tuple[str, ...] = (),
    ) -> None:
        self.files = dict(sorted(files.items()))
        self.dependencies = dependencies
        self.commit = commit
        self.left_out = left_out

    @classmethod
    def of(cls, build: Mapping[str, Any]) -> Source:
        """Return the source that the section `build` of an entry describes.

        Nothing can be wrong with it afterwards, because this reads the dependency files and fetches from git's remote.

        :param build: `source`, and optionally `dependencies`, `extras` and `include`.
        :raises Failed: when there is no such source, or it is incomplete; the message starts with the setting.
        """
        try:
            return cls._read(build)
        except Failed as failure:
            said = str(failure)
            raise Failed(said if said.startswith("build.") else f"build.source: {said}") from failure

    @classmethod
    def _read(cls, build: Mapping[str, Any]) -> Source:
        text = build["source"]
        named = build.get("dependencies") or ""
        extras = build.get("extras") or []
        include = build.get("include") or []
        if not text:
            raise Failed("it is empty; write a directory, the URL of a git repository, or a package")
        if text.startswith(repository.PREFIX):
            address = repository.Address.parse(text)
            path, commit = repository.Repository(address).fetch()
            directory = Directory(path, text, include)
            return cls._of_directory(directory, dependencies_of(directory, named, extras), commit)
        if URL.search(text):
            # Not shown, because it may contain a password.
            raise Failed(
                "this is a URL; that of a git repository begins with git+ and has a / after the host, "
                "such as git+https://git.example.com/hello.git@v1.2 or "
                "git+ssh://git@git.example.com/hello.git@v1.2. Download any other file first, and write "
                "its path"
            )
        path = Path(text).expanduser().absolute()
        wheel = text.endswith(package.WHEEL)
        if wheel or (package.is_package(text) and not path.is_dir()):
            if extras:
                raise Failed(_extras_of(text, wheel))
            if include:
                raise Failed("build.include: a package has no other files; remove it")
            found = package.from_wheel(text, named) if wheel else package.from_index(text, named)
            return cls(found.files, found.dependencies, None)
        if not path.is_dir():
            advice = "; to install a package, add its version, such as hello==1.2" if NAME.fullmatch(text) else ""
            raise Failed(f"{text!r} is not a directory on the controller ({path}){advice}")
        directory = Directory(path, text, include)
        return cls._of_directory(directory, dependencies_of(directory, named, extras), directory.commit())

    @classmethod
    def _of_directory(cls, directory: Directory, dependencies: Dependencies, commit: str | None) -> Source:
        files = {name: directory.path / name for name in directory.files}
        return cls(files, dependencies, commit, tuple(directory.left_out))

    def content(self) -> dict[str, Any]:
        """Return what decides whether a new build is needed, and what its manifest records."""
        return {"digest": self.digest(), "commit": self.commit, "dependencies": self.dependencies.content()}

    def has_directory(self, name: str) -> bool:
        """Return whether there is a directory `name`; a link with that name counts, too."""
        return any(file == name or file.startswith(f"{name}/") for file in self.files)

    def digest(self) -> str:
        """Return the SHA-256 of names, contents, link targets and executable bits."""
        total = hashlib.sha256()
        for name, origin in self.files.items():
            kind, content = _read(origin)
            total.update(f"{kind} {name!a} {hashlib.sha256(content).hexdigest()}\n".encode())
        return total.hexdigest()

    def write_archive(self, file: IO[bytes]) -> None:
        """Write the source as a gzipped tar archive in which root owns everything."""
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
            for name, origin in self.files.items():
                if isinstance(origin, bytes):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(origin)
                    archive.addfile(_owned_by_root(entry), io.BytesIO(origin))
                else:
                    archive.add(origin, arcname=name, recursive=False, filter=_owned_by_root)


def _extras_of(text: str, wheel: bool) -> str:
    advice = "set build.dependencies to a requirements file that pins what they need"
    return f"build.extras: remove them; {advice if wheel else f'write them in brackets, name[extra]==..., in {text!r}'}"


def _read(origin: Path | bytes) -> tuple[str, bytes]:
    """Return what kind of file it is, and its content."""
    if isinstance(origin, bytes):
        return "file", origin
    if origin.is_symlink():
        return "link", os.fsencode(os.readlink(origin))
    return "program" if os.access(origin, os.X_OK) else "file", origin.read_bytes()


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry
