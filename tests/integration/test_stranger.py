"""What an application that a burglar has taken can do to its host: nothing but to itself."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.command import CONTROLS
from tests.integration.conftest import Site
from tests.integration.test_around import until
from tests.rig import PROJECT
from tests.rig.server import Server

# systemd 252 is the older one, and knows fewer ways to keep a process to itself.
pytestmark = pytest.mark.on("debian12")

NAME = "stranger.example.com"


class Stranger(Site):
    """A server on which the application of a burglar is live, and another, the victim."""

    def __init__(self, server: Server, source: Path) -> None:
        super().__init__(server, source, "stranger")
        shutil.copytree(PROJECT / "tests/integration/stranger", source)
        (source / "requirements.txt").write_text("./tool\n")
        self.app["run"].update(processes=1, secrets={"KEY": "old"})
        shutil.copytree(PROJECT / "app", source.with_name("victim"))
        (source.with_name("victim") / ".env").write_text("KEY=of-the-victim\n")
        self.victim = {
            "name": "victim",
            "build": {"source": str(source.with_name("victim")), "include": [".env"]},
            "run": {"callable": "main:application", "listen_http": "127.0.0.1:9000"},
            "serve": {
                "server_names": ["victim.example.com"],
                "static": [{"path": "/files/", "directory": "files"}],
            },
        }
        (source.with_name("victim") / "files").mkdir()
        (source.with_name("victim") / "files/a.css").write_text("body {}")

    def inventory(self, apps: Any) -> Path:
        """Write the inventory that describes both, or `apps`."""
        return super().inventory([self.app, self.victim] if apps == [self.app] else apps)

    def imports(self, how: str) -> None:
        """Let the next release do something when it is imported."""
        self.app["run"]["env"] = {"IMPORT": how}

    def tries(self, what: str, **words: str) -> str:
        """Return what came of something that the application tried."""
        said: str = json.loads(self.server.get(NAME, f"/?{urlencode({'try': what, **words})}"))
        return said


@pytest.fixture(scope="module")
def stranger(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Return a server on which the application of a burglar is live."""
    one = Stranger(server, tmp_path_factory.mktemp("stranger") / "source")
    one.deploy()
    return one


def test_the_live_release_cannot_change_the_build_that_will_replace_it(stranger: Stranger) -> None:
    stranger.app["build"]["commands"] = ["sleep 8"]
    run = stranger.run()
    assert run.until("Build each application")
    works = "pgrep --full '^sleep 8'"
    assert until(lambda: stranger.server.shell(works, check=False) != "")
    seen = set()
    while stranger.server.shell(works, check=False):
        seen.add(stranger.tries("builds"))
    assert run.finish() == 0, run.said
    assert seen == {"nothing to see"}
    assert "stranger" not in stranger.server.shell("tail -n 1 /srv/stranger/current/build/app/main.py")


def test_code_of_a_package_runs_neither_as_root_nor_as_an_application_and_owns_nothing_afterwards(
    stranger: Stranger,
) -> None:
    builder = stranger.server.shell("id --user wsgi-build").strip()
    packages = "/srv/stranger/current/build/venv/lib/python3*/site-packages"
    assert stranger.server.shell(f"cat {packages}/tool_built_by.txt") == builder
    assert stranger.server.shell("find /srv /opt/wsgi -user wsgi-build") == ""


def test_no_application_can_open_the_lock_of_a_run(stranger: Stranger) -> None:
    assert stranger.tries("lock", **{"with": "/run/wsgi.lock"}).startswith("PermissionError")


