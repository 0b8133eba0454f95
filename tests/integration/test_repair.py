"""Whatever state a host is in, the next run makes it right."""

from __future__ import annotations

import os
import random
import time
import urllib.error

import pytest

from tests.integration.conftest import Site
from tests.integration.test_around import until

# systemd 252 is the older one, and the interpreter that an upgrade takes away is its.
pytestmark = pytest.mark.on("debian12")

# What the collection has made on a host, but for what the application has written.
MADE = (
    (
        "find /srv/hello /opt/wsgi /etc/systemd/system/hello@* /etc/systemd/system/*.wants/hello@* /run/hello"
        " /etc/nginx/nginx.conf /etc/nginx/verify.token /etc/systemd/system/nginx* /etc/systemd/system/*.wants/nginx*"
        " ( -path /srv/hello/data -o -name __pycache__ -o -path '*/releases/*/http' ) -prune -o -print"
    )
    .replace("( ", "\\( ")
    .replace(" )", " \\)")
)

# More in `make test-long`.
DELETIONS = 25 if os.environ.get("WSGI_LONG") else 5


def mended(site: Site) -> None:
    """Run once, and see that all is well."""
    site.deploy()
    assert site.get() == "Hello, World!"
    site.server.shell("systemctl restart 'hello@*.service' nginx")
    assert site.get() == "Hello, World!"
    assert " changed=0 " in site.deploy().stdout


@pytest.mark.parametrize(
    "broken",
    [
        "rm /run/hello/*.socket",
        "rm -r /srv/hello/venvs/*",
        "rm -r /srv/hello/current/build/venv/lib/python3*/site-packages/flask",
        "rm -r /opt/wsgi/servers/*",
        "rm /srv/hello/current/build/app/main.py",
        "ln -sfn /usr/bin/python3.9 /srv/hello/current/build/venv/bin/python",
        "rm /etc/systemd/system/hello@*.service && systemctl daemon-reload",
        "rm /etc/nginx/verify.token; systemctl restart nginx",
    ],
)
def test_one_run_restores_what_was_lost(site: Site, broken: str) -> None:
    site.server.shell(f"{broken}; systemctl restart 'hello@*.service'", check=False)
    mended(site)


def test_one_run_repairs_any_single_deletion(site: Site) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(DELETIONS):
        there = site.server.shell(MADE, check=False).splitlines()
        lost = chance.choice(there)
        print(f"seed {seed}: {lost}")
        site.server.shell(f"rm -rf '{lost}'")
        mended(site)


def test_data_on_a_disk_of_its_own_is_served_and_removed(site: Site) -> None:
    site.server.shell("mv /srv/hello/data /mnt/larger && ln -s /mnt/larger /srv/hello/data")
    site.app["serve"]["uploads"] = [{"path": "/media/", "directory": "media"}]
    site.deploy()
    site.server.shell("su --shell /bin/sh hello -c 'echo uploaded > /srv/hello/data/media/a.txt'")
    assert site.server.get("hello.example.com", "/media/a.txt") == "uploaded\n"
    site.deploy(apps=[{**site.app, "state": "absent", "remove_data": True}])
    assert site.server.shell("ls /srv/hello /mnt/larger", check=False) == ""
    del site.app["serve"]["uploads"]
    site.deploy()


def test_clients_of_an_instance_that_cannot_start_see_the_error_page_within_seconds(site: Site) -> None:
    python = site.server.shell("readlink -f /srv/hello/current/build/venv/bin/python").strip()
    # As an upgrade of the distribution leaves it.
    site.server.shell(f"mv {python} {python}.gone && cp {python}.gone /usr/local/bin/python3.0")
    site.server.shell("ln -sfn /usr/local/bin/python3.0 /usr/bin/python3")
    try:
        site.server.shell("systemctl restart --no-block 'hello@*.service'")
        assert until(lambda: site.server.shell("systemctl show --property NRestarts --value 'hello@*.service'") > "1")
        for _ in range(5):
            begun = time.monotonic()
            with pytest.raises(urllib.error.HTTPError, match="502"):
                site.get()
            assert time.monotonic() - begun < 5
    finally:
        site.server.shell(f"mv {python}.gone {python} && ln -sfn {python} /usr/bin/python3")
    assert until(lambda: "Hello" in site.server.shell("curl -s -H 'Host: hello.example.com' http://127.0.0.1/"))


def test_an_instance_that_dies_and_restarts_is_refused_with_its_log(site: Site) -> None:
    before = site.live()
    main = site.source / "main.py"
    text = main.read_text()
    main.write_text(
        f"{text}\nimport os, subprocess\nprint('about to die')\n"
        "subprocess.Popen(['sh', '-c', f'sleep 1; kill -9 {os.getpid()}'])\n"
    )
    refused = site.deploy(check=False)
    main.write_text(text)
    assert refused.returncode != 0 and "exits by itself" in refused.stdout and "about to die" in refused.stdout
    assert site.live() == before and site.get() == "Hello, World!"
    site.deploy()
