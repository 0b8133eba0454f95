"""From a bare host to the first answer, against the shell script that a tutorial amounts to."""

from __future__ import annotations

import subprocess
import time
import urllib.error
from pathlib import Path

from benchmarks.servers import deploy, seconds, server
from tests.rig.server import CA_BUNDLE, Server

SCRIPT = Path(__file__).with_name("tutorial.sh")


def tutorial(host: Server) -> None:
    """Run the script on a host."""
    command = ["docker", "exec", "--interactive", "--env", f"PIP_CERT={CA_BUNDLE}", host.name, "bash", "-s"]
    subprocess.run(command, input=SCRIPT.read_text(encoding="utf-8"), text=True, check=True, capture_output=True)
    answer(host, "tutorial.example.com")


def answer(host: Server, name: str) -> None:
    """Wait for the first answer of a site."""
    for _ in range(100):
        try:
            if host.get(name) == "Hello, World!":
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"{name} does not answer")


def main() -> None:
    """Print the ratio."""
    with server("first-tutorial") as (host, _):
        by_hand = seconds(tutorial, host)
    with server("first-site") as (host, inventory):
        ours = seconds(deploy, inventory) + seconds(answer, host, "hello.example.com")
    print(f"first deploy: site.yml {ours:.1f} s, the tutorial's script {by_hand:.1f} s: {ours / by_hand:.2f} times")