def test_a_package_that_replaces_the_interpreter_is_refused_and_root_never_runs_it(stranger: Stranger) -> None:
    home, version = "/srv/stranger/data/home", stranger.server.shell("ls /usr/lib | grep '^python3[.]'").strip()
    # A library of Python that tells when root runs it, which is before Python has an `open`.
    library = f"{home}/lib/{version}"
    mark = "import os; os.geteuid() or os.close(os.open('/root/was-here', os.O_CREAT))"
    stranger.server.shell(
        f"mkdir -p {home}/bin {home}/lib && cp --recursive /usr/lib/{version} {home}/lib/"
        f' && echo "{mark}" >> {library}/encodings/__init__.py && chown -R stranger {home}'
    )
    wheel(stranger.source / "evil-1.0-py3-none-any.whl", {"data/pyvenv.cfg": f"home = {home}/bin\n"})
    (stranger.source / "requirements.txt").write_text("./evil-1.0-py3-none-any.whl\n")
    refused = stranger.deploy(check=False)
    # Packages that do not depend on the code, so that the next build has them too.
    (stranger.source / "requirements.txt").write_text("")
    assert refused.returncode != 0
    assert "evil replaces pyvenv.cfg of the virtual environment" in " ".join(refused.stdout.split())
    assert json.loads(stranger.get(NAME)) == "at home"
    stranger.deploy()
    # As packages did that an earlier version of the collection has installed.
    venv = "/srv/stranger/current/build/venv"
    stranger.server.shell(f"sed -i 's,^home = .*,home = {home}/bin,' {venv}/pyvenv.cfg")
    # It tells.
    stranger.server.shell(f"{venv}/bin/python -I -S -c pass && rm /root/was-here")
    stranger.server.shell("systemctl restart 'stranger@*.service'")
    stranger.deploy("--check")
    stranger.deploy()
    assert stranger.server.shell("ls /root/was-here", check=False) == ""
    assert home not in stranger.server.shell(f"cat {venv}/pyvenv.cfg")


def test_the_old_instance_cannot_read_the_secrets_of_the_new_one(stranger: Stranger) -> None:
    stranger.imports("slow")
    stranger.app["run"]["secrets"] = {"KEY": "new"}
    run = stranger.run()
    assert run.until("Start each release")
    services = "systemctl list-units --no-legend 'stranger@*.service'"
    assert until(lambda: stranger.server.shell(services).count("\n") == 2)
    seen = set()
    while " activating " in stranger.server.shell(services):
        seen.add(stranger.tries("others"))
    stranger.imports("")
    stranger.app["run"]["secrets"] = {"KEY": "old"}
    assert run.finish() == 0, run.said
    assert seen == {"nothing to see"}
    # It would have been seen.
    live = stranger.server.shell("basename $(readlink /srv/stranger/current)").strip()
    main = f"systemctl show --property MainPID --value stranger@{live}.service"
    assert "KEY=new" in stranger.server.shell(f"tr '\\0' '\\n' < /proc/$({main})/environ")


@pytest.mark.parametrize(
    "path",
    [
        "/srv/victim",
        "/srv/victim/history.json",
        "/srv/victim/current/uwsgi.ini",
        "/srv/victim/current/entry.py",
        "/srv/victim/current/manifest.json",
        "/srv/victim/current/build/app",
        "/srv/victim/current/build/app/main.py",
        "/srv/victim/current/build/app/.env",
        "/srv/victim/current/build/venv",
        "/srv/victim/data",
    ],
)
def test_an_application_reads_nothing_of_another(stranger: Stranger, path: str) -> None:
    look = f"if test -d {path}; then ls {path}; else cat {path}; fi"
    stranger.server.shell(look)
    assert stranger.tries("read", **{"with": path}).startswith("PermissionError")
    said = stranger.server.shell(f"su --shell /bin/sh www-data -c '{look}' 2>&1", check=False)
    assert said.endswith("Permission denied\n")


def test_nginx_can_read_only_the_code_that_it_serves(stranger: Stranger) -> None:
    assert stranger.server.get("victim.example.com", "/files/a.css") == "body {}"


def test_applications_share_no_memory(stranger: Stranger) -> None:
    assert stranger.tries("leave", **{"with": "/dev/shm/note"}) == "left"
    assert stranger.tries("read", **{"with": "/dev/shm"}) == "note"
    assert "note" not in stranger.server.shell("ls /dev/shm")


def test_no_application_can_have_the_user_of_a_door(stranger: Stranger) -> None:
    stranger.server.shell("curl -sf http://127.0.0.1:9000/")
    show = "systemctl show --property User --property MainPID --value victim-http.service"
    pid, user = sorted(stranger.server.shell(show).split())
    assert rules.name(user) is not None
    # systemd gives out these numbers while a service runs, and to nobody else (systemd.exec, DynamicUser).
    assert 61184 <= int(stranger.server.shell(f"stat --format %u /proc/{pid}")) <= 65519


