"""The image of a prepared server: what a run installs is already there, and nothing is running.

It is built once from a bare server, by the playbooks themselves: applications go live on it and are removed again. This
saves the same downloads on each server of the tests. Tests of what a run does to a bare server use a bare one.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.rig import CHECKOUT, PROJECT, Unusable, call, engine, image, named, one_at_a_time
from tests.rig.server import Server, ansible, write_inventory

HOST = "prepared"
MADE_BY = "wsgi.rig.prepared"

# What the roles install, in the same order, and what the tests need in addition.
PACKAGES = ["nginx", "logrotate", "openssl", "curl", "iproute2"]

# The packages of most test applications, which stay in uv's cache.
REQUIREMENTS = {
    "app": (PROJECT / "app/requirements.txt").read_text(encoding="utf-8"),
    "busy": (PROJECT / "tests/integration/busy/requirements.txt").read_text(encoding="utf-8"),
    "patient": "flask==3.1.2\niniconfig==2.0.0\n",
    "front": "flask==3.1.2\niniconfig==2.1.0\n",
    "fleet": "flask\niniconfig\n",
}
CODE = """\
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"prepared"]
"""

# Removing an application also removes its uWSGI if no other application uses it.
SERVERS, KEPT = "/opt/wsgi/servers", "/opt/wsgi/kept"


def name(distribution: str) -> str:
    """Return the name of the image of `distribution`, which changes with the recipe."""
    recipe = hashlib.sha256(Path(__file__).read_bytes())
    for pins in sorted((PROJECT / "plugins/plugin_utils/pins").iterdir()):
        recipe.update(pins.read_bytes())
    recipe.update("".join(REQUIREMENTS.values()).encode())
    return f"{image.name(distribution)}-{recipe.hexdigest()[:12]}"


def ensure(distribution: str) -> None:
    """Build the image of `distribution` if it is missing."""
    with one_at_a_time(f"prepared-{distribution}"):
        if not image.is_there(name(distribution)):
            image.ensure(distribution)
            print(f"Preparing a server of {distribution}", flush=True)
            _make(distribution)


def server(what: str, distribution: str = "debian12") -> Server:
    """Return a prepared server, which is not started yet, for what the tests call `what`."""
    ensure(distribution)
    return Server(named(f"test-{what}"), distribution, of=name(distribution))


def _make(distribution: str) -> None:
    bare = Server(named(f"test-prepare-{distribution}"), distribution)
    bare.down()
    try:
        bare.up()
        # Outside the repository, because git would ignore them inside it.
        with tempfile.TemporaryDirectory() as sources:
            apps = _applications(Path(sources))
            _deploy(bare, apps)
        bare.shell(f"cp --archive {SERVERS} {KEPT}")
        _deploy(bare, [{"name": app["name"], "state": "absent", "remove_data": True} for app in apps])
        bare.shell(f"rm -rf {SERVERS} && mv {KEPT} {SERVERS}")
        bare.install(*PACKAGES)
        bare.shell("apt-get clean")
        call(["docker", "stop", "--time", "30", bare.name])
        _forget(distribution)
        label = f"LABEL {MADE_BY}={CHECKOUT}-{distribution}"
        call(["docker", "commit", "--change", label, bare.name, name(distribution)])
    finally:
        bare.down()


def _forget(distribution: str) -> None:
    """Remove the images that this checkout has built from other recipes."""
    listed = ["docker", "images", "--quiet", "--filter", f"label={MADE_BY}={CHECKOUT}-{distribution}"]
    for former in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split():
        subprocess.run(["docker", "image", "rm", "--force", former], capture_output=True, check=False)


def _applications(sources: Path) -> list[dict[str, Any]]:
    """Write an application for each set of packages, and return their entries."""
    for which, requirements in REQUIREMENTS.items():
        source = sources / which
        source.mkdir()
        (source / "main.py").write_text(CODE, encoding="utf-8")
        (source / "requirements.txt").write_text(requirements, encoding="utf-8")
    return [
        {
            "name": which,
            "build": {"source": str(sources / which)},
            "run": {"callable": "main:application", "processes": 1},
        }
        for which in REQUIREMENTS
    ]


def _deploy(bare: Server, apps: list[dict[str, Any]]) -> None:
    """Run `site.yml` for an app server only, because NGINX must stay as the distribution delivers it."""
    groups: dict[str, list[str]] = {"app_servers": [HOST], "load_balancers": []}
    inventory = write_inventory(bare.directory / "inventory", {HOST: bare.connection()}, groups, {"wsgi_apps": apps})
    ansible("ansible-playbook", "playbooks/site.yml", "-i", inventory)


if __name__ == "__main__":
    try:
        engine.ensure(engine.TEST)
        with ThreadPoolExecutor() as pool:
            list(pool.map(ensure, image.SUITES))
    except Unusable as reason:
        sys.exit(str(reason))
