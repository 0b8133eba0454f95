# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Requirements files in the format of pip: what each line means, and which lines are not supported.

A line is either supported by both pip and uv, or refused with its number: nothing is silently ignored.
(pip, "Requirements File Format"; uv, `crates/uv-requirements-txt`, warns about what it ignores.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.wsgi.production.plugins.plugin_utils.libraries import note_missing

try:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name
except ImportError as error:
    note_missing(error)

# Packages that the collection installs itself, in addition to the application's packages.
OWN = {"uwsgi", "pyuwsgi"}

INCLUDES = ("-r", "-c")
PATHS = ("-e", "-f")
SHORT = {
    "--requirement": "-r",
    "--constraint": "-c",
    "--editable": "-e",
    "--find-links": "-f",
    "--index-url": "-i",
    "--pypi-url": "-i",
}

# Options without a value, and options with one. Both tools support them, uv some of them under another name.
FLAGS = ("--no-index", "--pre", "--require-hashes")
WITH_VALUE = ("-r", "-c", "-e", "-f", "-i", "--extra-index-url", "--no-binary", "--only-binary")

# Options that the installer would ignore, and what to do instead.
REFUSED = {
    "--trusted-host": "packages are fetched only over verified connections; add the certificate of this host "
    "to python_app_ca_bundle",
    "--config-settings": "uv does not support it; build the wheel yourself and name its file",
    "--config-setting": "uv does not support it; build the wheel yourself and name its file",
    "--global-option": "uv does not support it; build the wheel yourself and name its file",
    "--install-option": "no current tool supports it; remove it",
    "--prefer-binary": "uv does not support it; write --only-binary and the names of the packages",
    "--use-feature": "uv does not support it; remove it",
    "--process-dependency-links": "no current tool supports it; remove it",
}

HASH = re.compile(r"\s+--hash[=\s]\S+")
OPTION = re.compile(r"(--?[A-Za-z][A-Za-z-]*)[=\s]*(.*)", re.DOTALL)
GLUED = re.compile(r"^-([rcefi])(?=[^\s=])")
VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
VERSION_CONTROL = re.compile(r"(?:^|@\s*)(git|hg|svn|bzr)\+")
LEGACY_EGG = re.compile(r"#(?:.*&)?egg=([\w.-]+)", re.ASCII)


@dataclass(frozen=True)
class Line:
    """One requirement or option.

    :param number: the number of its first line in the file, from 1.
    :param option: the option, in its short form if it has one; empty for a requirement.
    :param value: the requirement, or the value of the option, without hashes.
    """

    number: int
    option: str
    value: str

    @property
    def includes(self) -> bool:
        """Whether it names another requirements file."""
        return self.option in INCLUDES

    @property
    def is_path(self) -> bool:
        """Whether it names a package by its path, as far as the line itself shows."""
        editable = self.option == "-e" and not VERSION_CONTROL.match(self.value)
        return editable or (not self.option and self.value.startswith(("file:", ".", "/")))

    @property
    def package(self) -> str:
        """The canonical name of the package that it asks for; empty if the line does not contain it."""
        if self.option and self.option != "-e":
            return ""
        try:
            return canonicalize_name(Requirement(self.value).name)
        except InvalidRequirement:
            egg = LEGACY_EGG.search(self.value)
            return canonicalize_name(egg.group(1)) if egg else ""


def lines(text: str) -> Iterator[Line]:
    """Yield the lines of a requirements file, without comments and with continued lines joined."""
    number, begun, parts = 0, 0, []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        begun = begun or number
        comment = re.match(r"\s*#", line)
        if line.endswith("\\") and not comment:
            parts.append(line[:-1])
            continue
        parts.append("" if comment and parts else line)
        whole = re.sub(r"(^|\s)#.*$", "", "".join(parts)).strip()
        if whole:
            yield _line(begun, whole)
        begun, parts = 0, []


def objections(name: str, text: str) -> list[str]:
    """Return a sentence for each line of the requirements file `name` that is not supported."""
    if text.startswith(("\ufeff", "\udcff\udcfe", "\udcfe\udcff")) or "\0" in text:
        return [f"{name} is not UTF-8 text, or has a byte order mark, as PowerShell writes it; save it as plain UTF-8"]
    found = []
    for line in lines(text):
        wrong = _objection(line)
        if wrong:
            # A URL may contain a password.
            shown = line.option or re.sub(r"://[^/\s@]*@", "://***@", line.value)
            found.append(f"{name}, line {line.number}: {shown}: {wrong}")
    return found


def is_ours(package: str) -> bool:
    """Return whether the collection installs a package itself, because a second copy would conflict with it."""
    return canonicalize_name(package) in OWN


OURS = "the collection installs its own uWSGI; remove it"


def _line(number: int, whole: str) -> Line:
    if not whole.startswith("-"):
        return Line(number, "", HASH.sub("", whole).strip())
    match = OPTION.fullmatch(GLUED.sub(r"-\1 ", whole))
    option, value = match.groups() if match else (whole, "")
    return Line(number, SHORT.get(option, option), HASH.sub("", value).strip())


def _objection(line: Line) -> str | None:
    """Return why a line is not supported, and what to do; None if it is supported."""
    if line.option:
        return _of_option(line.option, line.value) or _of_value(line) or _of_path(line)
    return _of_value(line) or _of_requirement(line)


def _of_option(option: str, value: str) -> str | None:
    if option in REFUSED:
        return REFUSED[option]
    if option not in (*FLAGS, *WITH_VALUE):
        return "there is no such option; remove it"
    if option in WITH_VALUE and not value:
        return "its value is missing"
    if option in FLAGS and value:
        return f"{value!r} after it has no meaning; write it on its own line"
    return None


def _of_value(line: Line) -> str | None:
    variable = VARIABLE.search(line.value)
    if variable:
        return f"{variable.group()} is not replaced on a host; for an index with a password, set python_app_index_url"
    control = VERSION_CONTROL.search(line.value)
    if control and control.group(1) != "git":
        return f"uv does not support {control.group(1)}; build the package yourself and name the file of its wheel"
    if control and line.option == "-e":
        return "uv cannot install a repository as editable, and a deployment does not need it; remove -e"
    return None


def _of_path(line: Line) -> str | None:
    option, value = line.option, line.value
    if option not in (*INCLUDES, *PATHS):
        return None
    if line.includes and "://" in value:
        return "other files must be part of the source; download the file and name it here"
    if re.search(r"\s", value):
        return "the name of a file cannot contain spaces here; rename it"
    return _absolute(option) if os.path.isabs(value) or value.startswith("file:/") else None


def _of_requirement(line: Line) -> str | None:
    value = line.value
    if line.package and is_ours(line.package):
        return OURS
    if re.search(r"(^|@\s*)file:/|^/", value):
        return _absolute("")
    unknown = re.search(r"\s(--[a-z-]+)", value)
    if unknown:
        return REFUSED.get(unknown.group(1), f"{unknown.group(1)} is not supported here; remove it")
    if line.is_path or "://" in value.partition(";")[0] or re.fullmatch(r"[\w./-]+\.(whl|zip|tar\.gz|tgz)", value):
        return None
    if re.match(r"[\w.-]+/", value):
        # The path of a directory in the source.
        return None
    try:
        Requirement(value)
    except InvalidRequirement:
        return "this is not a requirement; write a name and a version, such as flask==3.1.2"
    return None


def _absolute(option: str) -> str:
    what = "file" if option in INCLUDES else "package"
    return f"this path is on another machine; put the {what} into the source, or write a version"
