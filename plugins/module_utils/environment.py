# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What systemd reads of an application: its variables, and the commands that it runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any


def environment_file(env: dict[str, Any]) -> str:
    """Return `env` as systemd reads it back from an `EnvironmentFile`, byte for byte.

    Inside double quotes only these four characters take a backslash, and a line may end
    (systemd, src/basic/env-file.c).
    """
    lines = []
    for name, value in sorted(env.items()):
        text = str(value)
        for character in '\\"`$':
            text = text.replace(character, "\\" + character)
        lines.append(f'{name}="{text}"\n')
    return "".join(lines)


def command_line(command: str, code: Path) -> str:
    """Return `command` as systemd reads it in `ExecStart`: its words, in which nothing is expanded.

    systemd takes escapes of C within quotes, specifiers after a percent sign, and variables after a dollar sign
    (systemd.service(5), "Command lines").

    :param code: where a program lies that is named by a relative path.
    """
    program, *words = shlex.split(command)
    if "/" in program:
        program = str(code / program)
    escaped = [word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") for word in (program, *words)]
    return " ".join(f'"{word}"' for word in [escaped[0], *(word.replace("$", "$$") for word in escaped[1:])])


def variables(text: str) -> set[tuple[str, str]]:
    """Return the names and quoted values in what `environment_file` wrote."""
    return set(re.findall(r'^([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"$', text, re.MULTILINE | re.DOTALL))
