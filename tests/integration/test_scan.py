"""What a scanner of configurations thinks of a site with everything on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import NginxSite
from tests.integration.test_tls import authority, own
from tests.rig import scanners
from tests.rig.authority import Authority

__all__ = ["authority"]

# NGINX 1.26 is the newer one, whose configuration has the newer directives.
pytestmark = pytest.mark.on("debian13")

# What gixy rates medium or above, and why it may stay so.
WAIVED = {
    "try_files_is_evil_too": "a cache of open files would go on with those of the release before a switch",
    "worker_rlimit_nofile_vs_connections": "systemd sets the limit, LimitNOFILE, and NGINX may not change it",
}


def test_gixy_finds_nothing_in_a_site_with_everything_on(
    nginx: NginxSite, authority: Authority, tmp_path: Path
) -> None:
    nginx.play(
        {
            "nginx_trusted_proxies": ["192.0.2.0/24"],
            "nginx_snippet": "# by hand",
            "nginx_sites": [
                {
                    **nginx.site,
                    **own(authority, "patient.example.com", "old.example.com"),
                    "aliases": ["old.example.com"],
                    "static": [{"path": "/static/", "directory": "/srv/static", "previous": "/srv/before"}],
                    "uploads": [{"path": "/media/", "directory": "/srv/media"}],
                    "cache_seconds": 5,
                    "basic_auth": {"ann": "a long password"},
                    "maintenance": {"bypass": ["192.0.2.1"]},
                    "requests_per_second": 10,
                    "connections": 10,
                    "health": "/health",
                    "allowed_networks": ["192.0.2.0/24"],
                    "content_security_policy": "default-src 'self'",
                    "snippet": "# by hand",
                }
            ],
        }
    )
    for path in ("nginx.conf", "mime.types", "uwsgi_params"):
        (tmp_path / path).write_text(nginx.server.shell(f"cat /etc/nginx/{path}"))
    config = tmp_path / "nginx.conf"
    text = config.read_text().replace("include /etc/nginx/verify.token;", "").replace("/etc/nginx/", f"{tmp_path}/")
    config.write_text(text)
    scanned = subprocess.run(
        [scanners.program("gixy"), "--format", "json", config], capture_output=True, text=True, check=False
    )
    found = json.loads(scanned.stdout)
    assert {one["plugin"] for one in found} >= set(WAIVED), "what is waived is found, so the scanner has read it"
    bad = [one for one in found if one["severity"] in ("MEDIUM", "HIGH") and one["plugin"] not in WAIVED]
    assert bad == []
