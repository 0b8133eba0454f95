# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of the module `build`: reads the sources, and sends them to hosts that lack them."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.utils.display import Display

from ansible_collections.wsgi.production.plugins.action.step import StepAction
from ansible_collections.wsgi.production.plugins.module_utils.formats import LOCK_TOOLS
from ansible_collections.wsgi.production.plugins.plugin_utils.pinned import pins
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source
from ansible_collections.wsgi.production.plugins.plugin_utils.steps import sources
from ansible_collections.wsgi.production.plugins.plugin_utils.survey import SURVEY

# How many names of left-out files a warning lists.
MOST_NAMES = 10

display = Display()


class SourceAction(StepAction):
    """Runs the step on the host, and runs it again with the sources that the host does not have."""

    def with_sources(self, task_vars: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run the task's step; return its result, and the arguments of the last call."""
        args = self.arguments()
        result = self.known(args, task_vars) or self.step(args, task_vars)
        missing = result.pop("missing", [])
        if missing and not result.get("failed") and not self._task.check_mode:
            lacking = sources([app for app in args["apps"] if app["name"] in missing])
            args["archives"] = {name: self._send_source(name, source) for name, source in lacking.items()}
            for name, source in lacking.items():
                if source.left_out:
                    # Ansible shows identical warnings only once, whichever host or build host the source is sent to.
                    display.warning(
                        f"{name}: left out of the build: {_listed(source.left_out)}. Add what it needs to build.include"
                    )
            formats = {args["contents"][name]["dependencies"]["format"] for name in missing}
            lock_tools = [LOCK_TOOLS[one] for one in formats if one in LOCK_TOOLS]
            args["pins"] = {**args["pins"], **pins(*lock_tools)}
            self.send_more(missing, args)
            result = self.step(args, task_vars)
            result.pop("missing", None)
        return result, args

    def known(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any] | None:
        """Return the host's answer if the run already knows it, else None."""

    def send_more(self, missing: list[str], args: dict[str, Any]) -> None:
        """Send what else the applications `missing` need, and add its paths to `args`."""

    def remote(self, name: str) -> str:
        """Return the path of a temporary file on the host."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        path: str = self._connection._shell.join_path(self._connection._shell.tmpdir, name)
        return path

    def _send_source(self, name: str, source: Source) -> str:
        """Send the archive of `source` to the host and return its path there."""
        with tempfile.NamedTemporaryFile(suffix=".tar.gz", delete=False) as file:
            source.write_archive(file)
        try:
            sent: str = self._transfer_file(file.name, self.remote(f"{name}.tar.gz"))
            return sent
        finally:
            os.unlink(file.name)


class ActionModule(SourceAction):
    """Also sends the wheels if builds are installed from them."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task, and return the result of the module."""
        super().run(tmp, task_vars)
        return self.with_sources(task_vars or {})[0]

    def known(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any] | None:
        """Return the builds that the survey found to be missing."""
        missing = [name for name in (task_vars.get(SURVEY) or {}).get("missing", []) if name in args["contents"]]
        return {"missing": missing} if missing and not self._task.check_mode else None

    def send_more(self, missing: list[str], args: dict[str, Any]) -> None:
        """Send the wheels."""
        gathered = {name: told for name, told in args.get("wheels", {}).items() if name in missing}
        args["wheel_archives"] = {
            name: self._transfer_file(told["archive"], self.remote(f"{name}.wheels.tar"))
            for name, told in gathered.items()
        }


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
