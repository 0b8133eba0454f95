# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Running other programs, and saying what went wrong in their own words."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Where programs are looked for, however root came to be root.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Failed(Exception):
    """A step could not be taken. Its text is the sentence that the operator reads."""


def run(
    argv: Sequence[str | Path],
    purpose: str,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    given: str = "",
    last_lines: int = 20,
    options: Mapping[str, Any] | None = None,
) -> str:
    """Run a program and return what it wrote to standard output.

    :param purpose: completes the sentence "could not ..." when the program fails.
    :param env: variables to add to a minimal environment.
    :param given: what the program reads from standard input.
    :param last_lines: how many of the program's last lines the error carries.
    :param options: how `subprocess` is to start it otherwise, such as another user.
    :raises Failed: when the program is missing or ends with another status than 0.
    """
    environment = {
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PATH": PATH,
        **(env or {}),
    }
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [os.fspath(word) for word in argv],
            cwd=cwd,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **(options or {}),
        )
    except FileNotFoundError as missing:
        raise Failed(f"could not {purpose}: the host has no {missing.filename}") from missing
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        tail = "\n".join(said[-last_lines:])
        raise Failed(f"could not {purpose}; {os.path.basename(argv[0])} said:\n{tail}")
    return done.stdout


def has(program: str) -> bool:
    """Tell whether this host has a program of that name."""
    return shutil.which(program, path=PATH) is not None


def give_way() -> None:
    """Let visitors come first from here on: what this process starts takes the processors that they leave."""
    os.nice(10)
