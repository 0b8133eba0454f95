"""What the modules plan, step by step, from the boot to the end of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils import probe, steps
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.certificate import Facts
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.data import Data
from ansible_collections.wsgi.production.plugins.module_utils.door import open_doors
from ansible_collections.wsgi.production.plugins.module_utils.keep import Keeper
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.nginx import MaintenanceFlag
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.probe import Answer, Ask, Probe
from ansible_collections.wsgi.production.plugins.module_utils.steps import (
    back,
    boot,
    choose,
    maintenance,
    migrate,
    release_info,
    retire,
    switch,
    verify,
)
from ansible_collections.wsgi.production.plugins.module_utils.user import User
from ansible_collections.wsgi.production.plugins.modules import step
from tests.unit.fakes import FakeApps, FakeModule, FakeSystemd, make_build, make_release, say

A, B, C = "aaa111", "bbb222", "ccc333"
HELLO, OTHER = {"name": "hello", "keep": 2}, {"name": "other", "keep": 2}


class Host:
    """A host on which modules plan and take their steps."""

    def __init__(self, root: Path, systemd: FakeSystemd) -> None:
        self.root = root
        self.systemd = systemd
        self.used: set[Path] = set()
        self.warnings: list[str] = []

    def layout(self, name: str) -> Layout:
        """Return where the application `name` is."""
        return Layout(name, self.root / "srv", self.root / "units", self.root / "transient")

    def app(self, name: str = "hello") -> Application:
        """Return the application `name`."""
        return Application(self.layout(name), self.systemd)

    def make(self, *made: str, name: str = "hello", **parts: Any) -> None:
        """Make releases, each with a build and a uWSGI of its own."""
        for release in made:
            make_build(self.layout(name), f"b-{release}", f"v-{release}")
            make_release(self.layout(name), release, build=f"b-{release}", server=f"s-{release}", **parts)
            (self.root / f"servers/s-{release}").mkdir(parents=True, exist_ok=True)

    def plan(self, module: Any, *, check_mode: bool = False, **params: Any) -> Plan:
        """Return the plan of `module`, with the defaults of its arguments."""
        defaults = {key: argument.get("default") for key, argument in module.ARGUMENTS.items()}
        ansible = FakeModule(check_mode, **{**defaults, "tools": [], **params})
        planned: Plan = module.plan(ansible)
        self.warnings = ansible.warnings
        return planned

    def take(self, module: Any, **params: Any) -> Plan:
        """Let `module` do its work.

        :raises Failed: if a part of it fails.
        """
        planned = self.plan(module, **params)
        planned.take()
        if planned.failures:
            raise Failed("; ".join(planned.failures.values()))
        return planned

    def switch(self, release: str, name: str = "hello", **doors: str) -> None:
        """Make a release live that is not verified yet."""
        if self.app(name).releases.manifest(release) is None:
            self.make(release, name=name)
        self.take(boot, releases={name: release})
        self.take(switch, apps=[asked(release, name, **doors)])

    def bring_live(self, *each: str, name: str = "hello", **doors: str) -> None:
        """Make releases live, one after the other, each to the end of its run."""
        for release in each:
            self.switch(release, name, **doors)
            self.take(retire, apps=[{"name": name, "keep": 7}])
            self.systemd.finish()


def asked(release: str, name: str = "hello", **doors: str) -> dict[str, Any]:
    """Return what the module `switch` is asked to do for an application, with the defaults of its arguments."""
    none = {"listen_uwsgi": "", "listen_group": "www-data", "listen_http": "", "listen_networks": []}
    return {"name": name, "release": release, **none, **doors}


@pytest.fixture
def host(tmp_path: Path, systemd: FakeSystemd, apps: FakeApps, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path, systemd)
    modules: list[ModuleType] = [back, boot, choose, migrate, release_info, retire, switch]
    for module in modules:
        monkeypatch.setattr(module, "Layout", host.layout)
        monkeypatch.setattr(module, "Systemd", lambda: systemd)
    monkeypatch.setattr(retire, "APPLICATIONS", tmp_path / "srv")
    monkeypatch.setattr(retire, "SERVERS", tmp_path / "servers")
    monkeypatch.setattr(retire, "PYTHONS", tmp_path / "pythons")
    monkeypatch.setattr(retire, "in_use", lambda *roots: host.used)
    monkeypatch.setattr(
        Keeper.prune_shared,
        "__defaults__",
        tuple(tmp_path / name for name in ("servers", "tools", "wheels", "pythons")),
    )
    return host


# NGINX


class FakeEdge:
    """NGINX of a host; `told` is what it was told to do, and for which sites."""

    def __init__(self, root: Path) -> None:
        self.next = root / "next"
        self.before = root / "before"
        self.told: list[tuple[str, list[str]]] = []
        self.does: Callable[[], object] = lambda: None

    def is_changing(self) -> bool:
        """Tell whether there is a configuration to go back to."""
        return self.next.exists() or self.before.exists()

    def take_up(self, kept: Iterable[str] = ()) -> None:
        """Load what is ready."""
        self.told.append(("take up", [*kept]))
        self.does()

    def go_back(self) -> None:
        """Go back."""
        self.told.append(("go back", []))

    def settle(self, kept: Iterable[str] = ()) -> None:
        """Keep what is served."""
        self.told.append(("settle", [*kept]))


@pytest.fixture
def nginx(host: Host, monkeypatch: pytest.MonkeyPatch) -> FakeEdge:
    fake = FakeEdge(host.root)
    for module in (back, retire, switch):
        monkeypatch.setattr(module, "Nginx", lambda systemd: fake)
    return fake


@pytest.mark.parametrize(("take_up", "ready"), [(True, False), (False, True), (False, False)])
def test_switch_leaves_nginx_alone_if_nothing_is_ready_or_take_up_is_off(
    host: Host, nginx: FakeEdge, take_up: bool, ready: bool
) -> None:
    if ready:
        nginx.next.touch()
    assert host.plan(switch, apps=[], take_up=take_up).steps == []


def test_nginx_reloads_once_visitors_reach_the_new_release(host: Host, nginx: FakeEdge) -> None:
    host.bring_live(A)
    host.make(B)
    host.take(boot, releases={"hello": B})
    nginx.next.touch()
    seen: list[str | None] = []
    nginx.does = lambda: seen.append(host.layout("hello").live())
    planned = host.take(switch, apps=[asked(B)], take_up=True)
    assert say(planned.steps) == [f"switch from {A} to {B}", "reload NGINX"]
    assert (seen, nginx.told) == ([B], [("take up", [])])


@pytest.mark.parametrize(("on_failure", "told"), [("stop", []), ("continue", [("take up", ["hello"])])])
def test_the_site_of_an_application_that_cannot_switch_stays_unchanged(
    host: Host, nginx: FakeEdge, systemd: FakeSystemd, on_failure: str, told: list[tuple[str, list[str]]]
) -> None:
    for name in ("hello", "other"):
        host.make(A, name=name)
        host.take(boot, releases={name: A})
    systemd.states[host.app().instance(A).service] = "failed"
    nginx.next.touch()
    apps = [asked(A), asked(A, "other")]
    planned = host.plan(switch, apps=apps, take_up=True, on_failure=on_failure)
    planned.take()
    assert list(planned.failures) == ["hello"]
    assert host.layout("other").live() == A
    assert nginx.told == told


@pytest.mark.parametrize("mark", ["next", "before"])
def test_back_restores_what_nginx_served_before(host: Host, nginx: FakeEdge, mark: str) -> None:
    host.bring_live(A)
    host.switch(B)
    getattr(nginx, mark).touch()
    planned = host.take(back, names=["hello"])
    said = say(planned.steps)
    # Visitors are on the old release by then, and the rest of the new one is not awaited.
    assert said[:2] == [f"switch back from {B} to {A}", "restore the configuration of NGINX"]
    assert len(said) > 2
    assert nginx.told == [("go back", [])]


def test_back_restores_nginx_even_if_an_application_cannot_roll_back(
    host: Host, nginx: FakeEdge, systemd: FakeSystemd
) -> None:
    host.bring_live(A)
    host.switch(B)
    nginx.before.touch()
    host.app().instance(A).remove()
    systemd.broken.add(host.app().instance(A).service)
    planned = host.plan(back, names=["hello"])
    planned.take()
    assert list(planned.failures) == ["hello"]
    assert nginx.told == [("go back", [])]


@pytest.mark.parametrize("changed", [False, True])
def test_retire_keeps_the_sites_of_nginx_except_broken_ones(host: Host, nginx: FakeEdge, changed: bool) -> None:
    host.bring_live(A)
    nginx.told.clear()
    if changed:
        nginx.before.touch()
    # It may run only on other hosts.
    host.take(retire, apps=[HELLO], broken=["other"])
    assert nginx.told == ([("settle", ["other"])] if changed else [])


# boot


def test_boot_boots_the_release_of_each_application(host: Host) -> None:
    host.make(A)
    host.make(B, name="other")
    planned = host.take(boot, releases={"hello": A, "other": B})
    assert [(step.says, step.of) for step in planned.steps] == [
        (f"start {A} beside nothing and probe it", "hello"),
        (f"start {B} beside nothing and probe it", "other"),
    ]
    assert planned.result == {}
    assert host.app().instance(A).runs() and host.app("other").instance(B).runs()


def test_boot_has_nothing_to_do_if_each_release_is_live_and_runs(host: Host) -> None:
    host.bring_live(A)
    host.bring_live(B, name="other")
    planned = host.plan(boot, releases={"hello": A, "other": B})
    assert (planned.steps, planned.settled) == ([], f"hello: {A} runs; other: {B} runs")
    assert host.plan(boot, releases={}).steps == []


def test_a_release_that_does_not_boot_does_not_stop_other_applications(host: Host, systemd: FakeSystemd) -> None:
    host.make(A)
    host.make(A, name="other")
    systemd.broken = {f"hello@{A}.service"}
    planned = host.plan(boot, releases={"hello": A, "other": A})
    planned.take()
    log = f"the log of hello@{A}.service"
    assert planned.failures == {"hello": f"hello: release {A} of main:app does not start; its log ends with:\n{log}"}
    assert host.app("other").instance(A).runs()
    assert host.layout("hello").instances() == []


# migrate


def test_migrate_runs_the_migration_of_each_release_that_has_one(host: Host) -> None:
    host.make(A, oneshots=["migrate"])
    host.make(B, name="other", oneshots=["migrate"])
    host.make(C, name="third")
    releases = {"hello": A, "other": B, "third": C}
    planned = host.take(migrate, releases=releases, asked=["hello", "other"])
    assert [(step.says, step.of) for step in planned.steps] == [
        (f"run the migration of {A}", "hello"),
        (f"run the migration of {B}", "other"),
    ]
    planned = host.plan(migrate, releases=releases, asked=["hello", "other"])
    assert (planned.steps, planned.settled) == ([], "there is nothing to migrate")


def test_in_check_mode_migrate_reports_migrations_of_releases_that_do_not_exist_yet(host: Host) -> None:
    planned = host.plan(migrate, check_mode=True, releases={"hello": A, "other": B}, asked=["hello"])
    assert [(step.says, step.of) for step in planned.steps] == [(f"run the migration of {A}", "hello")]


def test_a_failed_migration_does_not_stop_those_of_other_applications(host: Host, systemd: FakeSystemd) -> None:
    host.make(A, oneshots=["migrate"])
    host.make(A, name="other", oneshots=["migrate"])
    systemd.broken = {f"hello@{A}-migrate.service"}
    planned = host.plan(migrate, releases={"hello": A, "other": A}, asked=["hello", "other"])
    planned.take()
    unit = f"hello@{A}-migrate.service"
    assert planned.failures == {"hello": f"hello: {unit} fails; its log ends with:\nthe log of {unit}"}
    assert host.app("other").oneshot(A, "migrate").is_done()


# switch


def test_switch_returns_the_live_and_previous_release_and_the_probe(host: Host) -> None:
    host.bring_live(A)
    make_release(host.layout("hello"), B, probe={"path": "/health", "tries": 1})
    host.take(boot, releases={"hello": B})
    planned = host.take(switch, apps=[asked(B)])
    assert say(planned.steps) == [f"switch from {A} to {B}"]
    assert planned.result == {
        "switched": [{"name": "hello", "live": B, "previous": A, "probe": {"path": "/health", "tries": 1}}]
    }
    assert host.layout("hello").live() == B


def test_switch_makes_the_release_of_each_application_live(host: Host) -> None:
    host.make(A)
    host.make(B, name="other")
    host.take(boot, releases={"hello": A, "other": B})
    planned = host.take(switch, apps=[asked(A), asked(B, "other", listen_http="127.0.0.1:9000")])
    assert [(step.says, step.of) for step in planned.steps] == [
        (f"switch from nothing to {A}", "hello"),
        (f"switch from nothing to {B}", "other"),
        ("open 127.0.0.1:9000", "other"),
    ]
    assert [(one["name"], one["live"], one["previous"]) for one in planned.result["switched"]] == [
        ("hello", A, None),
        ("other", B, None),
    ]
    assert (host.layout("hello").live(), host.layout("other").live()) == (A, B)


def test_switch_has_nothing_to_do_if_each_release_is_live(host: Host) -> None:
    host.bring_live(A)
    host.bring_live(B, name="other")
    planned = host.plan(switch, apps=[asked(A), asked(B, "other")])
    assert (planned.steps, planned.settled) == ([], f"hello: {A} is live; other: {B} is live")
    assert [(one["previous"], one["live"]) for one in planned.result["switched"]] == [(A, A), (B, B)]


def test_in_check_mode_switch_does_not_claim_that_the_release_is_live(host: Host) -> None:
    host.bring_live(A)
    planned = host.plan(switch, check_mode=True, apps=[asked(B)])
    assert say(planned.steps) == [f"switch from {A} to {B}"]
    assert planned.result == {"switched": [{"name": "hello", "live": A, "previous": A, "probe": {}}]}


def test_switch_opens_the_doors_after_the_release_is_live(host: Host) -> None:
    host.make(A)
    host.take(boot, releases={"hello": A})
    doors = {"listen_uwsgi": "127.0.0.1:9001", "listen_http": "127.0.0.1:9000"}
    planned = host.take(switch, apps=[asked(A, **doors)])
    assert say(planned.steps) == [f"switch from nothing to {A}", "open 127.0.0.1:9001", "open 127.0.0.1:9000"]
    assert host.plan(switch, apps=[asked(A, **doors)]).steps == []
    closed = ["close 127.0.0.1:9001", "close 127.0.0.1:9000"]
    assert say(host.take(switch, apps=[asked(A)]).steps) == closed


FIRST, SECOND = {"listen_http": "127.0.0.1:9000"}, {"listen_http": "127.0.0.1:9001"}


@pytest.fixture
def neighbours(host: Host) -> tuple[Application, Application]:
    """Return two applications that are live, each with a door."""
    host.bring_live(A, **FIRST)
    host.bring_live(A, name="other", **SECOND)
    return host.app(), host.app("other")


def ports(*apps: Application) -> list[str]:
    """Return where the doors for HTTP of applications listen."""
    return [open_doors(app.layout)["http"] for app in apps if app.systemd.is_active(app.layout.door("http", "socket"))]


def test_two_applications_exchange_their_ports_in_one_run(
    host: Host, neighbours: tuple[Application, Application]
) -> None:
    planned = host.take(switch, apps=[asked(A, **SECOND), asked(A, "other", **FIRST)])
    assert [(step.says, step.of) for step in planned.steps] == [
        ("close 127.0.0.1:9000", "hello"),
        ("close 127.0.0.1:9001", "other"),
        ("open 127.0.0.1:9001", "hello"),
        ("open 127.0.0.1:9000", "other"),
    ]
    assert ports(*neighbours) == ["127.0.0.1:9001", "127.0.0.1:9000"]
    assert host.plan(switch, apps=[asked(A, **SECOND), asked(A, "other", **FIRST)]).steps == []


def test_an_application_takes_over_the_port_of_one_that_comes_after_it(
    host: Host, neighbours: tuple[Application, Application]
) -> None:
    host.take(switch, apps=[asked(A, **SECOND), asked(A, "other")])
    assert ports(neighbours[0]) == ["127.0.0.1:9001"]
    assert open_doors(neighbours[1].layout) == {}


def test_a_port_of_another_application_is_reported_and_stays_there(
    host: Host, neighbours: tuple[Application, Application]
) -> None:
    with pytest.raises(Failed, match=r"^hello: cannot listen on 127\.0\.0\.1:9001"):
        host.take(switch, apps=[asked(A, **SECOND), asked(A, "other", **SECOND)])
    assert ports(neighbours[1]) == ["127.0.0.1:9001"]


@pytest.mark.parametrize("module", [back, retire])
@pytest.mark.parametrize("release", [A, B])
def test_a_rollback_restores_the_ports_of_applications_that_exchanged_them(
    host: Host, neighbours: tuple[Application, Application], module: Any, release: str
) -> None:
    for name in ("hello", "other"):
        host.make(release, name=name)
    host.take(boot, releases={"hello": release, "other": release})
    host.take(switch, apps=[asked(release, **SECOND), asked(release, "other", **FIRST)])
    names = ["hello", "other"]
    params: dict[str, Any] = {"names": names} if module is back else {"apps": [], "broken": names}
    host.take(module, **params)
    assert ports(*neighbours) == ["127.0.0.1:9000", "127.0.0.1:9001"]
    assert [app.layout.live() for app in neighbours] == [A, A]
    assert host.plan(module, **params).steps == []


def test_a_port_for_the_uwsgi_protocol_is_refused_beside_other_applications(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "APPLICATIONS", host.root / "srv")
    monkeypatch.setattr(switch, "left_over", lambda root, names: sorted({"hello", "other"} - {*names}))
    for name in ("hello", "other"):
        host.make(A, name=name)
        host.take(boot, releases={name: A})
    with pytest.raises(
        Failed,
        match=r"listen_uwsgi: '127\.0\.0\.1:9000': other on the same host could run code through this " r"port; use",
    ):
        host.take(switch, apps=[asked(A, listen_uwsgi="127.0.0.1:9000")])
    host.take(switch, apps=[asked(A, listen_uwsgi="/run/hello-web.socket")])
    (host.root / "units/hello-uwsgi.socket").write_text("Description=hello, uwsgi on 127.0.0.1:9000\n")
    with pytest.raises(
        Failed, match=r"hello listens on 127\.0\.0\.1:9000, where other could run code; use a Unix socket"
    ):
        host.take(switch, apps=[asked(A, "other")])


@pytest.mark.parametrize(
    ("wrong", "option"), [({"listen_http": "9000"}, "listen_http"), ({"listen_uwsgi": "0.0.0.0:9001"}, "listen_uwsgi")]
)
def test_switch_refuses_an_invalid_door_and_switches_the_others(host: Host, wrong: dict[str, str], option: str) -> None:
    host.make(A)
    host.make(A, name="other")
    host.take(boot, releases={"hello": A, "other": A})
    planned = host.plan(switch, apps=[asked(A, **wrong), asked(A, "other")])
    planned.take()
    assert list(planned.failures) == ["hello"]
    assert planned.failures["hello"].startswith(f"hello: {option}: ")
    assert (host.layout("hello").live(), host.layout("other").live()) == (None, A)


# verify


class Fronts:
    """The front doors of a host; `asked` are their addresses and what was asked, `sick` those that fail.

    An answer takes `takes` seconds; `now` is the time.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, Probe]] = []
        self.sick: set[str] = set()
        self.healthy_after = 0
        self.takes = 0.0
        self.now = 0.0
        self.tokens: list[str] = []
        self.tls: list[str] = []
        self.days: dict[str, float] = {}

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def served(self, address: str, name: str) -> Facts:
        """Take the place of `served`."""
        now = datetime.now(UTC)
        self.asked.append((address, Probe(host=name, path="its certificate")))
        return Facts(frozenset([name]), now, now + timedelta(days=self.days[name]))

    def over_http(self, address: str, token: str, tls: bool) -> Ask:
        """Take the place of `over_http`."""
        self.tls += [address] if tls else []

        def ask(asked: Probe) -> Answer:
            self.asked.append((address, asked))
            self.tokens.append(token)
            self.pass_by(self.takes)
            return Answer(502 if address in self.sick or len(self.asked) <= self.healthy_after else 200, b"")

        return ask


