"""The demo: deploys to a throw-away server over SSH, exactly like to one in production."""

from __future__ import annotations

import os
import subprocess
import sys

import yaml

from tests.rig import PROJECT, Unusable, engine, named
from tests.rig.server import Server

HOST = "web1.example.com"
DEMO = Server(os.environ.get("WSGI_DEMO", named("demo")), http_port=8080)


def up() -> None:
    """Start the server if it is not running, deploy `app/` to it, and print what is live."""
    engine.ensure(DEMO.name)
    if not DEMO.exists():
        print("Starting a throw-away server", flush=True)
    DEMO.up()
    inventory = DEMO.write_inventory(HOST, {"wsgi_apps": _apps()})
    before = _live()
    command = ["ansible-playbook", "playbooks/site.yml", "-i", "inventory/prod", "-i", str(inventory)]
    print(f"Deploying: {' '.join(command[:4])}", flush=True)
    environment = {**os.environ, "PATH": f"{PROJECT}/.venv/bin:{os.environ['PATH']}"}
    deployed = subprocess.run(command, cwd=PROJECT, env=environment, check=False)
    if deployed.returncode != 0:
        sys.exit("The deploy failed. What was live before is live still.")
    _report(before)


def down() -> None:
    """Remove the server, and stop the engine if the demo started it."""
    if engine.answers():
        DEMO.down()
    engine.stop(DEMO.name)
    print("The demo is gone.")


def _apps() -> list[dict[str, object]]:
    """Return the example's entries, which also answer to the name by which a browser reaches this machine."""
    text = (PROJECT / "inventory/prod/group_vars/all/apps.yml").read_text(encoding="utf-8")
    apps: list[dict[str, object]] = yaml.safe_load(text)["wsgi_apps"]
    apps[0]["serve"] = {"server_names": ["localhost", "hello.example.com"]}
    return apps


def _live() -> str:
    return DEMO.shell("readlink /srv/hello/current", check=False).strip().rpartition("/")[2]


def _report(before: str) -> None:
    live = _live()
    answer = DEMO.get("localhost")
    if before and before != live:
        change = f"{live}, which replaced {before}"
    elif before:
        change = f"{live}, as before: nothing had changed"
    else:
        change = live
    print(
        f"""
  http://localhost:{DEMO.port(80)}/ answers: {answer}

  Live release   {change}
  Instance       hello@{live}.service, behind NGINX, in the container {DEMO.name}

  Try next:
    edit app/application.py and run `make demo` again: a new release goes live
    docker exec {DEMO.name} systemctl status 'hello@*'
    docker exec {DEMO.name} journalctl --unit 'hello@*' --lines 20
    make demo-down
"""
    )


if __name__ == "__main__":
    try:
        {"up": up, "down": down}[sys.argv[1]]()
    except Unusable as reason:
        sys.exit(str(reason))
