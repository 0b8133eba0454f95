"""A server in a container, reached over SSH like one in production."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.rig import PROJECT, STATE, apt_install, call, image

LABEL = "wsgi.rig"
USER = "admin"
CA_BUNDLE = "/etc/wsgi-rig-ca.pem"
START_SECONDS = 60

# No command on a server takes half as long. One that hangs fails its test, instead of all tests.
SHELL_SECONDS = 600

# How often to try to start a server, because another one may be faster to take a port.
TRIES = 5

# Ports that this machine does not use for outgoing connections, so that a server that reboots finds its own free. They
# are chosen at random, because several servers may start at the same time.
PORTS = range(20000, 32768)

# What systemd needs to be PID 1 in a container, on cgroup v1 and v2, without --privileged.
SYSTEMD = [
    *("--cap-add", "SYS_ADMIN"),
    # For a service with PrivateUsers=, if its processes may not see those of other users.
    *("--cap-add", "SYS_PTRACE"),
    # For a server that must not reach other machines.
    *("--cap-add", "NET_ADMIN"),
    *("--security-opt", "seccomp=unconfined"),
    *("--security-opt", "apparmor=unconfined"),
    *("--cgroupns", "host"),
    *("--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    *("--tmpfs", "/run"),
    *("--tmpfs", "/run/lock"),
    *("--tmpfs", "/tmp:exec"),
    *("--stop-signal", "SIGRTMIN+3"),
]

# On a real machine, systemd makes all mounts shared, which services need to get their credentials
# (https://github.com/systemd/systemd/issues/38103).
BOOT = ["sh", "-c", "mount --make-rshared / && exec /sbin/init"]


def network_settings() -> dict[str, str]:
    """Return how this machine reaches its package index, as settings of the role `python_app`."""
    settings = {
        "python_app_index_url": os.environ.get("PIP_INDEX_URL", ""),
        "python_app_proxy": os.environ.get("HTTPS_PROXY", ""),
    }
    if ca_bundle():
        settings["python_app_ca_bundle"] = CA_BUNDLE
    return settings


def ca_bundle() -> str | None:
    """Return the file with the certificates that this machine trusts."""
    found = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
    return found if Path(found).is_file() else None


@dataclass
class Load:
    """What the clients that put load on a server saw.

    :ivar failures: a line for each answer other than 2xx, and for each connection that broke.
    :ivar longest: the seconds that the slowest request took, at least 0.1.
    :ivar slow: a line for each of the ten slowest requests.
    :ivar late: the seconds in which the client could not run; they do not count for any request.
    :ivar bodies: the different answers to `GET /`, and the seconds from the first to the last of each.
    """

    requests: int = 0
    rate: float = 0
    failures: list[str] = field(default_factory=list)
    longest: float = 0
    slow: list[str] = field(default_factory=list)
    late: float = 0
    bodies: dict[str, float] = field(default_factory=dict)


class Page(NamedTuple):
    """An answer over HTTPS, and the server's certificate, in DER."""

    status: int
    headers: dict[str, str]
    body: str
    certificate: bytes


