"""What the edge promises."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import edge as unit
from ansible_collections.wsgi.production.plugins.module_utils.certificate import Acme, Certificate
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.edge import Edge, Nginx, Sign, Workers, explain
from ansible_collections.wsgi.production.plugins.module_utils.passwords import Passwords
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.steps import edge as module
from tests.unit.fakes import FakeModule, FakeSystemd, certify, say

SERVICE, SOCKET = "nginx.service", "nginx.socket"

# The seconds that the slowest answer may take where there is no site.
SLOWEST = 0

# What `nginx -t` refuses, and what it lets pass but a reload does not take up, in two ways.
WRONG, CONFLICTS, HANGS = "wrong", "conflicts", "hangs"


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
        # A certificate that is not there is a mistake too.
        self.certificates = root / "certificates"
        self.spoilt: set[int] = set()

    def pids(self) -> set[int]:
        """Return its one worker."""
        return {self.worker}

    def __call__(self, argv: list[Any], purpose: str) -> str:
        """Take the place of `run`."""
        if argv[0] == "nginx":
            self.checked.append(Path(argv[-1]))
            text = Path(argv[-1]).read_text()
            if WRONG in text:
                raise Failed(f"could not {purpose}; nginx said:\nnginx: [emerg] no {WRONG} in {argv[-1]}:1")
            for path in re.findall(rf"{self.certificates}/[^;]+", text):
                if not Path(path).exists():
                    raise Failed(f'could not {purpose}; nginx said:\nnginx: [emerg] cannot load "{path}"')
        if argv[:2] == ["systemctl", "reload"]:
            if self.killed:
                raise KeyboardInterrupt
            self.take_up()
        return ""

    def take_up(self) -> None:
        """Do what NGINX does when it is reloaded."""
        text = self.live.read_text()
        self.reloads += 1
        if CONFLICTS in text or self.reloads in self.spoilt:
            with self.log.open("a") as log:
                log.write('2026/11/24 04:00:00 [emerg] 7#7: the size 2 of shared memory zone "one" conflicts with 1\n')
        elif HANGS not in text:
            self.serving = text
            self.worker += 1


@pytest.fixture
def nginx(systemd: FakeSystemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNginx:
    fake = FakeNginx(systemd, tmp_path)
    monkeypatch.setattr(unit, "run", fake)
    monkeypatch.setattr(unit, "RELOAD_SECONDS", 0.1)
    return fake


@pytest.fixture
def bare(systemd: FakeSystemd, tmp_path: Path, nginx: FakeNginx) -> Edge:
    """Return the edge of a host on which the distribution has just started NGINX."""
    (systemd.units / SERVICE).touch()
    systemd.start(SERVICE)
    systemd.enable(SERVICE)
    nginx.live.write_text("distribution")
    return Edge(systemd, tmp_path, systemd.units, nginx, nginx.log, tmp_path / "caches")


@pytest.fixture
def edge(bare: Edge, nginx: FakeNginx) -> Edge:
    """Return an edge that serves the configuration `one`."""
    bring(bare, "one")
    nginx.serving = "one"
    return bare


def bring(edge: Edge, text: str, missing: Sequence[Certificate] = (), acme: Acme | None = None) -> None:
    """Take the steps that the module takes; those of `missing` that are the ACME server's are got from `acme`."""
    if edge.text() != text or missing:
        edge.replace(text, missing)
    if not edge.has_units(SLOWEST):
        edge.place_units(SLOWEST)
    edge.serve(acme, [one for one in missing if one.source == "acme"])


def test_there_is_no_text_before_the_first_configuration(bare: Edge) -> None:
    bare.live.unlink()
    assert bare.text() == ""


def test_an_nginx_of_the_distribution_is_taken_over_once(bare: Edge, systemd: FakeSystemd) -> None:
    assert not bare.has_units(SLOWEST)
    assert not bare.serves()
    systemd.calls.clear()
    bring(bare, "one")
    assert bare.has_units(SLOWEST)
    assert bare.serves()
    starts = [call for call in systemd.calls if not call.startswith("enable")]
    assert starts == ["reload", f"stop {SERVICE}", f"start {SOCKET} {SERVICE}"]
    systemd.calls.clear()
    bring(bare, "two")
    assert [call for call in systemd.calls if not call.startswith("enable")] == []


def test_a_configuration_is_checked_beside_the_live_one_and_then_served(edge: Edge, nginx: FakeNginx) -> None:
    nginx.checked.clear()
    bring(edge, "two")
    assert nginx.checked == [edge.trial]
    assert edge.text() == nginx.serving == "two"
    assert edge.serves()
    assert not edge.trial.exists()
    assert not edge.before.exists()


