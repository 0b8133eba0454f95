# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of the module `wheels`: fetches the gathered wheels to the controller once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.wsgi.production.plugins.action.build import SourceAction
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.wheels import Wheels
from ansible_collections.wsgi.production.plugins.plugin_utils.cache import cache

# How many archives of wheels stay on the controller although the run does not need them.
KEPT = 20


class ActionModule(SourceAction):
    """Gathers the wheels on the host, and fetches the ones that the controller does not have."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task, and return the result of the module, with the path of each archive on the controller."""
        super().run(tmp, task_vars)
        result, args = self.with_sources(task_vars or {})
        gathered = result.get("wheels", {})
        folder = cache("wheels")
        try:
            for told in gathered.values():
                told["archive"] = str(folder / f"{Wheels.of(told).packed}.tar")
        except Failed as failure:
            raise AnsibleActionFail(str(failure)) from failure
        lacking = {name: Path(told["archive"]) for name, told in gathered.items() if not Path(told["archive"]).exists()}
        if lacking and not result.get("failed") and not self._task.check_mode:
            args["pack"] = {name: self.remote(f"{name}.wheels.tar") for name in lacking}
            args["apps"] = [app for app in args["apps"] if app["name"] in lacking]
            packed = self.step(args, task_vars or {})
            if packed.get("failed"):
                return packed
            broken = packed.get("broken", {})
            result["broken"] = {**result.get("broken", {}), **broken}
            for name in broken:
                del gathered[name], lacking[name]
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, archive in lacking.items():
                beside = archive.with_suffix(f".{os.getpid()}")
                self._connection.fetch_file(args["pack"][name], str(beside))
                beside.replace(archive)
            unused = set(folder.glob("*.tar")) - {Path(told["archive"]) for told in gathered.values()}
            for old in sorted(unused, key=os.path.getmtime)[:-KEPT]:
                old.unlink()
        return result
