# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""A command of an operator, run once with everything that the live release has."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, shown
from ansible_collections.wsgi.production.plugins.module_utils.environment import command_line
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd
from ansible_collections.wsgi.production.plugins.module_utils.transient import TransientUnit

UNIT = """\
[Unit]
Description={name}, a command in release {release}

[Service]
Type=oneshot
ExecStart={command}
TimeoutStartSec=infinity
StandardOutput=truncate:{output}
StandardError=truncate:{output}
SyslogIdentifier={name}-command
{process}
"""

# How many bytes from the end of its output are read, because a command may write without limit.
MOST_OUTPUT = 1 << 20


class OperatorCommand(TransientUnit):
    """A command in its own unit, with the user, environment, secrets, limits and sandbox of a release.

    :param release: the release whose instance has this environment.
    :param outputs: the directory for the output, in which only root can write.
    """

    def __init__(
        self, layout: Layout, release: str, command: str, systemd: Systemd, outputs: Path = Path("/run")
    ) -> None:
        unit = layout.unit_of(release, f"instance-command-{secrets.token_hex(4)}.service")
        super().__init__(layout.transient / unit, systemd)
        self.layout = layout
        self.release = release
        self.command = command
        self.output = outputs / f"wsgi-{self.unit}.out"

    def text(self) -> str:
        """Return the text of the unit."""
        directory = self.layout.releases / self.release
        instance = (directory / "instance.service").read_text(encoding="utf-8")
        # From here on, the unit describes the environment for any process of a release.
        _before, account, after = instance.partition(f"\nUser={self.layout.name}\n")
        process = (account + after).partition("\n[Install]")[0].strip()
        working_directory = re.findall(r"^WorkingDirectory=(.+)$", process, re.MULTILINE)[-1]
        command = command_line(self.command, Path(working_directory))
        return UNIT.format(
            name=self.layout.name, release=self.release, command=command, output=self.output, process=process
        )

    def run(self) -> str:
        """Run the command, and return the end of its output.

        :raises Failed: with its status and the end of its output, when it fails.
        """
        self.place(self.text())
        try:
            self.systemd.start(self.unit)
        except Failed as failure:
            result, status = self.systemd.properties(self.unit, "Result", "ExecMainStatus")
            how = f"with status {status}" if result == "exit-code" else f"({result})"
            raise Failed(f"{self.command!r} failed {how}; its output ends with:\n{self._read()}") from failure
        else:
            return self._read()
        finally:
            self.forget()
            self.output.unlink(missing_ok=True)

    def _read(self) -> str:
        if not self.output.exists():
            return ""
        with self.output.open("rb") as file:
            file.seek(max(0, self.output.stat().st_size - MOST_OUTPUT))
            return shown(file.read().decode("utf-8", "replace"))
