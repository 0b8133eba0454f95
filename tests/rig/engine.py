"""The Docker engine: uses one that is running, else installs and starts one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.rig import STATE, Unusable, apt_install, call, privileged

PID_FILE = STATE / "dockerd.pid"
OWNER_FILE = STATE / "dockerd.owner"
SOCKET = Path("/var/run/docker.sock")
START_SECONDS = 60

# The owner of an engine that is started for the tests.
TEST = "test"


def answers() -> bool:
    """Return whether a Docker engine answers to this user."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def ensure(owner: str) -> None:
    """Make sure that an engine answers; if it has to be started, record that `owner` started it.

    :raises Unusable: when no engine can be installed, or it does not answer.
    """
    if answers():
        return
    if shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        if shutil.which("apt-get") is None:
            raise Unusable("No Docker engine answers here. Install Docker, start it, and run this again.")
        apt_install("docker.io", "iptables")
    if not _runs():
        _start(owner)
    if not answers() and os.geteuid() != 0:
        print("Docker answers only to root; giving its socket to this user until it is restarted", flush=True)
        call(privileged("chown", str(os.getuid()), str(SOCKET)))
    if not answers():
        raise Unusable("Docker is installed but does not answer; see `docker info` and .rig/dockerd.log.")


def stop(owner: str) -> None:
    """Stop the engine if `owner` started it and no containers are running, such as those of another checkout."""
    if not OWNER_FILE.exists() or OWNER_FILE.read_text(encoding="utf-8") != owner or _is_used():
        return
    OWNER_FILE.unlink()
    try:
        pid = int(PID_FILE.read_text(encoding="ascii"))
        program = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return
    if program == "dockerd":
        subprocess.run(privileged("kill", str(pid)), capture_output=True, check=False)
        _wait(lambda: not Path(f"/proc/{pid}").exists())


def _is_used() -> bool:
    """Return whether any container is running."""
    listed = subprocess.run(privileged("docker", "ps", "--quiet"), capture_output=True, text=True, check=False)
    return listed.stdout.strip() != ""


def _runs() -> bool:
    """Return whether an engine answers to root, even if not to this user."""
    return subprocess.run(privileged("docker", "info"), capture_output=True, check=False).returncode == 0


def _start(owner: str) -> None:
    if Path("/run/systemd/system").is_dir():
        call(privileged("systemctl", "start", "docker"))
        return
    print("Starting a Docker engine", flush=True)
    STATE.mkdir(exist_ok=True)
    with open(STATE / "dockerd.log", "ab") as log:
        command = privileged("dockerd", "--pidfile", str(PID_FILE))
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    OWNER_FILE.write_text(owner, encoding="utf-8")
    _wait(_runs)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
