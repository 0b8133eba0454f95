# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The dependencies of an application: which file of its source says them, and what else decides what is installed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import tomllib

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils import requirements_file
from ansible_collections.wsgi.production.plugins.plugin_utils.directory import Directory
from ansible_collections.wsgi.production.plugins.plugin_utils.libraries import note_missing

try:
    from packaging.utils import canonicalize_name
except ImportError as error:
    note_missing(error)

REQUIREMENTS = "requirements.txt"
PYPROJECT = "pyproject.toml"

# Locks by their names, and what their tools want beside them.
LOCKS = {
    "uv.lock": ("uv", PYPROJECT),
    "pylock.toml": ("pylock", ""),
    "poetry.lock": ("poetry", PYPROJECT),
    "Pipfile.lock": ("pipfile", "Pipfile"),
}
CANDIDATES = (*LOCKS, REQUIREMENTS)

# PEP 751
NAMED_PYLOCK = re.compile(r"pylock\.[^.]+\.toml")

# The formats with which the project itself may be installed, and those of them that know its extras.
OF_PROJECT = ("pyproject", "uv", "poetry", "pylock")
WITH_EXTRAS = ("pyproject", "uv", "poetry")

# What the files of a format have where they pin files by hash, and where a package lies in the source itself.
# A wrong guess of the second costs an environment that need not have been made.
OF_LOCKS = re.compile(r"""\bsha(256|384|512)(:|\s*=\s*["'])""")
HASHED = {
    "requirements": re.compile("--hash="),
    "uv": OF_LOCKS,
    "poetry": OF_LOCKS,
    "pipfile": OF_LOCKS,
    "pylock": OF_LOCKS,
}
LOCAL = {
    "pyproject": re.compile(r"\b(path|workspace)\s*=|@\s*file:"),
    "uv": re.compile(r"""\b(directory|path)\s*=|\beditable\s*=\s*"(?!\.")"""),
    "poetry": re.compile(r"""\btype\s*=\s*"(directory|file)\""""),
    "pipfile": re.compile(r'"path":|"file": "(?!https?:)'),
    "pylock": re.compile(r"\bpath\s*="),
}

# Where a file of a format asks for uWSGI, which is not the application's to bring.
_OURS = r"(?P<name>(?i:py)?(?i:uwsgi))"
_OF_TOML = re.compile(rf"""^name\s*=\s*["']{_OURS}["']""", re.MULTILINE)
OURS = {
    "uv": _OF_TOML,
    "poetry": _OF_TOML,
    "pylock": _OF_TOML,
    "pipfile": re.compile(rf'^\s*"{_OURS}":', re.MULTILINE),
    "pyproject": re.compile(rf"""^\s*(dependencies\s*=\s*\[\s*)?["']{_OURS}\s*(\[|[=~<>!;]|["'])""", re.MULTILINE),
}


@dataclass(frozen=True)
class Dependencies:
    """What decides which packages are installed.

    :param file: the name of the dependency file inside the archive.
    :param format: what kind of file that is.
    :param texts: it and all other files that decide, by their names.
    :param local: whether the packages depend on the whole source.
    :param project: what is installed after the dependencies: `.`, the file name of a wheel, or nothing.
    :param extras: those of the project that are wanted.
    :param options: those of a requirements file that the installer must be told.
    :param label: what to call it where no such file is the operator's.
    """

    file: str
    format: str
    texts: dict[str, str]
    local: bool
    project: str = ""
    extras: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    label: str = ""

    def content(self) -> dict[str, Any]:
        """Return what the host has to know of them."""
        decides = repr((self.format, self.extras, sorted(self.texts.items())))
        pattern = HASHED.get(self.format)
        return {
            "file": self.file,
            "format": self.format,
            "digest": hashlib.sha256(decides.encode("utf-8", "surrogateescape")).hexdigest(),
            "hashed": "--require-hashes" in self.options
            or (pattern is not None and any(pattern.search(text) for text in self.texts.values())),
            "local": self.local,
            "project": self.project,
            "extras": list(self.extras),
            "options": list(self.options),
            "label": self.label or self.file,
        }


def dependencies_of(directory: Directory, named: str, extras: Iterable[str]) -> Dependencies:
    """Return the dependencies of the application in `directory`.

    :param named: the file that says them; empty to look for it.
    :raises Failed: when there is none, more than one, or not all that belongs to it.
    """
    file = _named(directory, named) if named else _found(directory)
    format_ = _format(file)
    if extras and format_ not in WITH_EXTRAS:
        raise Failed(
            f"build.extras: {file} has no extras; remove them, or set build.dependencies to a "
            "pyproject.toml, uv.lock or poetry.lock"
        )
    if format_ == "requirements":
        return _requirements(directory, file)
    if os.path.dirname(file):
        raise Failed(
            f"build.dependencies: {file} is not in the top directory of the source; make {os.path.dirname(file)} the "
            "source, of a git URL with #subdirectory="
        )
    return _of_project(directory, file, format_, tuple(sorted(set(extras))))


def _named(directory: Directory, named: str) -> str:
    file = os.path.normpath(named)
    if file not in directory.files:
        hint = "git ignores it" if directory.ignores(file) else "write a path relative to build.source"
        raise Failed(f"build.dependencies: {directory.label!r} has no {named}: {hint}")
    return file


