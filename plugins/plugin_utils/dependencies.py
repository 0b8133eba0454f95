# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The dependencies of an application: which file of its source lists them, and what else decides what is installed."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils import requirements_file
from ansible_collections.wsgi.production.plugins.plugin_utils.directory import Directory
from ansible_collections.wsgi.production.plugins.plugin_utils.libraries import note_missing

try:
    from packaging.utils import canonicalize_name
except ImportError as error:
    note_missing(error)

PYPROJECT = "pyproject.toml"

# PEP 751
NAMED_PYLOCK = re.compile(r"pylock\.[^.]+\.toml")

# How lock files write a hash, and how a file asks for uWSGI, which the application must not install.
_HASH = re.compile(r"""\bsha(256|384|512)(:|\s*=\s*["'])""")
_UWSGI = r"(?P<name>(?i:py)?(?i:uwsgi))"
_UWSGI_IN_TOML = re.compile(rf"""^name\s*=\s*["']{_UWSGI}["']""", re.MULTILINE)


@dataclass(frozen=True)
class Format:
    """A kind of file that lists dependencies.

    :param name: its name on the host.
    :param file: the usual name of such a file.
    :param companion: the name of the file that its tool needs next to it.
    :param with_project: whether the project itself can be installed after the dependencies.
    :param with_extras: whether it supports the extras of the project.
    :param hashed: matches a file that pins packages by hash.
    :param local: matches a file with a package that is in the source. A wrong match costs an unnecessary environment.
    :param uwsgi: matches where a file asks for uWSGI.
    """

    name: str
    file: str
    companion: str = ""
    with_project: bool = False
    with_extras: bool = False
    hashed: re.Pattern[str] | None = None
    local: re.Pattern[str] | None = None
    uwsgi: re.Pattern[str] | None = None


UV = Format(
    "uv",
    "uv.lock",
    companion=PYPROJECT,
    with_project=True,
    with_extras=True,
    hashed=_HASH,
    local=re.compile(r"""\b(directory|path)\s*=|\beditable\s*=\s*"(?!\.")"""),
    uwsgi=_UWSGI_IN_TOML,
)
PYLOCK = Format(
    "pylock",
    "pylock.toml",
    with_project=True,
    hashed=_HASH,
    local=re.compile(r"\bpath\s*="),
    uwsgi=_UWSGI_IN_TOML,
)
POETRY = Format(
    "poetry",
    "poetry.lock",
    companion=PYPROJECT,
    with_project=True,
    with_extras=True,
    hashed=_HASH,
    local=re.compile(r"""\btype\s*=\s*"(directory|file)\""""),
    uwsgi=_UWSGI_IN_TOML,
)
PIPFILE = Format(
    "pipfile",
    "Pipfile.lock",
    companion="Pipfile",
    hashed=_HASH,
    local=re.compile(r'"path":|"file": "(?!https?:)'),
    uwsgi=re.compile(rf'^\s*"{_UWSGI}":', re.MULTILINE),
)
# Its lines are checked one by one for paths and for uWSGI.
REQUIREMENTS = Format("requirements", "requirements.txt", hashed=re.compile("--hash="))
PROJECT = Format(
    "pyproject",
    PYPROJECT,
    with_project=True,
    with_extras=True,
    local=re.compile(r"\b(path|workspace)\s*=|@\s*file:"),
    uwsgi=re.compile(rf"""^\s*(dependencies\s*=\s*\[\s*)?["']{_UWSGI}\s*(\[|[=~<>!;]|["'])""", re.MULTILINE),
)

LOCKS = {lock.file: lock for lock in (UV, PYLOCK, POETRY, PIPFILE)}
FORMATS = {one.name: one for one in (*LOCKS.values(), REQUIREMENTS, PROJECT)}
CANDIDATES = (*LOCKS, REQUIREMENTS.file)