def test_only_root_can_read_what_lets_a_verification_through(edge: Edge) -> None:
    edge.replace("one")
    assert edge.token.stat().st_mode & 0o777 == 0o600
    assert len(unit.verify_token(edge.token)) == 32


def test_a_configuration_that_nginx_refuses_never_replaces_the_live_one(edge: Edge, nginx: FakeNginx) -> None:
    with pytest.raises(Failed, match=f"^no {WRONG}; line 1 of the configuration is: {WRONG}$"):
        edge.replace(WRONG)
    assert edge.text() == nginx.serving == "one"
    assert not edge.trial.exists()
    assert edge.serves()


@pytest.mark.parametrize(
    ("text", "why"), [(CONFLICTS, 'size 2 of shared memory zone "one" conflicts'), (HANGS, "no new workers")]
)
def test_a_configuration_that_a_reload_does_not_take_up_is_taken_back(
    edge: Edge, nginx: FakeNginx, text: str, why: str
) -> None:
    nginx.log.write_text("2026/11/24 03:00:00 [emerg] 7#7: something of old\n")
    with pytest.raises(Failed, match=why) as failure:
        bring(edge, text)
    assert "something of old" not in str(failure.value)
    assert edge.text() == nginx.serving == "one"
    assert edge.serves()


def test_what_was_served_is_known_after_a_run_that_was_killed(edge: Edge, nginx: FakeNginx) -> None:
    nginx.killed = True
    with pytest.raises(KeyboardInterrupt):
        bring(edge, CONFLICTS)
    nginx.killed = False
    assert not edge.serves()
    with pytest.raises(Failed):
        bring(edge, CONFLICTS)
    assert edge.text() == nginx.serving == "one"
    assert edge.serves()


def test_a_run_that_is_killed_before_the_reload_is_noticed(edge: Edge, nginx: FakeNginx) -> None:
    nginx.killed = True
    edge.replace("two")
    with pytest.raises(KeyboardInterrupt):
        edge.serve()
    assert edge.text() == "two"
    assert not edge.serves()
    nginx.killed = False
    edge.serve()
    assert nginx.serving == "two"
    assert edge.serves()


def test_a_reload_that_is_due_is_not_forgotten_over_a_refused_configuration(edge: Edge) -> None:
    edge.replace("two")
    with pytest.raises(Failed):
        edge.replace(WRONG)
    assert edge.text() == "two"
    assert not edge.serves()


@pytest.mark.parametrize("broken", [SOCKET, SERVICE])
def test_a_host_that_cannot_be_taken_over_serves_as_before(bare: Edge, systemd: FakeSystemd, broken: str) -> None:
    systemd.broken.add(broken)
    with pytest.raises(Failed, match=f"could not start {broken}; the log of {broken} ends with:\nthe log of {broken}"):
        bring(bare, "one")
    assert bare.text() == "distribution"
    assert not bare.before.exists()
    if broken == SOCKET:
        assert systemd.is_active(SERVICE)
        assert not any(path.exists() for path in bare.units)


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_an_nginx_that_does_not_run_is_started(edge: Edge, systemd: FakeSystemd, state: str) -> None:
    systemd.states[SERVICE] = state
    assert not edge.serves()
    edge.serve()
    assert edge.serves()


@pytest.mark.parametrize("unit_name", [SERVICE, SOCKET])
def test_what_would_not_start_at_the_next_boot_is_enabled(edge: Edge, systemd: FakeSystemd, unit_name: str) -> None:
    systemd.disable(unit_name)
    assert not edge.serves()
    edge.serve()
    assert edge.serves()


def test_a_changed_unit_is_put_right(edge: Edge, systemd: FakeSystemd) -> None:
    path = next(iter(edge.units))
    path.write_text("mine")
    assert not edge.has_units(SLOWEST)
    systemd.calls.clear()
    edge.place_units(SLOWEST)
    assert edge.has_units(SLOWEST)
    assert systemd.calls == ["reload"]


def test_a_stop_waits_for_the_slowest_answer(edge: Edge, systemd: FakeSystemd) -> None:
    assert not edge.has_units(300)
    edge.place_units(300)
    assert edge.has_units(300)
    assert "\nTimeoutStopSec=305\n" in (systemd.units / f"{SERVICE}.d/wsgi.conf").read_text()


def test_only_workers_that_accept_count(tmp_path: Path, systemd: FakeSystemd) -> None:
    systemd.main[SERVICE] = "10"
    processes = {
        (10, 1): "nginx: master process /usr/sbin/nginx",
        (11, 10): "nginx: worker process",
        (12, 10): "nginx: worker process is shutting down",
        (13, 10): "nginx: cache manager process",
        (14, 9): "nginx: worker process",
    }
    for (pid, parent), title in processes.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (nginx: (x) y) S {parent} 10 10 0")
        (tmp_path / str(pid) / "cmdline").write_bytes(title.encode() + b"\0")
    (tmp_path / "15").mkdir()
    assert Workers(systemd, tmp_path).pids() == {11}


