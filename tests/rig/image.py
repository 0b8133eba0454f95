"""The image of a bare server: systemd, dbus, Python, sudo and sshd on Debian, and nothing of this project."""

from __future__ import annotations

import shutil
import subprocess

from tests.rig import apt_install, one_at_a_time, privileged

SUITES = {"debian12": "bookworm", "debian13": "trixie"}
PACKAGES = ["dbus", "openssh-server", "python3", "sudo", "systemd", "systemd-sysv"]
DOCKERFILE = """\
FROM debian:{suite}
RUN apt-get update \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {packages} \\
 && rm -rf /var/lib/apt/lists/*
"""


def name(distribution: str) -> str:
    """Return the name of the image of `distribution`, such as `debian12`."""
    return f"wsgi-rig:{distribution}"


def is_there(image: str) -> bool:
    """Return whether the engine has an image with this name."""
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0


def ensure(distribution: str) -> None:
    """Build the image of `distribution` if it is missing: from Docker Hub, or from Debian's archive."""
    with one_at_a_time(f"image-{distribution}"):
        if not is_there(name(distribution)):
            suite = SUITES[distribution]
            print(f"Making a server image of {distribution}", flush=True)
            if not _from_docker_hub(distribution, suite):
                _from_archive(distribution, suite)


def _from_docker_hub(distribution: str, suite: str) -> bool:
    base = f"debian:{suite}"
    try:
        pulled = subprocess.run(["docker", "pull", "--quiet", base], capture_output=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return False
    if pulled.returncode != 0:
        return False
    dockerfile = DOCKERFILE.format(suite=suite, packages=" ".join(PACKAGES))
    build = ["docker", "build", "--quiet", "--tag", name(distribution), "-"]
    return subprocess.run(build, input=dockerfile, text=True, capture_output=True, check=False).returncode == 0


def _from_archive(distribution: str, suite: str) -> None:
    if shutil.which("mmdebstrap") is None:
        apt_install("mmdebstrap", "debian-archive-keyring")
    bootstrap = privileged("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, "-")
    with subprocess.Popen(bootstrap, stdout=subprocess.PIPE) as archive:
        subprocess.run(
            ["docker", "import", "-", name(distribution)], stdin=archive.stdout, capture_output=True, check=True
        )
    if archive.returncode != 0:
        subprocess.run(["docker", "image", "rm", name(distribution)], capture_output=True, check=False)
        raise RuntimeError(f"mmdebstrap could not make {suite}")
