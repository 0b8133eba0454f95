# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The commands that complete a build; they run as the build user."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils import build_user
from ansible_collections.wsgi.production.plugins.module_utils.command import PATH, Failed

LAST_LINES = 20


class Commands:
    """Commands that run in the directory of the code, and may write to it while they run.

    :param env: variables that they see; `PATH`, `HOME` and `TMPDIR` are set for them.
    """

    def __init__(self, commands: Sequence[str], env: Mapping[str, Any]) -> None:
        self.commands = commands
        self.env = env

    def run(self, code: Path, venv: Path, group: int | None = None) -> None:
        """Run the commands in order; afterwards `code` belongs to root again, even if one fails.

        :param venv: the virtual environment whose programs come first in `PATH`.
        :param group: the group that may read `venv`.
        :raises Failed: if a command cannot be started or fails, with the end of its output.
        """
        if not self.commands:
            return
        with build_user.at_work(code) as (user, home):
            env = {
                "LANG": "C.UTF-8",
                **{name: str(value) for name, value in self.env.items()},
                **home,
                "PATH": f"{venv}/bin:{PATH}",
                "VIRTUAL_ENV": str(venv),
            }
            for command in self.commands:
                _run(command, code, env, build_user.switch(user, group))


def _run(command: str, code: Path, env: Mapping[str, str], options: Mapping[str, Any]) -> None:
    try:
        argv = shlex.split(command)
    except ValueError as wrong:
        raise Failed(f"the command {command!r} of the build cannot be parsed: {wrong}") from wrong
    if not argv:
        raise Failed("a command of the build is empty: remove it")
    # Not a pipe: a process that a command leaves running would keep it open.
    with TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                argv,
                cwd=code,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        except OSError as wrong:
            raise Failed(f"the command {command!r} of the build cannot be started: {wrong}") from wrong
        try:
            # Do not reap it yet: its process id must not be reused before its children are killed.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        if status != 0:
            output.seek(0)
            said = output.read().decode(errors="replace").strip().splitlines()
            tail = "\n".join(said[-LAST_LINES:])
            raise Failed(
                f"the command {command!r} of the build failed with status {status}; its output ends with:\n{tail}"
            )