# Certificates


class Server(Acme):
    """An ACME server that gives a certificate to whom NGINX answers for, or refuses.

    `asked` are the sites that were asked for, with what NGINX served then.
    """

    def __init__(self, nginx: FakeNginx) -> None:
        super().__init__("https://acme.example.org", "", nginx.certificates.parent / "letsencrypt")
        self.nginx = nginx
        self.asked: list[tuple[str, str]] = []
        self.refuses: set[str] = set()
        self.due: set[str] = set()
        self.failure: Exception | None = None

    def is_due(self, wanted: Certificate) -> bool:
        """Tell what the test says."""
        return wanted.site in self.due

    def obtain(self, wanted: Certificate) -> None:
        """Write the certificate into the files that NGINX reads, which stands in for the link."""
        self.asked.append((wanted.site, self.nginx.serving))
        if self.failure:
            raise self.failure
        if wanted.site in self.refuses:
            raise Failed(f"could not get a certificate for {wanted.site}")
        for path, text in zip((wanted.file, wanted.key_file), certify(*wanted.names)):
            path.unlink(missing_ok=True)
            path.write_text(text)


@pytest.fixture
def acme(nginx: FakeNginx) -> Server:
    return Server(nginx)


def own(edge: Edge, site: str) -> Certificate:
    """Return the certificate of a site that the controller has."""
    files = (edge.certificates / f"{site}.crt", edge.certificates / f"{site}.key")
    return Certificate(site, "own", [f"{site}.example.org"], *files, certificate=f"of {site}", key=f"key of {site}")


def from_acme(edge: Edge, site: str) -> Certificate:
    """Return the certificate of a site that an ACME server is to give."""
    files = (edge.certificates / f"{site}-acme.crt", edge.certificates / f"{site}-acme.key")
    return Certificate(site, "acme", [f"{site}.example.org"], *files)


def config(*certificates: Certificate, more: str = "") -> str:
    """Return a configuration that names them."""
    return "".join(f"ssl_certificate {one.file};\nkey {one.key_file};\n" for one in certificates) + more


def in_place(edge: Edge) -> list[str]:
    return sorted(path.name for path in edge.certificates.glob("*"))


def test_nginx_finds_the_certificates_of_a_configuration_when_it_checks_it(edge: Edge, nginx: FakeNginx) -> None:
    one = own(edge, "hello")
    with pytest.raises(Failed, match="cannot load"):
        edge.replace(config(one))
    bring(edge, config(one), [one])
    assert nginx.serving == config(one)
    assert in_place(edge) == ["hello.crt", "hello.key"]


def test_a_certificate_of_a_configuration_that_nginx_refuses_does_not_stay(edge: Edge, nginx: FakeNginx) -> None:
    before, after = own(edge, "before"), own(edge, "after")
    bring(edge, config(before), [before])
    with pytest.raises(Failed, match=f"no {WRONG}"):
        edge.replace(config(after, more=WRONG), [after])
    assert in_place(edge) == ["before.crt", "before.key"]
    assert edge.text() == nginx.serving == config(before)
    assert edge.serves()


def test_a_certificate_that_cannot_be_made_changes_nothing(edge: Edge, nginx: FakeNginx) -> None:
    wrong = Certificate("hello", "self_signed", ["a,b"], edge.certificates / "a.crt", edge.certificates / "a.key")
    nginx.checked.clear()
    with pytest.raises(Failed, match="could not make a certificate for a,b"):
        edge.replace(config(wrong), [wrong])
    assert (edge.text(), in_place(edge), nginx.checked) == ("one", [], [])
    assert not edge.trial.exists()
    assert edge.serves()


def test_a_certificate_that_a_reload_does_not_take_up_goes_with_its_configuration(edge: Edge, nginx: FakeNginx) -> None:
    before, after = own(edge, "before"), own(edge, "after")
    bring(edge, config(before), [before])
    with pytest.raises(Failed, match="NGINX did not take up the new configuration"):
        bring(edge, config(after, more=CONFLICTS), [after])
    assert in_place(edge) == ["before.crt", "before.key"]
    assert edge.text() == nginx.serving == config(before)


def test_a_certificate_that_is_served_no_more_goes_once_the_next_is(edge: Edge, nginx: FakeNginx) -> None:
    before, after = own(edge, "before"), own(edge, "after")
    bring(edge, config(before), [before])
    edge.replace(config(after), [after])
    assert in_place(edge) == ["after.crt", "after.key", "before.crt", "before.key"]
    edge.serve()
    assert in_place(edge) == ["after.crt", "after.key"]


