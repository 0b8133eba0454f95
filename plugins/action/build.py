# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The controller's half of the module `build`: reads the source, and sends it where it is missing."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.wsgi.production.plugins.action.step import StepAction
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source


class ActionModule(StepAction):
    """Asks the host for the build, and asks again with the source when the host does not have it."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; the result is that of the module."""
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        try:
            source = Source(args["source"])
            args["content"] = source.content()
        except Failed as failure:
            raise AnsibleActionFail(f"{args['name']}: build.source: {failure}") from failure
        result = self.step(args, task_vars or {})
        if result.pop("needs_archive", False):
            args["archive"] = self._send(source)
            result = self.step(args, task_vars or {})
        return result

    def _send(self, source: Source) -> str:
        """Send the archive of `source` to the host and return its path there."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote: str = self._connection._shell.join_path(self._connection._shell.tmpdir, "source.tar.gz")
        with tempfile.NamedTemporaryFile(suffix=".tar.gz", delete=False) as file:
            source.write_archive(file)
        try:
            return self._transfer_file(file.name, remote)
        finally:
            os.unlink(file.name)