@dataclass(frozen=True)
class Dependencies:
    """What decides which packages are installed.

    :param file: the name of the dependency file inside the archive.
    :param format: what kind of file that is.
    :param texts: the text of this file and of all others that decide, by their names.
    :param local: whether the packages depend on the whole source.
    :param project: what is installed after the dependencies: `.`, the file name of a wheel, or nothing.
    :param extras: the wanted extras of the project.
    :param options: the options of a requirements file that must be passed to the installer.
    :param label: what to call the file if it is not the operator's.
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
        """Return what the host must know about them."""
        decides = repr((self.format, self.extras, sorted(self.texts.items())))
        known = FORMATS.get(self.format)
        pattern = known.hashed if known else None
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

    :param named: the file that lists them; empty to search for it.
    :raises Failed: when there is no such file, more than one, or when a file that it needs is missing.
    """
    file = _named(directory, named) if named else _found(directory)
    kind = _format(file)
    if extras and not kind.with_extras:
        raise Failed(
            f"build.extras: {file} has no extras; remove them, or set build.dependencies to a "
            "pyproject.toml, uv.lock or poetry.lock"
        )
    if kind is REQUIREMENTS:
        return _requirements(directory, file)
    if os.path.dirname(file):
        raise Failed(
            f"build.dependencies: {file} is not in the top directory of the source; make {os.path.dirname(file)} the "
            "source, of a git URL with #subdirectory="
        )
    return _of_project(directory, file, kind, tuple(sorted(set(extras))))


def _named(directory: Directory, named: str) -> str:
    file = os.path.normpath(named)
    if file not in directory.files:
        outside = os.path.isabs(file) or file.startswith("..")
        ignored = not outside and directory.ignores(file)
        hint = "git ignores it" if ignored else "write a path relative to build.source"
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
        f"{directory.label!r} has no {REQUIREMENTS.file}: write one, which may be empty, or one of "
        f"{', '.join(LOCKS)}, or a {PYPROJECT} with a table [project]"
    )


def _format(file: str) -> Format:
    name = os.path.basename(file)
    if name in LOCKS:
        return LOCKS[name]
    if NAMED_PYLOCK.fullmatch(name):
        return PYLOCK
    if name == PYPROJECT:
        return PROJECT
    if name.endswith(".txt"):
        return REQUIREMENTS
    raise Failed(
        f"build.dependencies: {file} is not a supported format; use *.txt, {', '.join(LOCKS)}, "
        f"pylock.*.toml and {PYPROJECT}"
    )


def _requirements(directory: Directory, file: str) -> Dependencies:
    """Return the dependencies in a requirements file and in all files that it includes."""
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
                # Only the first word, because markers follow it.
                word = line.value.split()[0] if line.value else ""
                local = local or any(os.path.exists(directory.path / place / word) for place in ("", beside) if word)
    if wrong:
        raise Failed(f"build.dependencies: {'; '.join(wrong)}")
    return Dependencies(file, REQUIREMENTS.name, texts, local, options=options_of(options))


def options_of(written: Iterable[str]) -> tuple[str, ...]:
    """Return the options of a requirements file that must be passed to an installer."""
    return tuple(sorted({"--pre", "--extra-index-url", "--require-hashes"}.intersection(written)))


def _of_project(directory: Directory, file: str, kind: Format, extras: tuple[str, ...]) -> Dependencies:
    """Return the dependencies in a lock file, or in a pyproject.toml without a lock file."""
    text = _read(directory, file)
    texts = {file: text}
    if kind.companion:
        if kind.companion not in directory.files:
            hint = "git ignores it" if directory.ignores(kind.companion) else "put it beside the lock file"
            raise Failed(f"{directory.label!r} has {file}, but no {kind.companion}: {hint}")
        texts[kind.companion] = _read(directory, kind.companion)
    uwsgi = kind.uwsgi and kind.uwsgi.search(text)
    if uwsgi:
        raise Failed(f"build.dependencies: {file}: {uwsgi.group('name')}: {requirements_file.OURS}")
    local = bool(kind.local and kind.local.search(text))
    if not kind.with_project or PYPROJECT not in directory.files:
        return Dependencies(file, kind.name, texts, local)
    about = _toml(directory, _read(directory, PYPROJECT))
    if kind is PROJECT and "project" not in about:
        raise Failed(f"{PYPROJECT} of {directory.label!r} has no [project] table with the dependencies")
    _object_to_extras(about, extras)
    installed = "." if _is_package(about) else ""
    # A build backend reads dynamic fields from the source.
    dynamic = kind is PROJECT and "dynamic" in _table(about, "project")
    return Dependencies(file, kind.name, texts, local or dynamic or bool(installed), installed, extras)


def _is_package(about: dict[str, Any]) -> bool:
    """Return whether a project itself is installed, and does not only run from its directory."""
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
    """Return a table of a pyproject.toml, empty if it does not exist."""
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
