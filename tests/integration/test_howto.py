"""The examples of the how-to pages, run as a reader runs them: from the installed collection, on a real server."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.integration.conftest import HOST, running
from tests.rig import PROJECT, artefact, prepared
from tests.rig.server import Server, network_settings, write_inventory

# Python 3.13 is the newer one, which packages may not have wheels for.
pytestmark = pytest.mark.on("debian13")

PAGES = PROJECT / "docs/howto"
BLOCK = re.compile(r"^```(\w+) ?(.*)\n((?:.*\n)*?)```$", re.MULTILINE)


class Block(NamedTuple):
    """A block of a page: a file to write or to extend, or commands to run here or on the server."""

    language: str
    about: str
    text: str


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory in which the built collection is installed."""
    root = tmp_path_factory.mktemp("collections")
    artefact.install(root)
    return root


class Reader:
    """Somebody who follows a page in an empty directory.

    :param inventory: how the server is reached, beside the inventory that the page writes.
    """

    def __init__(self, directory: Path, server: Server, collections: Path, inventory: Path) -> None:
        self.directory = directory
        self.server = server
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
            "PATH": f"{PROJECT}/.venv/bin:{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_INVENTORY": f"inventory,{inventory}",
            "ANSIBLE_NOCOLOR": "1",
        }
        self.said = ""

    def follow(self, page: str) -> None:
        """Do what the page says, from the first block to the last."""
        for block in self.blocks(page):
            self.do(block)

    def blocks(self, page: str) -> Iterator[Block]:
        """Yield the blocks of the page."""
        text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
        for language, about, body in BLOCK.findall(text):
            yield Block(language, about, body)

    def do(self, block: Block) -> None:
        """Do what one block says; one of which nothing is said is an illustration."""
        if block.about == "on=server":
            self.server.shell(f"set -e; export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; {block.text}")
        elif block.about:
            kind, _, name = block.about.partition("=")
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w" if kind == "file" else "a", encoding="utf-8") as file:
                file.write(block.text)
        elif block.language == "sh":
            self.run(block.text)

    def run(self, command: str, check: bool = True, environment: dict[str, str] | None = None) -> str:
        """Run commands in the directory, and return what they said."""
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.directory,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.said = done.stdout
        assert done.returncode == 0 or not check, done.stdout
        return done.stdout


def host_of(page: str) -> str:
    """Return the host name that the page uses for the server; there need not be such a page."""
    path = PAGES / f"{page}.md"
    found = re.search(r"-e wsgi_host=(\S+)", path.read_text(encoding="utf-8")) if path.exists() else None
    return found.group(1) if found else HOST


@pytest.fixture
def reader(request: pytest.FixtureRequest, tmp_path: Path, server: Server, collections: Path) -> Reader:
    """Return a reader of the page that the test is about."""
    host = host_of(request.node.originalname.removeprefix("test_").replace("_", "-"))
    directory = tmp_path / "project"
    directory.mkdir()
    inventory = write_inventory(tmp_path / "rig", {host: server.connection()}, {}, {})
    return Reader(directory, server, collections, inventory)


OLD_CODE = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [open("/opt/guestbook/data/entries").read().encode()]
"""
OLD_UNIT = """\
[Service]
ExecStart=/usr/bin/python3 -c "from wsgiref.simple_server import make_server as m; import sys; \\
    sys.path.append('/opt/guestbook'); import guestbook; m('127.0.0.1', 8000, guestbook.app).serve_forever()"
"""
OLD_SITE = "server { listen 80; server_name guestbook.example.com; location / { proxy_pass http://127.0.0.1:8000; } }\n"
NEW_CODE = """\
import os

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    path = os.path.join(os.environ["DATA_DIRECTORY"], "entries")
    return [(open(path).read() if os.path.exists(path) else "").encode()]