@pytest.fixture
def fronts(monkeypatch: pytest.MonkeyPatch) -> Fronts:
    fake = Fronts()
    monkeypatch.setattr(verify, "over_http", fake.over_http)
    monkeypatch.setattr(verify, "served", fake.served)
    monkeypatch.setattr(verify, "verify_token", lambda: "secret")
    monkeypatch.setattr(probe, "time", SimpleNamespace(sleep=fake.pass_by, monotonic=lambda: fake.now))
    return fake


def front(name: str, address: str, **probe: Any) -> dict[str, Any]:
    return {"name": name, "address": address, "probe": probe}


def test_verify_probes_each_front_door_as_its_release_says(host: Host, fronts: Fronts) -> None:
    doors = [front("one", "127.0.0.1:80", host="one.example.com"), front("two", "127.0.0.1:9000", path="/health")]
    planned = host.plan(verify, fronts=doors)
    assert fronts.asked == [
        ("127.0.0.1:80", Probe(host="one.example.com")),
        ("127.0.0.1:9000", Probe(path="/health")),
    ]
    # Only NGINX gets the secret: an application that knows it could pretend to be a run.
    assert fronts.tokens == ["secret", ""]
    assert (fronts.tls, planned.result) == ([], {"days": {}})
    assert (planned.steps, planned.settled) == ([], "healthy for clients: one, two")