def test_an_acme_server_is_asked_once_nginx_answers_and_nginx_serves_what_it_gave(
    edge: Edge, nginx: FakeNginx, acme: Server
) -> None:
    sites = [from_acme(edge, "hello"), own(edge, "own"), from_acme(edge, "world")]
    nginx.reloads = 0
    bring(edge, config(*sites), sites, acme)
    assert acme.asked == [("hello", config(*sites)), ("world", config(*sites))]
    # Once for the challenge, and once for both certificates.
    assert nginx.reloads == 2
    assert edge.serves()
    assert "hello-until-then.crt" not in in_place(edge)
    assert "hello-acme.crt" in in_place(edge)


def test_without_a_certificate_that_is_due_nginx_is_reloaded_once(edge: Edge, nginx: FakeNginx, acme: Server) -> None:
    nginx.reloads = 0
    bring(edge, "two", acme=acme)
    assert (nginx.reloads, acme.asked) == (1, [])


def test_a_certificate_that_cannot_be_got_leaves_what_was_served(edge: Edge, nginx: FakeNginx, acme: Server) -> None:
    before, sites = own(edge, "before"), [from_acme(edge, "hello"), from_acme(edge, "world")]
    bring(edge, config(before), [before])
    nginx.reloads = 0
    acme.refuses = {"world"}
    with pytest.raises(Failed, match=r"^what NGINX served before goes on: could not get a certificate for world$"):
        bring(edge, config(*sites), sites, acme)
    assert edge.text() == nginx.serving == config(before)
    # It served the new configuration for the challenge, so it has to be told to go back.
    assert nginx.reloads == 2
    assert in_place(edge) == ["before.crt", "before.key"]
    assert edge.serves()


def test_a_certificate_that_cannot_be_got_anew_changes_nothing_of_the_configuration(
    edge: Edge, nginx: FakeNginx, acme: Server
) -> None:
    site = from_acme(edge, "hello")
    bring(edge, config(site), [site], acme)
    had = site.file.read_text()
    nginx.reloads = 0
    acme.refuses = {"hello"}
    with pytest.raises(Failed, match=r"^what NGINX served before goes on: could not get a certificate for hello$"):
        edge.serve(acme, [site])
    assert edge.text() == nginx.serving == config(site)
    assert site.file.read_text() == had
    assert edge.serves()


def test_a_certificate_that_was_got_is_served_though_the_next_cannot_be(
    edge: Edge, nginx: FakeNginx, acme: Server
) -> None:
    sites = [from_acme(edge, "hello"), from_acme(edge, "world")]
    bring(edge, config(*sites), sites, acme)
    had = [one.file.read_text() for one in sites]
    acme.asked.clear()
    acme.refuses = {"world"}
    nginx.reloads = 0
    with pytest.raises(Failed, match="could not get a certificate for world"):
        edge.serve(acme, sites)
    assert [site for site, _ in acme.asked] == ["hello", "world"]
    assert [one.file.read_text() == text for one, text in zip(sites, had)] == [False, True]
    # Once for the challenge, and once for the certificate that came.
    assert nginx.reloads == 2
    assert edge.serves()


def test_why_there_is_no_certificate_is_said_though_the_way_back_fails_too(
    edge: Edge, nginx: FakeNginx, acme: Server
) -> None:
    site = from_acme(edge, "hello")
    acme.refuses = {"hello"}
    nginx.spoilt = {nginx.reloads + 2}
    with pytest.raises(Failed, match=r"^what NGINX served before goes on: could not get a certificate for hello$"):
        bring(edge, config(site), [site], acme)
    assert edge.text() == "one"
    assert not edge.serves(), "the next run knows that a reload is due"


def test_the_configuration_is_nobody_elses_to_read(edge: Edge) -> None:
    bring(edge, "two")
    assert edge.live.stat().st_mode & 0o777 == 0o640
    edge.replace("three")
    assert edge.before.stat().st_mode & 0o777 == 0o640
    with pytest.raises(Failed):
        bring(edge, CONFLICTS)
    assert edge.live.stat().st_mode & 0o777 == 0o640


def test_a_host_that_has_no_room_for_a_certificate_serves_as_before(edge: Edge, nginx: FakeNginx, acme: Server) -> None:
    site = from_acme(edge, "hello")
    acme.failure = OSError("No space left on device")
    with pytest.raises(Failed, match=r"^what NGINX served before goes on: No space left on device$"):
        bring(edge, config(site), [site], acme)
    assert edge.text() == nginx.serving == "one"
    assert in_place(edge) == []
    assert edge.serves()


