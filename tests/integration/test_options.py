"""Each block of the page on options of uWSGI, deployed and redeployed under load.

A minute and a half.
"""

from __future__ import annotations

import re

import pytest
import yaml

from tests.integration.conftest import Site
from tests.rig import PROJECT
from tests.rig.server import Server

pytestmark = pytest.mark.on("debian13")

PAGE = (PROJECT / "docs/howto/uwsgi-options.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```yaml option=(\S+)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE))
CODE = """\
VERSION = b"1"


def application(environ, start_response):
    start_response("200 OK", [])
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return [sent or VERSION]
"""


@pytest.fixture(scope="module")
def options(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Site:
    source = tmp_path_factory.mktemp("options") / "source"
    source.mkdir()
    (source / "requirements.txt").write_text("")
    (source / "mule.py").write_text("import time\n\nwhile True:\n    time.sleep(1)\n")
    return Site(server, source, "options")


def deploy(options: Site, version: int, run: dict[str, object]) -> None:
    """Deploy a version of the code with settings of `run`."""
    (options.source / "main.py").write_text(CODE.replace("1", str(version), 1))
    options.deploy(apps=[{**options.app, "run": {"callable": "main:application", "processes": 2, **run}}])


def test_the_page_has_options() -> None:
    assert len(BLOCKS) >= 9


@pytest.mark.parametrize("name", BLOCKS)
def test_an_option_works_and_fails_no_request_of_a_deploy(options: Site, name: str) -> None:
    run = yaml.safe_load(BLOCKS[name])
    deploy(options, 1, run)
    ini = options.server.shell("cat /srv/options/current/uwsgi.ini")
    for option in run.get("options", {}):
        assert f"\n{option} = " in ini
    with options.server.load("options.example.com", rate=100) as load:
        deploy(options, 2, run)
    assert load.failures == [] and load.requests > 100
    assert options.get("options.example.com") == "2"
    restarts = options.server.shell(f"systemctl show --property NRestarts options@{options.live()}.service")
    assert restarts.strip() == "NRestarts=0"