def test_verify_asks_over_tls_like_a_visitor_and_reports_how_long_certificates_are_valid(
    host: Host, fronts: Fronts
) -> None:
    fronts.days = {"one.example.com": 89.5, "two.example.com": 6.5}
    doors = [front("one", "127.0.0.1:443", host="one.example.com")]
    doors += [front("two", "127.0.0.1:443", host="two.example.com:8443"), front("three", "127.0.0.1:9000")]
    planned = host.plan(verify, fronts=doors)
    assert fronts.asked == [
        ("127.0.0.1:443", Probe(host="one.example.com")),
        ("127.0.0.1:443", Probe(host="one.example.com", path="its certificate")),
        ("127.0.0.1:443", Probe(host="two.example.com:8443")),
        ("127.0.0.1:443", Probe(host="two.example.com", path="its certificate")),
        ("127.0.0.1:9000", Probe()),
    ]
    assert fronts.tokens == ["secret", "secret", ""]
    assert fronts.tls == ["127.0.0.1:443"] * 2
    assert planned.result == {"days": {"one.example.com": 89, "two.example.com:8443": 6}}


def test_verify_fails_over_tls_as_without(host: Host, fronts: Fronts) -> None:
    fronts.sick = {"127.0.0.1:443"}
    planned = host.plan(verify, fronts=[front("one", "127.0.0.1:443")])
    assert planned.failures["one"].startswith("one is not healthy at 127.0.0.1:443: asked 5 times ")
    assert planned.result == {"days": {}}


