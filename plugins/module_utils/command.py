# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Running other programs, and reporting their failures with their own output."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# The directories to search for programs, whatever `PATH` root has.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# Characters that a terminal obeys instead of showing them: all control characters except newline and tab.
CONTROLS = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Failed(Exception):
    """A step failed; the text is the sentence that the operator reads."""

    def __init__(self, text: str = "") -> None:
        super().__init__(shown(text))


class TookTooLong(Failed):
    """A program was stopped because it took too long."""


def shown(text: str) -> str:
    """Return `text`, which may be untrusted, with all characters escaped that a terminal would obey."""
    return CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def run(
    argv: Sequence[str | Path],
    purpose: str,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    given: str = "",
    last_lines: int = 20,
    options: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    hear: Callable[[str], None] | None = None,
) -> str:
    """Run a program and return what it wrote to standard output.

    :param purpose: completes the sentence "could not ..." when the program fails.
    :param env: variables to add to a minimal environment.
    :param given: what the program reads from standard input.
    :param last_lines: how many of the program's last lines the error contains.
    :param options: more options for `subprocess`, such as another user.
    :param seconds: how long it may run.
    :param hear: called with the standard error of a program that succeeded.
    :raises TookTooLong: if it takes longer.
    :raises Failed: if the program is missing, or exits with a status other than 0.
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
            timeout=seconds,
            **(options or {}),
        )
    except subprocess.TimeoutExpired as late:
        raise TookTooLong(f"could not {purpose} within {seconds:g} s") from late
    except FileNotFoundError as missing:
        raise Failed(f"could not {purpose}: {missing.filename} is not installed on the host") from missing
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        tail = "\n".join(said[-last_lines:])
        raise Failed(f"could not {purpose}; {os.path.basename(argv[0])} said:\n{tail}")
    if hear:
        hear(done.stderr)
    return done.stdout


def has(program: str) -> bool:
    """Return whether this host has a program of that name."""
    return shutil.which(program, path=PATH) is not None


def lower_priority() -> None:
    """Lower the CPU priority of this process and of everything that it starts, so that visitors come first."""
    os.nice(10)
