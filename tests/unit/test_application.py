"""What the steps around the switch promise."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import application
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.door import Door, open_doors
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, replace_link
from ansible_collections.wsgi.production.plugins.module_utils.plan import Step
from ansible_collections.wsgi.production.plugins.module_utils.systemd import STATE
from tests.unit.fakes import FakeApps, FakeSystemd, make_release, say, take, way_back

A, B, C = "aaa111", "bbb222", "ccc333"
KEEP = 7
HTTP, UWSGI = {"http": "0.0.0.0:9000"}, {"uwsgi": "127.0.0.1:9001"}


def booted(app: Application, release: str, **parts: Any) -> None:
    """Make a release that has `parts`, and boot it."""
    if app.releases.manifest(release) is None:
        make_release(app.layout, release, **parts)
    take(app.boot(release))


def switched(app: Application, release: str, **parts: Any) -> None:
    """Make a release live that is not verified yet."""
    booted(app, release, **parts)
    take(app.switch(release))


def retired(app: Application, *releases: str, doors: dict[str, str] | None = None, **parts: Any) -> None:
    """Make `releases` live, one after the other, each verified; earlier ones are retired."""
    for release in releases:
        switched(app, release, **parts)
        take(app.open_doors(doors or {}))
        take(app.record(release, KEEP) + app.end_others(release))


def running(app: Application) -> list[str]:
    return [release for release in app.layout.instances() if app.instance(release).runs()]


# Boot


def test_the_first_release_is_booted_beside_nothing(app: Application) -> None:
    make_release(app.layout, A)
    assert take(app.boot(A)) == [f"start {A} beside nothing and probe it"]
    assert running(app) == [A]


def test_a_release_is_booted_beside_the_live_one(app: Application) -> None:
    retired(app, A)
    make_release(app.layout, B)
    assert take(app.boot(B)) == [f"start {B} beside {A} and probe it"]
    assert running(app) == [A, B]
    assert app.layout.live() == A


def test_a_live_release_that_runs_is_not_booted_again(app: Application) -> None:
    retired(app, A)
    assert app.boot(A) == []


def test_a_live_release_that_does_not_run_is_started(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A)
    systemd.states[app.instance(A).service] = "failed"
    assert take(app.boot(A)) == [f"start {A}, which is live but not running"]
    assert running(app) == [A]


def test_an_instance_that_a_killed_run_left_running_is_probed_before_it_goes_live(
    app: Application, apps: FakeApps
) -> None:
    retired(app, A)
    booted(app, B)
    apps.asked.clear()
    assert take(app.boot(B)) == [f"start {B} beside {A} and probe it"]
    assert apps.asked == [B]


def test_a_boot_can_be_planned_before_its_release_exists(app: Application, systemd: FakeSystemd) -> None:
    assert say(app.boot(A)) == [f"start {A} beside nothing and probe it"]
    assert systemd.calls == []


@pytest.mark.parametrize("there", [False, True], ids=["missing", "half made"])
def test_a_missing_or_incomplete_release_is_not_booted(app: Application, there: bool) -> None:
    if there:
        make_release(app.layout, A, sealed=False)
    with pytest.raises(Failed, match=f"this host has no release {A}"):
        take(app.boot(A))
    assert app.layout.instances() == []


# Switch


def test_the_first_switch_makes_a_release_live(app: Application) -> None:
    booted(app, A)
    assert take(app.switch(A)) == [f"switch from nothing to {A}"]
    assert app.instance(A).is_live()
    assert os.readlink(app.layout.current) == f"releases/{A}"


def test_a_switch_moves_current_from_one_release_to_the_next(app: Application) -> None:
    retired(app, A)
    booted(app, B)
    assert take(app.switch(B)) == [f"switch from {A} to {B}"]
    assert app.layout.current.resolve() == app.layout.releases / B
    assert app.instance(B).is_live() and not app.instance(A).is_live()
    assert not [name for name in os.listdir(app.layout.home) if name.endswith(".new")]


def previous(app: Application) -> str | None:
    """Return the release that the link `previous` leads to."""
    link = app.layout.previous
    return os.path.basename(os.readlink(link)) if os.path.lexists(link) else None


def test_the_first_release_has_no_previous_one_whose_files_are_served(app: Application) -> None:
    retired(app, A)
    assert previous(app) is None


def test_a_switch_keeps_the_files_of_the_previous_release_available(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    assert os.readlink(app.layout.previous) == f"releases/{A}"
    take(app.record(B, KEEP))
    switched(app, C)
    assert (previous(app), app.layout.live()) == (B, C)


def test_the_previous_link_is_set_before_the_current_link(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    retired(app, A)
    links: list[Path] = []

    def note(link: Path, target: str) -> None:
        links.append(link)
        replace_link(link, target)

    monkeypatch.setattr(application, "replace_link", note)
    switched(app, B)
    assert links == [app.layout.previous, app.layout.current]


def test_a_rollback_keeps_the_files_of_the_newer_release_available(app: Application) -> None:
    retired(app, A, B)
    switched(app, A)
    assert (previous(app), app.layout.live()) == (B, A)


def test_undoing_a_switch_points_previous_to_the_healthy_release_before(app: Application) -> None:
    retired(app, A, B)
    switched(app, C)
    assert previous(app) == B
    take(way_back(app))
    assert (previous(app), app.layout.live()) == (A, B)


def test_undoing_the_second_switch_leaves_no_unhealthy_previous_release(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    take(way_back(app))
    assert (previous(app), app.layout.live()) == (A, A)


def test_a_switch_survives_a_reboot_of_the_host(app: Application, systemd: FakeSystemd) -> None:
    switched(app, A)
    assert systemd.enabled == set(app.instance(A).units)


def test_a_switch_leaves_the_previous_instance_running_for_a_rollback(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    assert running(app) == [A, B]
    assert app.instance(A).was_live()


def test_the_live_release_needs_no_switch(app: Application) -> None:
    switched(app, A)
    assert app.switch(A) == []


@pytest.mark.parametrize("kind", ["socket", "service"])
def test_a_live_release_that_a_reboot_would_not_start_is_repaired(
    app: Application, systemd: FakeSystemd, kind: str
) -> None:
    retired(app, A)
    systemd.disable(app.layout.unit(A, kind))
    take(app.switch(A))
    assert app.instance(A).is_live()


def test_current_does_not_move_if_enabling_fails(app: Application) -> None:
    retired(app, A)
    with pytest.raises(Failed):
        take(app.switch(B))
    assert app.layout.live() == A


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("inactive", f"the instance of {B} is not running, so it cannot go live$"),
        ("failed", f"release {B} of main:app exits by itself; its log ends with:\n"),
        ("activating", f"release {B} of main:app exits by itself; its log ends with:\n"),
    ],
)
def test_a_release_that_does_not_run_cannot_go_live(
    app: Application, systemd: FakeSystemd, state: str, said: str
) -> None:
    retired(app, A)
    booted(app, B)
    systemd.states[app.instance(B).service] = state
    with pytest.raises(Failed, match=f"^hello: {said}"):
        take(app.switch(B))
    assert app.layout.live() == A
    assert not app.instance(B).was_live()


def test_a_switch_that_was_killed_before_current_moved_is_completed(app: Application) -> None:
    retired(app, A)
    booted(app, B)
    app.instance(B).enable()
    assert take(app.switch(B)) == [f"switch from {A} to {B}"]
    assert app.instance(B).is_live()


# Doors


def test_each_door_is_opened_moved_and_closed(app: Application) -> None:
    retired(app, A)
    assert take(app.open_doors({**UWSGI, **HTTP})) == ["open 127.0.0.1:9001", "open 0.0.0.0:9000"]
    assert open_doors(app.layout) == {**HTTP, **UWSGI}
    assert take(app.open_doors({"http": "0.0.0.0:9002", **UWSGI})) == ["open 0.0.0.0:9002"]
    assert open_doors(app.layout) == {"http": "0.0.0.0:9002", **UWSGI}
    assert take(app.close_doors(UWSGI)) == ["close 0.0.0.0:9002"]
    assert open_doors(app.layout) == UWSGI
    assert app.open_doors(UWSGI) == app.close_doors(UWSGI) == []
    assert take(app.close_doors({})) == ["close 127.0.0.1:9001"]
    assert open_doors(app.layout) == {}


@pytest.mark.parametrize("doors", [{}, HTTP, UWSGI, {**HTTP, **UWSGI}])
def test_correct_doors_are_left_alone(app: Application, doors: dict[str, str]) -> None:
    retired(app, A)
    take(app.open_doors(doors))
    assert app.open_doors(doors) == app.close_doors(doors) == []


def test_only_a_door_that_moves_is_closed_first(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, doors={**HTTP, **UWSGI})
    moved = {"http": "0.0.0.0:9002", **UWSGI}
    assert take(app.close_doors(moved)) == ["close 0.0.0.0:9000"]
    assert not systemd.is_active("hello-http.socket") and systemd.is_active("hello-uwsgi.socket")
    assert take(app.open_doors(moved)) == ["open 0.0.0.0:9002"]
    assert open_doors(app.layout) == moved


def test_a_door_without_an_address_is_closed_and_not_opened(app: Application) -> None:
    retired(app, A, doors=HTTP)
    none = {"http": "", "uwsgi": ""}
    assert app.open_doors(none) == []
    assert take(app.close_doors(none)) == ["close 0.0.0.0:9000"]
    assert open_doors(app.layout) == {}


def test_a_half_closed_door_of_a_killed_run_is_removed(app: Application) -> None:
    retired(app, A, doors=HTTP)
    (app.layout.units / "hello-http.socket").unlink()
    take(app.close_doors({}))
    assert not [name for name in os.listdir(app.layout.units) if "http" in name]
    assert app.close_doors({}) == []


def test_doors_that_the_history_does_not_know_are_closed_by_default(app: Application) -> None:
    retired(app, A, doors=HTTP)
    assert app.close_doors() == []
    take(app.close_doors({"http": "0.0.0.0:9002"}) + app.open_doors({"http": "0.0.0.0:9002", **UWSGI}))
    assert take(app.close_doors()) == ["close 127.0.0.1:9001", "close 0.0.0.0:9002"]
    assert open_doors(app.layout) == {}


def test_before_the_first_healthy_release_all_doors_are_closed_by_default(app: Application) -> None:
    switched(app, A)
    take(app.open_doors(HTTP))
    assert take(app.close_doors()) == ["close 0.0.0.0:9000"]


def test_a_door_that_does_not_listen_is_opened_again(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, doors=HTTP)
    systemd.states["hello-http.socket"] = "failed"
    assert take(app.open_doors(HTTP)) == ["open 0.0.0.0:9000"]
    assert app.open_doors(HTTP) == []


# End others


def test_with_a_single_instance_nothing_is_retired(app: Application) -> None:
    retired(app, A)
    assert app.end_others(A) == []


def test_an_instance_is_retired_once_another_is_live(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A)
    switched(app, B)
    systemd.calls.clear()
    assert take(app.end_others(B)) == [f"retire {A}"]
    assert systemd.states[app.instance(A).service] == "deactivating"
    assert not [call for call in systemd.calls if call.startswith("kill")]
    assert running(app) == [B]


@pytest.mark.parametrize("state", ["deactivating", "inactive", "failed"])
def test_an_instance_is_not_retired_twice(app: Application, systemd: FakeSystemd, state: str) -> None:
    retired(app, A, B)
    for unit in app.instance(A).units:
        systemd.states[unit] = state
    assert app.end_others(B) == []


def test_a_stopped_instance_that_a_reboot_would_start_is_retired(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A)
    switched(app, B)
    systemd.stop(*app.instance(A).units)
    assert take(app.end_others(B)) == [f"retire {A}"]
    assert systemd.enabled == set(app.instance(B).units)


@pytest.mark.parametrize("kind", ["socket", "service"])
@pytest.mark.parametrize("state", ["active", "activating"])
def test_an_instance_that_a_killed_run_left_running_is_removed(
    app: Application, systemd: FakeSystemd, kind: str, state: str
) -> None:
    retired(app, A)
    booted(app, B)
    systemd.stop(*app.instance(B).units)
    systemd.states[app.layout.unit(B, kind)] = state
    assert take(app.end_others(A)) == [f"remove {B}, which was never live"]
    assert app.layout.instances() == running(app) == [A]


def test_an_instance_that_visitors_may_have_reached_is_retired_and_not_removed(
    app: Application, systemd: FakeSystemd
) -> None:
    retired(app, A)
    booted(app, B)
    systemd.enable(app.instance(B).front[0])
    assert say(app.end_others(A)) == [f"retire {B}"]


def test_instances_of_other_apps_are_left_alone(app: Application) -> None:
    retired(app, A)
    for unit in (f"hello-two@{B}.service", f"other@{B}.service"):
        (app.layout.units / unit).touch()
    assert app.end_others(A) == []


# Record


def test_a_release_is_recorded_once(app: Application) -> None:
    switched(app, A)
    assert take(app.record(A, KEEP)) == [f"record {A} as healthy"]
    assert app.history.latest() == A
    assert app.record(A, KEEP) == []


def test_a_rollback_records_its_release_as_the_latest(app: Application) -> None:
    retired(app, A, B)
    switched(app, A)
    assert take(app.record(A, KEEP)) == [f"record {A} as healthy"]
    assert list(app.history.entries()) == [B, A]


def test_the_doors_are_recorded_with_the_release(app: Application) -> None:
    retired(app, A, doors=HTTP)
    assert app.history.doors() == HTTP


def test_changed_doors_are_recorded_without_a_new_release(app: Application) -> None:
    retired(app, A)
    since = app.history.entries()[A]["live"]
    for doors in (HTTP, UWSGI, {}):
        take(app.close_doors(doors) + app.open_doors(doors))
        assert take(app.record(A, KEEP)) == [f"record {A} as healthy"]
        assert app.history.entries() == {A: {"live": since, "doors": doors}}
        assert app.record(A, KEEP) == []


# Go back


def test_an_empty_host_has_nothing_to_roll_back_to(app: Application) -> None:
    assert way_back(app) == []


def test_nothing_is_rolled_back_if_nothing_changed(app: Application) -> None:
    retired(app, A, B)
    assert way_back(app) == []
    assert running(app) == [B]


def test_a_rollback_removes_a_booted_release_that_never_went_live(app: Application) -> None:
    retired(app, A)
    booted(app, B)
    assert take(way_back(app)) == [f"remove {B}, which was never live"]
    assert app.layout.instances() == running(app) == [A]
    assert app.instance(A).is_live()


def test_a_rollback_removes_a_first_release_that_never_went_live(app: Application) -> None:
    booted(app, A)
    assert take(way_back(app)) == [f"remove {A}, which was never live"]
    assert app.layout.instances() == []


def test_an_unverified_switch_is_rolled_back(app: Application, apps: FakeApps, systemd: FakeSystemd) -> None:
    retired(app, A)
    switched(app, B)
    apps.asked.clear()
    assert take(way_back(app)) == [f"switch back from {B} to {A}", f"retire {B}"]
    assert apps.asked == []
    assert app.instance(A).is_live()
    assert running(app) == [A]
    assert systemd.states[app.instance(B).service] == "deactivating"
    assert way_back(app) == []


def test_an_unverified_first_switch_is_rolled_back(app: Application) -> None:
    switched(app, A)
    steps = [f"take {A} out of service, because nothing was live before", f"retire {A}"]
    assert take(way_back(app)) == steps
    assert app.layout.live() is None
    assert not app.instance(A).was_live()
    assert running(app) == []
    assert way_back(app) == []


def test_a_switch_killed_before_current_moved_is_rolled_back(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A)
    booted(app, B)
    app.instance(B).enable()
    assert take(way_back(app)) == [f"retire {B}"]
    assert app.instance(A).is_live()
    assert systemd.enabled == set(app.instance(A).units)


def test_a_killed_rollback_is_completed(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    take(way_back(app)[:1])
    assert take(way_back(app)) == [f"retire {B}"]
    assert running(app) == [A]


def test_a_rollback_boots_its_release_first_if_it_does_not_run(
    app: Application, apps: FakeApps, systemd: FakeSystemd
) -> None:
    retired(app, A)
    switched(app, B)
    systemd.stop(*app.instance(A).units)
    apps.asked.clear()
    assert take(way_back(app)) == [f"boot {A}", f"switch back from {B} to {A}", f"retire {B}"]
    assert apps.asked == [A]
    assert app.instance(A).is_live()
    assert running(app) == [A]


def test_a_rollback_boots_a_retired_release_again(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    take(app.end_others(B))
    assert take(way_back(app)) == [f"boot {A}", f"switch back from {B} to {A}", f"retire {B}"]
    assert running(app) == [A]


def test_if_current_is_lost_the_healthy_release_goes_live(app: Application) -> None:
    retired(app, A)
    app.layout.current.unlink()
    take(way_back(app))
    assert app.instance(A).is_live()


@pytest.mark.parametrize(
    ("before", "after"),
    [(HTTP, {"http": "0.0.0.0:9002"}), (HTTP, UWSGI), (HTTP, {}), ({}, HTTP), ({}, {**HTTP, **UWSGI})],
)
def test_a_rollback_restores_the_doors(app: Application, before: dict[str, str], after: dict[str, str]) -> None:
    retired(app, A, doors=before)
    switched(app, B)
    take(app.close_doors(after) + app.open_doors(after))
    take(app.close_doors())
    said = take(way_back(app))
    assert (said[0], said[-1]) == (f"switch back from {B} to {A}", f"retire {B}")
    assert app.open_doors(before) == app.close_doors() == []
    assert open_doors(app.layout) == before
    assert way_back(app) == []


def test_a_rollback_restores_doors_even_if_the_release_is_the_same(app: Application) -> None:
    retired(app, A, doors=HTTP)
    take(app.close_doors(UWSGI) + app.open_doors(UWSGI))
    assert take(way_back(app)) == ["close 127.0.0.1:9001", "open 0.0.0.0:9000"]
    assert app.open_doors(HTTP) == []
    assert app.instance(A).is_live()


def test_a_rollback_reopens_a_door_that_could_not_move(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, doors=HTTP)
    switched(app, B)
    systemd.broken = {"hello-http.socket"}
    with pytest.raises(Failed, match=r"^hello: cannot listen on 192\.0\.2\.1:9000"):
        take(app.open_doors({"http": "192.0.2.1:9000"}))
    systemd.broken = set()
    take(way_back(app))
    assert app.open_doors(HTTP) == []


def test_undoing_the_first_release_closes_its_doors(app: Application) -> None:
    switched(app, A)
    take(app.open_doors(HTTP))
    assert take(way_back(app)) == [
        f"take {A} out of service, because nothing was live before",
        "close 0.0.0.0:9000",
        f"retire {A}",
    ]
    assert open_doors(app.layout) == {}


@pytest.mark.parametrize("wrong", ["does not start", "does not answer", "is gone"])
def test_the_live_release_keeps_serving_if_the_rollback_fails(
    app: Application, apps: FakeApps, systemd: FakeSystemd, wrong: str
) -> None:
    retired(app, A, doors=HTTP)
    switched(app, B)
    take(app.open_doors(UWSGI))
    systemd.stop(*app.instance(A).units)
    if wrong == "does not start":
        systemd.broken = {app.instance(A).service}
    elif wrong == "does not answer":
        apps.sick = {A}
    else:
        app.releases.remove(A)
    with pytest.raises(Failed, match=f"^hello: (release {A} of main:app does not|this host has no release {A})"):
        take(way_back(app))
    assert app.instance(B).is_live()
    assert running(app) == [B]
    assert app.open_doors(UWSGI) == []


def test_the_live_release_keeps_serving_if_the_healthy_instance_ends_before_the_rollback(
    app: Application, systemd: FakeSystemd
) -> None:
    retired(app, A)
    switched(app, B)
    steps = way_back(app)
    systemd.states[app.instance(A).service] = "failed"
    with pytest.raises(Failed, match=f"the instance of {A} is not running"):
        take(steps)
    assert app.instance(B).is_live()
    assert running(app) == [B]


class RememberingSystemd(FakeSystemd):
    """A systemd that answers from what was looked at until it is told anything, as the real class does."""

    def __init__(self, units: Path) -> None:
        super().__init__(units)
        self.seen: dict[str, list[str]] = {}

    def look_at(self, *units: str) -> None:
        """Remember the state of `units`."""
        self.seen = {unit: super(RememberingSystemd, self).properties(unit, *STATE) for unit in units}

    def properties(self, unit: str, *names: str) -> list[str]:
        """Return the state of `unit`, as it was when it was looked at."""
        if unit in self.seen and set(names) <= set(STATE):
            return [dict(zip(STATE, self.seen[unit]))[name] for name in names]
        return super().properties(unit, *names)

    def _named(self, verb: str, *units: str) -> None:
        self.seen = {}
        super()._named(verb, *units)


def test_the_switch_back_checks_again_that_the_healthy_instance_runs(app: Application, layout: Layout) -> None:
    app.systemd = systemd = RememberingSystemd(layout.units)
    retired(app, A)
    switched(app, B)
    steps = way_back(app)
    systemd.states[app.instance(A).service] = "failed"
    with pytest.raises(Failed, match=f"the instance of {A} is not running"):
        take(steps)
    assert app.instance(B).is_live()


# Workers and timers

PARTS: dict[str, Any] = {"workers": ["mail"], "timers": ["nightly"]}


def unit(release: str, part: str) -> str:
    """Return the name of a unit beside those that answer requests."""
    return f"hello@{release}-{part}"


def states(app: Application, systemd: FakeSystemd, release: str) -> dict[str, str]:
    """Return the state of each unit of a release, by what comes after the release in its name."""
    return {
        one.removeprefix(f"hello@{release}").lstrip("-."): systemd.properties(one, "ActiveState")[0]
        for one in app.instance(release).units
    }


ALL_ACTIVE = {"socket": "active", "service": "active", "mail.service": "active", "nightly.timer": "active"}
STOOD_DOWN = {"socket": "active", "service": "active", "mail.service": "deactivating", "nightly.timer": "inactive"}
NO_JOB = {"nightly.service": "inactive"}


def test_a_boot_starts_workers_but_timers_wait_for_the_switch(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, **PARTS)
    booted(app, B, **PARTS)
    assert states(app, systemd, A) == {**ALL_ACTIVE, **NO_JOB}
    assert states(app, systemd, B) == {**ALL_ACTIVE, "nightly.timer": "inactive", **NO_JOB}


def test_a_switch_hands_over_timers_and_workers_and_a_job_continues(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, **PARTS)
    systemd.start(unit(A, "nightly.service"), wait=False)
    switched(app, B, **PARTS)
    assert states(app, systemd, B) == {**ALL_ACTIVE, **NO_JOB}
    assert states(app, systemd, A) == {**STOOD_DOWN, "nightly.service": "activating"}
    assert systemd.enabled == {*app.instance(A).lasting, *app.instance(B).lasting}


def test_new_timers_start_before_the_switch_and_old_timers_stop_after_it(
    app: Application, systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    retired(app, A, **PARTS)
    booted(app, B, **PARTS)
    systemd.calls.clear()

    def note(link: Path, target: str) -> None:
        systemd.calls.append(link.name)
        replace_link(link, target)

    monkeypatch.setattr(application, "replace_link", note)
    take(app.switch(B))
    assert systemd.calls == [
        f"enable {' '.join(app.instance(B).lasting)}",
        f"clean {unit(B, 'nightly.timer')}",
        f"start {unit(B, 'nightly.timer')}",
        "previous",
        "current",
        f"stop --no-block {unit(A, 'nightly.timer')} {unit(A, 'mail.service')}",
    ]


def test_a_switch_stands_down_all_other_instances(app: Application, systemd: FakeSystemd) -> None:
    for release in (A, B, C):
        booted(app, release, **PARTS)
    take(app.switch(C))
    workers = {release: systemd.states[unit(release, "mail.service")] for release in (A, B, C)}
    assert workers == {A: "deactivating", B: "deactivating", C: "active"}


@pytest.mark.parametrize("part", ["mail.service", "nightly.timer"])
def test_a_live_release_whose_timers_or_workers_a_reboot_would_not_start_is_repaired(
    app: Application, systemd: FakeSystemd, part: str
) -> None:
    retired(app, A, **PARTS)
    systemd.disable(unit(A, part))
    assert take(app.switch(A)) == [f"switch from {A} to {A}"]
    assert app.instance(A).is_live() and app.switch(A) == []


def test_a_live_release_whose_timer_does_not_run_is_repaired(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, **PARTS)
    systemd.stop(unit(A, "nightly.timer"))
    take(app.switch(A))
    assert states(app, systemd, A) == {**ALL_ACTIVE, **NO_JOB}


def test_a_live_release_whose_worker_does_not_run_is_started(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, **PARTS)
    systemd.states[unit(A, "mail.service")] = "failed"
    assert take(app.boot(A)) == [f"start {A}, which is live but not running"]
    assert app.instance(A).runs()


def test_an_instance_with_a_running_job_is_not_retired_twice(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, **PARTS)
    systemd.start(unit(A, "nightly.service"), wait=False)
    retired(app, B, **PARTS)
    ended = {one: state if one.endswith("nightly.service") else "inactive" for one, state in systemd.states.items()}
    systemd.states.update({one: state for one, state in ended.items() if A in one})
    assert app.instance(A).is_ending()
    assert app.end_others(B) == []


@pytest.mark.parametrize("front", ["active", "inactive"])
def test_a_worker_finishes_its_jobs_when_a_never_live_release_is_removed(
    app: Application, systemd: FakeSystemd, front: str
) -> None:
    retired(app, A, **PARTS)
    booted(app, B, **PARTS)
    systemd.states.update(dict.fromkeys(app.instance(B).front, front))
    systemd.calls.clear()
    assert take(app.end_others(A)) == [f"remove {B}, which was never live"]
    assert not [call for call in systemd.calls if call.startswith("kill")]
    assert systemd.states[unit(B, "mail.service")] == "deactivating"
    assert systemd.enabled == set(app.instance(A).lasting)
    assert app.instance(B).is_ending() and app.end_others(A) == []
    systemd.finish()
    assert app.instance(B).has_ended() and app.end_others(A) == []


def test_a_rollback_switches_visitors_first_and_then_workers(
    app: Application, systemd: FakeSystemd, apps: FakeApps
) -> None:
    retired(app, A, **PARTS)
    switched(app, B, **PARTS)
    systemd.calls.clear()
    said = [f"switch back from {B} to {A}", f"retire {B}", f"restart the workers of {A}"]
    assert take(way_back(app)) == said
    enabled = systemd.calls.index(f"enable {' '.join(app.instance(A).lasting)}")
    assert enabled < systemd.calls.index(f"start --no-block {unit(A, 'mail.service')}")
    systemd.finish()
    assert states(app, systemd, A) == {**ALL_ACTIVE, **NO_JOB}
    assert {*states(app, systemd, B).values()} == {"inactive"}
    assert systemd.enabled == set(app.instance(A).lasting)
    assert way_back(app) == []


def test_a_rollback_without_workers_starts_none(app: Application) -> None:
    retired(app, A, timers=["nightly"])
    switched(app, B, workers=["mail"])
    assert take(way_back(app)) == [f"switch back from {B} to {A}", f"retire {B}"]


def test_a_rollback_that_boots_a_release_starts_its_workers_with_it(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, **PARTS)
    switched(app, B, **PARTS)
    systemd.stop(*app.instance(A).units)
    assert take(way_back(app)) == [f"boot {A}", f"switch back from {B} to {A}", f"retire {B}"]
    assert states(app, systemd, A) == {**ALL_ACTIVE, **NO_JOB}


def test_a_worker_that_does_not_restart_does_not_stop_the_switch_back(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, **PARTS)
    switched(app, B, **PARTS)
    systemd.finish()
    systemd.restless = {unit(A, "mail.service"): 0}
    with pytest.raises(Failed, match=f"has a worker that exits within 5 s, {unit(A, 'mail.service')}"):
        take(way_back(app))
    assert app.instance(A).is_live() and app.instance(A).answers()


def test_a_worker_that_does_not_restart_does_not_stop_the_rest_of_a_rollback(
    app: Application, systemd: FakeSystemd
) -> None:
    retired(app, A, doors=HTTP, **PARTS)
    switched(app, B, **PARTS)
    take(app.close_doors(UWSGI) + app.open_doors(UWSGI))
    systemd.finish()
    systemd.restless = {unit(A, "mail.service"): 0}
    with pytest.raises(Failed, match="has a worker that exits within"):
        take(way_back(app))
    assert open_doors(app.layout) == HTTP and app.open_doors(HTTP) == []
    assert app.instance(B).is_ending() and not app.instance(B).was_live()
    assert systemd.enabled == {*app.instance(A).lasting, "hello-http.socket"}


def test_a_repeated_rollback_starts_workers_that_a_killed_one_did_not(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, **PARTS)
    switched(app, B, **PARTS)
    take(way_back(app)[:1])
    take(way_back(app))
    systemd.finish()
    assert states(app, systemd, A) == {**ALL_ACTIVE, **NO_JOB}


# Oneshots


def test_a_release_may_have_a_migration_and_commands_after_a_switch(app: Application) -> None:
    make_release(app.layout, A, oneshots=["migrate"])
    found = [(oneshot.unit, oneshot.exists()) for oneshot in app.oneshots(A)]
    assert found == [(unit(A, "migrate.service"), True), (unit(A, "after-switch.service"), False)]
    assert not any(oneshot.exists() for oneshot in app.oneshots(B))


# Migrate

MIGRATE: dict[str, Any] = {"oneshots": ["migrate"]}


def memory(app: Application, release: str) -> dict[str, Any]:
    """Return what a host remembers of the migration of a release."""
    path = app.layout.releases / release / "migrate.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def begun(systemd: FakeSystemd) -> list[str]:
    """Return the migrations that systemd was told to start."""
    return [call.removeprefix("start ") for call in systemd.calls if "-migrate.service" in call and "start" in call]


def at_work(app: Application, systemd: FakeSystemd, release: str) -> None:
    """Leave the migration of a release running, as a killed run does."""
    app.layout.transient.mkdir(exist_ok=True)
    (app.layout.transient / unit(release, "migrate.service")).write_text("Type=oneshot")
    (app.layout.releases / release / "migrate.json").write_text('{"began": "2026-01-01T12:00:00+00:00"}')
    systemd.states[unit(release, "migrate.service")] = "activating"


def test_a_migration_runs_only_once(app: Application, systemd: FakeSystemd) -> None:
    make_release(app.layout, A, **MIGRATE)
    assert take(app.migrate(A, True)) == [f"run the migration of {A}"]
    assert begun(systemd) == [unit(A, "migrate.service")]
    assert set(memory(app, A)) == {"began", "ended"}
    assert app.migrate(A, True) == []


def test_each_release_has_its_own_migration(app: Application, systemd: FakeSystemd) -> None:
    for release in (A, B):
        make_release(app.layout, release, **MIGRATE)
        assert take(app.migrate(release, True)) == [f"run the migration of {release}"]
    assert begun(systemd) == [unit(A, "migrate.service"), unit(B, "migrate.service")]


@pytest.mark.parametrize("asked", [True, False])
def test_a_release_without_a_migration_has_none_to_run(app: Application, asked: bool) -> None:
    make_release(app.layout, A)
    assert app.migrate(A, asked) == []


def test_a_migration_can_be_planned_before_its_release_exists(app: Application, systemd: FakeSystemd) -> None:
    assert say(app.migrate(A, True)) == [f"run the migration of {A}"]
    assert app.migrate(A, False) == []
    assert systemd.calls == []


def test_the_files_of_a_release_say_whether_it_has_a_migration(app: Application) -> None:
    make_release(app.layout, A, **MIGRATE)
    assert say(app.migrate(A, False)) == [f"run the migration of {A}"]


@pytest.mark.parametrize("how", ["broken", "slow"])
def test_a_failed_migration_is_reported_with_its_log_and_repeated(
    app: Application, systemd: FakeSystemd, how: str
) -> None:
    make_release(app.layout, A, **MIGRATE)
    migration = unit(A, "migrate.service")
    setattr(systemd, how, {migration})
    what = "fails" if how == "broken" else "takes longer than 1min"
    with pytest.raises(Failed, match=f"^hello: {migration} {what}; its log ends with:\nthe log of {migration}$"):
        take(app.migrate(A, True))
    began = memory(app, A)["began"]
    again = f"run the migration of {A}, which started at {began} and did not complete"
    systemd.broken = systemd.slow = set()
    assert take(app.migrate(A, True)) == [again]
    assert app.migrate(A, True) == []


def test_a_migration_that_a_killed_run_left_running_is_awaited_and_not_restarted(
    app: Application, systemd: FakeSystemd
) -> None:
    make_release(app.layout, A, **MIGRATE)
    at_work(app, systemd, A)
    began = "2026-01-01T12:00:00+00:00"
    assert take(app.migrate(A, True)) == [f"run the migration of {A}, which started at {began} and did not complete"]
    assert memory(app, A)["began"] == began
    assert datetime.fromisoformat(memory(app, A)["ended"]) <= datetime.now(UTC)
    assert systemd.calls[0] == f"start {unit(A, 'migrate.service')}"


def test_a_running_migration_of_another_release_is_awaited_first(app: Application, systemd: FakeSystemd) -> None:
    for release in (A, B, C):
        make_release(app.layout, release, **MIGRATE)
    take(app.migrate(C, True))
    at_work(app, systemd, A)
    systemd.calls.clear()
    wait = f"wait for {unit(A, 'migrate.service')}, which an earlier run left running"
    assert take(app.migrate(B, True)) == [wait, f"run the migration of {B}"]
    assert begun(systemd) == [unit(A, "migrate.service"), unit(B, "migrate.service")]
    assert set(memory(app, A)) == {"began", "ended"}


def test_a_migration_of_another_release_that_has_ended_is_not_restarted(app: Application, systemd: FakeSystemd) -> None:
    for release in (A, B):
        make_release(app.layout, release, **MIGRATE)
    at_work(app, systemd, A)
    steps = app.migrate(B, True)
    systemd.finish()
    take(steps)
    assert begun(systemd) == [unit(B, "migrate.service")]


def test_a_failed_migration_of_another_release_stops_the_next_one(app: Application, systemd: FakeSystemd) -> None:
    for release in (A, B):
        make_release(app.layout, release, **MIGRATE)
    at_work(app, systemd, A)
    systemd.broken = {unit(A, "migrate.service")}
    with pytest.raises(Failed, match=f"{unit(A, 'migrate.service')} fails"):
        take(app.migrate(B, True))
    assert begun(systemd) == [unit(A, "migrate.service")]
    systemd.calls.clear()
    take(app.migrate(B, True))
    assert begun(systemd) == [unit(B, "migrate.service")]


# The application of each step


def test_each_step_names_its_application(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    Door(app.layout, "http", "0.0.0.0:9000", app.systemd).put_right()
    make_release(app.layout, C, oneshots=["migrate"])
    plans: list[list[Step]] = [
        app.migrate(C, True),
        app.boot(C),
        app.switch(C),
        app.open_doors(UWSGI),
        app.close_doors({}),
        app.close_doors(),
        app.end_others(B),
        app.record(B, KEEP),
        way_back(app),
    ]
    assert [{step.of for step in steps} for steps in plans] == [{"hello"}] * len(plans)


# Choose


def test_the_previous_release_is_chosen_by_default(app: Application) -> None:
    retired(app, A, B, C)
    assert app.choose("") == B


def test_two_rollbacks_lead_back_to_the_start(app: Application) -> None:
    retired(app, A, B, A)
    assert app.choose("") == B


def test_the_previous_release_of_an_unverified_switch_is_the_healthy_one(app: Application) -> None:
    retired(app, A, B)
    switched(app, C)
    assert app.choose("") == B


@pytest.mark.parametrize("wanted", [A, A[:3], A[0]])
def test_a_release_is_chosen_by_its_name_or_a_prefix_of_it(app: Application, wanted: str) -> None:
    retired(app, A, B, C)
    assert app.choose(wanted) == A


def test_a_release_is_not_chosen_by_another_part_of_its_name(app: Application) -> None:
    retired(app, A, B)
    with pytest.raises(Failed, match=f"release {A[3:]} is not on this host"):
        app.choose(A[3:])


@pytest.mark.parametrize("release", [A, "", "111"])
def test_a_host_without_releases_has_none_to_roll_back_to(app: Application, release: str) -> None:
    with pytest.raises(Failed, match=r"no release before the first|is not on this host; .*: none$"):
        app.choose(release)


def test_the_first_release_has_none_before_it(app: Application) -> None:
    retired(app, A)
    with pytest.raises(Failed, match=f"^there is no release before {A} to roll back to$"):
        app.choose("")


def test_an_ambiguous_prefix_is_refused_with_the_matching_releases(app: Application) -> None:
    retired(app, "abc111", "abc222", "abd333")
    with pytest.raises(Failed, match=r"^abc matches abc111 and abc222; write more of the name$"):
        app.choose("abc")
    assert app.choose("abc2") == "abc222"


def test_a_release_that_was_never_healthy_is_refused(app: Application) -> None:
    retired(app, A, B)
    make_release(app.layout, C)
    why = f"^release {C} was never live and healthy; you can roll back to, newest first: {A}$"
    with pytest.raises(Failed, match=why):
        app.choose(C[:2])


def test_an_unverified_release_cannot_be_rolled_back_to(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    with pytest.raises(Failed, match=f"release {B} was never live and healthy; .*: {A}$"):
        app.choose(B)


def test_a_missing_release_is_refused_with_the_possible_ones_newest_first(app: Application) -> None:
    retired(app, A, B, C)
    why = f"^release 777 is not on this host; you can roll back to, newest first: {B}, {A}$"
    with pytest.raises(Failed, match=why):
        app.choose("777")


def test_a_release_whose_removal_was_killed_is_not_chosen(app: Application) -> None:
    retired(app, A, B, C)
    for release in (A, B):
        (app.releases.path(release) / "manifest.json").unlink()
    with pytest.raises(Failed, match=f"there is no release before {C}"):
        app.choose("")
    with pytest.raises(Failed, match=f"release {A} .*: none$"):
        app.choose(A)


DAY = "2026-01-0{}T00:00:00+00:00"


def went_live(app: Application, reasons: dict[str, str], *order: str) -> None:
    """Make releases in the order of `reasons`, one each day, and make those of `order` live."""
    for number, (release, irreversible) in enumerate(reasons.items(), 1):
        make_release(app.layout, release, number=number, irreversible=irreversible)
    retired(app, *order)


def test_a_release_before_an_irreversible_one_is_refused_with_the_reason(app: Application) -> None:
    went_live(app, {A: "", B: "", C: "it drops a column"}, A, B, C)
    for wanted, release in (("", B), (B, B), (A[:2], A)):
        with pytest.raises(Failed, match=f"^{release} is older than {C}, which is irreversible: it drops a column$"):
            app.choose(wanted)


def test_the_latest_of_several_irreversible_releases_gives_the_reason(app: Application) -> None:
    went_live(app, {A: "", B: "the first", C: "the second"}, A, B, C)
    with pytest.raises(Failed, match=f"^{A} is older than {C}, .*: the second$"):
        app.choose(A)


def test_an_irreversible_release_and_later_ones_are_not_refused(app: Application) -> None:
    went_live(app, {A: "", B: "it drops a column", C: ""}, A, B, C)
    assert app.choose("") == app.choose(B) == B
    with pytest.raises(Failed, match=f"{A} is older than {B}"):
        app.choose(A)


def test_an_older_release_that_went_live_again_after_an_irreversible_one_is_still_refused(
    app: Application,
) -> None:
    went_live(app, {A: "", B: "it drops a column", C: ""}, B, A, C)
    with pytest.raises(Failed, match=f"^{A} is older than {B}"):
        app.choose("")


def test_an_irreversible_release_that_was_never_healthy_blocks_nothing(app: Application) -> None:
    went_live(app, {A: "", B: "", C: "it drops a column"}, A, B)
    assert app.choose("") == A


def test_an_unverified_live_release_that_is_irreversible_blocks_older_ones(
    app: Application,
) -> None:
    went_live(app, {A: "", B: "", C: "it drops a column"}, A, B)
    switched(app, C)
    for wanted, release in (("", B), (A, A)):
        with pytest.raises(Failed, match=f"^{release} is older than {C}, which is irreversible: it drops a column$"):
            app.choose(wanted)


def test_an_unverified_live_release_that_is_reversible_blocks_nothing(app: Application) -> None:
    went_live(app, {A: "", B: "", C: ""}, A, B)
    switched(app, C)
    assert app.choose("") == B


def test_an_irreversible_release_that_was_removed_blocks_nothing(app: Application) -> None:
    went_live(app, {A: "", B: "it drops a column", C: ""}, B, A, C)
    app.releases.remove(B)
    assert app.choose("") == A


# Listed


def test_a_host_without_releases_lists_none(app: Application) -> None:
    assert app.listed() == []


def test_releases_are_listed_with_their_state_newest_first(app: Application) -> None:
    retired(app, A, B, C)
    make_release(app.layout, "000000")
    states = [(one["release"], one["state"]) for one in app.listed()]
    assert states == [(C, "live"), (B, "previous"), (A, "kept"), ("000000", "never healthy")]


def test_after_a_rollback_its_release_is_listed_first(app: Application) -> None:
    retired(app, A, B, C, A)
    assert [(one["release"], one["state"]) for one in app.listed()] == [(A, "live"), (C, "previous"), (B, "kept")]


def test_a_release_is_listed_with_its_contents_and_the_time_it_went_live(app: Application) -> None:
    make_release(app.layout, B, commit=None)
    retired(app, A)
    made = {"created": "2026-01-01T00:00:00+00:00", "source": "app", "packages": "v1"}
    since = app.history.entries()[A]["live"]
    assert app.listed() == [
        {"release": A, "state": "live", "live_since": since, "commit": "c0ffee", **made},
        {"release": B, "state": "never healthy", "live_since": None, "commit": None, **made},
    ]


def test_an_unverified_release_is_listed_as_live(app: Application) -> None:
    retired(app, A, B)
    switched(app, C)
    states = {one["release"]: (one["state"], bool(one["live_since"])) for one in app.listed()}
    assert states == {A: ("kept", True), B: ("previous", True), C: ("live", False)}


def test_an_incomplete_release_is_not_listed(app: Application) -> None:
    retired(app, A)
    make_release(app.layout, B, sealed=False)
    assert [one["release"] for one in app.listed()] == [A]


# Exclusive workers

ALONE: dict[str, Any] = {"workers": ["beat"], "exclusive": ["beat"]}


def test_an_exclusive_worker_is_replaced_after_the_switch(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, **ALONE)
    take(app.take_turns(A))
    switched(app, B, **ALONE)
    says = f"end beat of the previous release, and start that of {B}"
    assert take(app.take_turns(B)) == [says]
    assert [systemd.is_active(f"hello@{one}-beat.service") for one in (A, B)] == [False, True]
    assert app.take_turns(B) == []


def test_a_release_without_exclusive_workers_replaces_none(app: Application) -> None:
    switched(app, A, workers=["mail"])
    assert app.take_turns(A) == []


def test_a_failing_exclusive_worker_gives_way_to_the_previous_one(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, **ALONE)
    take(app.take_turns(A))
    switched(app, B, **ALONE)
    systemd.restless = {f"hello@{B}-beat.service": 0}
    with pytest.raises(Failed, match=f"hello@{B}-beat.service"):
        take(app.take_turns(B))
    take(way_back(app))
    assert app.layout.live() == A
    assert [systemd.is_active(f"hello@{one}-beat.service") for one in (A, B)] == [True, False]


def test_until_nginx_is_reloaded_a_socket_that_only_the_former_release_has_leads_there(
    app: Application, layout: Layout
) -> None:
    retired(app, A)
    for release, links in ((A, ("socket", "http", "worker-live")), (B, ("http",))):
        if release == B:
            booted(app, B)
        for link in links:
            (layout.releases / release / link).symlink_to(f"/run/hello/{release}.{link}")
    # The release before that one does not matter any more.
    (layout.releases / A / "worker-old").symlink_to(f"/run/hello/{C}.worker-old")
    take(app.switch(B))
    assert not os.path.lexists(layout.releases / B / "worker-old")
    leads = {link: os.readlink(layout.releases / B / link) for link in ("socket", "http", "worker-live")}
    assert leads == {
        "socket": f"/run/hello/{A}.socket",
        "http": f"/run/hello/{B}.http",
        "worker-live": f"/run/hello/{A}.worker-live",
    }
    assert os.path.basename(os.readlink(layout.releases / B / "build")) == "b1"