def test_verify_retries_briefly(host: Host, fronts: Fronts) -> None:
    fronts.healthy_after = 4
    host.plan(verify, fronts=[front("one", "127.0.0.1:80", tries=1)])
    assert len(fronts.asked) == 5


def test_verify_names_the_door_that_does_not_answer(host: Host, fronts: Fronts) -> None:
    fronts.sick = {"127.0.0.1:9000"}
    planned = host.plan(verify, fronts=[front("one", "127.0.0.1:80"), front("two", "127.0.0.1:9000")])
    assert list(planned.failures) == ["two"]
    why = r"two is not healthy at 127\.0\.0\.1:9000: asked 5 times for / of localhost, .* 502.*"
    assert re.fullmatch(why, planned.failures["two"])


def test_verify_asks_all_front_doors_even_if_one_does_not_answer(host: Host, fronts: Fronts) -> None:
    fronts.sick = {"127.0.0.1:9000", "127.0.0.1:9002"}
    fronts.days = {"two.example.com": 6.5}
    doors = [
        front("one", "127.0.0.1:9000"),
        front("two", "127.0.0.1:443", host="two.example.com"),
        front("three", "127.0.0.1:9002"),
    ]
    planned = host.plan(verify, fronts=doors)
    assert list(planned.failures) == ["one", "three"]
    assert planned.result == {"days": {"two.example.com": 6}}


