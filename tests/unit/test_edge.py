"""What the edge promises."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import certificate
from ansible_collections.wsgi.production.plugins.module_utils import edge as unit
from ansible_collections.wsgi.production.plugins.module_utils.certificate import Acme, Certificate
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.edge import Edge, Sign
from ansible_collections.wsgi.production.plugins.module_utils.edge_text import OURS
from ansible_collections.wsgi.production.plugins.module_utils.edge_units import units
from ansible_collections.wsgi.production.plugins.module_utils.nginx import Nginx, Workers
from ansible_collections.wsgi.production.plugins.module_utils.passwords import Passwords
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.steps import edge as module
from tests.unit.fakes import FakeModule, FakeSystemd, certify, say

SERVICE, SOCKET = "nginx.service", "nginx.socket"

# What `nginx -t` refuses, and what it lets pass but a reload does not take up, in two ways.
WRONG, CONFLICTS, HANGS = f"{OURS} wrong", f"{OURS} conflicts", f"{OURS} hangs"

BASE, ONE, TWO, THREE = (f"{OURS}: {name}" for name in ("base", "one", "two", "three"))


class FakeNginx(Workers):
    """Takes up any configuration but such with the words above; `serving` is the one it took up last."""

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
            # A certificate that is not there is a mistake too.
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
        """Take up the file in place, unless the run is killed."""
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
def nginx(systemd: FakeSystemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNginx:
    fake = FakeNginx(systemd, tmp_path)
    monkeypatch.setattr(unit, "run", fake)
    monkeypatch.setattr(unit, "RELOAD_SECONDS", 0.1)
    monkeypatch.setattr(unit, "has_ipv6", lambda: True)
    return fake


@pytest.fixture
def bare(systemd: FakeSystemd, tmp_path: Path, nginx: FakeNginx) -> Edge:
    """Return the edge of a host on which the distribution has just started NGINX."""
    (systemd.units / SERVICE).touch()
    systemd.start(SERVICE)
    systemd.enable(SERVICE)
    nginx.live.write_text("distribution")
    paths = (tmp_path / "caches", tmp_path / "letsencrypt")
    return Edge(systemd, tmp_path, systemd.units, nginx, nginx.log, *paths)


@pytest.fixture
def edge(bare: Edge, nginx: FakeNginx) -> Edge:
    """Return an edge that serves the configuration `ONE`."""
    bare.take_over(BASE)
    bring(bare, ONE)
    nginx.checked.clear()
    return bare


def bring(edge: Edge, text: str, certificates: Sequence[Certificate] = ()) -> None:
    """Take the steps of a run that ends well."""
    for one in certificates:
        one.place()
    edge.stage(text)
    edge.take_up()
    edge.settle()


def own(edge: Edge, site: str) -> Certificate:
    """Return the certificate of a site that the controller has."""
    files = (edge.certificates / f"{site}.crt", edge.certificates / f"{site}.key")
    return Certificate(site, "own", [f"{site}.example.org"], *files, certificate=f"of {site}", key=f"key of {site}")


def config(*certificates: Certificate, more: str = "") -> str:
    """Return a configuration that names them."""
    named = "".join(f"ssl_certificate {one.file};\nkey {one.key_file};\n" for one in certificates)
    return f"{OURS}\n{named}{more}"


def in_place(edge: Edge) -> list[str]:
    return sorted(path.name for path in edge.certificates.glob("*"))


# Taking over


def test_there_is_no_text_before_the_first_configuration_of_ours(bare: Edge) -> None:
    assert bare.text() == ""
    bare.live.unlink()
    assert bare.text() == ""


def test_an_nginx_of_the_distribution_is_taken_over_once_and_its_file_is_kept(
    bare: Edge, systemd: FakeSystemd, nginx: FakeNginx
) -> None:
    assert not bare.is_taken_over()
    systemd.calls.clear()
    bare.take_over(BASE)
    assert bare.is_taken_over() and bare.is_complete() and bare.serves()
    assert (bare.text(), bare.original.read_text()) == (BASE, "distribution")
    starts = [call for call in systemd.calls if not call.startswith("enable")]
    assert starts == ["reload", f"stop {SERVICE}", f"start {SOCKET} {SERVICE}"]
    systemd.calls.clear()
    bring(bare, TWO)
    assert [call for call in systemd.calls if not call.startswith("enable")] == []


@pytest.mark.parametrize("broken", [SOCKET, SERVICE])
def test_a_host_that_cannot_be_taken_over_serves_as_before(bare: Edge, systemd: FakeSystemd, broken: str) -> None:
    systemd.broken.add(broken)
    with pytest.raises(Failed, match=f"could not start {broken}; the log of {broken} ends with:\nthe log of {broken}"):
        bare.take_over(BASE)
    assert bare.live.read_text() == "distribution"
    assert not bare.is_taken_over() and not bare.is_changing() and not bare.original.exists()
    if broken == SOCKET:
        assert systemd.is_active(SERVICE)
        assert not any(path.exists() for path in bare.units)


def test_a_snippet_that_nginx_refuses_takes_no_host_over(bare: Edge) -> None:
    with pytest.raises(Failed, match="that is wrong"):
        bare.take_over(WRONG)
    assert bare.live.read_text() == "distribution"
    assert not bare.is_taken_over() and not bare.is_changing()


@pytest.mark.parametrize("fails", [False, True])
def test_the_file_that_was_there_is_kept_as_it_is_be_it_a_link(
    bare: Edge, systemd: FakeSystemd, tmp_path: Path, fails: bool
) -> None:
    managed = tmp_path / "managed.conf"
    managed.write_bytes(b"a caf\xe9")
    managed.chmod(0o600)
    bare.live.unlink()
    bare.live.symlink_to(managed)
    if fails:
        systemd.broken.add(SOCKET)
        with pytest.raises(Failed):
            bare.take_over(BASE)
    else:
        bare.take_over(BASE)
    kept = bare.live if fails else bare.original
    assert kept.is_symlink() and kept.resolve() == managed
    assert (managed.read_bytes(), managed.stat().st_mode & 0o777) == (b"a caf\xe9", 0o600)


def test_an_nginx_of_ours_that_has_lost_its_file_is_not_taken_over_again(edge: Edge) -> None:
    edge.live.unlink()
    assert edge.is_taken_over() and edge.foreign() == []


def conffiles(*paths: Path) -> str:
    """Return what dpkg says of configuration that packages have brought."""
    return "".join(f" {path} {unit._digest(path)}\n" for path in paths)


def test_what_nginx_serves_as_it_was_installed_is_nobodys(bare: Edge, nginx: FakeNginx) -> None:
    for name in ("sites-available", "sites-enabled", "conf.d"):
        (bare.root / name).mkdir()
    default = bare.root / "sites-available/default"
    default.write_text("welcome")
    (bare.root / "sites-enabled/default").symlink_to(default)
    nginx.packaged = conffiles(bare.live, default)
    assert bare.foreign() == []
    # A package may have been removed, and its link be left.
    (bare.root / "sites-enabled/gone").symlink_to("nowhere")
    assert bare.foreign() == []


@pytest.mark.parametrize("changed", ["nginx.conf", "sites-enabled/shop", "conf.d/shop.conf", "sites-available/default"])
def test_what_somebody_lets_nginx_serve_is_foreign(bare: Edge, nginx: FakeNginx, changed: str) -> None:
    test_what_nginx_serves_as_it_was_installed_is_nobodys(bare, nginx)
    (bare.root / changed).write_text("a shop")
    assert bare.foreign() == [bare.root / changed.replace("available", "enabled")]


def test_without_a_package_all_that_nginx_serves_is_foreign(bare: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(argv: list[str], purpose: str) -> str:
        raise Failed(purpose)

    monkeypatch.setattr(unit, "run", unknown)
    assert bare.foreign() == [bare.live]


def test_what_is_ours_is_not_foreign(edge: Edge) -> None:
    (edge.root / "conf.d").mkdir()
    (edge.root / "conf.d/shop.conf").touch()
    assert edge.foreign() == []


# A change


def test_a_configuration_is_checked_beside_the_live_one_and_then_served(edge: Edge, nginx: FakeNginx) -> None:
    edge.stage(TWO)
    assert nginx.checked == [edge.next]
    assert edge.text() == nginx.serving == ONE
    assert edge.is_changing() and not edge.serves()
    edge.take_up()
    assert edge.text() == nginx.serving == TWO
    assert edge.is_changing() and not edge.serves()
    edge.settle()
    assert edge.serves() and not edge.is_changing()


def test_only_root_can_read_what_lets_a_verification_through(edge: Edge) -> None:
    assert edge.token.stat().st_mode & 0o777 == 0o600
    assert len(unit.verify_token(edge.token)) == 32


def test_a_lost_secret_of_verifications_is_made_anew(edge: Edge) -> None:
    edge.token.unlink()
    assert not edge.is_complete()
    bring(edge, ONE)
    assert edge.is_complete() and len(unit.verify_token(edge.token)) == 32


def test_the_configuration_is_nobody_elses_to_read(edge: Edge) -> None:
    edge.stage(TWO)
    assert edge.next.stat().st_mode & 0o777 == 0o640
    edge.take_up()
    assert {path.stat().st_mode & 0o777 for path in (edge.live, edge.before)} == {0o640}
    edge.go_back()
    assert edge.live.stat().st_mode & 0o777 == 0o640


def test_a_configuration_that_nginx_refuses_never_replaces_the_live_one(edge: Edge, nginx: FakeNginx) -> None:
    with pytest.raises(Failed, match=f"^that is wrong; line 1 of the configuration is: {WRONG}$"):
        edge.stage(WRONG)
    assert edge.text() == nginx.serving == ONE
    assert edge.serves() and not edge.is_changing()


@pytest.mark.parametrize(
    ("text", "why"), [(CONFLICTS, 'size 2 of shared memory zone "one" conflicts'), (HANGS, "no new workers")]
)
def test_a_configuration_that_a_reload_does_not_take_up_is_taken_back(
    edge: Edge, nginx: FakeNginx, text: str, why: str
) -> None:
    nginx.log.write_text("2026/11/24 03:00:00 [emerg] 7#7: something of old\n")
    reloads = nginx.reloads
    with pytest.raises(Failed, match=rf"^NGINX did not take up .*{why}") as failure:
        bring(edge, text)
    assert "something of old" not in str(failure.value)
    # What NGINX never took up it need not be told to leave.
    assert nginx.reloads == reloads + 1
    assert edge.text() == nginx.serving == ONE
    assert edge.serves() and not edge.is_changing()


def test_what_was_served_is_known_after_a_run_that_was_killed(edge: Edge, nginx: FakeNginx) -> None:
    nginx.killed = True
    with pytest.raises(KeyboardInterrupt):
        bring(edge, TWO)
    nginx.killed = False
    assert not edge.serves() and edge.is_changing()
    with pytest.raises(Failed):
        bring(edge, CONFLICTS)
    assert edge.text() == nginx.serving == ONE
    assert edge.serves()


def test_a_run_that_is_killed_before_the_reload_is_made_good(edge: Edge, nginx: FakeNginx) -> None:
    nginx.killed = True
    edge.stage(TWO)
    with pytest.raises(KeyboardInterrupt):
        edge.take_up()
    nginx.killed = False
    assert (edge.text(), nginx.serving) == (TWO, ONE)
    bring(edge, TWO)
    assert nginx.serving == TWO and edge.serves()


@pytest.mark.parametrize("taken_up", [False, True])
def test_a_run_that_fails_leaves_what_was_served_to_the_byte(edge: Edge, nginx: FakeNginx, taken_up: bool) -> None:
    before, after = own(edge, "before"), own(edge, "after")
    bring(edge, config(before), [before])
    there = {path: path.read_bytes() for path in edge.root.rglob("*") if path.is_file() and path != nginx.log}
    after.place()
    (edge.passwords).mkdir(exist_ok=True)
    (edge.passwords / "hello-1").touch()
    edge.stage(config(after))
    if taken_up:
        edge.take_up()
    assert edge.is_changing()
    edge.go_back()
    assert {path: path.read_bytes() for path in edge.root.rglob("*") if path.is_file() and path != nginx.log} == there
    assert nginx.serving == config(before)
    assert edge.serves() and not edge.is_changing()


def test_a_way_back_that_nginx_does_not_take_is_known_to_the_next_run(edge: Edge, nginx: FakeNginx) -> None:
    edge.stage(TWO)
    edge.take_up()
    nginx.spoilt = {nginx.reloads + 1}
    with pytest.raises(Failed, match="conflicts"):
        edge.go_back()
    assert edge.text() == ONE and edge.is_changing()
    edge.go_back()
    assert edge.text() == nginx.serving == ONE
    assert edge.serves() and not edge.is_changing()


def test_where_the_file_was_lost_there_is_nothing_to_go_back_to(edge: Edge, nginx: FakeNginx) -> None:
    edge.live.unlink()
    edge.stage(TWO)
    edge.take_up()
    edge.go_back()
    assert edge.text() == nginx.serving == TWO
    assert edge.serves()


# Applications that fail while others change


HELLO, WORLD, AWAY, NEW = block("hello"), block("world"), block("away"), block("hello", "new")


def test_a_site_whose_application_failed_before_the_switch_goes_on_as_it_is(edge: Edge, nginx: FakeNginx) -> None:
    bring(edge, whole(HELLO, WORLD))
    edge.stage(whole(NEW, AWAY, WORLD))
    edge.take_up(["hello", "away"])
    edge.settle()
    assert edge.text() == nginx.serving == whole(WORLD, HELLO)


def test_a_site_whose_application_failed_after_the_switch_is_put_back(edge: Edge, nginx: FakeNginx) -> None:
    bring(edge, whole(HELLO, WORLD))
    edge.stage(whole(NEW, AWAY, WORLD))
    edge.take_up()
    edge.settle(["hello", "away"])
    assert edge.text() == nginx.serving == whole(WORLD, HELLO)
    assert edge.serves()


def test_nginx_is_not_asked_again_where_no_site_is_to_be_put_back(edge: Edge, nginx: FakeNginx) -> None:
    edge.stage(whole(HELLO))
    nginx.reloads = 0
    edge.take_up()
    edge.settle(["none"])
    assert nginx.reloads == 1


# Units


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_an_nginx_that_does_not_run_is_started(edge: Edge, systemd: FakeSystemd, state: str) -> None:
    systemd.states[SERVICE] = state
    assert not edge.serves()
    bring(edge, ONE)
    assert edge.serves()


@pytest.mark.parametrize("unit_name", [SERVICE, SOCKET])
def test_what_would_not_start_at_the_next_boot_is_enabled(edge: Edge, systemd: FakeSystemd, unit_name: str) -> None:
    systemd.disable(unit_name)
    assert not edge.serves()
    bring(edge, ONE)
    assert edge.serves()


def test_a_changed_unit_is_put_right(edge: Edge, systemd: FakeSystemd) -> None:
    path = next(iter(edge.units))
    path.write_text("mine")
    assert not edge.is_complete()
    systemd.calls.clear()
    bring(edge, ONE)
    assert edge.is_complete()
    assert "reload" in systemd.calls


def test_a_stop_waits_for_the_slowest_answer(edge: Edge, systemd: FakeSystemd) -> None:
    drop_in = systemd.units / f"{SERVICE}.d/wsgi.conf"
    bring(edge, whole(block("hello", "uwsgi_read_timeout 300s;"), block("world", "uwsgi_read_timeout 5s;")))
    assert "\nTimeoutStopSec=305\n" in drop_in.read_text()
    bring(edge, whole())
    assert "\nTimeoutStopSec=5\n" in drop_in.read_text()


def test_without_ipv6_nginx_takes_two_ports_from_systemd(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit, "has_ipv6", lambda: False)
    assert not edge.is_complete()
    bring(edge, ONE)
    ports, drop_in = (path.read_text() for path in edge.units)
    assert re.findall(r"^ListenStream=(.*)$", ports, re.MULTILINE) == ["0.0.0.0:80", "0.0.0.0:443"]
    assert " NGINX=3;4; " in drop_in
    assert " NGINX=3;4;5;6; " in units(0)[1]


# What a configuration names


def test_nginx_finds_the_certificates_of_a_configuration_when_it_checks_it(edge: Edge, nginx: FakeNginx) -> None:
    one = own(edge, "hello")
    with pytest.raises(Failed, match="cannot load"):
        edge.stage(config(one))
    bring(edge, config(one), [one])
    assert nginx.serving == config(one)
    assert in_place(edge) == ["hello.crt", "hello.key"]


def test_a_certificate_that_is_served_no_more_goes_once_the_next_is_there_to_stay(edge: Edge) -> None:
    before, after = own(edge, "before"), own(edge, "after")
    bring(edge, config(before), [before])
    after.place()
    edge.stage(config(after))
    edge.take_up()
    assert in_place(edge) == ["after.crt", "after.key", "before.crt", "before.key"]
    edge.settle()
    assert in_place(edge) == ["after.crt", "after.key"]


def test_where_the_configuration_is_lost_nothing_that_it_may_have_named_is_removed(edge: Edge) -> None:
    one = own(edge, "hello")
    bring(edge, config(one), [one])
    edge.live.unlink()
    assert not edge.is_changing()
    edge.go_back()
    assert in_place(edge) == ["hello.crt", "hello.key"]


@pytest.mark.parametrize("fails", [False, True])
def test_only_what_stays_removed_is_renewed_no_longer(edge: Edge, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    kept: list[str] = []
    monkeypatch.setattr(certificate, "abandon", lambda config, root: kept.append(config))
    edge.stage(TWO)
    edge.take_up()
    if fails:
        edge.go_back()
    else:
        edge.settle()
    assert kept == ([] if fails else [TWO])


def test_where_the_configuration_is_lost_each_certificate_is_renewed_as_before(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "abandon", lambda config, root: pytest.fail("it is abandoned"))
    edge.live.unlink()
    edge.settle()


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_for_a_site_goes_with_the_site(edge: Edge, fails: bool) -> None:
    named = {edge.caches: "cache-{}", edge.maintenance: "{}", edge.passwords: "{}-1"}
    for root, name in named.items():
        root.mkdir()
        for site in ("hello", "hell", "gone"):
            (root / name.format(site)).touch()
    (edge.caches / "body").touch()
    live = (
        f"uwsgi_cache_path {edge.caches}/cache-{{0}} levels=1:2;"
        f"if (-f {edge.maintenance}/{{0}}) auth_basic_user_file {edge.passwords}/{{0}}-1;"
    )
    edge.live.write_text(f"{OURS} " + "".join(live.format(site) for site in ("hello", "hell", "gone")))
    edge.stage(f"{OURS} {live.format('hello')}")
    edge.take_up()
    if fails:
        edge.go_back()
    else:
        edge.settle()
    there = {"gone", "hell", "hello"} if fails else {"hello"}
    found = {root: {path.name for path in root.iterdir()} - {"body"} for root in named}
    assert found == {root: {name.format(site) for site in there} for root, name in named.items()}
    assert (edge.caches / "body").exists()


# Sign


def sign(root: Path, site: str) -> Sign:
    return Sign(site, root / "nginx.conf", root / "maintenance")


def test_a_site_is_closed_and_opened_by_a_sign(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(f"if (-f {tmp_path}/maintenance/hello) {{")
    assert not sign(tmp_path, "hello").is_up()
    for _ in range(2):
        sign(tmp_path, "hello").put_up()
        assert sign(tmp_path, "hello").is_up()
    assert [path.name for path in (tmp_path / "maintenance").iterdir()] == ["hello"]
    sign(tmp_path, "hello").take_down()
    assert not sign(tmp_path, "hello").is_up()


@pytest.mark.parametrize("name", ["hell", "hello-2", "ello", ""])
def test_a_site_that_the_host_does_not_serve_has_no_sign(tmp_path: Path, name: str) -> None:
    with pytest.raises(Failed, match=rf"^{name}: this host serves no site of that name$"):
        sign(tmp_path, name)
    (tmp_path / "nginx.conf").write_text(f"if (-f {tmp_path}/maintenance/hello) {{")
    with pytest.raises(Failed, match=rf"^{name}: this host serves no site of that name$"):
        sign(tmp_path, name)


# The module


class Server(Acme):
    """An ACME server that gives a certificate to whom it asks NGINX for, or fails.

    `asked` are the sites that it was asked for, with what NGINX served then.
    """

    def __init__(self, nginx: FakeNginx) -> None:
        super().__init__("https://acme.example.org", "")
        self.nginx = nginx
        self.asked: list[tuple[str, str]] = []
        self.failure: Exception | None = None
        self.due: set[str] = set()

    def is_due(self, wanted: Certificate) -> bool:
        """Tell what the test says, or whether it was never got."""
        return wanted.site in self.due or not wanted.file.exists()

    def obtain(self, wanted: Certificate) -> None:
        """Write the certificate into the files that NGINX reads, which stands in for the link."""
        self.asked.append((wanted.site, self.nginx.live.read_text()))
        if self.failure:
            raise self.failure
        wanted.file.parent.mkdir(exist_ok=True)
        for path, text in zip((wanted.file, wanted.key_file), certify(*wanted.names)):
            path.write_text(text)


@pytest.fixture
def acme(nginx: FakeNginx) -> Server:
    return Server(nginx)


def from_acme(edge: Edge, site: str) -> Certificate:
    """Return the certificate of a site that an ACME server is to give."""
    files = (edge.certificates / f"{site}-acme-1.crt", edge.certificates / f"{site}-acme-1.key")
    return Certificate(site, "acme", [f"{site}.example.org"], *files)


class Host:
    """A host on which the module plans."""

    def __init__(self, edge: Edge, acme: Server, root: Path) -> None:
        self.edge = edge
        self.acme = acme
        self.root = root
        self.warnings: list[str] = []
        self.asked: list[tuple[str, str]] = []

    def as_edge(self, systemd: object) -> Edge:
        """Take the place of `Edge`."""
        return self.edge

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
            "config": json.dumps({"0": text, "1.25.1": f"{text} for a newer NGINX"}),
            "certificates": [{key: value for key, value in vars(one).items() if key != "key"} for one in certificates],
            "secrets": json.dumps({"passwords": users or {}, "keys": {one.site: one.key for one in certificates}}),
        }
        asked = FakeModule(**{**given, **params})
        planned: Plan = module.plan(asked)
        self.warnings = asked.warnings
        return planned


@pytest.fixture
def host(edge: Edge, acme: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(edge, acme, tmp_path)
    monkeypatch.setattr(shutil, "chown", lambda path, group: None)
    monkeypatch.setattr(Nginx, "read", lambda: Nginx("nginx version: nginx/1.22.1"))
    monkeypatch.setattr(module, "Edge", found.as_edge)
    monkeypatch.setattr(module, "Acme", found.as_acme)
    monkeypatch.setattr(module, "Passwords", lambda users: Passwords(users, edge.passwords))
    return found


def test_the_module_has_nothing_to_do_where_all_is_served(host: Host) -> None:
    planned = host.plan(ONE)
    assert (planned.steps, planned.settled) == ([], "NGINX serves the sites")


def test_the_module_serves_the_text_for_the_nginx_of_the_host_and_shows_the_difference(host: Host) -> None:
    planned = host.plan(TWO)
    assert say(planned.steps) == [f"replace {host.edge.live}", "let NGINX take it up"]
    assert planned.result["diff"] == {
        "before_header": str(host.edge.live),
        "after_header": str(host.edge.live),
        "before": ONE,
        "after": TWO,
    }
    assert host.edge.text() == ONE
    planned.take()
    assert host.edge.text() == TWO and host.edge.serves()
    assert host.plan(TWO).steps == []


def test_before_a_switch_the_module_only_makes_ready(host: Host) -> None:
    planned = host.plan(TWO, at_switch=True)
    assert say(planned.steps) == [f"replace {host.edge.live} at the switch"]
    planned.take()
    assert host.edge.text() == ONE
    host.edge.take_up()
    host.edge.settle()
    assert host.edge.text() == TWO
    assert host.plan(TWO, at_switch=True).steps == []


def test_what_a_killed_run_has_made_ready_is_made_ready_anew(host: Host) -> None:
    host.plan(TWO, at_switch=True).take()
    host.plan(ONE, at_switch=True).take()
    host.edge.take_up()
    host.edge.settle()
    assert host.edge.text() == ONE
    assert host.plan(ONE, at_switch=True).steps == []


@pytest.mark.parametrize("at_switch", [False, True])
def test_a_bare_host_serves_no_site_until_the_switch(host: Host, at_switch: bool) -> None:
    host.edge.live.write_text("distribution")
    for path in host.edge.units:
        path.unlink()
    planned = host.plan(whole(HELLO), at_switch=at_switch, take_over=True)
    assert say(planned.steps)[0] == "take NGINX over"
    planned.steps[0].do()
    assert host.edge.text() == whole()
    for step in planned.steps[1:]:
        step.do()
    assert host.edge.text() == (whole() if at_switch else whole(HELLO))


def test_the_module_takes_over_what_is_foreign_where_it_is_told_to(host: Host) -> None:
    host.edge.live.write_text("a shop")
    with pytest.raises(Failed) as refused:
        host.plan(TWO)
    assert f"serves what is not this collection's: {host.edge.live}. Describe" in str(refused.value)
    assert "nginx_take_over: true" in str(refused.value)
    host.plan(TWO, take_over=True).take()
    assert (host.edge.text(), host.edge.original.read_text()) == (TWO, "a shop")


def test_the_module_refuses_what_the_nginx_of_the_host_cannot_do(host: Host) -> None:
    with pytest.raises(Failed, match=r"^hello: tls\.http3: NGINX 1\.22\.1 of this host"):
        host.plan(ONE, sites=[{"name": "hello", "http3": True}])


def test_the_module_places_a_certificate_that_is_missing_though_the_text_is_the_same(host: Host) -> None:
    one = own(host.edge, "hello")
    host.plan(config(one), one).take()
    one.key_file.unlink()
    planned = host.plan(config(one), one)
    assert say(planned.steps) == [f"replace {host.edge.live}", "let NGINX take it up"]
    planned.take()
    assert in_place(host.edge) == ["hello.crt", "hello.key"]
    assert one.key_file.read_text() == "key of hello"
    assert host.plan(config(one), one).steps == []


def test_the_module_gets_the_certificates_that_are_due_and_no_others_before_nginx_needs_them(host: Host) -> None:
    sites = [from_acme(host.edge, "hello"), own(host.edge, "own"), from_acme(host.edge, "world")]
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
def test_a_certificate_that_cannot_be_got_changes_nothing(
    host: Host, nginx: FakeNginx, failure: Exception, at_switch: bool
) -> None:
    host.acme.failure = failure
    nginx.reloads = 0
    sites = [own(host.edge, "own"), from_acme(host.edge, "hello")]
    planned = host.plan(config(*sites), *sites, at_switch=at_switch)
    planned.take()
    assert planned.failures == {"": str(failure)}
    assert (host.edge.text(), in_place(host.edge), nginx.reloads) == (ONE, [], 0)
    assert host.edge.serves() and not host.edge.is_changing()


def test_a_stopped_nginx_is_started_for_the_acme_server(host: Host, systemd: FakeSystemd) -> None:
    site = from_acme(host.edge, "hello")
    systemd.states[SERVICE] = "failed"
    planned = host.plan(config(site), site)
    planned.steps[0].do()
    assert systemd.is_active(SERVICE)


@pytest.mark.parametrize("text", [WRONG, CONFLICTS])
def test_what_nginx_refuses_leaves_nothing_of_a_change_that_is_made_all_at_once(host: Host, text: str) -> None:
    one, users = own(host.edge, "hello"), {"hello": {"alice": "hunter2hunter2"}}
    planned = host.plan(config(one, more=text), one, users=users)
    planned.take()
    assert "" in planned.failures
    assert (host.edge.text(), in_place(host.edge), list(host.edge.passwords.iterdir())) == (ONE, [], [])
    assert host.edge.serves() and not host.edge.is_changing()


def test_other_passwords_are_another_file_which_is_there_before_nginx_asks_for_it(host: Host) -> None:
    text = f"{OURS} auth_basic_user_file {host.edge.passwords}/hello;"
    files: list[str] = []
    for password in ("hunter2hunter2", "hunter3hunter3"):
        users = {"hello": {"alice": password}, "world": {}}
        planned = host.plan(text, users=users)
        assert say(planned.steps) == [
            "write the passwords of sites",
            f"replace {host.edge.live}",
            "let NGINX take it up",
        ]
        for step in planned.steps[:2]:
            step.do()
        # Those of before are there for as long as NGINX may ask for them.
        assert {path.name for path in host.edge.passwords.iterdir()} >= {*files}
        planned.take()
        files = [path.name for path in host.edge.passwords.iterdir()]
        assert len(files) == 1 and re.fullmatch(r"hello-[0-9a-f]{12}", files[0])
        assert host.edge.text() == f"{OURS} auth_basic_user_file {host.edge.passwords}/{files[0]};"
        assert host.plan(text, users=users).steps == []


SITES = [{"name": "world"}]
LEFT_OVER = (
    "hello is left over: NGINX serves its site here, and no entry describes it. It goes on untouched. To remove it, "
    "add to wsgi_apps: - {name: hello, state: absent}"
)


@pytest.fixture
def both(host: Host) -> Host:
    """Return a host that serves two sites."""
    host.plan(whole(HELLO, WORLD)).take()
    host.plan(whole(HELLO, WORLD)).take()
    return host


def test_a_site_that_is_described_no_more_goes_on_and_is_told_of(both: Host) -> None:
    for described in ([], ["world"], ["other"]):
        planned = both.plan(whole(block("world", "new")), sites=SITES, described=described)
        assert both.warnings == [LEFT_OVER]
    assert planned.result["diff"]["after"] == whole(block("world", "new"), HELLO)
    planned.take()
    assert both.edge.text() == whole(block("world", "new"), HELLO)
    planned = both.plan(whole(block("world", "new")), sites=SITES, described=["world"])
    assert (planned.steps, both.warnings) == ([], [LEFT_OVER])


@pytest.mark.parametrize("described", [None, ["hello", "world"], ["hello"]])
def test_a_site_that_is_described_as_absent_goes(both: Host, described: list[str] | None) -> None:
    planned = both.plan(whole(WORLD), sites=SITES, described=described)
    assert both.warnings == []
    planned.take()
    assert both.edge.text() == whole(WORLD)
    assert both.plan(whole(WORLD), sites=SITES, described=described).steps == []


@pytest.mark.parametrize("described", [None, [], ["world"], ["hello", "world"]])
def test_a_site_that_is_kept_stays_as_it_is_and_nobody_is_told(both: Host, described: list[str] | None) -> None:
    text = whole(block("world", "new"))
    planned = both.plan(text, sites=SITES, described=described, kept=["hello", "never"])
    assert both.warnings == []
    planned.take()
    assert both.edge.text() == whole(block("world", "new"), HELLO)
    planned = both.plan(text, sites=SITES, described=described, kept=["hello", "never"])
    assert (planned.steps, both.warnings) == ([], [])


def test_only_what_is_not_to_be_kept_is_told_of(both: Host) -> None:
    planned = both.plan(whole(), described=[], kept=["world"])
    assert both.warnings == [LEFT_OVER]
    planned.take()
    assert both.edge.text() == whole(HELLO, WORLD)


def test_a_site_that_is_given_is_the_new_one_though_it_would_be_kept(both: Host) -> None:
    both.plan(whole(block("world", "new")), sites=SITES, kept=["world"]).take()
    assert both.edge.text() == whole(block("world", "new"))


def test_a_site_that_is_kept_goes_once_it_is_so_no_more(both: Host) -> None:
    both.plan(whole(WORLD), sites=SITES, described=["hello", "world"], kept=["hello"]).take()
    assert both.edge.text() == whole(WORLD, HELLO)
    both.plan(whole(WORLD), sites=SITES, described=["hello", "world"]).take()
    assert (both.edge.text(), both.warnings) == (whole(WORLD), [])


def test_a_site_that_cannot_be_beside_what_is_left_over_changes_nothing(host: Host) -> None:
    host.plan(whole(block("hello", "listen 80 default_server;"))).take()
    with pytest.raises(Failed, match=r"^world: default: hello, which is left over, is the default site; "):
        host.plan(whole(block("world", "listen 80 default_server;")), sites=SITES, described=["world"])
    assert host.edge.text() == whole(block("hello", "listen 80 default_server;"))


def test_what_a_site_that_is_left_over_needs_stays_as_long_as_it_does(host: Host) -> None:
    one, users, edge = own(host.edge, "hello"), {"hello": {"alice": "hunter2hunter2"}}, host.edge
    lines = (f"ssl_certificate {one.file};", f"ssl_certificate_key {one.key_file};", "uwsgi_read_timeout 300s;")
    more = (f"if (-f {edge.maintenance}/hello) {{", f"auth_basic_user_file {edge.passwords}/hello;")
    sites = [*SITES, {"name": "hello"}]
    host.plan(whole(WORLD, block("hello", *lines, *more)), one, users=users, sites=sites).take()
    edge.maintenance.mkdir()
    (edge.maintenance / "hello").touch()
    needs = [one.file, one.key_file, *edge.passwords.glob("hello-*"), edge.maintenance / "hello"]
    assert len(needs) == 4
    for text in (whole(WORLD), whole(block("world", "new"))):
        host.plan(text, sites=SITES, described=["world"]).take()
        assert [path for path in needs if not path.exists()] == []
        assert host.plan(text, sites=SITES, described=["world"]).steps == []
    host.plan(whole(WORLD), sites=SITES, described=["world", "hello"]).take()
    assert [path for path in needs if path.exists()] == []


def test_ansible_logs_no_key_no_password_and_no_snippet() -> None:
    # It would log what is secret within a list.
    assert module.ARGUMENTS["secrets"]["no_log"] is True
    # A snippet may hold one too.
    assert module.ARGUMENTS["config"]["no_log"] is True
    assert "key" not in module.ARGUMENTS["certificates"]["options"]