def test_a_certificate_that_nginx_does_not_take_up_leaves_what_was_served(
    edge: Edge, nginx: FakeNginx, acme: Server
) -> None:
    site = from_acme(edge, "hello")
    nginx.spoilt = {nginx.reloads + 2}
    with pytest.raises(Failed, match=r"^what NGINX served before goes on: .*conflicts"):
        bring(edge, config(site), [site], acme)
    assert edge.text() == nginx.serving == "one"
    assert in_place(edge) == []


def test_no_acme_server_is_asked_for_a_configuration_that_nginx_does_not_take_up(
    edge: Edge, nginx: FakeNginx, acme: Server
) -> None:
    site = from_acme(edge, "hello")
    with pytest.raises(Failed, match="NGINX did not take up"):
        bring(edge, config(site, more=CONFLICTS), [site], acme)
    assert acme.asked == []
    assert edge.text() == nginx.serving == "one"


def test_a_cache_goes_with_the_site_that_had_it(edge: Edge) -> None:
    for name in ("cache-hello", "cache-hell", "cache-gone", "body"):
        (edge.caches / name / "0").mkdir(parents=True)
    bring(edge, f"uwsgi_cache_path {edge.caches}/cache-hello levels=1:2 keys_zone=hello_cache:10m")
    assert sorted(path.name for path in edge.caches.iterdir()) == ["body", "cache-hello"]


def test_a_cache_outlives_a_configuration_that_is_not_taken_up(edge: Edge) -> None:
    (edge.caches / "cache-hello").mkdir(parents=True)
    with pytest.raises(Failed):
        bring(edge, CONFLICTS)
    assert (edge.caches / "cache-hello").is_dir()


def test_the_sign_of_a_site_goes_with_it(edge: Edge) -> None:
    edge.maintenance.mkdir()
    for name in ("hello", "hell", "gone"):
        (edge.maintenance / name).touch()
    with pytest.raises(Failed):
        bring(edge, CONFLICTS)
    assert len(list(edge.maintenance.iterdir())) == 3
    bring(edge, f"if (-f {edge.maintenance}/hello) {{")
    assert [path.name for path in edge.maintenance.iterdir()] == ["hello"]


# What is left over


def block(name: str, *lines: str) -> str:
    """Return the block of a site in a configuration."""
    inner = "".join(f"        {line}\n" for line in (f"uwsgi_pass {name};", *lines))
    return f"    # site {name}\n    server {{\n{inner}    }}\n    # end of site {name}\n"


def whole(*blocks: str, first: str = "http {\n    # from nginx_snippet\n") -> str:
    """Return a configuration with these blocks."""
    return first + "".join(f"\n{one}" for one in blocks) + "}\n"


HELLO, WORLD, AWAY = block("hello"), block("world"), block("away")
DEFAULT = "listen 80 default_server;"
SHARED, QUIC = block("_", "listen 443 quic reuseport default_server;"), block("hello", "listen 443 quic;")


def merge(live: str, wanted: str, *described: str) -> str:
    return unit.carry_over(unit.left_over(live, described), live, wanted)


def test_each_site_is_found_by_its_name_and_to_the_byte() -> None:
    odd = block("a_b-2", "# site hello", "# end of site a_b-2", "", "\t# end of site a_b-2 ")
    found = unit.blocks(whole(HELLO, odd, WORLD))
    assert found == {"hello": HELLO, "a_b-2": odd, "world": WORLD}
    assert list(found) == ["hello", "a_b-2", "world"]
    stray = whole(HELLO, WORLD, "    # end of site hello\n", first="http {\n        # site hello\n")
    assert unit.blocks(stray) == {"hello": HELLO, "world": WORLD}


@pytest.mark.parametrize(
    "text",
    ["", "distribution", HELLO.replace("# end of site hello", "# end of site hell"), HELLO.replace("    ", "  ")],
)
def test_what_has_not_both_marks_is_no_site(text: str) -> None:
    assert unit.blocks(text) == {}


def test_a_site_is_left_over_where_its_name_is_not_described() -> None:
    live = whole(SHARED, HELLO, WORLD, AWAY)
    assert unit.left_over(live, ["world"]) == {"hello": HELLO, "away": AWAY}
    assert list(unit.left_over(live, [])) == ["hello", "world", "away"]
    assert unit.left_over(live, ["away", "world", "hello", "more"]) == {}


