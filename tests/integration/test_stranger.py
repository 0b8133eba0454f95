"""What an application that a burglar has taken can do to its host: nothing but to itself."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.integration.conftest import Site
from tests.integration.test_around import until
from tests.rig import PROJECT
from tests.rig.server import Server

# systemd 252 is the older one, and knows fewer ways to keep a process to itself.
pytestmark = pytest.mark.on("debian12")

NAME = "stranger.example.com"


class Stranger(Site):
    """A server on which the application of a burglar is live."""

    def __init__(self, server: Server, source: Path) -> None:
        super().__init__(server, source, "stranger")
        shutil.copytree(PROJECT / "tests/integration/stranger", source)
        (source / "requirements.txt").write_text("./tool\n")
        self.app["run"]["processes"] = 1

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


def test_the_live_release_cannot_change_the_build_that_is_to_replace_it(stranger: Stranger) -> None:
    stranger.app["build"]["commands"] = ["sleep 8"]
    run = stranger.run()
    assert run.until("Have a build of each application")
    works = "pgrep --full '^sleep 8'"
    assert until(lambda: stranger.server.shell(works, check=False) != "")
    seen = set()
    while stranger.server.shell(works, check=False):
        seen.add(stranger.tries("builds"))
    assert run.finish() == 0, run.said
    assert seen == {"nothing to see"}
    assert "stranger" not in stranger.server.shell("tail -n 1 /srv/stranger/current/build/app/main.py")


def test_what_runs_of_a_package_is_neither_root_nor_an_application_and_owns_nothing_afterwards(
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
    stranger.server.shell("systemctl restart 'stranger@*.service'")
    stranger.deploy()
    stranger.deploy("--check")
    (stranger.source / "other.py").touch()
    stranger.deploy()
    assert stranger.server.shell("ls /root/was-here", check=False) == ""
    # It would have told.
    stranger.server.shell(f"{venv}/bin/python -I -S -c pass && rm /root/was-here")


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