def test_verify_reports_only_the_first_failing_front_door_of_an_application(host: Host, fronts: Fronts) -> None:
    fronts.sick = {"127.0.0.1:9000", "127.0.0.1:9002"}
    planned = host.plan(verify, fronts=[front("one", "127.0.0.1:9000"), front("one", "127.0.0.1:9002")])
    assert "127.0.0.1:9000" in planned.failures["one"]


@pytest.mark.parametrize(("takes", "times"), [(0.5, "3 times"), (1.5, "2 times"), (10, "once")])
def test_verify_stops_asking_after_two_seconds(host: Host, fronts: Fronts, takes: float, times: str) -> None:
    fronts.sick = {"127.0.0.1:80"}
    fronts.takes = takes
    planned = host.plan(verify, fronts=[front("one", "127.0.0.1:80")])
    assert f": asked {times} for " in planned.failures["one"]


def test_verify_is_skipped_in_check_mode(host: Host, fronts: Fronts) -> None:
    planned = host.plan(verify, check_mode=True, fronts=[front("one", "127.0.0.1:80")])
    assert fronts.asked == []
    assert planned.settled == "healthy for clients: none asked"


# back


def test_back_restores_each_application(host: Host) -> None:
    host.bring_live(A)
    host.switch(B)
    host.switch(A, name="other")
    planned = host.take(back, names=["hello", "other"])
    assert say(planned.steps) == [
        f"switch back from {B} to {A}",
        f"take {A} out of service, because nothing was live before",
        f"retire {B}",
        f"retire {A}",
    ]
    assert (host.layout("hello").live(), host.layout("other").live()) == (A, None)


def test_back_reports_that_nothing_changed(host: Host) -> None:
    host.bring_live(A)
    planned = host.plan(back, names=["hello", "other"])
    assert planned.steps == []
    assert planned.settled == f"hello has {A} live, like before the run; other has nothing live, like before the run"
    assert host.plan(back, names=[]).settled == "no application runs here"


def test_back_restores_one_application_even_if_it_fails_for_the_other(host: Host, systemd: FakeSystemd) -> None:
    for name in ("hello", "other"):
        host.bring_live(A, name=name)
        host.switch(B, name)
    systemd.stop(*host.app().instance(A).units)
    systemd.broken = {f"hello@{A}.service"}
    with pytest.raises(Failed, match=f"^hello: release {A} of main:app does not start"):
        host.take(back, names=["hello", "other"])
    assert host.app("other").instance(A).is_live()
    assert host.app("other").instance(B).is_ending()
    assert host.app().instance(B).is_live() and host.app().instance(B).runs()


@pytest.mark.parametrize("module", [back, retire])
def test_a_failed_plan_of_one_application_does_not_stop_the_others(host: Host, module: Any) -> None:
    for name in ("hello", "other"):
        host.bring_live(A, name=name)
        host.switch(B, name)
    host.app().history.path.write_text("")
    params: dict[str, Any] = {"names": ["hello", "other"]} if module is back else {"apps": [HELLO, OTHER]}
    planned = host.plan(module, **params)
    planned.take()
    assert list(planned.failures) == ["hello"]
    assert re.match(r"hello: .*history\.json is damaged", planned.failures["hello"])
    app = host.app("other")
    assert app.layout.live() == app.history.latest() == (A if module is back else B)
    assert host.app().layout.live() == B


def test_back_restores_the_doors(host: Host) -> None:
    host.bring_live(A, listen_http="127.0.0.1:9000")
    host.switch(B, listen_uwsgi="127.0.0.1:9001")
    planned = host.take(back, names=["hello"])
    assert say(planned.steps) == [
        f"switch back from {B} to {A}",
        "close 127.0.0.1:9001",
        "open 127.0.0.1:9000",
        f"retire {B}",
    ]
    assert host.plan(switch, apps=[asked(A, listen_http="127.0.0.1:9000")]).steps == []


@pytest.mark.parametrize("module", [back, retire])
def test_the_live_release_keeps_its_doors_if_the_rollback_fails(host: Host, systemd: FakeSystemd, module: Any) -> None:
    host.bring_live(A, **FIRST)
    host.switch(B, **SECOND)
    systemd.stop(*host.app().instance(A).units)
    systemd.broken = {f"hello@{A}.service"}
    with pytest.raises(Failed, match=f"^hello: release {A} of main:app does not start"):
        host.take(module, **({"names": ["hello"]} if module is back else {"apps": [], "broken": ["hello"]}))
    assert host.app().instance(B).is_live() and host.app().instance(B).runs()
    assert ports(host.app()) == ["127.0.0.1:9001"]


# retire