def test_what_is_left_over_stays_as_it_is_after_what_is_described() -> None:
    live = whole(HELLO, WORLD, AWAY, first="before {\n")
    assert merge(live, whole(block("world", "new")), "world") == whole(block("world", "new"), HELLO, AWAY)
    assert merge(live, whole(), "world") == whole(HELLO, AWAY)
    assert merge(live, whole(WORLD), "hello", "world", "away") == whole(WORLD)
    assert merge("", whole(WORLD), "world") == whole(WORLD)


@pytest.mark.parametrize("live", [whole(HELLO, WORLD, AWAY), whole(SHARED, WORLD, QUIC), whole(SHARED, QUIC)])
@pytest.mark.parametrize("wanted", [whole(WORLD), whole(), whole(SHARED, block("world", "listen 443 quic;"))])
def test_what_is_left_over_is_the_same_text_in_the_next_run(live: str, wanted: str) -> None:
    once = merge(live, wanted, "world")
    assert once != wanted
    assert merge(once, wanted, "world") == once


def test_what_sites_share_for_http_3_stays_with_those_that_use_it() -> None:
    live = whole(SHARED, WORLD, QUIC, AWAY)
    assert merge(live, whole(WORLD), "world", "away") == whole(WORLD, SHARED, QUIC)
    # It is there once.
    assert merge(live, whole(SHARED, WORLD), "world", "away") == whole(SHARED, WORLD, QUIC)
    assert merge(live, whole(WORLD), "world") == whole(WORLD, SHARED, QUIC, AWAY)
    assert merge(live, whole(WORLD), "world", "hello") == whole(WORLD, AWAY)
    other = block("away", "# quic; or not")
    assert merge(whole(SHARED, WORLD, other), whole(WORLD), "world") == whole(WORLD, other)
    # A snippet may open a port of its own.
    assert merge(whole(QUIC), whole(WORLD), "world") == whole(WORLD, QUIC)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            block("hello", DEFAULT),
            block("world", DEFAULT),
            "world: default: hello, which is left over, is the default site; leave it out, or ",
        ),
        (
            block("hello-2"),
            block("hello_2"),
            "hello_2: hello-2, which is left over, has nearly the same name; change it, or ",
        ),
        (
            block("hello_2"),
            block("hello-2"),
            "hello-2: hello_2, which is left over, has nearly the same name; change it, or ",
        ),
        (block("hello", DEFAULT), WORLD, ""),
        (HELLO, block("world", DEFAULT), ""),
        (block("hello", DEFAULT), block("world", f"# {DEFAULT} or not"), ""),
    ],
)
def test_what_cannot_be_beside_what_is_left_over_is_refused(old: str, new: str, said: str) -> None:
    (name,) = unit.blocks(old)
    if not said:
        assert merge(whole(AWAY, old), whole(SHARED, new), "away") == whole(SHARED, new, old)
        return
    with pytest.raises(Failed) as failure:
        merge(whole(AWAY, old), whole(SHARED, new), "away")
    assert str(failure.value) == f"{said}add to wsgi_apps: - {{name: {name}, state: absent}}"


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["uwsgi_read_timeout 65s;", "uwsgi_read_timeout 3600s;"], 65),
        (["proxy_read_timeout 5s;"], 5),
        ([], 0),
    ],
)
def test_how_long_an_answer_may_take_is_known_from_what_is_left_over(lines: list[str], seconds: int) -> None:
    assert unit.read_timeout(block("hello", *lines)) == seconds


# Nginx


SAID = "nginx version: nginx/{}\nbuilt with OpenSSL 3.0.15\nconfigure arguments: --with-http_v2_module {}\n"


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("1.22.1", "old"),
        ("1.25.0", "old"),
        ("1.9.15", "old"),
        ("1.25.1", "new"),
        ("1.26.3", "new"),
        ("1.100.0", "new"),
        ("2.0", "new"),
    ],
)
def test_the_text_is_the_one_for_the_nginx_of_the_host(version: str, text: str) -> None:
    known = Nginx(SAID.format(version, ""))
    assert known.version == version
    assert known.text({"0": "old", "1.25.1": "new"}) == known.text({"1.25.1": "new", "0": "old"}) == text


def test_the_text_for_an_nginx_that_is_yet_to_come_is_the_newest() -> None:
    unknown = Nginx("")
    assert unknown.version == ""
    assert unknown.text({"0": "old", "1.25.1": "new", "1.9.5": "older"}) == "new"


@pytest.mark.parametrize(("there", "said"), [(True, SAID.format("1.22.1", "")), (False, "")])
def test_the_nginx_of_a_host_is_asked_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, there: bool, said: str
) -> None:
    asked: list[list[str]] = []

    def run(argv: list[str], purpose: str) -> str:
        asked.append(argv)
        return SAID.format("1.22.1", "")

    monkeypatch.setattr(unit, "has", {"nginx": there}.__getitem__)
    monkeypatch.setattr(unit, "run", run)
    assert Nginx.read().said == said
    assert asked == [["sh", "-c", "nginx -V 2>&1"]][: int(there)]


