# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The edge: the configuration of NGINX, checked beside the live one before it replaces it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run
from ansible_collections.wsgi.production.plugins.module_utils.layout import write_file
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

UNIT = "nginx.service"


class Edge:
    """NGINX on this host, with all of its configuration in one file.

    One file is replaced in one step, so there is no moment at which half of a change is in place.

    :param root: NGINX's own configuration directory.
    """

    def __init__(self, systemd: Systemd, root: Path = Path("/etc/nginx")) -> None:
        self.systemd = systemd
        self.live = root / "nginx.conf"
        self.trial = root / "nginx.conf.trial"
        self.due = root / "nginx.conf.due"

    def text(self) -> str:
        """Return the configuration that is in place; empty while there is none."""
        return self.live.read_text(encoding="utf-8") if self.live.exists() else ""

    def serves(self) -> bool:
        """Tell whether NGINX runs with the file in place, and will after the host's next boot."""
        settled = not self.due.exists()
        return settled and self.systemd.is_active(UNIT) and self.systemd.is_enabled(UNIT)

    def replace(self, wanted: str) -> None:
        """Check the text `wanted` with `nginx -t` beside the live file, and put it in place.

        What passed stays beside it until NGINX has taken it up: a run that is killed in between
        leaves a mark of what is due.

        :raises Failed: with NGINX's own words; the live file is untouched then.
        """
        write_file(self.trial, wanted)
        try:
            run(["nginx", "-t", "-q", "-c", self.trial], "use the new configuration of NGINX")
        except Failed:
            self.trial.unlink()
            raise
        self.trial.replace(self.due)
        write_file(self.live, wanted)

    def serve(self) -> None:
        """Make NGINX serve what the file says: reload it where it runs, else start it."""
        if self.systemd.is_active(UNIT):
            run(["systemctl", "reload", UNIT], "reload NGINX")
        else:
            self.systemd.start(UNIT)
        self.systemd.enable(UNIT)
        self.due.unlink(missing_ok=True)
