"""What cannot work is refused in one sentence, before any host is touched."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Site
from tests.rig.server import ansible, write_inventory

Entry = Callable[..., dict[str, Any]]

# What is wrong with an entry, and what is said of it after its name.
BAD: dict[str, tuple[Callable[[Entry], dict[str, Any]], str]] = {
    "an unknown key": (
        lambda entry: entry(name="a", run={"procesess": 4}),
        "(a): run.procesess: unknown key; did you mean processes?",
    ),
    "a missing callable": (
        lambda entry: {**entry(name="b"), "run": {"harakiri": 5}},
        "(b): run.callable is missing",
    ),
    "a name no system user could have": (
        lambda entry: entry(name="Hello World"),
        "(Hello World): name: 'Hello World': this is not a valid name for a system user",
    ),
    "two applications with one host name": (
        lambda entry: entry(name="c"),
        "wsgi_apps: two entries, Hello World and c, have the host name hello.example.com; change one",
    ),
    "a source that does not exist": (
        lambda entry: entry(name="d", build={"source": "no/such/directory"}),
        "(d): build.source: 'no/such/directory' is not a directory on the controller",
    ),
    "a repository that is not called one": (
        lambda entry: entry(name="e", build={"source": "git@git.example.com:hello.git"}),
        "(e): build.source: this is a URL; that of a git repository begins with git+",
    ),
    "a command for a shell": (
        lambda entry: entry(name="f", run={"migrate": ["cd app && python manage.py migrate"]}),
        "(f): run.migrate: 'cd app && python manage.py migrate': '&&' is shell syntax",
    ),
    "a uwsgi socket open to the network": (
        lambda entry: entry(name="g", run={"listen_uwsgi": "0.0.0.0:9000"}),
        "(g): run.listen_uwsgi: '0.0.0.0:9000': anyone who reaches a uwsgi port can run code",
    ),
}


def test_bad_input_is_refused_before_the_host_is_touched(bare: Site, entry: Entry) -> None:
    bare.server.shell("touch /before")
    refused = bare.deploy(apps=[make(entry) for make, _ in BAD.values()], check=False)
    assert refused.returncode != 0
    said = " ".join(refused.stdout.split())
    assert [case for case, (_, sentence) in BAD.items() if sentence not in said] == [], refused.stdout
    assert "Install the packages that builds need" not in refused.stdout
    assert bare.server.shell("find /etc /home/*/.ansible /opt /srv /usr -xdev -newer /before", check=False) == ""


def test_an_inventory_without_app_servers_is_refused(bare: Site, tmp_path: Path) -> None:
    inventory = write_inventory(tmp_path, {"web": bare.server.connection()}, {"web1": ["web"]}, {"wsgi_apps": []})
    refused = ansible("ansible-playbook", "playbooks/site.yml", "-i", inventory, check=False)
    assert refused.returncode != 0
    assert "the inventory has no host in the group app_servers" in refused.stdout


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("wsgi_on_failure", "contine", "wsgi_on_failure: 'contine': write stop or continue"),
        ("python_app_build_host", "build1", "python_app_build_host: 'build1': the inventory has no such host; add it"),
    ],
)
def test_wrong_settings_of_the_run_are_refused(bare: Site, setting: str, value: str, sentence: str) -> None:
    refused = bare.deploy("-e", f"{setting}={value}", check=False)
    assert refused.returncode != 0
    assert sentence in refused.stdout and "Install the packages that builds need" not in refused.stdout


def test_a_source_without_requirements_is_refused(bare: Site, entry: Entry, tmp_path: Path) -> None:
    shutil.copy(bare.source / "main.py", tmp_path)
    refused = bare.deploy(apps=[entry(build={"source": str(tmp_path)})], check=False)
    assert refused.returncode != 0
    assert "has no requirements.txt" in refused.stdout


def test_an_operating_system_that_is_not_supported_is_refused(bare: Site) -> None:
    release = bare.server.shell("cat /etc/os-release; cat /etc/debian_version")
    bare.server.shell("cp --dereference /etc/os-release /os-release; mv /etc/debian_version /debian_version")
    bare.server.shell(
        "rm /etc/os-release; printf 'NAME=\"Alpine Linux\"\\nID=alpine\\nVERSION_ID=3.20.0\\n' > /etc/os-release;"
        " echo 3.20.0 > /etc/alpine-release"
    )
    refused = bare.deploy(check=False)
    bare.server.shell("mv /os-release /etc/os-release; mv /debian_version /etc/debian_version; rm /etc/alpine-release")
    assert refused.returncode != 0, release
    assert "Alpine Linux 3.20.0 is not supported; use one of Debian 12, Debian 13, Ubuntu 24.04" in refused.stdout
    assert "Install the packages that builds need" not in refused.stdout


def test_check_mode_on_a_new_host_shows_the_whole_change_and_makes_none(bare: Site) -> None:
    bare.server.shell("touch /before")
    said = bare.deploy("--check", "--diff").stdout
    told = [
        r"would install ca-certificates, python3-venv",
        r"hello: would create the user hello\n",
        r"hello: would build [0-9a-f]{12} with packages [0-9a-f]{12}, which are new\n",
        r"hello: would create /srv/hello/data\n",
        r"hello: would create release [0-9a-f]{12} from build [0-9a-f]{12}\n",
        r"hello: would start [0-9a-f]{12} beside nothing and probe it",
        r"would install nginx, logrotate",
        r"hello: would switch from nothing to [0-9a-f]{12}",
    ]
    assert [words for words in told if not re.search(words, said)] == [], said
    assert bare.server.shell("find /etc /opt /srv /usr -xdev -newer /before -not -path '*/__pycache__*'") == ""