HTTP3 = [{"name": "world", "http3": False}, {"name": "hello", "http3": True}]


@pytest.mark.parametrize(
    ("said", "sites", "objection"),
    [
        ("", HTTP3, None),
        (SAID.format("1.26.3", "--with-http_v3_module"), HTTP3, None),
        (SAID.format("1.22.1", ""), HTTP3[:1], None),
        (SAID.format("1.22.1", ""), [{"name": "hello"}], None),
        (
            SAID.format("1.22.1", ""),
            HTTP3,
            "hello: tls.http3: NGINX 1.22.1 of this host was built without HTTP/3; leave it out",
        ),
    ],
)
def test_an_nginx_without_http_3_is_not_asked_for_it(
    said: str, sites: list[dict[str, Any]], objection: str | None
) -> None:
    assert Nginx(said).objection(sites) == objection


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
            "config": {"0": text, "1.25.1": f"{text} for a newer NGINX"},
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
    monkeypatch.setattr(Nginx, "read", lambda: Nginx(SAID.format("1.22.1", "")))
    monkeypatch.setattr(module, "Edge", found.as_edge)
    monkeypatch.setattr(module, "Acme", found.as_acme)
    monkeypatch.setattr(module, "Passwords", lambda users, left: Passwords(users, tmp_path / "passwords", left))
    return found


def test_the_module_has_nothing_to_do_where_all_is_served(host: Host) -> None:
    planned = host.plan("one")
    assert (planned.steps, planned.settled) == ([], "NGINX serves the sites")


def test_the_module_serves_the_text_for_the_nginx_of_the_host_and_shows_the_difference(host: Host) -> None:
    planned = host.plan("two")
    assert say(planned.steps) == [f"replace {host.edge.live}", "let NGINX take it up"]
    assert planned.result["diff"] == {
        "before_header": str(host.edge.live),
        "after_header": str(host.edge.live),
        "before": "one",
        "after": "two",
    }
    assert host.edge.text() == "one"
    planned.take()
    assert host.edge.text() == "two"
    assert host.plan("two").steps == []


def test_the_module_waits_for_the_slowest_of_all_sites(host: Host) -> None:
    sites = [{"name": name, "read_timeout": time} for name, time in (("a", 5), ("b", 90), ("c", 30))]
    host.plan("one", sites=sites).take()
    assert host.edge.has_units(90)
    assert host.plan("one", sites=sites).steps == []
    host.plan("one").take()
    assert host.edge.has_units(0)


def test_the_module_refuses_what_the_nginx_of_the_host_cannot_do(host: Host) -> None:
    with pytest.raises(Failed, match=r"^hello: tls\.http3: NGINX 1\.22\.1 of this host"):
        host.plan("one", sites=[{"name": "hello", "read_timeout": 5, "http3": True}])


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


def test_the_module_gets_the_certificates_that_are_due_and_no_others(host: Host) -> None:
    sites = [from_acme(host.edge, "hello"), own(host.edge, "own"), from_acme(host.edge, "world")]
    host.plan(config(*sites), *sites).take()
    assert host.acme.asked == []
    host.acme.due = {"world", "own"}
    planned = host.plan(config(*sites), *sites, acme_email="ops@example.org")
    assert say(planned.steps) == ["let NGINX take it up, and get a certificate for world.example.org"]
    planned.take()
    assert host.acme.asked == [("world", config(*sites))]
    assert host.asked[-1] == ("https://acme.example.org", "ops@example.org")


