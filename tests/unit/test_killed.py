"""The next run completes or cleans up what a killed run leaves."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.door import open_doors
from ansible_collections.wsgi.production.plugins.module_utils.keep import Keeper
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.plan import Step
from tests.unit.fakes import FakeSystemd, make_build, make_release, take, way_back

LIVE, NEW, NEXT = "aaa111", "bbb222", "ccc333"
KEEP = 2
PARTS: dict[str, Any] = {"workers": ["mail"], "timers": ["nightly"], "oneshots": ["migrate", "after-switch"]}
DOORS = {"http": "0.0.0.0:9000"}


class Killed(BaseException):
    """Ends a run at once, as a signal does."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: a killed process loses nothing that it has written."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@contextmanager
def killed_after(number: int) -> Iterator[None]:
    """Kill the body right before its `number`th change of the host."""
    left = itertools.count(number, -1)

    def around(change: Callable[..., object]) -> Callable[..., object]:
        def touch(*args: object, **kwargs: object) -> object:
            if next(left) <= 1:
                raise Killed
            return change(*args, **kwargs)

        return touch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeSystemd, "_named", around(FakeSystemd._named))
        for change in ("replace", "unlink", "symlink_to"):
            patch.setattr(Path, change, around(getattr(Path, change)))
        yield


def host(root: Path) -> Application:
    """Return an application whose first release is live, with a worker and a timer, behind a door."""
    layout = Layout("hello", root=root / "srv", units=root / "units", transient=root / "transient")
    layout.units.mkdir(parents=True)
    app = Application(layout, FakeSystemd(layout.units, layout.transient))
    run(app, LIVE)
    return app


def have(app: Application, release: str) -> None:
    """Make a release; the tests of the store kill that."""
    if app.releases.manifest(release) is None:
        make_build(app.layout, f"b-{release}", f"v-{release}")
        make_release(app.layout, release, build=f"b-{release}", **PARTS)


def run(app: Application, release: str, doors: dict[str, str] = DOORS) -> None:
    """Take every step of a run that makes `release` live."""
    have(app, release)
    take(app.migrate(release, True))
    take(app.boot(release))
    take(app.switch(release) + app.close_doors(doors))
    take(app.open_doors(doors))
    steps = app.record(release, KEEP)
    if app.history.latest() != release:
        steps.append(Step("run its after_switch commands", app.oneshot(release, "after-switch").run))
    take(steps + app.end_others(release) + Keeper([]).prune(app, release, KEEP))


def take_back(app: Application) -> None:
    """Take every step of a rollback."""
    take(app.close_doors())
    take(way_back(app))


def finish_requests(app: Application) -> None:
    """Finish what is ending, and start what waits for that."""
    assert isinstance(app.systemd, FakeSystemd)
    app.systemd.finish()


def answering(app: Application) -> list[str]:
    return [release for release in app.layout.instances() if app.instance(release).answers()]


def working(app: Application) -> list[str]:
    """Return the units that have not ended, without the doors."""
    assert isinstance(app.systemd, FakeSystemd)
    states = app.systemd.states.items()
    return sorted(unit for unit, state in states if state not in ("inactive", "failed") and "@" in unit)


def each_way_to_be_killed(root: Path, body: Callable[[Application], None]) -> Iterator[tuple[int, Application]]:
    """Yield hosts on which `body` was killed, each one step later than on the one before."""
    for number in itertools.count(1):
        app = host(root / str(number))
        try:
            with killed_after(number):
                body(app)
        except Killed:
            yield number, app
        else:
            assert number > 10
            return


def deploy(app: Application) -> None:
    run(app, NEW)


def deploy_what_does_not_work(app: Application) -> None:
    assert isinstance(app.systemd, FakeSystemd)
    app.systemd.broken = {app.instance(NEW).service}
    with suppress(Failed):
        run(app, NEW)


def move_the_doors(app: Application) -> None:
    run(app, LIVE, {"uwsgi": "127.0.0.1:9001", "http": "0.0.0.0:9002"})


def go_back(app: Application) -> None:
    have(app, NEW)
    take(app.boot(NEW))
    doors = {"uwsgi": "127.0.0.1:9001"}
    take(app.switch(NEW) + app.close_doors(doors))
    take(app.open_doors(doors))
    take_back(app)