"""


def test_existing_server(reader: Reader) -> None:
    """It comes first, while NGINX is as the distribution has installed it."""
    for path, text in {
        "/opt/guestbook/guestbook.py": OLD_CODE,
        "/opt/guestbook/data/entries": "hello from before",
        "/etc/systemd/system/guestbook.service": OLD_UNIT,
        "/etc/nginx/sites-enabled/guestbook": OLD_SITE,
    }.items():
        reader.server.shell(f"mkdir -p {Path(path).parent} && printf %s {shlex.quote(text)} > {path}")
    reader.server.shell("systemctl daemon-reload && systemctl start guestbook && systemctl restart nginx && sleep 1")
    assert reader.server.get("guestbook.example.com") == "hello from before"
    (reader.directory / "guestbook").mkdir()
    (reader.directory / "guestbook/guestbook.py").write_text(NEW_CODE)
    (reader.directory / "guestbook/requirements.txt").write_text("")
    reader.follow("existing-server")
    assert reader.server.get("guestbook.example.com") == "hello from before"
    assert "changed=0 " in reader.run("ansible-playbook wsgi.production.site")


def test_init(reader: Reader) -> None:
    """An empty directory, and two commands."""
    (reader.directory / "ansible.cfg").write_text("[defaults]\ninventory = inventory\n")
    told = "-e wsgi_name=first -e wsgi_host=web1.example.com"
    reader.run(f"ansible-playbook wsgi.production.init {told} -e wsgi_callable=main:application")
    assert "ansible.cfg" in reader.said.partition("left as they are")[2]
    assert (reader.directory / "ansible.cfg").read_text() == "[defaults]\ninventory = inventory\n"
    reader.run("ansible-playbook wsgi.production.site")
    assert reader.server.get("web1.example.com") == "Hello, World!\n"
    before = {path: path.read_text() for path in reader.directory.rglob("*") if path.is_file()}
    reader.run("ansible-playbook wsgi.production.init -e wsgi_name=other -e wsgi_host=b -e wsgi_callable=m:a")
    assert {path: path.read_text() for path in reader.directory.rglob("*") if path.is_file()} == before
    assert oct((reader.directory / "inventory/group_vars/all/vault.yml").stat().st_mode & 0o777) == "0o600"


def test_init_refuses_what_could_not_work_and_writes_nothing(reader: Reader) -> None:
    said = reader.run(
        "ansible-playbook wsgi.production.init -e wsgi_name=Shop -e wsgi_host=b -e wsgi_callable=m:a", check=False
    )
    assert "name: 'Shop': this is not a valid name for a system user" in said
    assert not list(reader.directory.iterdir())


def test_django(reader: Reader) -> None:
    reader.follow("django")
    assert "Django administration" in reader.server.get("shop.example.com", "/admin/login/")
    assert "login" in reader.server.get("shop.example.com", "/static/admin/css/login.css")
    assert "changed=0 " in reader.run("ansible-playbook wsgi.production.site")


def test_flask_postgresql(reader: Reader) -> None:
    reader.follow("flask-postgresql")
    for text in ("milk", "bread"):
        reader.run(
            f"curl --fail --silent --show-error --data {text} --header 'Host: notes.example.com' "
            f"http://127.0.0.1:{reader.server.port(80)}/"
        )
    assert reader.server.get("notes.example.com") == "milk\nbread"


def test_celery_redis(reader: Reader) -> None:
    reader.follow("celery-redis")
    assert reader.server.get("sums.example.com", "/add?first=19&second=23") == "42"
    assert "sums@" in reader.server.shell("systemctl list-units --plain --no-legend 'sums@*-beat.service'")


TALK = """\
import asyncio, websockets
async def main():
    async with websockets.connect("ws://chat.example.com/ws", host="127.0.0.1", port=80) as connection:
        await connection.send("hello")
        print(await connection.recv())