def test_the_module_renews_no_certificate_of_a_site_that_wants_it_no_more(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = from_acme(host.edge, "hello")
    abandoned: list[str] = []
    kept: list[list[Certificate]] = []

    def of(certificates: list[Certificate], left: Iterable[str]) -> list[str]:
        kept.append(certificates)
        assert list(left) == []
        return ["gone", "away"]

    monkeypatch.setattr(host.acme, "abandoned", of)
    monkeypatch.setattr(host.acme, "abandon", abandoned.append)
    planned = host.plan(config(site), site)
    assert kept == [[site]]
    assert say(planned.steps)[-2:] == [f"renew the certificate of {name} no longer" for name in ("gone", "away")]
    planned.take()
    assert abandoned == ["gone", "away"]


def test_the_module_writes_passwords_and_reloads_nothing_for_them(host: Host) -> None:
    users = {"hello": {"alice": "hunter2hunter2"}, "world": {}}
    planned = host.plan("one", users=users)
    assert say(planned.steps) == ["write the passwords of sites"]
    planned.take()
    assert [path.name for path in (host.root / "passwords").iterdir()] == ["hello"]
    assert host.plan("one", users=users).steps == []


def test_the_passwords_are_there_before_nginx_asks_for_them(host: Host) -> None:
    users = {"hello": {"alice": "hunter2hunter2"}}
    assert say(host.plan("two", users=users).steps) == [
        f"replace {host.edge.live}",
        "write the passwords of sites",
        "let NGINX take it up",
    ]


SITES = [{"name": "world", "read_timeout": 5}]
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
    host.plan(whole(block("hello", DEFAULT))).take()
    with pytest.raises(Failed, match=r"^world: default: hello, which is left over, is the default site; "):
        host.plan(whole(block("world", DEFAULT)), sites=SITES, described=["world"])
    assert host.edge.text() == whole(block("hello", DEFAULT))


def test_what_a_site_that_is_left_over_needs_stays_as_long_as_it_does(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[list[str]] = []

    def abandoned(certificates: list[Certificate], left: Iterable[str]) -> list[str]:
        renewed.append(list(left))
        return []

    monkeypatch.setattr(host.acme, "abandoned", abandoned)
    one, users, edge = own(host.edge, "hello"), {"hello": {"alice": "hunter2hunter2"}}, host.edge
    lines = (f"ssl_certificate {one.file};", f"ssl_certificate_key {one.key_file};", "uwsgi_read_timeout 300s;")
    closes = f"if (-f {edge.maintenance}/hello) {{"
    sites = [*SITES, {"name": "hello", "read_timeout": 300}]
    host.plan(whole(WORLD, block("hello", *lines, closes)), one, users=users, sites=sites).take()
    edge.maintenance.mkdir()
    (edge.maintenance / "hello").touch()
    needs = [one.file, one.key_file, host.root / "passwords/hello", edge.maintenance / "hello"]
    for text in (whole(WORLD), whole(block("world", "new"))):
        host.plan(text, sites=SITES, described=["world"]).take()
        assert [path for path in needs if not path.exists()] == []
        assert edge.has_units(300)
        assert host.plan(text, sites=SITES, described=["world"]).steps == []
    host.plan(whole(WORLD), sites=SITES, described=["world", "hello"]).take()
    assert [path for path in needs if path.exists()] == []
    assert edge.has_units(5)
    assert renewed == [[], ["hello"], ["hello"], ["hello"], ["hello"], []]


def test_ansible_logs_no_key_and_no_password() -> None:
    # It would log what is secret within a list.
    assert module.ARGUMENTS["secrets"]["no_log"] is True
    assert "key" not in module.ARGUMENTS["certificates"]["options"]


CONFIG = """\
http {
    # from hello
    server {
        listen 80;
        # from hello: tls
        ssl_certificate /etc/nginx/absent.pem;
        # from hello: snippet
        fooo bar;
        # zone by another name: one, $request_uri
        limit_req_zone $request_uri zone=one:1m rate=1r/s;
    }
}
"""


@pytest.mark.parametrize(
    ("said", "explained"),
    [
        (
            'nginx: [emerg] unknown directive "fooo" in /etc/nginx/nginx.conf.trial:8\nnginx: test failed',
            'hello: snippet: unknown directive "fooo"; line 8 of the configuration is: fooo bar;',
        ),
        (
            'nginx: [emerg] cannot load certificate "/etc/nginx/absent.pem": BIO_new_file() failed',
            'hello: tls: cannot load certificate "/etc/nginx/absent.pem": BIO_new_file() failed; '
            "line 6 of the configuration is: ssl_certificate /etc/nginx/absent.pem;",
        ),
        (
            "nginx: [emerg] no port in /etc/nginx/nginx.conf:4",
            "hello: no port; line 4 of the configuration is: listen 80;",
        ),
        ("nginx: [emerg] no block in /etc/nginx/nginx.conf:1", "no block; line 1 of the configuration is: http {"),
        (
            '2026/11/24 04:00:00 [emerg] 7#7: limit_req "one" uses the "$request_uri" key and not "$uri"',
            'hello: snippet: limit_req "one" uses the "$request_uri" key and not "$uri"; '
            "line 10 of the configuration is: limit_req_zone $request_uri zone=one:1m rate=1r/s;",
        ),
        ('2026/11/24 04:00:00 [emerg] 7#7: zone "two" is gone', 'zone "two" is gone'),
        ("nginx: [emerg] odd in /etc/nginx/nginx.conf:99", "odd"),
        ("could not reload NGINX", "could not reload NGINX"),
    ],
)
def test_an_error_says_what_is_wrong_and_where_it_was_described(said: str, explained: str) -> None:
    assert explain(said, CONFIG) == explained