def deploy_and_prune(app: Application) -> None:
    for release in (NEW, NEXT):
        run(app, release)
        finish_requests(app)
    run(app, NEXT)


each_body = pytest.mark.parametrize(
    "body", [deploy, deploy_what_does_not_work, move_the_doors, go_back, deploy_and_prune]
)


@each_body
@pytest.mark.usefixtures("apps")
def test_the_live_release_always_answers(tmp_path: Path, body: Callable[[Application], None]) -> None:
    for number, app in each_way_to_be_killed(tmp_path, body):
        assert app.layout.live() in answering(app), number


@each_body
@pytest.mark.usefixtures("apps")
def test_the_timers_of_the_live_release_always_run(tmp_path: Path, body: Callable[[Application], None]) -> None:
    for number, app in each_way_to_be_killed(tmp_path, body):
        live = app.instance(app.layout.live() or "")
        assert live.is_live() or answering(app) != [live.release], number


@each_body
@pytest.mark.usefixtures("apps")
def test_the_next_run_makes_its_release_live_and_stops_all_others(
    tmp_path: Path, body: Callable[[Application], None]
) -> None:
    for number, app in each_way_to_be_killed(tmp_path, body):
        assert isinstance(app.systemd, FakeSystemd)
        app.systemd.broken = set()
        run(app, NEXT)
        finish_requests(app)
        live = app.instance(NEXT)
        assert live.is_live() and live.runs(), number
        assert working(app) == sorted(live.lasting), number
        assert app.systemd.enabled == {*live.lasting, "hello-http.socket"}, number
        assert app.close_doors(DOORS) == app.open_doors(DOORS) == [], number


@each_body
@pytest.mark.usefixtures("apps")
def test_a_rollback_restores_the_last_healthy_release(tmp_path: Path, body: Callable[[Application], None]) -> None:
    for number, app in each_way_to_be_killed(tmp_path, body):
        assert isinstance(app.systemd, FakeSystemd)
        healthy = app.history.latest()
        assert healthy is not None
        take_back(app)
        live = app.instance(healthy)
        assert live.is_live() and answering(app) == [healthy], number
        assert open_doors(app.layout) == app.history.doors(), number
        assert app.systemd.enabled & set(live.units) == set(live.lasting), number
        finish_requests(app)
        assert way_back(app) == [], number
        assert set(working(app)) <= set(live.lasting), number


@each_body
@pytest.mark.usefixtures("apps")
def test_a_rollback_leaves_the_live_workers_running(tmp_path: Path, body: Callable[[Application], None]) -> None:
    for number, app in each_way_to_be_killed(tmp_path, body):
        take_back(app)
        finish_requests(app)
        assert app.instance(app.layout.live() or "").runs(), number


@each_body
@pytest.mark.usefixtures("apps")
def test_nothing_is_left_over_two_runs_later(tmp_path: Path, body: Callable[[Application], None]) -> None:
    for number, app in each_way_to_be_killed(tmp_path, body):
        assert isinstance(app.systemd, FakeSystemd)
        app.systemd.broken = set()
        for release in (NEXT, LIVE):
            run(app, release)
            finish_requests(app)
        run(app, LIVE)
        layout, kept = app.layout, [LIVE, NEXT]
        assert sorted(os.listdir(layout.releases)) == kept, number
        assert sorted(os.listdir(layout.builds)) == [f"b-{release}" for release in kept], number
        assert sorted(os.listdir(layout.venvs)) == [f"v-{release}" for release in kept], number
        # A file that begins with a dot was going to replace a unit; systemd ignores it.
        units = {name for name in os.listdir(layout.units) if not name.startswith(".")}
        doors = {"hello-http.socket", "hello-http.service"}
        assert units == doors | {unit for one in kept for unit in app.instance(one).units}, number
        # It does not remember when the timers of a removed release were due.
        assert app.systemd.due <= units, number


@each_body
@pytest.mark.usefixtures("apps")
def test_a_completed_migration_is_not_repeated(tmp_path: Path, body: Callable[[Application], None]) -> None:
    for number, app in each_way_to_be_killed(tmp_path, body):
        done = [release for release in app.releases.names() if app.oneshot(release, "migrate").is_done()]
        assert [app.migrate(release, True) for release in done] == [[]] * len(done), number