asyncio.run(main())
"""


def test_asgi_websockets(reader: Reader) -> None:
    reader.follow("asgi-websockets")
    assert reader.server.get("chat.example.com") == '{"people":0}'
    reader.server.install("python3-websockets")
    assert reader.server.shell(f"python3 -c {shlex.quote(TALK)}") == "hello\n"
    assert "changed=0 " in reader.run("ansible-playbook wsgi.production.site")


def test_several_applications(reader: Reader) -> None:
    seen: list[str] = []
    links, below = (
        "ls --directory /srv/api/current /srv/blog/current",
        "http://127.0.0.1/api/ -H 'Host: blog.example.com'",
    )
    for block in reader.blocks("several-applications"):
        reader.do(block)
        if block.text.startswith("ansible-playbook wsgi.production.site"):
            seen.append(reader.server.shell(f"{links}; curl -s {below}", check=False))
    both, one = "/srv/api/current\n/srv/blog/current\n", "/srv/blog/current\n"
    assert seen == [f"{both}blog\n", f"{both}api\n", f"{one}blog\n"]
    assert reader.server.get("blog.example.com") == "blog\n"


def test_ci(reader: Reader, tmp_path: Path) -> None:
    """The script is given the secrets as a pipeline gives them, and nothing else says how the server is reached."""
    reader.follow("ci")
    reader.run("ansible-playbook wsgi.production.init -e wsgi_name=piped -e wsgi_host=web1.example.com")
    vault = reader.directory / "inventory/group_vars/all/vault.yml"
    (tmp_path / "password").write_text("correct horse")
    reader.run(f"ansible-vault encrypt --vault-password-file {tmp_path}/password {vault}")
    connection = reader.server.connection()
    port = connection["ansible_port"]
    reached = {key: connection[key] for key in ("ansible_host", "ansible_port", "ansible_user")}
    inventory = write_inventory(tmp_path / "pipeline", {HOST: reached}, {}, {})
    secrets = {
        "SSH_PRIVATE_KEY": reader.server.key.read_text(),
        "SSH_KNOWN_HOSTS": reader.run(f"ssh-keyscan -p {port} 127.0.0.1 2>/dev/null"),
        "VAULT_PASSWORD": "correct horse",
    }
    where = {"ANSIBLE_INVENTORY": f"inventory,{inventory}", "TMPDIR": str(tmp_path)}
    reader.run("sh deploy.sh", environment={**secrets, **where})
    assert reader.server.get("web1.example.com") == "Hello, World!\n"
    assert not list(tmp_path.glob("tmp.*")), "the secrets are removed"
    for schema, file in (("github-workflows", ".github/workflows/deploy.yml"), ("gitlab-ci", ".gitlab-ci.yml")):
        reader.run(f"check-jsonschema --builtin-schema vendor.{schema} {file}")
        assert "sh deploy.sh" in (reader.directory / file).read_text()


def test_distribution_upgrade(tmp_path: Path, collections: Path) -> None:
    """Debian 12 becomes 13 under load; only connections that are kept open notice that NGINX restarts."""
    with running(prepared.server("upgrade", "debian12")) as server:
        directory = tmp_path / "project"
        shutil.copytree(PROJECT / "tests/integration/patient", directory / "patient")
        (directory / "patient/requirements.txt").write_text("flask==3.1.2\niniconfig==2.0.0\n")
        reader = Reader(
            directory, server, collections, write_inventory(tmp_path / "rig", {HOST: server.connection()}, {}, {})
        )
        told = f"-e wsgi_name=patient -e wsgi_host={HOST} -e wsgi_source=patient"
        reader.run(f"ansible-playbook wsgi.production.init {told}")
        first, *later = reader.blocks("distribution-upgrade")
        reader.do(first)
        with server.load(HOST, 50) as seen:
            for block in later:
                reader.do(block)
        assert seen.requests > 500
        assert [line for line in seen.failures if "keep-alive" not in line] == []
        assert "python3.13" in server.shell("cat /srv/patient/current/build/manifest.json")
        assert "changed=0 " in reader.run("ansible-playbook wsgi.production.site")


def test_company_network(reader: Reader) -> None:
    """The index, proxy and authority are those of the machine that the tests run on."""
    reader.run("ansible-playbook wsgi.production.init -e wsgi_name=inside -e wsgi_host=web1.example.com")
    reader.follow("company-network")
    settings = network_settings()
    bundle = settings.pop("python_app_ca_bundle", "/etc/ssl/certs/ca-certificates.crt")
    reader.server.shell(f"cp {bundle} /usr/local/share/company-ca.pem")
    index, proxy = settings["python_app_index_url"], settings["python_app_proxy"]
    network = yaml.safe_load((reader.directory / "inventory/group_vars/all/network.yml").read_text())
    assert set(network) <= {"python_app_index_url", "python_app_proxy", "python_app_ca_bundle"}
    (reader.directory / "app/requirements.txt").write_text("iniconfig==2.0.0\n")
    told = f"-e vault_index_url='{index}' -e vault_proxy='{proxy}'"
    reader.run(f"ansible-playbook wsgi.production.site {told}")
    assert reader.server.get("web1.example.com") == "Hello, World!\n"
