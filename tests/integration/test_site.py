"""`site.yml` over SSH, as in production."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.integration.conftest import HOST, Site, everywhere

# pip 23.0 is the older one, and what else differs is tested on both.
pytestmark = pytest.mark.on("debian12")


def recap(said: str) -> dict[str, int]:
    """Return the numbers of the one host in a run's recap."""
    line = next(line for line in said.splitlines() if line.startswith(HOST) and "ok=" in line)
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}


def instances(site: Site) -> list[str]:
    """Return the units that run, once those that were told to stop have stopped."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = site.server.shell("systemctl list-units --plain --no-legend 'hello@*.service'").splitlines()
        if not any("deactivating" in line for line in lines):
            break
        time.sleep(0.5)
    return [line.split()[0] for line in lines]


@everywhere
def test_the_application_answers_through_port_80(site: Site) -> None:
    assert site.get() == "Hello, World!"


@everywhere
def test_a_second_run_changes_nothing_in_few_tasks(site: Site) -> None:
    site.assert_nothing_to_do()


def test_check_mode_on_a_live_host_shows_the_change_and_makes_none(site: Site) -> None:
    before = site.live()
    code = site.source / "application.py"
    code.write_text(code.read_text().replace("World", "Check"))
    said = site.deploy("--check", "--diff").stdout
    code.write_text(code.read_text().replace("Check", "World"))
    assert recap(said)["changed"] == 1, said
    assert re.search(r"hello: would build [0-9a-f]{12} with packages [0-9a-f]{12}, there already\n", said), said
    assert re.search(rf"hello: would start [0-9a-f]{{12}} beside {before} and probe it\n", said), said
    assert re.search(rf"hello: would switch from {before} to [0-9a-f]{{12}}\n", said), said
    assert site.live() == before
    assert site.get() == "Hello, World!"


@everywhere
def test_an_edit_goes_live_as_a_new_release_and_the_packages_stay(site: Site) -> None:
    venvs = site.server.shell("ls /srv/hello/venvs")
    before = site.live()
    code = site.source / "application.py"
    code.write_text(code.read_text().replace("World", "Edit"))
    site.deploy()
    assert site.get() == "Hello, Edit!"
    code.write_text(code.read_text().replace("Edit", "World"))
    site.deploy()
    assert site.get() == "Hello, World!"
    assert site.live() == before
    assert site.server.shell("ls /srv/hello/venvs") == venvs
    assert instances(site) == [f"hello@{before}.service"]


def test_a_package_that_cannot_be_installed_fails_with_the_message_of_the_installer(site: Site) -> None:
    requirements = site.source / "requirements.txt"
    before, live = requirements.read_text(), site.live()
    requirements.write_text("flask\nthere-is-no-such-package-on-any-index==1\n")
    failed = site.deploy(check=False)
    requirements.write_text(before)
    assert failed.returncode != 0
    assert "hello: could not install the packages; uv said:" in failed.stdout
    assert "there-is-no-such-package-on-any-index" in failed.stdout
    assert site.live() == live
    assert site.get() == "Hello, World!"


def test_a_callable_that_does_not_exist_never_goes_live(site: Site) -> None:
    live = site.live()
    failed = site.deploy(apps=[{**site.app, "run": {"callable": "main:aplication"}}], check=False)
    assert failed.returncode != 0
    assert "does not start: main:aplication: there is no aplication; what can be called there" in failed.stdout
    assert "aplication" in failed.stdout
    assert site.live() == live
    assert site.get() == "Hello, World!"
    assert instances(site) == [f"hello@{live}.service"]
    assert recap(site.deploy().stdout)["changed"] == 1, "it removes the release that never was healthy"
    assert recap(site.deploy().stdout)["changed"] == 0


def test_only_root_can_read_the_environment(site: Site) -> None:
    secret = "canary-4711"
    site.deploy(apps=[{**site.app, "run": {**site.app["run"], "env": {"SECRET_KEY": secret}}}])
    readers = site.server.shell(
        f"su --shell /bin/sh nobody --command 'grep --recursive --no-messages {secret} /srv /etc/systemd'", check=False
    )
    assert readers == ""
    assert secret in site.server.shell("cat /srv/hello/current/env")
    site.deploy()


def test_it_builds_with_pip_if_uv_is_not_available(site: Site) -> None:
    """The directory for tools is too small for uv, so that fetching it fails."""
    site.server.shell("mount -t tmpfs -o size=64k tmpfs /opt/wsgi/tools")
    requirements = site.source / "requirements.txt"
    before = requirements.read_text()
    requirements.write_text(before + "\n# built by pip\n")
    try:
        said = site.deploy().stdout
    finally:
        requirements.write_text(before)
        site.server.shell("umount /opt/wsgi/tools")
    assert recap(said)["failed"] == 0
    assert '"installer": "pip"' in site.server.shell("cat /srv/hello/current/build/venv/manifest.json")
    assert site.get() == "Hello, World!"
    site.deploy()


def test_an_application_in_a_directory_below_the_code_runs_there(site: Site) -> None:
    before = site.live()
    (site.source / "src").mkdir()
    for name in ("application.py", "main.py"):
        (site.source / name).rename(site.source / "src" / name)
    said = site.deploy(apps=[{**site.app, "run": {**site.app["run"], "directory": "scr"}}], check=False).stdout
    assert "directory: the build has no directory scr: add it to the source" in " ".join(said.split())
    site.deploy(apps=[{**site.app, "run": {**site.app["run"], "directory": "src"}}])
    assert site.live() != before
    assert site.get() == "Hello, World!"
    shown = site.server.shell(f"systemctl show --property WorkingDirectory hello@{site.live()}")
    assert shown.strip().endswith("/app/src"), shown
    for name in ("application.py", "main.py"):
        (site.source / "src" / name).rename(site.source / name)
    (site.source / "src").rmdir()
    site.deploy()
    assert site.live() == before


def test_a_command_runs_with_everything_that_the_live_release_has(site: Site) -> None:
    site.deploy(apps=[{**site.app, "run": {**site.app["run"], "secrets": {"TOKEN": "canary-4712"}}}])
    code = "import os, pwd; print(pwd.getpwuid(os.getuid()).pw_name, os.getcwd(), os.environ['TOKEN'][-4:])"
    told = ("-e", json.dumps({"wsgi_command": f'python -c "{code}"'}))
    said = site.deploy(*told, playbook="command").stdout
    build = site.server.shell("readlink --canonicalize /srv/hello/current/build/app").strip()
    assert f"hello {build} 4712" in said, said
    failed = site.deploy("-e", "wsgi_command=\"python -c 'raise SystemExit(3)'\"", playbook="command", check=False)
    assert failed.returncode != 0 and "failed with status 3" in failed.stdout, failed.stdout
    checked = site.deploy(*told, "--check", playbook="command").stdout
    assert "4712" not in checked and "changed=1" in checked, checked
    assert site.server.shell("find /run /run/systemd/system -maxdepth 1 -name '*-command-*'") == ""
    site.deploy()


@everywhere
def test_a_command_in_a_terminal_has_everything_that_the_live_release_has(site: Site) -> None:
    paths = {"secret_files": {"key": "canary"}, "paths": {"KEY": "key"}, "secrets": {"TOKEN": "4712"}}
    site.deploy(apps=[{**site.app, "run": {**site.app["run"], **paths}}])
    code = (
        "import os, pwd, sys; answer = input('name? '); "
        "print(answer, sys.stdout.isatty(), pwd.getpwuid(os.getuid()).pw_name, os.environ['TOKEN'], "
        "open(os.environ['KEY']).read(), sys.prefix); sys.exit(3)"
    )
    site.server.shell(f"cat > /typed.sh <<'END'\nexec wsgi hello python -c \"{code}\"\nEND")
    # Like a person, it answers when it is asked, because the terminal drops what is typed before, and keeps its input
    # open.
    person = (
        "mkfifo /typed; exec 3<>/typed; timeout 60 script -qefc 'sh /typed.sh' /said <&3 >/dev/null & "
        "until grep -q 'name?' /said || ! kill -0 $!; do sleep 0.1; done; echo hello >&3; wait $!; "
        "echo status $? >> /said; cat /said"
    )
    said = site.server.shell(person)
    assert f"hello True hello 4712 canary /srv/hello/releases/{site.live()}/build/venv" in said, said
    assert said.strip().endswith("status 3"), said
    assert site.server.shell("echo x | wsgi hello cat") == "x\n"
    for typed, advice in (("wsgi other ls", "other has no live release"), ("wsgi hello lss", "lss: neither")):
        assert advice in site.server.shell(f"{typed} 2>&1", check=False)
    assert "usage: wsgi" in site.server.shell("wsgi 2>&1", check=False)
    site.deploy()


def test_the_application_answers_after_a_reboot(site: Site) -> None:
    site.server.restart()
    assert site.get() == "Hello, World!"


def test_templates_of_the_operator_override_those_of_the_roles(site: Site, tmp_path: Path) -> None:
    extend = "{{% extends 'wsgi.production/{0}' %}}\n{{% block {1} %}}\n{{{{ super() }}}}{2}\n{{% endblock %}}\n"
    for name, block, line in (
        ("process.j2", "more", "Nice=5"),
        ("uwsgi.ini.j2", "log", "log-5xx = true"),
        ("site.conf.j2", "more", "        etag off;"),
    ):
        (tmp_path / name).write_text(extend.format(name, block, line))
    words = ("-e", f"uwsgi_templates={tmp_path}", "-e", f"nginx_templates={tmp_path}")
    before = site.live()
    site.deploy(*words)
    live = site.live()
    assert live != before
    assert site.server.shell(f"systemctl show --property Nice --value hello@{live}").strip() == "5"
    assert "log-5xx = true\n" in site.server.shell("cat /srv/hello/current/uwsgi.ini")
    assert "        etag off;\n" in site.server.shell("nginx -T 2>/dev/null")
    assert site.get() == "Hello, World!"
    site.deploy()
    assert site.live() == before