def test_a_release_that_asks_systemd_for_more_time_is_ended_in_time(stranger: Stranger) -> None:
    before = stranger.server.shell("readlink /srv/stranger/current")
    stranger.imports("begs")
    stranger.app["run"]["start_timeout"] = 2
    begun = time.monotonic()
    refused = stranger.deploy(check=False)
    assert time.monotonic() - begun < 30
    stranger.imports("")
    del stranger.app["run"]["start_timeout"]
    assert "does not start within 2 s" in refused.stdout and refused.returncode != 0
    assert stranger.server.shell("readlink /srv/stranger/current") == before
    units = stranger.server.shell("systemctl list-units --no-legend 'stranger@*.service'").splitlines()
    assert [unit.split()[0] for unit in units] == [f"stranger@{before.strip().partition('/')[2]}.service"]
    stranger.deploy()


def test_an_instance_that_asks_systemd_for_more_time_is_ended_in_time(stranger: Stranger) -> None:
    stranger.app["run"]["harakiri"] = 1
    stranger.imports("clings")
    stranger.deploy()
    old = f"stranger@{stranger.server.shell('basename $(readlink /srv/stranger/current)').strip()}.service"
    stranger.imports("")
    stranger.deploy()
    is_there = f"systemctl show --property ActiveState --value {old}"
    assert stranger.server.shell(is_there) == "deactivating\n"
    # The time that the slowest answer may take, and 15 s.
    assert until(lambda: stranger.server.shell(is_there) != "deactivating\n", seconds=16 + 10)
    del stranger.app["run"]["harakiri"]
    stranger.deploy()


def test_control_characters_in_a_log_do_not_reach_the_terminal(stranger: Stranger) -> None:
    stranger.imports("escapes")
    refused = stranger.deploy(check=False).stdout
    stranger.imports("")
    assert "does not start" in refused and "owned" in refused
    assert not CONTROLS.search(refused)


def test_deeply_nested_data_is_given_to_root(stranger: Stranger) -> None:
    assert stranger.tries("nest", **{"with": "/srv/stranger/data"}) == "nested"
    gone = {**stranger.app, "state": "absent"}
    stranger.deploy(apps=[gone, stranger.victim])
    assert stranger.server.shell("find /srv/stranger/data ! -user root | wc -l") == "0\n"
    stranger.deploy()
    assert stranger.server.shell("find /srv/stranger/data ! -user stranger | wc -l") == "0\n"
    assert stranger.deploy().stdout.count("changed=0") == 1


@pytest.mark.parametrize("remove_data", [False, True])
def test_a_directory_that_the_collection_did_not_create_is_not_removed(stranger: Stranger, remove_data: bool) -> None:
    stranger.server.shell("mkdir -p /srv/stuff/data && touch /srv/stuff/data/mine && chown -R daemon /srv/stuff")
    there = stranger.server.shell("ls -lRn /srv/stuff")
    gone = {"name": "stuff", "state": "absent", "remove_data": remove_data}
    refused = stranger.deploy(apps=[stranger.app, stranger.victim, gone], check=False)
    assert "/srv/stuff was not created by this collection, so it is not removed" in " ".join(refused.stdout.split())
    assert stranger.server.shell("ls -lRn /srv/stuff") == there


def test_the_user_of_a_service_is_not_taken_for_an_application(stranger: Stranger) -> None:
    stranger.server.shell("useradd --system --home-dir /var/lib/grafana grafana")
    app = {**stranger.victim, "name": "grafana", "run": {"callable": "main:application"}}
    app["serve"] = {"server_names": ["grafana.example.com"]}
    refused = stranger.deploy(apps=[stranger.app, stranger.victim, app], check=False)
    assert "the user grafana of this host was not created by this collection" in " ".join(refused.stdout.split())
    assert stranger.server.shell("ls /srv/grafana", check=False) == ""


def wheel(path: Path, files: dict[str, str]) -> None:
    """Write a wheel that puts `files` where a wheel may put its data."""
    name = path.name.split("-")[0]
    about = {
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **{f"{name}-1.0.data/{place}": text for place, text in files.items()},
    }
    record = ""
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in about.items():
            archive.writestr(place, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{place},sha256={digest},{len(text)}\n"
        archive.writestr(f"{name}-1.0.dist-info/RECORD", f"{record}{name}-1.0.dist-info/RECORD,,\n")
