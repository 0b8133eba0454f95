# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The parts of an application that systemd reads: its variables, and the commands that it runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any


def environment_file(env: dict[str, Any]) -> str:
    """Return `env` as the text of an `EnvironmentFile` that systemd reads back byte for byte.

    Inside double quotes, only these four characters need a backslash, and line breaks are allowed (systemd,
    src/basic/env-file.c).
    """
    lines = []
    for name, value in sorted(env.items()):
        text = str(value)
        for character in '\\"`$':
            text = text.replace(character, "\\" + character)
        lines.append(f'{name}="{text}"\n')
    return "".join(lines)


def command_line(command: str, code: Path) -> str:
    """Return `command` for `ExecStart`, escaped so that systemd expands nothing in its words.

    systemd interprets C escapes within quotes, specifiers after a percent sign, and variables after a dollar sign
    (systemd.service(5), "Command lines").

    :param code: the directory that the relative path of a program starts from.
    """
    program, *words = shlex.split(command)
    if "/" in program:
        program = str(code / program)
    escaped = [word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") for word in (program, *words)]
    return " ".join(f'"{word}"' for word in [escaped[0], *(word.replace("$", "$$") for word in escaped[1:])])


def variables(text: str) -> set[tuple[str, str]]:
    """Return the names and quoted values in a text from `environment_file`."""
    return set(re.findall(r'^([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"$', text, re.MULTILINE | re.DOTALL))