class Server:
    """A server in a container.

    :param name: the container's name, and the directory of its key and inventory below `.rig/`.
    :param distribution: a key of `image.SUITES`.
    :param http_port: the port on loopback to publish port 80 on, if it is free.
    :param of: its image, if this is not the one of a bare server.
    """

    def __init__(self, name: str, distribution: str = "debian12", http_port: int = 0, of: str = "") -> None:
        self.name = name
        self.distribution = distribution
        self.http_port = http_port
        self.image = of or image.name(distribution)
        self.directory = STATE / name
        self.key = self.directory / "key"
        # Filled in as they are asked for; a reboot does not change them.
        self.ports: dict[int, int] = {}

    def exists(self) -> bool:
        """Return whether the container exists and is running."""
        state = self._inspect()
        return bool(state and state["State"]["Running"])

    def up(self) -> None:
        """Start the server if it is not running, and wait until systemd and sshd are up."""
        if self.exists():
            return
        image.ensure(self.distribution)
        if not any(self._start() for _ in range(TRIES)):
            raise RuntimeError(f"{self.name} found no free ports")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.wait()
        self._let_in()

    def _start(self) -> bool:
        """Start the container; return False if another server was faster to take one of its ports."""
        self.down()
        mounts = ["--volume", f"{ca_bundle()}:{CA_BUNDLE}:ro"] if ca_bundle() else []
        done = subprocess.run(
            [
                *("docker", "run", "--detach", "--name", self.name, "--hostname", self.name, "--label", LABEL),
                *SYSTEMD,
                *mounts,
                *("--publish", f"127.0.0.1:{_free_port(self.http_port)}:80"),
                *("--publish", f"127.0.0.1:{_free_port(0)}:443"),
                *("--publish", f"127.0.0.1:{_free_port(0)}:22"),
                self.image,
                *BOOT,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        # Docker reserves a port as soon as a server starts, before anything listens there.
        if done.returncode != 0 and "port is already allocated" not in done.stderr:
            raise RuntimeError(f"{self.name} cannot be started:\n{done.stderr}")
        return done.returncode == 0

    def wait(self) -> None:
        """Wait until systemd has started everything."""
        deadline = time.monotonic() + START_SECONDS
        state = ""
        while time.monotonic() < deadline:
            state = self.shell("systemctl is-system-running", check=False).strip()
            if state in ("running", "degraded"):
                return
            time.sleep(0.2)
        raise RuntimeError(f"{self.name} did not start: systemd says {state!r}")

    def down(self) -> None:
        """Remove the server and everything that it left on this machine."""
        subprocess.run(["docker", "rm", "--force", "--volumes", self.name], capture_output=True, check=False)
        self.ports.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def restart(self) -> None:
        """Reboot the server."""
        call(["docker", "restart", self.name])
        self.wait()

    def cut(self) -> None:
        """Cut the server's power."""
        call(["docker", "kill", self.name])

    def mend(self) -> None:
        """Start the server again."""
        call(["docker", "start", self.name])
        self.wait()

    def crash(self) -> None:
        """Cut the server's power, and start it again."""
        self.cut()
        self.mend()

    def isolate(self) -> None:
        """Cut the server off from everything except this machine."""
        self.shell("ip route del default")

    def shell(self, command: str, check: bool = True) -> str:
        """Run a shell command on the server as root, and return its output."""
        done = subprocess.run(
            ["docker", "exec", self.name, "bash", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            timeout=SHELL_SECONDS,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"on {self.name}, {command!r} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def install(self, *packages: str) -> None:
        """Install packages of the distribution; update the package lists only if this fails with the present ones."""
        command = f"DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends {' '.join(packages)}"
        self.shell(f"{command} || {{ apt-get update -qq && {command}; }}")

    def port(self, inside: int) -> int:
        """Return the port on this machine's loopback that leads to the server's port `inside`."""
        if inside not in self.ports:
            state = self._inspect()
            assert state is not None, f"{self.name} is not there"
            self.ports[inside] = int(state["NetworkSettings"]["Ports"][f"{inside}/tcp"][0]["HostPort"])
        return self.ports[inside]

    def get(self, host: str, path: str = "/") -> str:
        """Return the body of the answer of `host` on the server's port 80."""
        with self._open(host, path) as answer:
            return answer.read().decode()

    def header(self, host: str, name: str) -> str | None:
        """Return the header `name` of the answer of `host`."""
        with self._open(host, "/") as answer:
            return answer.getheader(name)

    def https(self, host: str, path: str = "/", root: Path | None = None, method: str = "GET", **headers: str) -> Page:
        """Return what a visitor of `host` gets over HTTPS; with `root`, the visitor trusts only this authority."""
        context = ssl.create_default_context(cafile=root)
        if root is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        connection = HTTPSConnection("127.0.0.1", self.port(443), timeout=30)
        plain = socket.create_connection(("127.0.0.1", self.port(443)), timeout=30)
        connection.sock = secure = context.wrap_socket(plain, server_hostname=host)
        shown = secure.getpeercert(binary_form=True)
        assert shown is not None
        connection.request(method, path, headers={"Host": host, **headers})
        answer = connection.getresponse()
        page = Page(answer.status, dict(answer.getheaders()), answer.read().decode(), shown)
        connection.close()
        return page

    def _open(self, host: str, path: str) -> HTTPResponse:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port(80)}{path}", headers={"Host": host})
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=30)
        return answer

    @contextmanager
    def load(self, host: str, rate: float = 250, below: str = "") -> Iterator[Load]:
        """Put load on the server's port 80 while the body runs; the result is filled in afterwards.

        :param below: the path below which the application is, such as `/shop`.
        """
        seen = Load()
        script = Path(__file__).with_name("load.py")
        self.shell(f"cat > /load.py <<'END'\n{script.read_text(encoding='utf-8')}\nEND")
        command = ["docker", "exec", "--interactive", self.name, "python3", "/load.py", host, str(rate), below]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield seen
            finally:
                said, _ = process.communicate()
        for key, value in json.loads(said).items():
            setattr(seen, key, value)

    def connection(self) -> dict[str, Any]:
        """Return the inventory variables with which Ansible reaches the server over SSH."""
        # Ansible splits this like a shell, and ssh splits the value again: the path of the checkout may contain spaces.
        known_hosts = shlex.quote(f'-oUserKnownHostsFile="{self.directory}/known_hosts"')
        options = f"{known_hosts} -o StrictHostKeyChecking=accept-new"
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port(22),
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": options,
        }

    def address(self) -> str:
        """Return the address at which other servers on this machine reach the server."""
        state = self._inspect()
        assert state is not None, f"{self.name} is not there"
        return str(state["NetworkSettings"]["IPAddress"])

    def write_inventory(self, host: str, variables: dict[str, Any]) -> Path:
        """Write an inventory in which `host` is this server, with `variables` for all hosts."""
        groups = {"app_servers": [host], "load_balancers": [host]}
        return write_inventory(self.directory / "inventory", {host: self.connection()}, groups, variables)

    def _let_in(self) -> None:
        """Create a user that may become root, as on a rented server, and a key for it."""
        if shutil.which("ssh") is None:
            apt_install("openssh-client")
        self.key.unlink(missing_ok=True)
        call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)])
        public = self.key.with_suffix(".pub").read_text(encoding="ascii").strip()
        self.shell(
            f"{{ id {USER} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {USER}; }}"
            f" && echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}"
            f" && install -d -m 0700 -o {USER} /home/{USER}/.ssh"
            f" && echo '{public}' > /home/{USER}/.ssh/authorized_keys"
            f" && chown -R {USER} /home/{USER}/.ssh"
        )

    def _inspect(self) -> dict[str, Any] | None:
        done = subprocess.run(["docker", "inspect", self.name], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return None
        state: dict[str, Any] = json.loads(done.stdout)[0]
        return state


def write_inventory(
    directory: Path, hosts: dict[str, dict[str, Any]], groups: dict[str, list[str]], variables: dict[str, Any]
) -> Path:
    """Write an inventory into `directory`, with `variables` for all hosts, and return the directory."""
    (directory / "group_vars/all").mkdir(parents=True, exist_ok=True)
    inventory = {group: {"hosts": dict.fromkeys(members)} for group, members in groups.items()}
    text = yaml.safe_dump({"all": {"hosts": hosts}, **inventory}, sort_keys=False)
    (directory / "hosts.yml").write_text(text, encoding="utf-8")
    text = yaml.safe_dump({**network_settings(), **variables}, sort_keys=False)
    (directory / "group_vars/all/rig.yml").write_text(text, encoding="utf-8")
    return directory


def _free_port(wanted: int) -> int:
    """Return `wanted` if nothing listens there, else another port; a port given by number survives a reboot."""
    port = wanted or secrets.choice(PORTS)
    while not _is_free(port):
        port = secrets.choice(PORTS)
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def ansible(
    *argv: str | Path, check: bool = True, cwd: Path = PROJECT, config: Path = PROJECT / "ansible.cfg"
) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's commands, by default in the checkout, and return its output."""
    with start(*argv, cwd=cwd, config=config) as process:
        said, _ = process.communicate()
    if check and process.returncode != 0:
        raise AssertionError(f"{argv} ended with {process.returncode}:\n{said}")
    return subprocess.CompletedProcess(argv, process.returncode, said)


def start(*argv: str | Path, cwd: Path = PROJECT, config: Path = PROJECT / "ansible.cfg") -> subprocess.Popen[str]:
    """Start one of Ansible's commands in its own session; `stdout` has its output, including warnings."""
    return subprocess.Popen(
        [str(word) for word in argv],
        cwd=cwd,
        env={
            **os.environ,
            "PATH": f"{PROJECT}/.venv/bin:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_NOCOLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