def _found(directory: Directory) -> str:
    found = [name for name in CANDIDATES if name in directory.files]
    if len(found) > 1:
        raise Failed(f"{directory.label!r} has {' and '.join(found)}: set build.dependencies to the one to use")
    if found:
        return found[0]
    if PYPROJECT in directory.files and "project" in _toml(directory, _read(directory, PYPROJECT)):
        return PYPROJECT
    for name in CANDIDATES:
        if directory.ignores(name):
            raise Failed(f"{directory.label!r} has no {name}: git ignores it")
    raise Failed(
        f"{directory.label!r} has no {REQUIREMENTS}: write one, which may be empty, or one of "
        f"{', '.join(LOCKS)}, or a {PYPROJECT} with a table [project]"
    )


def _format(file: str) -> str:
    name = os.path.basename(file)
    if name in LOCKS:
        return LOCKS[name][0]
    if NAMED_PYLOCK.fullmatch(name):
        return "pylock"
    if name == PYPROJECT:
        return "pyproject"
    if name.endswith(".txt"):
        return "requirements"
    raise Failed(
        f"build.dependencies: {file} is not a supported format; use *.txt, {', '.join(LOCKS)}, "
        f"pylock.*.toml and {PYPROJECT}"
    )


def _requirements(directory: Directory, file: str) -> Dependencies:
    """Return the dependencies of a requirements file and of all that it includes."""
    texts: dict[str, str] = {}
    waiting = [file]
    local, options, wrong = False, set(), []
    while waiting:
        name = os.path.normpath(waiting.pop())
        if name in texts:
            continue
        if name not in directory.files:
            raise Failed(f"{file} includes {name}, which is not part of {directory.label!r}")
        texts[name] = _read(directory, name)
        wrong += requirements_file.objections(name, texts[name])
        beside = os.path.dirname(name)
        for line in requirements_file.lines(texts[name]) if not wrong else ():
            options.add(line.option)
            if line.includes:
                waiting.append(os.path.join(beside, line.value))
            elif line.is_path:
                local = True
            elif line.option in ("", "-f"):
                # The first word of it: after that come markers.
                word = line.value.split()[0] if line.value else ""
                local = local or any(os.path.exists(directory.path / place / word) for place in ("", beside) if word)
    if wrong:
        raise Failed(f"build.dependencies: {'; '.join(wrong)}")
    return Dependencies(file, "requirements", texts, local, options=options_of(options))


def options_of(written: Iterable[str]) -> tuple[str, ...]:
    """Return those of the options in a requirements file that an installer has to be told of."""
    return tuple(sorted({"--pre", "--extra-index-url", "--require-hashes"}.intersection(written)))


def _of_project(directory: Directory, file: str, format_: str, extras: tuple[str, ...]) -> Dependencies:
    """Return the dependencies of a lock, or of a pyproject.toml without one."""
    texts = {file: _read(directory, file)}
    companion = LOCKS[file][1] if file in LOCKS else ""
    if companion:
        if companion not in directory.files:
            hint = "git ignores it" if directory.ignores(companion) else "put it beside the lock file"
            raise Failed(f"{directory.label!r} has {file}, but no {companion}: {hint}")
        texts[companion] = _read(directory, companion)
    _object_to_ours(file, format_, texts[file])
    local = bool(LOCAL[format_].search(texts[file]))
    if format_ not in OF_PROJECT or PYPROJECT not in directory.files:
        return Dependencies(file, format_, texts, local)
    about = _toml(directory, _read(directory, PYPROJECT))
    if format_ == "pyproject" and "project" not in about:
        raise Failed(f"{PYPROJECT} of {directory.label!r} has no [project] table with the dependencies")
    _object_to_extras(about, extras)
    installed = "." if _is_package(about) else ""
    # A backend reads from the source what is dynamic.
    dynamic = format_ == "pyproject" and "dynamic" in _table(about, "project")
    return Dependencies(file, format_, texts, local or dynamic or bool(installed), installed, extras)


def _object_to_ours(file: str, format_: str, text: str) -> None:
    found = OURS[format_].search(text)
    if found:
        raise Failed(f"build.dependencies: {file}: {found.group('name')}: {requirements_file.OURS}")


def _is_package(about: dict[str, Any]) -> bool:
    """Tell whether a project is installed itself, or only runs from its directory."""
    refused = (
        _table(about, "tool", "uv").get("package") is False,
        _table(about, "tool", "poetry").get("package-mode") is False,
    )
    return "build-system" in about and not any(refused)


def _object_to_extras(about: dict[str, Any], extras: tuple[str, ...]) -> None:
    dynamic = _table(about, "project").get("dynamic")
    if isinstance(dynamic, list) and "optional-dependencies" in dynamic:
        return
    known = {*_table(about, "project", "optional-dependencies"), *_table(about, "tool", "poetry", "extras")}
    normal = {canonicalize_name(name) for name in known}
    for extra in extras:
        if canonicalize_name(extra) not in normal:
            have = f"there are {', '.join(sorted(known))}" if known else "it has none"
            raise Failed(f"build.extras: {PYPROJECT} has no extra {extra!r}; {have}")


def _table(about: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a table in a pyproject.toml, empty if it is not there."""
    for name in names:
        inner = about.get(name)
        about = inner if isinstance(inner, dict) else {}
    return about


def _read(directory: Directory, name: str) -> str:
    try:
        return (directory.path / name).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise Failed(f"{name} of {directory.label!r} cannot be read: {error.strerror}") from error


def _toml(directory: Directory, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise Failed(f"{PYPROJECT} of {directory.label!r} is not TOML: {wrong}") from wrong