def test_retire_records_the_live_one_ends_the_rest_and_prunes(host: Host) -> None:
    host.bring_live(A, B)
    host.switch(C)
    planned = host.take(retire, apps=[{"name": "hello", "keep": 2}])
    assert say(planned.steps) == [
        f"record {C} as healthy",
        f"retire {B}",
        f"remove the units of {A}",
        "reload systemd",
        f"remove releases/{A}",
        f"remove builds/b-{A}",
        f"remove venvs/v-{A}",
        f"remove servers/s-{A}",
    ]
    assert host.app().history.latest() == C
    assert host.app().instance(B).is_ending()


def test_retire_has_nothing_to_do_the_second_time(host: Host) -> None:
    host.bring_live(A, B)
    planned = host.plan(retire, apps=[{"name": "hello", "keep": 2}])
    assert (planned.steps, planned.settled) == ([], "there is nothing to retire")


def test_retire_records_the_open_doors(host: Host) -> None:
    host.bring_live(A)
    host.take(switch, apps=[asked(A, listen_http="127.0.0.1:9000")])
    assert say(host.take(retire, apps=[HELLO]).steps) == [f"record {A} as healthy"]
    assert host.app().history.doors() == {"http": "127.0.0.1:9000"}
    assert host.plan(retire, apps=[HELLO]).steps == []


def test_retire_removes_nothing_if_it_fails_but_still_handles_the_others(host: Host) -> None:
    for name in ("hello", "other"):
        host.bring_live(A, B, name=name)
        host.switch(C, name)
    (host.layout("hello").home / ".history.json.new").mkdir()
    with pytest.raises(Failed, match=r"^hello: .*\.history\.json\.new"):
        host.take(retire, apps=[HELLO, OTHER])
    hello, other = host.app(), host.app("other")
    assert (hello.history.latest(), hello.releases.names()) == (B, [A, B, C])
    assert hello.instance(B).runs() and hello.instance(C).runs()
    assert (other.history.latest(), other.releases.names()) == (C, [B, C])
    assert other.instance(B).is_ending()
    assert (host.root / f"servers/s-{A}").is_dir()


def test_retire_keeps_files_that_processes_use(host: Host) -> None:
    host.bring_live(A, B, C)
    host.used = {host.layout("hello").venvs / f"v-{A}/lib/some.so", host.root / f"servers/s-{A}/pyuwsgi.so"}
    said = say(host.plan(retire, apps=[{"name": "hello", "keep": 2}]).steps)
    assert f"remove builds/b-{A}" in said
    assert f"remove venvs/v-{A}" not in said
    assert f"remove servers/s-{A}" not in said


