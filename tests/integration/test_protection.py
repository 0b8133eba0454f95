"""What an application can reach, and who can reach what is the application's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Site, everywhere

# systemd 257 is the newer one, whose sandbox may forbid more.
pytestmark = pytest.mark.on("debian13")

# An index that asks for a password, as a private one does.
INDEX = """\
import base64, http.server

class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        if base64.b64decode(given) == b"reader:" + open("/index.password", "rb").read():
            return super().do_GET()
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic realm=index")
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", 8081), Handler).serve_forever()
"""

CANARY = 'canary-4711 "quoted" $5 %n'

DATABASE = """\
import os

import cffi
import psycopg
from flask import Flask

application = Flask(__name__)
ffi = cffi.FFI()
ffi.cdef("void qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *));")
libc = ffi.dlopen(None)


@ffi.callback("int(const void *, const void *)")
def compare(one, other):
    return ffi.cast("int *", one)[0] - ffi.cast("int *", other)[0]


@application.get("/")
def both():
    numbers = ffi.new("int[]", [3, 1, 2])
    libc.qsort(numbers, 3, ffi.sizeof("int"), compare)
    with psycopg.connect(os.environ["DATABASE"]) as connection:
        (answer,) = connection.execute("select 6 * 7").fetchone()
    return f"{list(numbers)} {answer}"
"""


def run_with(site: Site, **settings: Any) -> list[dict[str, Any]]:
    return [{**site.app, "run": {**site.app["run"], **settings}}]


def shown_on(site: Site) -> str:
    """Return what other users of the server can read of secrets, and what is kept in logs."""
    shown = site.server.shell(
        f"systemctl show hello@{site.live()}.service; journalctl --no-pager; cat /proc/[0-9]*/cmdline | tr '\\0' ' ';"
        "cat /srv/hello/releases/*/manifest.json /srv/hello/*/*/manifest.json /srv/hello/history.json /run/wsgi.lock"
    )
    readable = (
        "grep --recursive --no-messages --text canary-4711 /srv /etc /run /opt /tmp /var /home /proc/[0-9]*/environ"
    )
    for user in ("nobody", "other"):
        shown += site.server.shell(f"su --shell /bin/sh {user} --command '{readable}'", check=False)
    return shown


@everywhere
def test_the_sandbox_is_tight(site: Site) -> None:
    said = site.server.shell(f"systemd-analyze security --no-pager hello@{site.live()}.service")
    match = re.search(r"Overall exposure level for .*: ([\d.]+)", said)
    assert match and float(match.group(1)) <= 1.5, said


def test_the_sandbox_breaks_neither_cffi_nor_psycopg(site: Site, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(DATABASE)
    (tmp_path / "requirements.txt").write_text("flask\ncffi\npsycopg[binary]\n")
    site.server.install("postgresql")
    site.server.shell("pg_ctlcluster $(ls /etc/postgresql) main start; sleep 2", check=False)
    site.server.shell("""su postgres --command "psql --command \\"create role hello login password 'secret'\\"" """)
    app = {**site.app, "build": {"source": str(tmp_path)}}
    for database in ("host=127.0.0.1 dbname=postgres user=hello password=secret", "dbname=postgres user=hello"):
        app["run"] = {**site.app["run"], "env": {"DATABASE": database}}
        site.deploy(apps=[app])
        assert site.get() == "[1, 2, 3] 42"
    site.deploy()


def test_limits_are_systemds(site: Site) -> None:
    site.deploy(apps=run_with(site, memory_max="300M", cpu_quota="150%", tasks_max=50))
    shown = site.server.shell(
        f"systemctl show --property MemoryMax,CPUQuotaPerSecUSec,TasksMax hello@{site.live()}.service"
    )
    assert set(shown.split()) == {"MemoryMax=314572800", "CPUQuotaPerSecUSec=1.500000s", "TasksMax=50"}
    site.deploy()


def test_a_secret_is_never_shown_or_logged(site: Site) -> None:
    site.server.shell("id other 2>/dev/null || useradd --system other")
    worker = {"name": "idle", "command": "sleep infinity"}
    secrets = {"secrets": {"TOKEN": CANARY}, "secret_files": {"key.pem": CANARY}, "workers": [worker]}
    apps = run_with(site, env={"SECRET_KEY": CANARY}, migrate=["true"], **secrets)
    said = site.deploy("-vvv", "--check", "--diff", apps=apps).stdout
    said += site.deploy("-vvv", "--diff", apps=apps).stdout
    broken = [{**app, "run": {**app["run"], "callable": "main:nothing"}} for app in apps]
    failed = site.deploy("-vvv", "--diff", apps=broken, check=False)
    assert failed.returncode != 0
    for name in ("SECRET_KEY", "TOKEN", "credentials/key.pem"):
        assert name in said, "the names of secrets that differ are shown"
    assert "canary-4711" not in said + failed.stdout
    assert "canary-4711" not in shown_on(site)
    assert "canary-4711" in site.server.shell("cat /srv/hello/current/env")
    site.deploy()


def test_the_password_of_an_index_is_never_shown_or_logged(site: Site, tmp_path: Path) -> None:
    site.server.shell("id other 2>/dev/null || useradd --system other; mkdir -p /index/simple/iniconfig")
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path / "wheels")]
    subprocess.run([*download, "iniconfig==2.1.0"], check=True)
    (wheel,) = (tmp_path / "wheels").iterdir()
    subprocess.run(["docker", "cp", str(wheel), f"{site.server.name}:/index/simple/iniconfig/"], check=True)
    site.server.shell(f"cat > /index.py <<'END'\n{INDEX}\nEND")
    # On a command line of the index itself it would be found, and not be ours.
    site.server.shell("install -m 0600 /dev/null /index.password; printf canary-4711 > /index.password")
    site.server.shell("systemd-run --working-directory /index python3 /index.py")
    (tmp_path / "source").mkdir()
    index = ["-e", "python_app_index_url=http://reader:canary-4711@127.0.0.1:8081/simple", "-vvv", "--diff"]
    code = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'private']\n"
    (tmp_path / "source/main.py").write_text(code)
    app = {**site.app, "build": {"source": str(tmp_path / "source")}}
    (tmp_path / "source/requirements.txt").write_text("iniconfig==2.1.0\n")
    said = site.deploy(*index, apps=[app]).stdout
    assert site.get() == "private"
    (tmp_path / "source/requirements.txt").write_text("iniconfig==2.1.0\nnothing-of-that-name==1\n")
    failed = site.deploy(*index, apps=[app], check=False)
    assert failed.returncode != 0 and "nothing-of-that-name" in failed.stdout
    assert "canary-4711" not in said + failed.stdout
    assert "canary-4711" not in shown_on(site)
    site.deploy()


@pytest.mark.parametrize("protocol", ["socket", "http"])
def test_another_user_cannot_reach_the_socket(site: Site, protocol: str) -> None:
    site.server.shell("id other 2>/dev/null || useradd --system other")
    code = f"import socket; socket.socket(socket.AF_UNIX).connect('/srv/hello/current/{protocol}')"
    site.server.shell(f'echo "{code}" > /connect.py; python3 /connect.py')
    refused = site.server.shell("su --shell /bin/sh other --command 'python3 /connect.py' 2>&1", check=False)
    assert "PermissionError" in refused


def test_the_application_owns_nothing_that_it_runs_from(site: Site) -> None:
    owned = site.server.shell(
        "find /srv/hello /opt/wsgi /etc/systemd/system -not -path '/srv/hello/data*'"
        " '(' -user hello -or '(' -not -type l -perm /0022 ')' ')'"
    )
    assert owned == ""
