"""The Docker engine: uses the one that answers, else installs and starts one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.rig import STATE, Unusable, apt_install, call, privileged

PID_FILE = STATE / "dockerd.pid"
SOCKET = Path("/var/run/docker.sock")
START_SECONDS = 60


def answers() -> bool:
    """Tell whether a Docker engine answers to this user."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def ensure() -> bool:
    """Make sure that an engine answers.

    :returns: whether this call started one that `stop` has to stop.
    :raises Unusable: where none can be had.
    """
    if answers():
        return False
    if shutil.which("dockerd") is None:
        if shutil.which("apt-get") is None:
            raise Unusable("No Docker engine answers here. Install Docker, start it, and run this again.")
        apt_install("docker.io", "iptables")
    started = False
    if not answers():
        started = _start()
    if not answers() and os.geteuid() != 0 and SOCKET.exists():
        print("Docker answers only to root; giving its socket to this user until it is restarted", flush=True)
        call(privileged("chown", str(os.getuid()), str(SOCKET)))
    if not answers():
        raise Unusable("Docker is installed but does not answer; see `docker info` and .rig/dockerd.log.")
    return started


def stop() -> None:
    """Stop the engine that `ensure` started, if it did."""
    try:
        pid = int(PID_FILE.read_text(encoding="ascii"))
    except FileNotFoundError:
        return
    subprocess.run(privileged("kill", f"-{signal.SIGTERM.value}", str(pid)), capture_output=True, check=False)
    _wait(lambda: not Path(f"/proc/{pid}").exists())
    PID_FILE.unlink(missing_ok=True)


def _start() -> bool:
    if Path("/run/systemd/system").is_dir():
        call(privileged("systemctl", "start", "docker"))
        return False
    print("Starting a Docker engine", flush=True)
    STATE.mkdir(exist_ok=True)
    with open(STATE / "dockerd.log", "ab") as log:
        command = privileged("dockerd", "--pidfile", str(PID_FILE))
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    _wait(lambda: PID_FILE.exists() and SOCKET.exists())
    if os.geteuid() == 0:
        _wait(answers)
    return True


def _wait(condition: object) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition() and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.2)
