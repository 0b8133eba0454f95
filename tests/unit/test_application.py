"""What the steps around the switch promise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import application
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.door import Door, open_doors
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, replace_link
from ansible_collections.wsgi.production.plugins.module_utils.plan import Step
from ansible_collections.wsgi.production.plugins.module_utils.systemd import STATE
from tests.unit.fakes import FakeApps, FakeSystemd, make_release, say, take

A, B, C = "aaa111", "bbb222", "ccc333"
KEEP = 7
HTTP, UWSGI = {"http": "0.0.0.0:9000"}, {"uwsgi": "127.0.0.1:9001"}


def booted(app: Application, release: str) -> None:
    """Make a release and boot it."""
    if app.releases.manifest(release) is None:
        make_release(app.layout, release)
    take(app.boot(release))


def switched(app: Application, release: str) -> None:
    """Bring a release live that nobody has verified yet."""
    booted(app, release)
    take(app.switch(release))


def retired(app: Application, *releases: str, doors: dict[str, str] | None = None) -> None:
    """Bring `releases` live, one after the other, each verified; those before it end."""
    for release in releases:
        switched(app, release)
        take(app.open_doors(doors or {}))
        take(app.record(release, KEEP) + app.end_others(release))


def running(app: Application) -> list[str]:
    return [release for release in app.layout.instances() if app.instance(release).runs()]


# Boot


def test_the_first_release_is_booted_beside_nothing(app: Application) -> None:
    make_release(app.layout, A)
    assert take(app.boot(A)) == [f"boot {A} beside nothing and probe it"]
    assert running(app) == [A]


def test_a_release_is_booted_beside_the_live_one(app: Application) -> None:
    retired(app, A)
    make_release(app.layout, B)
    assert take(app.boot(B)) == [f"boot {B} beside {A} and probe it"]
    assert running(app) == [A, B]
    assert app.layout.live() == A


def test_a_live_release_that_runs_is_not_booted_again(app: Application) -> None:
    retired(app, A)
    assert app.boot(A) == []


def test_a_live_release_that_does_not_run_is_started(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A)
    systemd.states[app.instance(A).service] = "failed"
    assert take(app.boot(A)) == [f"start {A}, which is live but does not run"]
    assert running(app) == [A]


def test_an_instance_that_a_killed_run_left_running_is_probed_before_it_goes_live(
    app: Application, apps: FakeApps
) -> None:
    retired(app, A)
    booted(app, B)
    apps.asked.clear()
    assert take(app.boot(B)) == [f"boot {B} beside {A} and probe it"]
    assert apps.asked == [B]


def test_a_boot_can_be_told_of_before_its_release_is_made(app: Application, systemd: FakeSystemd) -> None:
    assert say(app.boot(A)) == [f"boot {A} beside nothing and probe it"]
    assert systemd.calls == []


@pytest.mark.parametrize("there", [False, True], ids=["missing", "half made"])
def test_a_release_that_is_not_there_complete_is_not_booted(app: Application, there: bool) -> None:
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
    assert not [name for name in os.listdir(app.layout.home) if name.startswith(".")]


def previous(app: Application) -> str | None:
    """Return the release that the link `previous` leads to."""
    link = app.layout.previous
    return os.path.basename(os.readlink(link)) if os.path.lexists(link) else None


def test_before_the_first_release_there_is_none_whose_files_a_visitor_could_ask_for(app: Application) -> None:
    retired(app, A)
    assert previous(app) is None


def test_the_files_of_the_release_before_can_still_be_asked_for_after_a_switch(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    assert os.readlink(app.layout.previous) == f"releases/{A}"
    take(app.record(B, KEEP))
    switched(app, C)
    assert (previous(app), app.layout.live()) == (B, C)


def test_the_files_of_the_release_before_can_be_asked_for_before_the_switch(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    retired(app, A)
    links: list[Path] = []

    def note(link: Path, target: str) -> None:
        links.append(link)
        replace_link(link, target)

    monkeypatch.setattr(application, "replace_link", note)
    switched(app, B)
    assert links == [app.layout.previous, app.layout.current]


def test_the_files_of_a_release_that_one_has_left_can_still_be_asked_for(app: Application) -> None:
    retired(app, A, B)
    switched(app, A)
    assert (previous(app), app.layout.live()) == (B, A)


def test_a_switch_that_is_taken_back_leaves_the_healthy_release_before_it(app: Application) -> None:
    retired(app, A, B)
    switched(app, C)
    assert previous(app) == B
    take(app.go_back())
    assert (previous(app), app.layout.live()) == (A, B)


def test_a_switch_that_is_taken_back_to_the_first_release_leaves_none_that_was_not_healthy(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    take(app.go_back())
    assert (previous(app), app.layout.live()) == (A, A)


def test_a_switch_survives_the_next_boot_of_the_host(app: Application, systemd: FakeSystemd) -> None:
    switched(app, A)
    assert systemd.enabled == set(app.instance(A).units)


def test_a_switch_leaves_the_instance_before_it_running_for_the_way_back(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    assert running(app) == [A, B]
    assert app.instance(A).was_live()


def test_a_switch_to_what_is_live_does_nothing(app: Application) -> None:
    switched(app, A)
    assert app.switch(A) == []


@pytest.mark.parametrize("kind", ["socket", "service"])
def test_a_live_release_that_the_next_boot_of_the_host_would_not_start_is_put_right(
    app: Application, systemd: FakeSystemd, kind: str
) -> None:
    retired(app, A)
    systemd.disable(app.layout.unit(A, kind))
    take(app.switch(A))
    assert app.instance(A).is_live()


def test_current_does_not_move_to_what_cannot_be_enabled(app: Application) -> None:
    retired(app, A)
    with pytest.raises(Failed):
        take(app.switch(B))
    assert app.layout.live() == A


@pytest.mark.parametrize("state", ["inactive", "failed", "activating"])
def test_current_does_not_move_to_what_does_not_run(app: Application, systemd: FakeSystemd, state: str) -> None:
    retired(app, A)
    booted(app, B)
    systemd.states[app.instance(B).service] = state
    with pytest.raises(Failed, match=f"^hello: the instance of {B} does not run, so nothing is switched to it$"):
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
    assert take(app.open_doors({**HTTP, **UWSGI})) == ["open 127.0.0.1:9001", "open 0.0.0.0:9000"]
    assert open_doors(app.layout) == {**HTTP, **UWSGI}
    assert take(app.open_doors({"http": "0.0.0.0:9002", **UWSGI})) == ["open 0.0.0.0:9002"]
    assert open_doors(app.layout) == {"http": "0.0.0.0:9002", **UWSGI}
    assert take(app.open_doors(UWSGI)) == ["close the door for http"]
    assert open_doors(app.layout) == UWSGI


@pytest.mark.parametrize("doors", [{}, HTTP, UWSGI, {**HTTP, **UWSGI}])
def test_doors_that_are_right_are_left_alone(app: Application, doors: dict[str, str]) -> None:
    retired(app, A)
    take(app.open_doors(doors))
    assert app.open_doors(doors) == []


def test_a_door_that_does_not_listen_is_opened_again(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, doors=HTTP)
    systemd.states["hello-http.socket"] = "failed"
    assert take(app.open_doors(HTTP)) == ["open 0.0.0.0:9000"]
    assert app.open_doors(HTTP) == []


# End others


def test_nothing_is_left_to_end_where_one_instance_serves(app: Application) -> None:
    retired(app, A)
    assert app.end_others(A) == []


def test_an_instance_has_no_part_to_play_once_another_is_live(app: Application, systemd: FakeSystemd) -> None:
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


def test_an_instance_that_would_start_at_the_next_boot_of_the_host_is_retired(
    app: Application, systemd: FakeSystemd
) -> None:
    retired(app, A)
    switched(app, B)
    systemd.stop(*app.instance(A).units)
    assert take(app.end_others(B)) == [f"retire {A}"]
    assert systemd.enabled == set(app.instance(B).units)


@pytest.mark.parametrize("kind", ["socket", "service"])
@pytest.mark.parametrize("state", ["active", "activating"])
def test_an_instance_that_a_killed_run_left_running_is_taken_away(
    app: Application, systemd: FakeSystemd, kind: str, state: str
) -> None:
    retired(app, A)
    booted(app, B)
    systemd.stop(*app.instance(B).units)
    systemd.states[app.layout.unit(B, kind)] = state
    assert take(app.end_others(A)) == [f"take away {B}, which never was live"]
    assert app.layout.instances() == running(app) == [A]


def test_an_instance_that_visitors_may_have_reached_is_retired_and_not_taken_away(
    app: Application, systemd: FakeSystemd
) -> None:
    retired(app, A)
    booted(app, B)
    systemd.enable(app.instance(B).units[0])
    assert say(app.end_others(A)) == [f"retire {B}"]


def test_instances_of_other_applications_are_let_be(app: Application) -> None:
    retired(app, A)
    for unit in (f"hello-two@{B}.service", f"other@{B}.service"):
        (app.layout.units / unit).touch()
    assert app.end_others(A) == []


# Record


def test_a_release_is_remembered_once(app: Application) -> None:
    switched(app, A)
    assert take(app.record(A, KEEP)) == [f"remember {A} as healthy"]
    assert app.history.latest() == A
    assert app.record(A, KEEP) == []


def test_a_release_that_one_went_back_to_is_remembered_as_the_latest(app: Application) -> None:
    retired(app, A, B)
    switched(app, A)
    assert take(app.record(A, KEEP)) == [f"remember {A} as healthy"]
    assert list(app.history.entries()) == [B, A]


def test_the_doors_are_remembered_with_the_release(app: Application) -> None:
    retired(app, A, doors=HTTP)
    assert app.history.doors() == HTTP


def test_doors_that_have_changed_are_remembered_without_another_release(app: Application) -> None:
    retired(app, A)
    since = app.history.entries()[A]["live"]
    for doors in (HTTP, UWSGI, {}):
        take(app.open_doors(doors))
        assert take(app.record(A, KEEP)) == [f"remember {A} as healthy"]
        assert app.history.entries() == {A: {"live": since, "doors": doors}}
        assert app.record(A, KEEP) == []


# Go back


def test_where_nothing_ever_was_there_is_nothing_to_go_back_to(app: Application) -> None:
    assert app.go_back() == []


def test_where_nothing_has_changed_nobody_goes_back(app: Application) -> None:
    retired(app, A, B)
    assert app.go_back() == []
    assert running(app) == [B]


def test_a_release_that_was_booted_and_never_went_live_is_taken_away(app: Application) -> None:
    retired(app, A)
    booted(app, B)
    assert take(app.go_back()) == [f"take away {B}, which never was live"]
    assert app.layout.instances() == running(app) == [A]
    assert app.instance(A).is_live()


def test_the_first_release_that_was_booted_and_never_went_live_is_taken_away(app: Application) -> None:
    booted(app, A)
    assert take(app.go_back()) == [f"take away {A}, which never was live"]
    assert app.layout.instances() == []


def test_a_switch_that_was_not_verified_is_taken_back(app: Application, apps: FakeApps, systemd: FakeSystemd) -> None:
    retired(app, A)
    switched(app, B)
    apps.asked.clear()
    assert take(app.go_back()) == [f"switch back from {B} to {A}", f"retire {B}"]
    assert apps.asked == []
    assert app.instance(A).is_live()
    assert running(app) == [A]
    assert systemd.states[app.instance(B).service] == "deactivating"
    assert app.go_back() == []


def test_the_first_switch_that_was_not_verified_is_taken_back(app: Application) -> None:
    switched(app, A)
    steps = [f"take {A} out of service, before which nothing was live", f"retire {A}"]
    assert take(app.go_back()) == steps
    assert app.layout.live() is None
    assert not app.instance(A).was_live()
    assert running(app) == []
    assert app.go_back() == []


def test_a_switch_that_was_killed_before_current_moved_is_taken_back(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A)
    booted(app, B)
    app.instance(B).enable()
    assert take(app.go_back()) == [f"retire {B}"]
    assert app.instance(A).is_live()
    assert systemd.enabled == set(app.instance(A).units)


def test_a_way_back_that_was_killed_is_gone_to_its_end(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    take(app.go_back()[:1])
    assert take(app.go_back()) == [f"retire {B}"]
    assert running(app) == [A]


def test_the_release_to_go_back_to_is_booted_first_where_it_does_not_run(
    app: Application, apps: FakeApps, systemd: FakeSystemd
) -> None:
    retired(app, A)
    switched(app, B)
    systemd.stop(*app.instance(A).units)
    apps.asked.clear()
    assert take(app.go_back()) == [f"boot {A}", f"switch back from {B} to {A}", f"retire {B}"]
    assert apps.asked == [A]
    assert app.instance(A).is_live()
    assert running(app) == [A]


def test_a_release_that_was_told_to_end_is_booted_again_on_the_way_back(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    take(app.end_others(B))
    assert take(app.go_back()) == [f"boot {A}", f"switch back from {B} to {A}", f"retire {B}"]
    assert running(app) == [A]


def test_where_current_is_lost_the_healthy_release_is_made_live(app: Application) -> None:
    retired(app, A)
    app.layout.current.unlink()
    take(app.go_back())
    assert app.instance(A).is_live()


@pytest.mark.parametrize(
    ("before", "after"),
    [(HTTP, {"http": "0.0.0.0:9002"}), (HTTP, UWSGI), (HTTP, {}), ({}, HTTP), ({}, {**HTTP, **UWSGI})],
)
def test_the_doors_are_what_they_were_when_one_has_gone_back(
    app: Application, before: dict[str, str], after: dict[str, str]
) -> None:
    retired(app, A, doors=before)
    switched(app, B)
    take(app.open_doors(after))
    said = take(app.go_back())
    assert (said[0], said[-1]) == (f"switch back from {B} to {A}", f"retire {B}")
    assert app.open_doors(before) == []
    assert open_doors(app.layout) == before
    assert app.go_back() == []


def test_doors_that_were_moved_are_moved_back_where_the_release_stayed(app: Application) -> None:
    retired(app, A, doors=HTTP)
    take(app.open_doors(UWSGI))
    assert take(app.go_back()) == ["close the door for uwsgi", "open 0.0.0.0:9000"]
    assert app.open_doors(HTTP) == []
    assert app.instance(A).is_live()


def test_a_door_that_could_not_be_moved_is_open_where_it_was(app: Application, systemd: FakeSystemd) -> None:
    retired(app, A, doors=HTTP)
    switched(app, B)
    systemd.broken = {"hello-http.socket"}
    with pytest.raises(Failed, match=r"^hello: cannot listen on 192\.0\.2\.1:9000"):
        take(app.open_doors({"http": "192.0.2.1:9000"}))
    systemd.broken = set()
    take(app.go_back())
    assert app.open_doors(HTTP) == []


def test_before_the_first_healthy_release_no_door_was_open(app: Application) -> None:
    switched(app, A)
    take(app.open_doors(HTTP))
    assert take(app.go_back()) == [
        f"take {A} out of service, before which nothing was live",
        "close the door for http",
        f"retire {A}",
    ]
    assert open_doors(app.layout) == {}


@pytest.mark.parametrize("wrong", ["does not start", "does not answer", "is gone"])
def test_what_is_live_goes_on_serving_where_the_way_back_does_not_work(
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
        take(app.go_back())
    assert app.instance(B).is_live()
    assert running(app) == [B]
    assert app.open_doors(UWSGI) == []


def test_what_is_live_goes_on_serving_where_the_healthy_instance_ends_before_the_switch_back(
    app: Application, systemd: FakeSystemd
) -> None:
    retired(app, A)
    switched(app, B)
    steps = app.go_back()
    systemd.states[app.instance(A).service] = "failed"
    with pytest.raises(Failed, match=f"the instance of {A} does not run"):
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


def test_the_switch_back_looks_once_more_whether_the_healthy_instance_runs(app: Application, layout: Layout) -> None:
    app.systemd = systemd = RememberingSystemd(layout.units)
    retired(app, A)
    switched(app, B)
    steps = app.go_back()
    systemd.states[app.instance(A).service] = "failed"
    with pytest.raises(Failed, match=f"the instance of {A} does not run"):
        take(steps)
    assert app.instance(B).is_live()


# Whose steps they are


def test_each_step_is_of_its_application(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    Door(app.layout, "http", "0.0.0.0:9000", app.systemd).put_right()
    make_release(app.layout, C)
    plans: list[list[Step]] = [
        app.boot(C),
        app.switch(C),
        app.open_doors({}),
        app.end_others(B),
        app.record(B, KEEP),
        app.go_back(),
    ]
    assert [{step.of for step in steps} for steps in plans] == [{"hello"}] * len(plans)


# Choose


def test_the_previous_release_is_chosen_unless_one_is_named(app: Application) -> None:
    retired(app, A, B, C)
    assert app.choose("") == B


def test_the_way_back_twice_leads_to_where_it_began(app: Application) -> None:
    retired(app, A, B, A)
    assert app.choose("") == B


def test_the_previous_release_of_a_switch_that_was_not_verified_is_the_healthy_one(app: Application) -> None:
    retired(app, A, B)
    switched(app, C)
    assert app.choose("") == B


@pytest.mark.parametrize("wanted", [A, A[:3], A[0]])
def test_a_release_is_chosen_by_its_name_or_the_beginning_of_it(app: Application, wanted: str) -> None:
    retired(app, A, B, C)
    assert app.choose(wanted) == A


def test_a_release_is_not_chosen_by_what_stands_within_its_name(app: Application) -> None:
    retired(app, A, B)
    with pytest.raises(Failed, match=f"release {A[3:]} is not on this host"):
        app.choose(A[3:])


@pytest.mark.parametrize("release", [A, "", "111"])
def test_a_host_that_had_no_release_has_none_to_go_back_to(app: Application, release: str) -> None:
    with pytest.raises(Failed, match=r"no release before the first|is not on this host; .*: none$"):
        app.choose(release)


def test_the_first_release_has_none_before_it(app: Application) -> None:
    retired(app, A)
    with pytest.raises(Failed, match=f"^there is no release before {A} to go back to$"):
        app.choose("")


def test_a_beginning_that_several_releases_have_is_refused_with_their_names(app: Application) -> None:
    retired(app, "abc111", "abc222", "abd333")
    with pytest.raises(Failed, match=r"^abc is the beginning of abc111 and of abc222; write more of it$"):
        app.choose("abc")
    assert app.choose("abc2") == "abc222"


def test_a_release_that_never_was_healthy_is_refused(app: Application) -> None:
    retired(app, A, B)
    make_release(app.layout, C)
    why = f"^release {C} never was live and healthy; those to go back to, the newest first: {A}$"
    with pytest.raises(Failed, match=why):
        app.choose(C[:2])


def test_a_switch_that_was_not_verified_is_no_release_to_go_back_to(app: Application) -> None:
    retired(app, A)
    switched(app, B)
    with pytest.raises(Failed, match=f"release {B} never was live and healthy; .*: {A}$"):
        app.choose(B)


def test_a_release_that_is_not_there_is_refused_with_those_that_are_the_newest_first(app: Application) -> None:
    retired(app, A, B, C)
    why = f"^release 777 is not on this host; those to go back to, the newest first: {B}, {A}$"
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


# Listed


def test_a_host_without_releases_lists_none(app: Application) -> None:
    assert app.listed() == []


def test_releases_are_listed_with_what_they_are_the_newest_first(app: Application) -> None:
    retired(app, A, B, C)
    make_release(app.layout, "000000")
    states = [(one["release"], one["state"]) for one in app.listed()]
    assert states == [(C, "live"), (B, "previous"), (A, "kept"), ("000000", "never healthy")]


def test_a_release_that_one_went_back_to_is_listed_first(app: Application) -> None:
    retired(app, A, B, C, A)
    assert [(one["release"], one["state"]) for one in app.listed()] == [(A, "live"), (C, "previous"), (B, "kept")]


def test_a_release_is_listed_with_what_it_is_made_of_and_since_when_it_is_live(app: Application) -> None:
    make_release(app.layout, B, commit=None)
    retired(app, A)
    made = {"created": "2026-01-01T00:00:00+00:00", "source": "app", "packages": "v1"}
    since = app.history.entries()[A]["live"]
    assert app.listed() == [
        {"release": A, "state": "live", "live_since": since, "commit": "c0ffee", **made},
        {"release": B, "state": "never healthy", "live_since": None, "commit": None, **made},
    ]


def test_a_switch_that_was_not_verified_is_listed_as_live(app: Application) -> None:
    retired(app, A, B)
    switched(app, C)
    states = {one["release"]: (one["state"], bool(one["live_since"])) for one in app.listed()}
    assert states == {A: ("kept", True), B: ("previous", True), C: ("live", False)}


def test_a_release_that_is_half_made_is_not_listed(app: Application) -> None:
    retired(app, A)
    make_release(app.layout, B, sealed=False)
    assert [one["release"] for one in app.listed()] == [A]
