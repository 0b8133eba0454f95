"""What NGINX on a host promises."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import certificate
from ansible_collections.wsgi.production.plugins.module_utils import nginx as unit
from ansible_collections.wsgi.production.plugins.module_utils.certificate import Acme, Certificate
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.nginx import MaintenanceFlag, Nginx
from ansible_collections.wsgi.production.plugins.module_utils.nginx_binary import NginxBinary, Workers
from ansible_collections.wsgi.production.plugins.module_utils.nginx_text import OURS
from ansible_collections.wsgi.production.plugins.module_utils.nginx_units import filled
from ansible_collections.wsgi.production.plugins.module_utils.passwords import Passwords
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.steps import nginx as module
from ansible_collections.wsgi.production.plugins.plugin_utils.nginx_config import units
from tests.unit.fakes import FakeModule, FakeSystemd, certify, say

SERVICE, SOCKET = "nginx.service", "nginx.socket"

UNITS = units()

# What `nginx -t` refuses, and what it accepts but a reload does not load, in two ways.
WRONG, CONFLICTS, HANGS = f"{OURS} wrong", f"{OURS} conflicts", f"{OURS} hangs"

BASE, ONE, TWO, THREE = (f"{OURS}: {name}" for name in ("base", "one", "two", "three"))


class FakeNginx(Workers):
    """Loads any configuration without the words above; `serving` is the one that it loaded last."""

    def __init__(self, systemd: FakeSystemd, root: Path) -> None:
        self.systemd = systemd
        self.live = root / "nginx.conf"
        self.log = root / "error.log"
        self.serving = ""
        self.checked: list[Path] = []
        self.killed = False
        self.worker = 100
        self.reloads = 0
        self.spoilt: set[int] = set()
        self.packaged = ""

    def pids(self) -> set[int]:
        """Return its one worker."""
        return {self.worker}

    def __call__(self, argv: list[Any], purpose: str) -> str:
        """Take the place of `run`."""
        if argv[0] == "nginx":
            # A missing certificate is an error too.
            self.checked.append(Path(argv[-1]))
            text = Path(argv[-1]).read_text()
            if "wrong" in text:
                raise Failed(f"could not {purpose}; nginx said:\nnginx: [emerg] that is wrong in {argv[-1]}:1")
            for path in re.findall(rf"{self.live.parent}/(?:certificates|passwords)/[^;]+", text):
                if not Path(path).exists():
                    raise Failed(f'could not {purpose}; nginx said:\nnginx: [emerg] cannot load "{path}"')
        if argv[0] == "dpkg-query":
            return self.packaged
        return ""

    def renew(self) -> None:
        """Load the file in place, unless the run is killed."""
        if self.killed:
            raise KeyboardInterrupt
        self.take_up()

    def take_up(self) -> None:
        """Do what NGINX does when it is reloaded."""
        text = self.live.read_text()
        self.reloads += 1
        if "conflicts" in text or self.reloads in self.spoilt:
            with self.log.open("a") as log:
                log.write('2026/11/24 04:00:00 [emerg] 7#7: the size 2 of shared memory zone "one" conflicts with 1\n')
        elif "hangs" not in text:
            self.serving = text
            self.worker += 1


def block(name: str, *lines: str) -> str:
    """Return the block of a site in a configuration."""
    inner = "".join(f"        {line}\n" for line in (f"uwsgi_pass {name};", *lines))
    return f"\n    # site {name}\n    server {{\n{inner}    }}\n    # end of site {name}\n"


def whole(*blocks: str, first: str = f"{OURS}\nhttp {{\n") -> str:
    """Return a configuration with these blocks."""
    return first + "".join(blocks) + "}\n"


@pytest.fixture
def fake(systemd: FakeSystemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNginx:
    fake = FakeNginx(systemd, tmp_path)
    monkeypatch.setattr(unit, "run", fake)
    monkeypatch.setattr(unit, "RELOAD_SECONDS", 0.1)
    monkeypatch.setattr(unit, "has_ipv6", lambda: True)
    return fake


@pytest.fixture
def bare(systemd: FakeSystemd, tmp_path: Path, fake: FakeNginx) -> Nginx:
    """Return the nginx of a host on which the distribution has just started NGINX."""
    (systemd.units / SERVICE).touch()
    systemd.start(SERVICE)
    systemd.enable(SERVICE)
    fake.live.write_text("distribution")
    paths = (tmp_path / "caches", tmp_path / "letsencrypt")
    return Nginx(systemd, tmp_path, systemd.units, fake, fake.log, *paths)


@pytest.fixture
def nginx(bare: Nginx, fake: FakeNginx) -> Nginx:
    """Return an nginx that serves the configuration `ONE`."""
    bare.take_over(BASE, UNITS)
    bring(bare, ONE)
    fake.checked.clear()
    return bare


def bring(nginx: Nginx, text: str, certificates: Sequence[Certificate] = ()) -> None:
    """Take the steps of a run that ends well."""
    for one in certificates:
        one.place()
    nginx.stage(text, UNITS)
    nginx.take_up()
    nginx.settle()


def own(nginx: Nginx, site: str) -> Certificate:
    """Return the certificate of a site that the controller has."""
    files = (nginx.certificates / f"{site}.crt", nginx.certificates / f"{site}.key")
    return Certificate(site, "own", [f"{site}.example.org"], *files, certificate=f"of {site}", key=f"key of {site}")


def config(*certificates: Certificate, more: str = "") -> str:
    """Return a configuration that names them."""
    named = "".join(f"ssl_certificate {one.file};\nkey {one.key_file};\n" for one in certificates)
    return f"{OURS}\n{named}{more}"


def in_place(nginx: Nginx) -> list[str]:
    return sorted(path.name for path in nginx.certificates.glob("*"))


# Taking over


def test_there_is_no_text_before_our_first_configuration(bare: Nginx) -> None:
    assert bare.text() == ""
    bare.live.unlink()
    assert bare.text() == ""


def test_an_nginx_of_the_distribution_is_taken_over_once_and_its_file_is_kept(
    bare: Nginx, systemd: FakeSystemd, fake: FakeNginx
) -> None:
    assert not bare.is_taken_over()
    systemd.calls.clear()
    bare.take_over(BASE, UNITS)
    assert bare.is_taken_over() and bare.is_complete(UNITS) and bare.serves()
    assert (bare.text(), bare.original.read_text()) == (BASE, "distribution")
    starts = [call for call in systemd.calls if not call.startswith("enable")]
    assert starts == ["reload", f"stop {SERVICE}", f"start {SOCKET} {SERVICE}"]
    systemd.calls.clear()
    bring(bare, TWO)
    assert [call for call in systemd.calls if not call.startswith("enable")] == []


@pytest.mark.parametrize("broken", [SOCKET, SERVICE])
def test_a_host_that_cannot_be_taken_over_serves_as_before(bare: Nginx, systemd: FakeSystemd, broken: str) -> None:
    systemd.broken.add(broken)
    with pytest.raises(Failed, match=f"could not start {broken}; the log of {broken} ends with:\nthe log of {broken}"):
        bare.take_over(BASE, UNITS)
    assert bare.live.read_text() == "distribution"
    assert not bare.is_taken_over() and not bare.is_changing() and not bare.original.exists()
    if broken == SOCKET:
        assert systemd.is_active(SERVICE)
        assert not any(path.exists() for path in bare.units)


def test_a_refused_snippet_prevents_a_takeover(bare: Nginx) -> None:
    with pytest.raises(Failed, match="that is wrong"):
        bare.take_over(WRONG, UNITS)
    assert bare.live.read_text() == "distribution"
    assert not bare.is_taken_over() and not bare.is_changing()


@pytest.mark.parametrize("fails", [False, True])
def test_the_original_file_is_kept_even_if_it_is_a_link(
    bare: Nginx, systemd: FakeSystemd, tmp_path: Path, fails: bool
) -> None:
    managed = tmp_path / "managed.conf"
    managed.write_bytes(b"a caf\xe9")
    managed.chmod(0o600)
    bare.live.unlink()
    bare.live.symlink_to(managed)
    if fails:
        systemd.broken.add(SOCKET)
        with pytest.raises(Failed):
            bare.take_over(BASE, UNITS)
    else:
        bare.take_over(BASE, UNITS)
    kept = bare.live if fails else bare.original
    assert kept.is_symlink() and kept.resolve() == managed
    assert (managed.read_bytes(), managed.stat().st_mode & 0o777) == (b"a caf\xe9", 0o600)


def test_our_nginx_is_not_taken_over_again_if_its_file_is_lost(nginx: Nginx) -> None:
    nginx.live.unlink()
    assert nginx.is_taken_over() and nginx.foreign() == []


def conffiles(*paths: Path) -> str:
    """Return what dpkg says of configuration that packages have brought."""
    return "".join(f" {path} {unit._digest(path)}\n" for path in paths)


def test_what_nginx_serves_as_it_was_installed_is_nobodys(bare: Nginx, fake: FakeNginx) -> None:
    for name in ("sites-available", "sites-enabled", "conf.d"):
        (bare.root / name).mkdir()
    default = bare.root / "sites-available/default"
    default.write_text("welcome")
    (bare.root / "sites-enabled/default").symlink_to(default)
    fake.packaged = conffiles(bare.live, default)
    assert bare.foreign() == []
    # A package may have been removed without its link.
    (bare.root / "sites-enabled/gone").symlink_to("nowhere")
    assert bare.foreign() == []


@pytest.mark.parametrize("changed", ["nginx.conf", "sites-enabled/shop", "conf.d/shop.conf", "sites-available/default"])
def test_changed_or_added_configuration_is_foreign(bare: Nginx, fake: FakeNginx, changed: str) -> None:
    test_what_nginx_serves_as_it_was_installed_is_nobodys(bare, fake)
    (bare.root / changed).write_text("a shop")
    assert bare.foreign() == [bare.root / changed.replace("available", "enabled")]


def test_without_a_package_every_configuration_is_foreign(bare: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(argv: list[str], purpose: str) -> str:
        raise Failed(purpose)

    monkeypatch.setattr(unit, "run", unknown)
    assert bare.foreign() == [bare.live]


def test_our_files_are_not_foreign(nginx: Nginx) -> None:
    (nginx.root / "conf.d").mkdir()
    (nginx.root / "conf.d/shop.conf").touch()
    assert nginx.foreign() == []


# A change


def test_a_configuration_is_checked_beside_the_live_one_and_then_served(nginx: Nginx, fake: FakeNginx) -> None:
    nginx.stage(TWO)
    assert fake.checked == [nginx.next]
    assert nginx.text() == fake.serving == ONE
    assert nginx.is_changing() and not nginx.serves()
    nginx.take_up()
    assert nginx.text() == fake.serving == TWO
    assert nginx.is_changing() and not nginx.serves()
    nginx.settle()
    assert nginx.serves() and not nginx.is_changing()


def test_only_root_can_read_the_verification_token(nginx: Nginx) -> None:
    assert nginx.token.stat().st_mode & 0o777 == 0o600
    assert len(unit.verify_token(nginx.token)) == 32


def test_a_lost_verification_token_is_made_again(nginx: Nginx) -> None:
    nginx.token.unlink()
    assert not nginx.is_complete(UNITS)
    bring(nginx, ONE)
    assert nginx.is_complete(UNITS) and len(unit.verify_token(nginx.token)) == 32


def test_only_root_and_nginx_can_read_the_configuration(nginx: Nginx) -> None:
    nginx.stage(TWO)
    assert nginx.next.stat().st_mode & 0o777 == 0o640
    nginx.take_up()
    assert {path.stat().st_mode & 0o777 for path in (nginx.live, nginx.before)} == {0o640}
    nginx.go_back()
    assert nginx.live.stat().st_mode & 0o777 == 0o640


def test_a_configuration_that_nginx_refuses_never_replaces_the_live_one(nginx: Nginx, fake: FakeNginx) -> None:
    with pytest.raises(Failed, match=f"^that is wrong; line 1 of the configuration is: {WRONG}$"):
        nginx.stage(WRONG)
    assert nginx.text() == fake.serving == ONE
    assert nginx.serves() and not nginx.is_changing()


@pytest.mark.parametrize(
    ("text", "why"), [(CONFLICTS, 'size 2 of shared memory zone "one" conflicts'), (HANGS, "no new worker process")]
)
def test_a_configuration_that_a_reload_does_not_load_is_rolled_back(
    nginx: Nginx, fake: FakeNginx, text: str, why: str
) -> None:
    fake.log.write_text("2026/11/24 03:00:00 [emerg] 7#7: something of old\n")
    reloads = fake.reloads
    with pytest.raises(Failed, match=rf"^NGINX did not load .*{why}") as failure:
        bring(nginx, text)
    assert "something of old" not in str(failure.value)
    # NGINX is not reloaded to leave what it never loaded.
    assert fake.reloads == reloads + 1
    assert nginx.text() == fake.serving == ONE
    assert nginx.serves() and not nginx.is_changing()


def test_the_last_served_text_is_known_after_a_killed_run(nginx: Nginx, fake: FakeNginx) -> None:
    fake.killed = True
    with pytest.raises(KeyboardInterrupt):
        bring(nginx, TWO)
    fake.killed = False
    assert not nginx.serves() and nginx.is_changing()
    with pytest.raises(Failed):
        bring(nginx, CONFLICTS)
    assert nginx.text() == fake.serving == ONE
    assert nginx.serves()


def test_the_next_run_completes_one_killed_before_the_reload(nginx: Nginx, fake: FakeNginx) -> None:
    fake.killed = True
    nginx.stage(TWO)
    with pytest.raises(KeyboardInterrupt):
        nginx.take_up()
    fake.killed = False
    assert (nginx.text(), fake.serving) == (TWO, ONE)
    bring(nginx, TWO)
    assert fake.serving == TWO and nginx.serves()


@pytest.mark.parametrize("taken_up", [False, True])
def test_a_failed_run_leaves_every_served_byte_unchanged(nginx: Nginx, fake: FakeNginx, taken_up: bool) -> None:
    before, after = own(nginx, "before"), own(nginx, "after")
    bring(nginx, config(before), [before])
    there = {path: path.read_bytes() for path in nginx.root.rglob("*") if path.is_file() and path != fake.log}
    after.place()
    (nginx.passwords).mkdir(exist_ok=True)
    (nginx.passwords / "hello-1").touch()
    nginx.stage(config(after))
    if taken_up:
        nginx.take_up()
    assert nginx.is_changing()
    nginx.go_back()
    assert {path: path.read_bytes() for path in nginx.root.rglob("*") if path.is_file() and path != fake.log} == there
    assert fake.serving == config(before)
    assert nginx.serves() and not nginx.is_changing()


def test_the_next_run_completes_a_rollback_that_nginx_refused(nginx: Nginx, fake: FakeNginx) -> None:
    nginx.stage(TWO)
    nginx.take_up()
    fake.spoilt = {fake.reloads + 1}
    with pytest.raises(Failed, match="conflicts"):
        nginx.go_back()
    assert nginx.text() == ONE and nginx.is_changing()
    nginx.go_back()
    assert nginx.text() == fake.serving == ONE
    assert nginx.serves() and not nginx.is_changing()


def test_a_lost_file_leaves_nothing_to_roll_back_to(nginx: Nginx, fake: FakeNginx) -> None:
    nginx.live.unlink()
    nginx.stage(TWO)
    nginx.take_up()
    nginx.go_back()
    assert nginx.text() == fake.serving == TWO
    assert nginx.serves()


# Applications that fail while others change


HELLO, WORLD, AWAY, NEW = block("hello"), block("world"), block("away"), block("hello", "new")


def test_a_site_stays_unchanged_if_its_application_fails_before_the_switch(nginx: Nginx, fake: FakeNginx) -> None:
    bring(nginx, whole(HELLO, WORLD))
    nginx.stage(whole(NEW, AWAY, WORLD))
    nginx.take_up(["hello", "away"])
    nginx.settle()
    assert nginx.text() == fake.serving == whole(WORLD, HELLO)


def test_a_site_is_restored_if_its_application_fails_after_the_switch(nginx: Nginx, fake: FakeNginx) -> None:
    bring(nginx, whole(HELLO, WORLD))
    nginx.stage(whole(NEW, AWAY, WORLD))
    nginx.take_up()
    nginx.settle(["hello", "away"])
    assert nginx.text() == fake.serving == whole(WORLD, HELLO)
    assert nginx.serves()


def test_nginx_is_not_reloaded_again_if_no_site_is_restored(nginx: Nginx, fake: FakeNginx) -> None:
    nginx.stage(whole(HELLO))
    fake.reloads = 0
    nginx.take_up()
    nginx.settle(["none"])
    assert fake.reloads == 1


# Units


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_a_stopped_nginx_is_started(nginx: Nginx, systemd: FakeSystemd, state: str) -> None:
    systemd.states[SERVICE] = state
    assert not nginx.serves()
    bring(nginx, ONE)
    assert nginx.serves()


@pytest.mark.parametrize("unit_name", [SERVICE, SOCKET])
def test_a_unit_that_a_reboot_would_not_start_is_enabled(nginx: Nginx, systemd: FakeSystemd, unit_name: str) -> None:
    systemd.disable(unit_name)
    assert not nginx.serves()
    bring(nginx, ONE)
    assert nginx.serves()


def test_a_changed_unit_is_repaired(nginx: Nginx, systemd: FakeSystemd) -> None:
    path = next(iter(nginx.units))
    path.write_text("mine")
    assert not nginx.is_complete(UNITS)
    systemd.calls.clear()
    bring(nginx, ONE)
    assert nginx.is_complete(UNITS)
    assert "reload" in systemd.calls


def test_new_units_come_and_go_with_their_configuration(nginx: Nginx, systemd: FakeSystemd) -> None:
    before = [path.read_text() for path in nginx.units]
    longer = [f"{text}# longer\n" for text in UNITS]
    nginx.stage(TWO, longer)
    assert [path.read_text() for path in nginx.units] == before
    systemd.calls.clear()
    nginx.take_up()
    assert all(path.read_text().endswith("# longer\n") for path in nginx.units)
    assert systemd.calls.count("reload") == 1
    nginx.go_back()
    assert [path.read_text() for path in nginx.units] == before
    assert systemd.calls.count("reload") == 2
    assert not list(systemd.units.rglob("*.before")) + list(systemd.units.rglob("*.next"))


def test_new_units_leave_no_temporary_files(nginx: Nginx, systemd: FakeSystemd) -> None:
    nginx.stage(TWO, [f"{text}# longer\n" for text in UNITS])
    nginx.take_up()
    nginx.settle()
    assert all(path.read_text().endswith("# longer\n") for path in nginx.units)
    assert not list(systemd.units.rglob("*.before")) + list(systemd.units.rglob("*.next"))


def test_a_stop_waits_for_the_slowest_answer(nginx: Nginx, systemd: FakeSystemd) -> None:
    drop_in = systemd.units / f"{SERVICE}.d/wsgi.conf"
    bring(nginx, whole(block("hello", "uwsgi_read_timeout 300s;"), block("world", "uwsgi_read_timeout 5s;")))
    assert "\nTimeoutStopSec=305\n" in drop_in.read_text()
    bring(nginx, whole())
    assert "\nTimeoutStopSec=5\n" in drop_in.read_text()


def test_without_ipv6_nginx_gets_two_ports_from_systemd(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit, "has_ipv6", lambda: False)
    assert not nginx.is_complete(UNITS)
    bring(nginx, ONE)
    ports, drop_in = (path.read_text() for path in nginx.units)
    assert re.findall(r"^ListenStream=(.*)$", ports, re.MULTILINE) == ["0.0.0.0:80", "0.0.0.0:443"]
    assert " NGINX=3;4; " in drop_in
    assert " NGINX=3;4;5;6; " in filled(UNITS, 0, True)[1]


# What a configuration names


def test_the_check_of_a_configuration_needs_its_certificates(nginx: Nginx, fake: FakeNginx) -> None:
    one = own(nginx, "hello")
    with pytest.raises(Failed, match="cannot load"):
        nginx.stage(config(one))
    bring(nginx, config(one), [one])
    assert fake.serving == config(one)
    assert in_place(nginx) == ["hello.crt", "hello.key"]


def test_an_old_certificate_is_removed_once_the_new_one_is_final(nginx: Nginx) -> None:
    before, after = own(nginx, "before"), own(nginx, "after")
    bring(nginx, config(before), [before])
    after.place()
    nginx.stage(config(after))
    nginx.take_up()
    assert in_place(nginx) == ["after.crt", "after.key", "before.crt", "before.key"]
    nginx.settle()
    assert in_place(nginx) == ["after.crt", "after.key"]


def test_if_the_configuration_is_lost_no_certificate_is_removed(nginx: Nginx) -> None:
    one = own(nginx, "hello")
    bring(nginx, config(one), [one])
    nginx.live.unlink()
    assert not nginx.is_changing()
    nginx.go_back()
    assert in_place(nginx) == ["hello.crt", "hello.key"]


@pytest.mark.parametrize("fails", [False, True])
def test_renewal_ends_only_after_a_successful_run(nginx: Nginx, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    kept: list[str] = []
    monkeypatch.setattr(certificate, "abandon", lambda config, root: kept.append(config))
    nginx.stage(TWO)
    nginx.take_up()
    if fails:
        nginx.go_back()
    else:
        nginx.settle()
    assert kept == ([] if fails else [TWO])


def test_if_the_configuration_is_lost_every_certificate_is_still_renewed(
    nginx: Nginx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "abandon", lambda config, root: pytest.fail("it is abandoned"))
    nginx.live.unlink()
    nginx.settle()


@pytest.mark.parametrize("fails", [False, True])
def test_files_of_a_site_are_removed_with_it(nginx: Nginx, fails: bool) -> None:
    named = {nginx.caches: "cache-{}", nginx.maintenance: "{}", nginx.passwords: "{}-1"}
    for root, name in named.items():
        root.mkdir()
        for site in ("hello", "hell", "gone"):
            (root / name.format(site)).touch()
    (nginx.caches / "body").touch()
    live = (
        f"uwsgi_cache_path {nginx.caches}/cache-{{0}} levels=1:2;"
        f"if (-f {nginx.maintenance}/{{0}}) auth_basic_user_file {nginx.passwords}/{{0}}-1;"
    )
    nginx.live.write_text(f"{OURS} " + "".join(live.format(site) for site in ("hello", "hell", "gone")))
    nginx.stage(f"{OURS} {live.format('hello')}")
    nginx.take_up()
    if fails:
        nginx.go_back()
    else:
        nginx.settle()
    there = {"gone", "hell", "hello"} if fails else {"hello"}
    found = {root: {path.name for path in root.iterdir()} - {"body"} for root in named}
    assert found == {root: {name.format(site) for site in there} for root, name in named.items()}
    assert (nginx.caches / "body").exists()


# MaintenanceFlag


def sign(root: Path, site: str) -> MaintenanceFlag:
    return MaintenanceFlag(site, root / "nginx.conf", root / "maintenance")


def test_a_flag_closes_and_opens_a_site(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(f"if (-f {tmp_path}/maintenance/hello) {{")
    assert not sign(tmp_path, "hello").is_set()
    for _ in range(2):
        sign(tmp_path, "hello").set()
        assert sign(tmp_path, "hello").is_set()
    assert [path.name for path in (tmp_path / "maintenance").iterdir()] == ["hello"]
    sign(tmp_path, "hello").clear()
    assert not sign(tmp_path, "hello").is_set()


@pytest.mark.parametrize("name", ["hell", "hello-2", "ello", ""])
def test_a_site_that_the_host_does_not_serve_has_no_flag(tmp_path: Path, name: str) -> None:
    with pytest.raises(Failed, match=rf"^{name}: this host serves no such site$"):
        sign(tmp_path, name)
    (tmp_path / "nginx.conf").write_text(f"if (-f {tmp_path}/maintenance/hello) {{")
    with pytest.raises(Failed, match=rf"^{name}: this host serves no such site$"):
        sign(tmp_path, name)


# The module


class Server(Acme):
    """An ACME server that gives a certificate for any site, or fails.

    `asked` are the sites that it was asked for, with what NGINX served then.
    """

    def __init__(self, fake: FakeNginx) -> None:
        super().__init__("https://acme.example.org", "")
        self.fake = fake
        self.asked: list[tuple[str, str]] = []
        self.failure: Exception | None = None
        self.due: set[str] = set()

    def is_due(self, wanted: Certificate) -> bool:
        """Tell whether the test says so, or the site has no certificate yet."""
        return wanted.site in self.due or not wanted.file.exists()

    def obtain(self, wanted: Certificate) -> None:
        """Write the certificate into the files that NGINX reads, which stands in for the link."""
        self.asked.append((wanted.site, self.fake.live.read_text()))
        if self.failure:
            raise self.failure
        wanted.file.parent.mkdir(exist_ok=True)
        for path, text in zip((wanted.file, wanted.key_file), certify(*wanted.names)):
            path.write_text(text)


@pytest.fixture
def acme(fake: FakeNginx) -> Server:
    return Server(fake)


def from_acme(nginx: Nginx, site: str) -> Certificate:
    """Return the certificate of a site that an ACME server is to give."""
    files = (nginx.certificates / f"{site}-acme-1.crt", nginx.certificates / f"{site}-acme-1.key")
    return Certificate(site, "acme", [f"{site}.example.org"], *files)


class Host:
    """A host on which the module plans."""

    def __init__(self, nginx: Nginx, acme: Server, root: Path) -> None:
        self.nginx = nginx
        self.acme = acme
        self.root = root
        self.warnings: list[str] = []
        self.asked: list[tuple[str, str]] = []

    def as_nginx(self, systemd: object) -> Nginx:
        """Take the place of `Nginx`."""
        return self.nginx

    def as_acme(self, directory: str, email: str) -> Acme:
        """Take the place of `Acme`."""
        self.asked.append((directory, email))
        return self.acme

    def plan(self, text: str, *certificates: Certificate, users: Any = None, **params: Any) -> Plan:
        """Return the plan of the module for a configuration; `users` are those of sites, with their passwords."""
        given = {
            "sites": [],
            "described": None,
            "kept": [],
            "acme_directory": "https://acme.example.org",
            "acme_email": "",
            "take_over": False,
            "at_switch": False,
            "units": UNITS,
            "config": json.dumps({"0": text, "1.25.1": f"{text} for a newer NGINX"}),
            "certificates": [{key: value for key, value in vars(one).items() if key != "key"} for one in certificates],
            "secrets": json.dumps({"passwords": users or {}, "keys": {one.site: one.key for one in certificates}}),
        }
        asked = FakeModule(**{**given, **params})
        planned: Plan = module.plan(asked)
        self.warnings = asked.warnings
        return planned


@pytest.fixture
def host(nginx: Nginx, acme: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(nginx, acme, tmp_path)
    monkeypatch.setattr(shutil, "chown", lambda path, group: None)
    monkeypatch.setattr(NginxBinary, "read", lambda: NginxBinary("nginx version: nginx/1.22.1"))
    monkeypatch.setattr(module, "Nginx", found.as_nginx)
    monkeypatch.setattr(module, "Acme", found.as_acme)
    monkeypatch.setattr(module, "Passwords", lambda users: Passwords(users, nginx.passwords))
    return found


def test_the_module_has_nothing_to_do_if_all_is_served(host: Host) -> None:
    planned = host.plan(ONE)
    assert (planned.steps, planned.settled) == ([], "NGINX serves the sites")


def test_the_module_serves_the_text_for_this_nginx_and_shows_the_difference(host: Host) -> None:
    planned = host.plan(TWO)
    assert say(planned.steps) == [f"replace {host.nginx.live}", "reload NGINX"]
    header = str(host.nginx.live)
    assert planned.result["diff"] == [{"before_header": header, "after_header": header, "before": ONE, "after": TWO}]
    assert host.nginx.text() == ONE
    planned.take()
    assert host.nginx.text() == TWO and host.nginx.serves()
    assert host.plan(TWO).steps == []


def test_before_a_switch_the_module_only_prepares(host: Host) -> None:
    planned = host.plan(TWO, at_switch=True)
    assert say(planned.steps) == [f"replace {host.nginx.live} at the switch"]
    planned.take()
    assert host.nginx.text() == ONE
    host.nginx.take_up()
    host.nginx.settle()
    assert host.nginx.text() == TWO
    assert host.plan(TWO, at_switch=True).steps == []


def test_preparations_of_a_killed_run_are_made_again(host: Host) -> None:
    host.plan(TWO, at_switch=True).take()
    host.plan(ONE, at_switch=True).take()
    host.nginx.take_up()
    host.nginx.settle()
    assert host.nginx.text() == ONE
    assert host.plan(ONE, at_switch=True).steps == []


@pytest.mark.parametrize("at_switch", [False, True])
def test_a_bare_host_serves_no_site_until_the_switch(host: Host, at_switch: bool) -> None:
    host.nginx.live.write_text("distribution")
    for path in host.nginx.units:
        path.unlink()
    planned = host.plan(whole(HELLO), at_switch=at_switch, take_over=True)
    assert say(planned.steps)[0] == "take over NGINX"
    planned.steps[0].do()
    assert host.nginx.text() == whole()
    for step in planned.steps[1:]:
        step.do()
    assert host.nginx.text() == (whole() if at_switch else whole(HELLO))


def test_the_module_takes_over_a_foreign_nginx_only_if_told_to(host: Host) -> None:
    host.nginx.live.write_text("a shop")
    with pytest.raises(Failed) as refused:
        host.plan(TWO)
    assert f"serves sites that this collection did not configure: {host.nginx.live}. Describe" in str(refused.value)
    assert "nginx_take_over: true" in str(refused.value)
    host.plan(TWO, take_over=True).take()
    assert (host.nginx.text(), host.nginx.original.read_text()) == (TWO, "a shop")


def test_the_module_refuses_settings_that_nginx_does_not_support(host: Host) -> None:
    with pytest.raises(Failed, match=r"^hello: tls\.http3: NGINX 1\.22\.1 of this host"):
        host.plan(ONE, sites=[{"name": "hello", "http3": True}])


def test_the_module_places_a_missing_certificate_even_if_the_text_is_the_same(host: Host) -> None:
    one = own(host.nginx, "hello")
    host.plan(config(one), one).take()
    one.key_file.unlink()
    planned = host.plan(config(one), one)
    assert say(planned.steps) == [f"replace {host.nginx.live}", "reload NGINX"]
    planned.take()
    assert in_place(host.nginx) == ["hello.crt", "hello.key"]
    assert one.key_file.read_text() == "key of hello"
    assert host.plan(config(one), one).steps == []


def test_the_module_gets_only_due_certificates_before_nginx_needs_them(host: Host) -> None:
    sites = [from_acme(host.nginx, "hello"), own(host.nginx, "own"), from_acme(host.nginx, "world")]
    planned = host.plan(config(*sites), *sites)
    assert say(planned.steps)[0] == "get a certificate for hello.example.org, world.example.org"
    planned.take()
    assert host.acme.asked == [("hello", ONE), ("world", ONE)]
    host.acme.asked.clear()
    host.acme.due = {"world", "own"}
    planned = host.plan(config(*sites), *sites, acme_email="ops@example.org")
    assert say(planned.steps)[0] == "get a certificate for world.example.org"
    planned.take()
    assert host.acme.asked == [("world", config(*sites))]
    assert host.asked[-1] == ("https://acme.example.org", "ops@example.org")


@pytest.mark.parametrize("failure", [Failed("no such name"), OSError("No space left on device")])
@pytest.mark.parametrize("at_switch", [False, True])
def test_a_failed_certificate_request_changes_nothing(
    host: Host, fake: FakeNginx, failure: Exception, at_switch: bool
) -> None:
    host.acme.failure = failure
    fake.reloads = 0
    sites = [own(host.nginx, "own"), from_acme(host.nginx, "hello")]
    planned = host.plan(config(*sites), *sites, at_switch=at_switch)
    planned.take()
    assert planned.failures == {"": str(failure)}
    assert (host.nginx.text(), in_place(host.nginx), fake.reloads) == (ONE, [], 0)
    assert host.nginx.serves() and not host.nginx.is_changing()


def test_a_stopped_nginx_is_started_for_the_acme_server(host: Host, systemd: FakeSystemd) -> None:
    site = from_acme(host.nginx, "hello")
    systemd.states[SERVICE] = "failed"
    planned = host.plan(config(site), site)
    planned.steps[0].do()
    assert systemd.is_active(SERVICE)


@pytest.mark.parametrize("text", [WRONG, CONFLICTS])
def test_a_change_that_nginx_refuses_leaves_nothing_behind(host: Host, text: str) -> None:
    one, users = own(host.nginx, "hello"), {"hello": {"alice": "hunter2hunter2"}}
    planned = host.plan(config(one, more=text), one, users=users)
    planned.take()
    assert "" in planned.failures
    assert (host.nginx.text(), in_place(host.nginx), list(host.nginx.passwords.iterdir())) == (ONE, [], [])
    assert host.nginx.serves() and not host.nginx.is_changing()


def test_other_passwords_get_another_file_before_nginx_needs_it(host: Host) -> None:
    text = f"{OURS} auth_basic_user_file {host.nginx.passwords}/hello;"
    files: list[str] = []
    for password in ("hunter2hunter2", "hunter3hunter3"):
        users = {"hello": {"alice": password}, "world": {}}
        planned = host.plan(text, users=users)
        assert say(planned.steps) == [
            "write the passwords of sites",
            f"replace {host.nginx.live}",
            "reload NGINX",
        ]
        for step in planned.steps[:2]:
            step.do()
        # The previous ones stay for as long as NGINX may need them.
        assert {path.name for path in host.nginx.passwords.iterdir()} >= {*files}
        planned.take()
        files = [path.name for path in host.nginx.passwords.iterdir()]
        assert len(files) == 1 and re.fullmatch(r"hello-[0-9a-f]{12}", files[0])
        assert host.nginx.text() == f"{OURS} auth_basic_user_file {host.nginx.passwords}/{files[0]};"
        assert host.plan(text, users=users).steps == []


SITES = [{"name": "world"}]
LEFT_OVER = (
    "hello is left over: NGINX serves its site here, but there is no entry for it. It stays "
    "as it is. To remove it, add to wsgi_apps: - {name: hello, state: absent}"
)


@pytest.fixture
def both(host: Host) -> Host:
    """Return a host that serves two sites."""
    host.plan(whole(HELLO, WORLD)).take()
    host.plan(whole(HELLO, WORLD)).take()
    return host


def test_a_site_that_is_left_over_stays_and_is_reported(both: Host) -> None:
    for described in ([], ["world"], ["other"]):
        planned = both.plan(whole(block("world", "new")), sites=SITES, described=described)
        assert both.warnings == [LEFT_OVER]
    assert planned.result["diff"][0]["after"] == whole(block("world", "new"), HELLO)
    planned.take()
    assert both.nginx.text() == whole(block("world", "new"), HELLO)
    planned = both.plan(whole(block("world", "new")), sites=SITES, described=["world"])
    assert (planned.steps, both.warnings) == ([], [LEFT_OVER])


@pytest.mark.parametrize("described", [None, ["hello", "world"], ["hello"]])
def test_an_absent_site_is_removed(both: Host, described: list[str] | None) -> None:
    planned = both.plan(whole(WORLD), sites=SITES, described=described)
    assert both.warnings == []
    planned.take()
    assert both.nginx.text() == whole(WORLD)
    assert both.plan(whole(WORLD), sites=SITES, described=described).steps == []


@pytest.mark.parametrize("described", [None, [], ["world"], ["hello", "world"]])
def test_a_kept_site_stays_unchanged_without_a_warning(both: Host, described: list[str] | None) -> None:
    text = whole(block("world", "new"))
    planned = both.plan(text, sites=SITES, described=described, kept=["hello", "never"])
    assert both.warnings == []
    planned.take()
    assert both.nginx.text() == whole(block("world", "new"), HELLO)
    planned = both.plan(text, sites=SITES, described=described, kept=["hello", "never"])
    assert (planned.steps, both.warnings) == ([], [])


def test_only_sites_not_kept_are_reported(both: Host) -> None:
    planned = both.plan(whole(), described=[], kept=["world"])
    assert both.warnings == [LEFT_OVER]
    planned.take()
    assert both.nginx.text() == whole(HELLO, WORLD)


def test_a_kept_site_stays_although_another_text_is_given(both: Host) -> None:
    both.plan(whole(block("world", "new"), block("hello", "new")), sites=SITES, kept=["world"]).take()
    assert both.nginx.text() == whole(block("hello", "new"), WORLD)


def test_a_kept_site_that_was_never_there_is_not_served(both: Host) -> None:
    both.plan(whole(WORLD, block("never")), sites=SITES, kept=["never"]).take()
    assert both.nginx.text() == whole(WORLD)


def test_a_kept_site_goes_once_it_is_no_longer_kept(both: Host) -> None:
    both.plan(whole(WORLD), sites=SITES, described=["hello", "world"], kept=["hello"]).take()
    assert both.nginx.text() == whole(WORLD, HELLO)
    both.plan(whole(WORLD), sites=SITES, described=["hello", "world"]).take()
    assert (both.nginx.text(), both.warnings) == (whole(WORLD), [])


def test_a_site_that_conflicts_with_a_left_over_one_changes_nothing(host: Host) -> None:
    host.plan(whole(block("hello", "listen 80 default_server;"))).take()
    with pytest.raises(Failed, match=r"^world: default: hello, which is left over, is already the default site; "):
        host.plan(whole(block("world", "listen 80 default_server;")), sites=SITES, described=["world"])
    assert host.nginx.text() == whole(block("hello", "listen 80 default_server;"))


def test_files_of_a_left_over_site_stay_as_long_as_the_site(host: Host) -> None:
    one, users, nginx = own(host.nginx, "hello"), {"hello": {"alice": "hunter2hunter2"}}, host.nginx
    lines = (f"ssl_certificate {one.file};", f"ssl_certificate_key {one.key_file};", "uwsgi_read_timeout 300s;")
    more = (f"if (-f {nginx.maintenance}/hello) {{", f"auth_basic_user_file {nginx.passwords}/hello;")
    sites = [*SITES, {"name": "hello"}]
    host.plan(whole(WORLD, block("hello", *lines, *more)), one, users=users, sites=sites).take()
    nginx.maintenance.mkdir()
    (nginx.maintenance / "hello").touch()
    needs = [one.file, one.key_file, *nginx.passwords.glob("hello-*"), nginx.maintenance / "hello"]
    assert len(needs) == 4
    for text in (whole(WORLD), whole(block("world", "new"))):
        host.plan(text, sites=SITES, described=["world"]).take()
        assert [path for path in needs if not path.exists()] == []
        assert host.plan(text, sites=SITES, described=["world"]).steps == []
    host.plan(whole(WORLD), sites=SITES, described=["world", "hello"]).take()
    assert [path for path in needs if path.exists()] == []


def test_ansible_logs_no_keys_passwords_or_snippets() -> None:
    # Ansible would log a secret within a list.
    assert module.ARGUMENTS["secrets"]["no_log"] is True
    # A snippet may hold one too.
    assert module.ARGUMENTS["config"]["no_log"] is True
    assert "key" not in module.ARGUMENTS["certificates"]["options"]
