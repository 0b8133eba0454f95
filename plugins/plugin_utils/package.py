# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""An application that is a package: from the package index, or a wheel on the controller."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils import requirements_file
from ansible_collections.wsgi.production.plugins.plugin_utils.dependencies import (
    REQUIREMENTS,
    Dependencies,
    options_of,
)
from ansible_collections.wsgi.production.plugins.plugin_utils.libraries import note_missing

try:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
except ImportError as error:
    note_missing(error)

WHEEL = ".whl"

# The name of a package, and after it what distinguishes it from a directory name: extras, a URL or a version.
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*([\[@]|[=!~<>]=|[<>])")

# The file name of a wheel that can go into a requirements file unchanged.
WHEEL_NAME = re.compile(r"[\w.!+-]+\.whl", re.ASCII)


@dataclass(frozen=True)
class Package:
    """What is sent to the hosts for a package.

    :param files: the content of each file, or its path on the controller, by its name.
    """

    files: dict[str, Path | bytes]
    dependencies: Dependencies


def is_package(text: str) -> bool:
    """Return whether `text` names a package in the index rather than a directory."""
    return PACKAGE.match(text) is not None


def from_index(text: str, named: str) -> Package:
    """Return the package in the index that `text` names, such as `httpbin==0.10.2`.

    :param named: a requirements file on the controller that pins it and all its dependencies; empty for none.
    :raises Failed: when `text` does not pin a version, or the file does not pin the same version.
    """
    try:
        wanted = Requirement(text)
    except InvalidRequirement as wrong:
        raise Failed(f"{text!r} is not a package; write a name and a version, such as httpbin==0.10.2") from wrong
    pinned = [(one.operator, one.version.endswith(".*")) for one in wanted.specifier] == [("==", False)]
    if not pinned or wanted.marker:
        raise Failed(f"{text!r} does not pin a version: write {wanted.name}==1.0 or the like")
    if not named:
        return _package({}, f"{wanted}\n", local=False, label=str(wanted))
    requirements = _from_controller(named)
    if not any(_pins(line.value, wanted) for line in requirements_file.lines(requirements) if not line.option):
        raise Failed(f"build.dependencies: {named} does not contain {wanted.name}{wanted.specifier}: pin it there too")
    return _package({}, requirements, local=False)


def from_wheel(text: str, named: str) -> Package:
    """Return the wheel at the path `text` on the controller.

    :param named: a requirements file on the controller that pins all its dependencies; empty for none.
    :raises Failed: when there is no such wheel.
    """
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise Failed(f"{text!r} is not a file on the controller ({path})")
    try:
        parse_wheel_filename(path.name)
        known = WHEEL_NAME.fullmatch(path.name)
    except InvalidWheelFilename:
        known = None
    if not known:
        raise Failed(f"{text!r} does not have the name of a wheel, such as shop-1.0-py3-none-any.whl; keep that name")
    if not zipfile.is_zipfile(path):
        raise Failed(f"{text!r} is not a wheel: it is not a complete zip file; build it again")
    # The wheel itself, not a link to it.
    files: dict[str, Path | bytes] = {path.name: path.resolve()}
    if named:
        return _package(files, _from_controller(named), local=True, project=path.name)
    return _package(files, f"./{path.name}\n", local=True, label=path.name)


def _package(
    files: dict[str, Path | bytes], requirements: str, local: bool, project: str = "", label: str = ""
) -> Package:
    options = options_of(line.option for line in requirements_file.lines(requirements))
    name, kind = REQUIREMENTS.file, REQUIREMENTS.name
    dependencies = Dependencies(name, kind, {name: requirements}, local, project, options=options, label=label)
    return Package({**files, name: requirements.encode("utf-8", "surrogateescape")}, dependencies)


def _from_controller(named: str) -> str:
    """Return the text of a requirements file on the controller that needs no other file."""
    path = Path(named).expanduser().absolute()
    if not path.is_file() or path.suffix != ".txt":
        raise Failed(f"build.dependencies: {named!r} is not a requirements file (*.txt) on the controller ({path})")
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    for line in requirements_file.lines(text):
        if line.includes or line.is_path:
            raise Failed(
                f"build.dependencies: {named} needs another file, {line.value}, which is not copied to "
                "the hosts; write one file that pins everything, for example with `uv pip compile`"
            )
    wrong = requirements_file.objections(named, text)
    if wrong:
        raise Failed(f"build.dependencies: {'; '.join(wrong)}")
    return text


def _pins(value: str, wanted: Requirement) -> bool:
    """Return whether a line of a requirements file pins exactly the wanted version."""
    try:
        line = Requirement(value)
    except InvalidRequirement:
        return False
    return canonicalize_name(line.name) == canonicalize_name(wanted.name) and line.specifier == wanted.specifier