def test_retire_looks_for_processes_wherever_it_removes_files(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []

    def in_use(*roots: Path) -> set[Path]:
        looked.extend(roots)
        return set()

    monkeypatch.setattr(retire, "in_use", in_use)
    host.plan(retire, apps=[{"name": "hello", "keep": 2}])
    assert looked == [host.root / "srv", host.root / "servers", host.root / "pythons"]


def test_retire_skips_an_application_that_never_went_live(host: Host) -> None:
    host.make(A)
    host.take(boot, releases={"hello": A})
    host.make(B, name="other")
    assert host.plan(retire, apps=[{"name": "hello", "keep": 2}]).steps == []
    assert host.app().history.latest() is None


def test_retire_keeps_the_uwsgi_of_other_applications(host: Host) -> None:
    host.bring_live(A, name="other")
    host.bring_live(B)
    host.make(C)
    said = say(host.plan(retire, apps=[{"name": "hello", "keep": 2}]).steps)
    assert said == [f"remove releases/{C}", f"remove builds/b-{C}", f"remove venvs/v-{C}", f"remove servers/s-{C}"]


def test_retire_on_a_host_without_applications_has_nothing_to_do(host: Host) -> None:
    (host.root / "servers/s-mine").mkdir(parents=True)
    assert host.plan(retire, apps=[]).steps == []


@pytest.mark.parametrize("keep", [1, 0, -1])
def test_retire_refuses_to_keep_less_than_a_rollback_needs(host: Host, keep: int) -> None:
    host.bring_live(A, B)
    planned = host.plan(retire, apps=[{"name": "hello", "keep": keep}])
    assert planned.failures["hello"].startswith(f"hello: keep: {keep}: write 2 or more")
    assert planned.steps == []


AFTER = "run its after_switch commands"


def test_the_commands_after_a_switch_run_once_when_a_release_becomes_healthy(host: Host, systemd: FakeSystemd) -> None:
    host.bring_live(A)
    host.make(B, oneshots=["after-switch"])
    host.switch(B)
    systemd.calls.clear()
    planned = host.take(retire, apps=[HELLO])
    assert [(step.says, step.of) for step in planned.steps] == [
        (AFTER, "hello"),
        (f"record {B} as healthy", "hello"),
        (f"retire {A}", "hello"),
    ]
    assert f"start hello@{B}-after-switch.service" in systemd.calls
    assert host.app().oneshot(B, "after-switch").is_done()
    systemd.finish()
    assert host.take(retire, apps=[HELLO]).steps == []


def test_the_commands_after_a_switch_do_not_run_when_only_a_door_has_changed(host: Host) -> None:
    host.make(A, oneshots=["after-switch"])
    host.bring_live(A)
    host.take(switch, apps=[asked(A, listen_http="127.0.0.1:9000")])
    assert say(host.take(retire, apps=[HELLO]).steps) == [f"record {A} as healthy"]


def test_the_commands_after_a_switch_run_again_after_a_rollback(host: Host) -> None:
    host.make(A, oneshots=["after-switch"])
    host.bring_live(A, B)
    host.switch(A)
    assert AFTER in say(host.plan(retire, apps=[HELLO]).steps)


def test_the_commands_after_a_switch_can_be_skipped(host: Host) -> None:
    host.make(A, oneshots=["after-switch"])
    host.switch(A)
    planned = host.take(retire, apps=[HELLO], after_switch=False)
    assert say(planned.steps) == [f"record {A} as healthy"]
    assert not host.app().oneshot(A, "after-switch").began()


@pytest.mark.parametrize("how", ["broken", "slow"])
def test_failed_commands_after_a_switch_are_a_warning_and_the_run_continues(
    host: Host, systemd: FakeSystemd, how: str
) -> None:
    host.bring_live(A)
    host.make(B, oneshots=["after-switch"])
    host.switch(B)
    unit = f"hello@{B}-after-switch.service"
    setattr(systemd, how, {unit})
    host.take(retire, apps=[HELLO])
    (warning,) = host.warnings
    assert warning.startswith("the after_switch commands failed, which changes nothing else: ")
    assert f"the log of {unit}" in warning
    assert host.app().instance(A).is_ending() and host.app().history.latest() == B


def test_retire_ends_timers_and_workers_but_keeps_a_running_job(host: Host, systemd: FakeSystemd) -> None:
    parts: dict[str, Any] = {"workers": ["mail"], "timers": ["nightly"]}
    for release in (A, B, C):
        host.make(release, **parts)
    host.bring_live(A)
    job = f"hello@{A}-nightly.service"
    systemd.start(job, wait=False)
    for release in (B, C):
        host.switch(release)
        assert say(host.take(retire, apps=[HELLO]).steps)[0] == f"record {release} as healthy"
        systemd.finish(*host.app().instance(A).front, f"hello@{A}-mail.service", *host.app().instance(B).units)
    states = {unit: systemd.states.get(unit, "inactive") for unit in host.app().instance(A).units}
    assert states == {**dict.fromkeys(states, "inactive"), job: "activating"}
    assert host.take(retire, apps=[HELLO]).steps == []
    systemd.finish(job)
    assert f"remove the units of {A}" in say(host.take(retire, apps=[HELLO]).steps)
    assert host.app().releases.names() == [B, C]


# retire: absent and left-over applications


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the users of the host."""
    found = ["hello", "other"]
    monkeypatch.setattr(User, "is_own", lambda user: user.name in found)
    monkeypatch.setattr(User, "remove", lambda user: found.remove(user.name))
    return found


def test_retire_first_removes_absent_applications_and_then_their_uwsgi(host: Host, users: list[str]) -> None:
    host.bring_live(A)
    host.bring_live(B, name="other")
    home = host.layout("other").home
    planned = host.take(retire, apps=[HELLO], absent=[{"name": "other", "remove_data": False}])
    assert [(step.says, step.of) for step in planned.steps] == [
        (f"take {B} out of service", "other"),
        (f"end {B}", "other"),
        ("remove the user other", "other"),
        ("remove its releases and builds", "other"),
        (f"remove {home}", "other"),
        (f"remove servers/s-{B}", ""),
    ]
    assert not home.exists() and users == ["hello"]
    assert host.app().instance(A).is_live() and (host.root / f"servers/s-{A}").is_dir()
    planned = host.plan(retire, apps=[HELLO], absent=[{"name": "other", "remove_data": False}])
    assert (planned.steps, planned.settled) == ([], "there is nothing to retire")


def test_the_wheels_of_an_absent_application_are_removed_too(host: Host, users: list[str]) -> None:
    for name, wheels in (("hello", "w1"), ("other", "w2")):
        host.bring_live(A, name=name)
        (host.layout(name).venvs / f"v-{A}/manifest.json").write_text(json.dumps({"wheels": wheels}))
        (host.root / "wheels" / wheels).mkdir(parents=True)
    said = say(host.plan(retire, apps=[HELLO], absent=[{"name": "other", "remove_data": False}]).steps)
    assert "remove wheels/w2" in said and "remove wheels/w1" not in said


def test_retire_removes_the_last_application_of_a_host(host: Host, users: list[str]) -> None:
    host.bring_live(A)
    said = say(host.take(retire, apps=[], absent=[{"name": "hello", "remove_data": True}]).steps)
    assert said[-1] == f"remove servers/s-{A}"
    assert not host.layout("hello").home.exists()


@pytest.mark.parametrize("remove_data", [False, True])
def test_retire_removes_absent_data_only_on_request(
    host: Host, users: list[str], monkeypatch: pytest.MonkeyPatch, remove_data: bool
) -> None:
    host.bring_live(A)
    data = host.layout("hello").data
    data.mkdir()
    monkeypatch.setattr(Data, "is_left", lambda data: False)
    said = say(host.plan(retire, apps=[], absent=[{"name": "hello", "remove_data": remove_data}]).steps)
    assert (f"remove {data}" in said, f"give {data} to root" in said) == (remove_data, not remove_data)


def test_a_failed_removal_does_not_stop_other_applications_but_keeps_every_uwsgi(
    host: Host, systemd: FakeSystemd, users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("hello", "other"):
        host.bring_live(A, name=name)
    host.switch(B)

    def refuse(user: object) -> None:
        raise Failed("the user is at work")

    monkeypatch.setattr(User, "remove", refuse)
    planned = host.plan(retire, apps=[HELLO], absent=[{"name": "other", "remove_data": False}])
    planned.take()
    assert planned.failures == {"other": "other: the user is at work"}
    assert host.app().history.latest() == B
    assert (host.root / f"servers/s-{A}").is_dir()


def test_retire_reports_left_over_applications_and_keeps_them(host: Host) -> None:
    host.bring_live(A)
    host.bring_live(B, name="other")
    planned = host.plan(retire, apps=[HELLO], described=["hello"])
    assert planned.steps == []
    (warning,) = host.warnings
    assert warning.startswith("other is left over: ") and "- {name: other, state: absent}" in warning
    host.plan(retire, apps=[HELLO], described=["hello", "other"])
    assert host.warnings == []


def test_retire_reports_left_over_applications_even_if_none_is_described(host: Host) -> None:
    host.bring_live(A)
    host.plan(retire, apps=[], described=[])
    assert len(host.warnings) == 1


def test_without_a_list_of_entries_nothing_is_left_over(host: Host) -> None:
    host.bring_live(A)
    host.plan(retire, apps=[])
    assert host.warnings == []


# maintenance


def test_maintenance_closes_a_site_until_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signs = tmp_path / "maintenance"
    (tmp_path / "nginx.conf").write_text(f"if (-f {signs}/hello) {{\n")
    monkeypatch.setattr(
        maintenance, "MaintenanceFlag", lambda site: MaintenanceFlag(site, tmp_path / "nginx.conf", signs)
    )

    def asked(closed: bool) -> tuple[list[tuple[str, str]], str]:
        planned = maintenance.plan(cast(AnsibleModule, FakeModule(name="hello", closed=closed)))
        planned.take()
        return [(step.says, step.of) for step in planned.steps], planned.settled

    assert asked(False) == ([], "hello is open")
    assert asked(True) == ([("close it", "hello")], "")
    assert MaintenanceFlag("hello", tmp_path / "nginx.conf", signs).is_set()
    assert asked(True) == ([], "hello is closed")
    assert asked(False) == ([("open it", "hello")], "")
    assert not MaintenanceFlag("hello", tmp_path / "nginx.conf", signs).is_set()


# choose, releases


def test_choose_returns_the_release_of_each_application_and_changes_nothing(host: Host) -> None:
    host.bring_live(A, B)
    host.bring_live(B, C, name="other")
    planned = host.plan(choose, names=["hello", "other"])
    assert (planned.steps, planned.result) == ([], {"releases": {"hello": A, "other": B}})
    assert planned.settled == f"hello goes to {A}, other goes to {B}"
    assert host.plan(choose, names=["hello"], release=B[:2]).result == {"releases": {"hello": B}}


def test_choose_on_a_host_without_applications_chooses_none(host: Host) -> None:
    planned = host.plan(choose, names=[])
    assert (planned.result, planned.settled) == ({"releases": {}}, "no application runs here")


def test_choose_refuses_all_if_one_application_cannot_roll_back(host: Host) -> None:
    host.bring_live(A, B)
    host.bring_live(A, name="other")
    with pytest.raises(Failed, match=f"^other: there is no release before {A} to roll back to$"):
        host.plan(choose, names=["hello", "other"])


def test_choose_refuses_a_missing_release(host: Host) -> None:
    with pytest.raises(Failed, match=f"^hello: release {A} is not on this host"):
        host.plan(choose, names=["hello"], release=A)


def test_releases_are_listed_as_data_and_text(host: Host) -> None:
    host.bring_live(A, B)
    make_release(host.layout("hello"), C, commit=None, source=None)
    planned = host.plan(release_info, name="hello")
    since = {release: entry["live"] for release, entry in host.app().history.entries().items()}
    assert [one["release"] for one in planned.result["releases"]] == [B, A, C]
    assert planned.result["lines"] == [
        f"{B}  live           live since {since[B]}  packages v1  commit c0ffee  from app",
        f"{A}  previous       live since {since[A]}  packages v1  commit c0ffee  from app",
        f"{C}  never healthy  live since -  packages v1  commit -  from -",
    ]
    assert (planned.steps, planned.settled) == ([], "hello has 3 releases")


def test_repeated_rollbacks_alternate_between_two_releases(host: Host) -> None:
    host.bring_live(A, B)
    for expected in (A, B):
        release = host.plan(choose, names=["hello"]).result["releases"]["hello"]
        assert release == expected
        host.bring_live(release)
        assert host.app().instance(release).is_live()
        assert [one["state"] for one in host.plan(release_info, name="hello").result["releases"]] == [
            "live",
            "previous",
        ]


each_module: Callable[..., Any] = pytest.mark.parametrize(
    ("module", "params"),
    [
        (migrate, {"releases": {"hello": C}, "asked": ["hello"]}),
        (boot, {"releases": {"hello": C}}),
        (switch, {"apps": [asked(C, listen_http="127.0.0.1:9000")]}),
        (back, {"names": ["hello"]}),
        (retire, {"apps": [{"name": "hello", "keep": 2}], "described": []}),
        (retire, {"apps": [], "absent": [{"name": "hello", "remove_data": True}]}),
        (choose, {"names": ["hello"]}),
        (release_info, {"name": "hello"}),
    ],
)


@pytest.mark.parametrize("name", ["back", "boot", "choose", "migrate", "release_info", "retire", "survey", "switch"])
def test_a_run_ends_with_back_or_retire_or_a_survey(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    carried: list[tuple[object, object, bool]] = []

    def carry_out(arguments: object, plan: object, last: bool = False) -> None:
        carried.append((arguments, plan, last))

    monkeypatch.setattr("ansible.module_utils.basic._load_params", lambda: {"step": name})
    monkeypatch.setattr(step, "carry_out", carry_out)
    step.main()
    module = steps.load(name)
    assert carried == [(module.ARGUMENTS, module.plan, name in ("back", "retire", "survey"))]


@each_module
def test_a_plan_changes_nothing(host: Host, systemd: FakeSystemd, module: Any, params: dict[str, Any]) -> None:
    host.bring_live(A, B)
    host.make(C, oneshots=["migrate", "after-switch"], workers=["mail"], timers=["nightly"])
    host.switch(C)
    systemd.disable(*host.app().instance(C).units)
    systemd.calls.clear()
    before = sorted(host.root.rglob("*"))
    host.plan(module, **params)
    assert systemd.calls == []
    assert sorted(host.root.rglob("*")) == before


def test_retire_rolls_back_broken_applications(host: Host) -> None:
    for name in ("hello", "other"):
        host.bring_live(A, name=name)
        host.switch(B, name)
    host.take(retire, apps=[HELLO], broken=["other"])
    assert (host.layout("hello").live(), host.layout("other").live()) == (B, A)
    assert host.app("other").history.latest() == A
    assert host.app("other").instance(B).is_ending()
