"""What people bring, and what they are told when it cannot work.

A minute to bring it live, a minute for what fails, half a minute for the rest.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Site
from tests.rig import PROJECT
from tests.rig.server import Server

# NGINX 1.22 and Python 3.11 are the older ones.
pytestmark = pytest.mark.on("debian12")

PEOPLE = PROJECT / "tests/integration/people"
BEAT = {"name": "beat", "command": "python beat.py", "exclusive": True, "stop_timeout": 10}

# Sends what it reads from standard input, each as one request in chunks, and prints the answers.
SEND = """\
import http.client, json, ssl, sys

for asked in json.load(sys.stdin):
    if asked["tls"]:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(asked["host"], asked["port"], context=context, timeout=60)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", asked["port"], timeout=60)
    body = asked["text"].encode() * asked["times"]
    size = asked["chunk"]
    headers = {"Host": asked["host"], "Content-Type": asked["type"], "Transfer-Encoding": "chunked"}
    chunks = (body[at:at + size] for at in range(0, len(body), size))
    connection.request("POST", "/echo", chunks, {**headers, **asked["headers"]}, encode_chunked=True)
    answer = connection.getresponse()
    print(json.dumps([answer.status, answer.read().decode()]))
"""


class People(Site):
    """A server with a Flask and a Django application, as people bring them."""

    def __init__(self, server: Server, source: Path) -> None:
        super().__init__(server, source, "people")
        for part in ("flask", "shop"):
            shutil.copytree(PEOPLE / part, source / part)
            (source / part / "requirements.txt").write_text(f"{'django' if part == 'shop' else 'flask'}\n")
        private = source / "flask"
        for name in (".env", "db.sqlite3", "node_modules/x.js", "my-python/pyvenv.cfg", "my-python/bin/python"):
            (private / name).parent.mkdir(parents=True, exist_ok=True)
            (private / name).write_text("private")
        self.flask: dict[str, Any] = {
            "name": "people",
            "build": {"source": str(source / "flask")},
            "run": {
                "callable": "main:application",
                "processes": 1,
                "options": {"lazy-apps": True},
                # Less than the import takes, which is none of its business.
                "probe": {"tries": 1, "timeout": 3},
                "listen_http": "127.0.0.1:9000",
                "workers": [BEAT],
            },
            "serve": {"server_names": ["people.example.com"], "max_body_size": "32M"},
        }
        self.shop: dict[str, Any] = {
            "name": "shop",
            "build": {"source": str(source / "shop")},
            "run": {
                "callable": "shop:application",
                "processes": 1,
                "env": {"ALLOWED_HOSTS": "shop.example.com"},
                "listen_http": "127.0.0.1:9001",
                "probe": {"path": "/health"},
            },
            "serve": {
                "server_names": ["shop.example.com"],
                "max_body_size": "32M",
                "tls": {"source": "self_signed"},
            },
        }
        server.shell("echo 127.0.0.1 shop.example.com >> /etc/hosts")
        self.said = self.bring().stdout

    def bring(self, check: bool = True, flask: Any = None, shop: Any = None) -> Any:
        """Bring both live, with what is to be otherwise of the section `run` of each."""
        apps = [
            {**one, "run": {**one["run"], **(more or {})}} for one, more in ((self.flask, flask), (self.shop, shop))
        ]
        return self.deploy(apps=apps, check=check)

    def beating(self) -> list[str]:
        """Return the units of the worker that is alone which run."""
        listed = "systemctl list-units --plain --no-legend --state active 'people@*-beat.service' | cut -d' ' -f1"
        return self.server.shell(listed).split()

    def send(self, *asked: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
        """Send bodies in chunks from the server itself, and return what was answered."""
        self.server.shell(f"cat > /send.py <<'END'\n{SEND}\nEND\ncat > /asked <<'END'\n{json.dumps(asked)}\nEND")
        said = [json.loads(line) for line in self.server.shell("python3 /send.py < /asked").splitlines()]
        return [(status, json.loads(body) if status == 200 else {"said": body}) for status, body in said]


@pytest.fixture(scope="module")
def people(server: Server, tmp_path_factory: pytest.TempPathFactory) -> People:
    return People(server, tmp_path_factory.mktemp("people") / "source")


PLACES = {
    "flask behind NGINX": {"host": "people.example.com", "port": 80, "tls": False},
    "flask at its door": {"host": "people.example.com", "port": 9000, "tls": False},
    "django behind NGINX": {"host": "shop.example.com", "port": 443, "tls": True},
    "django at its door": {
        "host": "shop.example.com",
        "port": 9001,
        "tls": False,
        "headers": {"X-Forwarded-Proto": "https"},
    },
}
LARGE = 20 << 20
FORM = (
    '--b\r\nContent-Disposition: form-data; name="word"\r\n\r\nyes\r\n'
    '--b\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\ncontent\r\n--b--\r\n'
)


@pytest.mark.parametrize("place", PLACES)
def test_a_chunked_body_arrives(people: People, place: str) -> None:
    at: dict[str, Any] = {"headers": {}, **PLACES[place]}
    plain, text = "application/octet-stream", "0123456789abcdef"
    small = {**at, "type": plain, "text": text, "times": 1, "chunk": 3}
    large = {**at, "type": plain, "text": text, "times": LARGE // 16, "chunk": 1 << 20}
    one_chunk = {**at, "type": plain, "text": text, "times": (4 << 20) // 16, "chunk": 4 << 20}
    form = {**at, "type": "multipart/form-data; boundary=b", "text": FORM, "times": 1, "chunk": 10}
    short = {**at, "type": "application/x-www-form-urlencoded", "text": "a=1&b=2", "times": 1, "chunk": 2}
    answers = people.send(small, large, one_chunk, form, short)
    assert [status for status, _ in answers] == [200] * 5, answers
    bodies = [text.encode() * asked["times"] for asked in (small, large, one_chunk)]
    assert [said["body"] for _, said in answers[:3]] == [hashlib.sha256(body).hexdigest() for body in bodies]
    assert answers[3][1]["form"] == {"word": "yes"}
    assert answers[3][1]["files"] == {"file": hashlib.sha256(b"content").hexdigest()}
    assert answers[4][1]["form"] == {"a": "1", "b": "2"}


def test_chunked_json_arrives(people: People) -> None:
    at = {"headers": {}, "type": "application/json", "text": '{"a": [1, 2]}', "times": 1, "chunk": 4}
    answers = people.send(*({**at, **PLACES[place]} for place in ("flask behind NGINX", "flask at its door")))
    assert [said["json"] for _, said in answers] == [{"a": [1, 2]}] * 2


def test_a_body_in_another_encoding_is_refused_at_a_door(people: People) -> None:
    said = people.server.shell(
        "printf 'POST /echo HTTP/1.1\\r\\nHost: people.example.com\\r\\nTransfer-Encoding: gzip, chunked\\r\\n\\r\\n"
        "0\\r\\n\\r\\n' | curl -s telnet://127.0.0.1:9000 --max-time 5",
        # curl has no other way to end such a connection than its time limit.
        check=False,
    )
    assert "400 Bad Request" in said and "its encoding is gzip, chunked" in said


def test_a_path_with_two_slashes_arrives_unchanged(people: People) -> None:
    assert people.get("people.example.com") == "hello"
    assert people.server.get("people.example.com", "/a//b///c") == "/a//b///c"


def test_a_response_with_many_cookies_arrives(people: People) -> None:
    said = people.server.shell("curl -s -D - -H 'Host: people.example.com' http://127.0.0.1/cookies")
    assert said.count("Set-Cookie: ") == 12 and "HTTP/1.1 200" in said


def test_what_a_worker_prints_reaches_the_journal_at_once(people: People) -> None:
    (unit,) = people.beating()
    assert "beating" in people.server.shell(f"journalctl --unit {unit} --output cat")


def test_only_root_can_read_the_statistics_of_a_release(people: People) -> None:
    live = people.server.shell("basename $(readlink /srv/people/current)").strip()
    place = f"/run/people/{live}"
    read = f"import socket,json; s=socket.socket(socket.AF_UNIX); s.connect('{place}/stats'); f=s.makefile()"
    assert people.server.shell(f'python3 -c "{read}; print(len(json.load(f)[\\"workers\\"]))"').strip() == "1"
    assert people.server.shell(f"stat --format %a {place}").strip() == "700"
    other = people.server.shell(f"setpriv --reuid shop --clear-groups ls {place} 2>&1", check=False)
    assert "Permission denied" in other


def test_development_files_are_left_out_and_listed(people: People) -> None:
    told = " ".join(people.said.split())
    assert "people: left out of the build: .env, db.sqlite3, my-python/, node_modules/." in told
    there = people.server.shell("ls -A /srv/people/current/build/app").split()
    assert set(there) - {"__pycache__"} == {"beat.py", "main.py", "requirements.txt"}


def test_packages_without_hashes_are_reported_once(people: People) -> None:
    told = " ".join(people.said.split())
    assert told.count("are not pinned by hash") == 1
    assert "people (requirements.txt), shop (requirements.txt)" in told


def test_an_application_that_requires_https_is_probed_like_its_clients(people: People) -> None:
    assert people.server.https("shop.example.com", "/health").body == "fine"
    before = people.server.shell("readlink /srv/shop/current")
    said = people.bring(check=False, shop={"env": {"ALLOWED_HOSTS": "shop.example.com", "MOOD": "sick"}})
    assert said.returncode != 0
    assert "the response was 500" in said.stdout
    assert people.server.shell("readlink /srv/shop/current") == before


def test_a_redirect_to_https_is_not_a_healthy_response(people: People) -> None:
    said = people.bring(check=False, shop={"probe": {"path": "/health", "scheme": "http"}})
    assert said.returncode != 0
    assert "to https://shop.example.com/health, the same path over HTTPS" in " ".join(said.stdout.split())


def test_a_worker_that_holds_a_port_is_replaced(people: People) -> None:
    (before,) = people.beating()
    people.bring(flask={"env": {"COLOUR": "blue"}})
    (after,) = people.beating()
    assert after != before
    assert people.server.shell("basename $(readlink /srv/people/current)").strip() in after
    people.assert_nothing_to_do(
        apps=[{**people.flask, "run": {**people.flask["run"], "env": {"COLOUR": "blue"}}}, people.shop]
    )


def test_an_exclusive_worker_that_does_not_live_rolls_everything_back(people: People) -> None:
    live = people.server.shell("readlink /srv/people/current")
    (before,) = people.beating()
    broken = {**BEAT, "command": "python -c 'raise SystemExit(\"no beat\")'"}
    said = people.bring(check=False, flask={"workers": [broken], "env": {"COLOUR": "blue"}})
    assert said.returncode != 0 and "has a worker that exits within 5 s" in said.stdout
    assert people.server.shell("readlink /srv/people/current") == live
    assert people.beating() == [before]


# A way to fail for each application, and what the first two lines of its message say.
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "import error": ({}, "ImportError: cannot import name 'there_is_no_such_name'"),
    "missing module": (
        {},
        "No module named 'there_is_no_such_module'. Add the package that provides it to the dependencies",
    ),
    "callable": ({"callable": "main:app"}, "main:app: there is no app; what can be called there: "),
    "asgi": ({"callable": "main:asgi"}, "main:asgi is an ASGI application, and uWSGI runs WSGI"),
    "database": ({}, "can write only to /srv/database/data, the value of DATA_DIRECTORY"),
    "port": (
        {"workers": [{"name": "server", "command": "python -m http.server --bind 127.0.0.1 9555"}]},
        "Address already in use. The previous release holds it until the switch: set exclusive: true for such a worker",
    ),
    "compiler": ({}, "such as [build-essential, python3-dev]"),
    "git": ({}, "add git to python_app_extra_packages"),
    "no files": ({}, "static: the build has no directory dist, which NGINX should serve"),
    "missing secret": (
        {},
        "KeyError: 'PAYMENT_SECRET'. If this is an environment variable, add it to run.env or",
    ),
    "host": (
        {},
        "the response was 400, not a status from 200 to 399; does the application accept the host host.example.com?",
    ),
    "time-out": ({"start_timeout": 3}, "does not start within 3 s"),
    "memory": ({"memory_max": "60M"}, "There was not enough memory: raise run.memory_max"),
}


@pytest.fixture(scope="module")
def told(people: People) -> dict[str, str]:
    """Bring an application for each way to fail in one run, and return what it said of each."""
    apps = []
    for fault, (run, _) in FAULTS.items():
        name = fault.replace(" ", "-")
        source = people.source / name
        shutil.copytree(PEOPLE / "broken", source)
        requirements = {"compiler": "./extension\n", "git": "six @ git+file:///srv/six.git\n"}.get(fault, "")
        (source / "requirements.txt").write_text(requirements)
        if fault == "compiler":
            (source / "extension").mkdir()
            (source / "extension/setup.py").write_text(
                "from setuptools import Extension, setup\n"
                "setup(name='extension', version='1', ext_modules=[Extension('extension', ['extension.c'])])\n"
            )
            (source / "extension/extension.c").write_text("#include <there/is/no/such.h>\n")
        app: dict[str, Any] = {
            "name": name,
            "build": {"source": str(source)},
            "run": {"callable": "main:application", "processes": 1, "env": {"FAULT": fault}, **run},
            "serve": {"server_names": [f"{name}.example.com"]},
        }
        app["run"].setdefault("probe", {"tries": 2})
        if fault == "no files":
            app["build"]["commands"] = ["true"]
            app["serve"]["static"] = [{"path": "/static/", "directory": "dist"}]
        apps.append(app)
    said = people.deploy("-e", "wsgi_on_failure=continue", apps=[people.flask, people.shop, *apps], check=False)
    assert said.returncode != 0
    whole = textwrap.dedent(said.stdout.rpartition("msg: |-\n")[2].partition("\nPLAY RECAP")[0])
    names = "|".join(fault.replace(" ", "-") for fault in FAULTS)
    parts = re.split(rf"^({names}): ", whole, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_the_cause_of_a_failure_is_in_the_first_two_lines(told: dict[str, str], fault: str) -> None:
    said = told[fault.replace(" ", "-")]
    assert FAULTS[fault][1] in " ".join(said.splitlines()[:2]), said
