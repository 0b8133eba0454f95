"""What is kept on a host, and what is removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import store
from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import tool_entries
from ansible_collections.wsgi.production.plugins.module_utils.keep import Keeper, in_use
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from tests.unit.fakes import FakeApps, FakeSystemd, make_build, make_release, say, take

A, B, C, D = "aaa111", "bbb222", "ccc333", "ddd444"
TOOLS = ["uv-today", "poetry-today"]


@pytest.fixture
def went_live(app: Application, systemd: FakeSystemd) -> Callable[..., None]:
    """Return a function that makes releases live one after the other; all instances but the last one end.

    Release `aaa111` is of build `b-aaa111` with packages `v-aaa111`, and so on.
    """

    def go(*releases: str, **parts: Any) -> None:
        for release in releases:
            if app.releases.manifest(release) is None:
                make_build(app.layout, f"b-{release}", f"v-{release}")
                make_release(app.layout, release, build=f"b-{release}", server=f"s-{release}", **parts)
            take(app.boot(release) + app.switch(release) + app.record(release, 99) + app.end_others(release))
            end_what_is_ending(systemd)

    return go


def end_what_is_ending(systemd: FakeSystemd) -> None:
    """Finish the last requests of retired instances."""
    systemd.finish(*(unit for unit, state in systemd.states.items() if state == "deactivating"))


def there(app: Application) -> dict[str, list[str]]:
    layout = app.layout
    return {path.name: sorted(os.listdir(path)) for path in (layout.releases, layout.builds, layout.venvs)}


def those_of(*releases: str) -> dict[str, list[str]]:
    return {
        "releases": list(releases),
        "builds": [f"b-{release}" for release in releases],
        "venvs": [f"v-{release}" for release in releases],
    }


def test_nothing_is_removed_if_all_releases_are_kept(app: Application, went_live: Callable[..., None]) -> None:
    went_live(A, B)
    assert Keeper([]).prune(app, B, 2) == []


def test_an_empty_host_has_nothing_to_remove(app: Application) -> None:
    assert Keeper([]).prune(app, A, 2) == []


def test_an_old_release_is_removed_with_its_build_and_packages(
    app: Application, went_live: Callable[..., None]
) -> None:
    went_live(A, B, C)
    assert take(Keeper([]).prune(app, C, 2)) == [
        f"remove the units of {A}",
        "reload systemd",
        f"remove releases/{A}",
        f"remove builds/b-{A}",
        f"remove venvs/v-{A}",
    ]
    assert there(app) == those_of(B, C)
    assert app.layout.instances() == [B, C]
    assert Keeper([]).prune(app, C, 2) == []


def test_systemd_reloads_after_units_are_removed(
    app: Application, went_live: Callable[..., None], systemd: FakeSystemd
) -> None:
    went_live(A, B, C)
    systemd.calls.clear()
    take(Keeper([]).prune(app, C, 2))
    assert systemd.calls[-1] == "reload"
    assert not [name for name in os.listdir(systemd.units) if A in name]


def test_planning_a_removal_removes_nothing(app: Application, went_live: Callable[..., None]) -> None:
    went_live(A, B, C)
    Keeper([]).prune(app, C, 2)
    assert there(app) == those_of(A, B, C)


def test_the_releases_that_were_live_last_are_kept(app: Application, went_live: Callable[..., None]) -> None:
    went_live(A, B, C, A)
    take(Keeper([]).prune(app, A, 2))
    assert there(app) == those_of(A, C)
    assert app.choose("") == C


def test_the_live_release_stays_before_it_is_recorded(app: Application, went_live: Callable[..., None]) -> None:
    went_live(A, B, C)
    app.history.path.unlink()
    take(Keeper([]).prune(app, C, 2))
    assert there(app) == those_of(C)


def test_a_release_that_never_went_live_is_removed(app: Application, went_live: Callable[..., None]) -> None:
    went_live(A)
    make_build(app.layout, "b-new", "v-new")
    make_release(app.layout, B, build="b-new")
    take(Keeper([]).prune(app, A, 2))
    assert there(app) == those_of(A)


@pytest.mark.parametrize("kind", ["releases", "builds", "venvs"])
def test_unknown_files_and_links_are_left_alone(app: Application, went_live: Callable[..., None], kind: str) -> None:
    went_live(A)
    (app.layout.home / kind / "notes").touch()
    (app.layout.home / kind / "link").symlink_to(A)
    assert Keeper([]).prune(app, A, 2) == []


@pytest.mark.parametrize("kind", ["releases", "builds", "venvs"])
def test_an_incomplete_entry_is_removed(app: Application, went_live: Callable[..., None], kind: str) -> None:
    went_live(A)
    half = app.layout.home / kind / "half"
    half.mkdir()
    (half / "some").touch()
    assert take(Keeper([]).prune(app, A, 2)) == [f"remove {kind}/half"]
    assert there(app) == those_of(A)


def test_a_build_that_a_kept_release_uses_stays(app: Application, went_live: Callable[..., None]) -> None:
    went_live(A, B, C)
    link = app.releases.path(C) / "build"
    link.unlink()
    link.symlink_to(f"../../builds/b-{A}")
    take(Keeper([]).prune(app, C, 2))
    assert there(app) == {**those_of(A, B), "releases": [B, C]}


def test_packages_that_a_kept_build_uses_stay(app: Application, went_live: Callable[..., None]) -> None:
    went_live(A, B, C)
    link = app.layout.builds / f"b-{C}/venv"
    link.unlink()
    link.symlink_to(f"../../venvs/v-{A}")
    take(Keeper([]).prune(app, C, 2))
    assert there(app) == {**those_of(B, C), "venvs": [f"v-{A}", f"v-{B}"]}


def test_a_release_whose_instance_answers_its_last_requests_stays_completely(
    app: Application, went_live: Callable[..., None], systemd: FakeSystemd
) -> None:
    went_live(A, B, C)
    systemd.states[app.instance(A).service] = "deactivating"
    assert Keeper([]).prune(app, C, 2) == []
    end_what_is_ending(systemd)
    take(Keeper([]).prune(app, C, 2))
    assert there(app) == those_of(B, C)


def test_a_release_with_a_running_job_stays_until_the_job_ends(
    app: Application, went_live: Callable[..., None], systemd: FakeSystemd
) -> None:
    parts = {"workers": ["mail"], "timers": ["nightly"]}
    went_live(A, **parts)
    job = f"hello@{A}-nightly.service"
    systemd.start(job, wait=False)
    went_live(B, C, **parts)
    assert systemd.states[job] == "activating" and app.instance(A).is_ending()
    assert Keeper([]).prune(app, C, 2) == []
    systemd.finish(job)
    said = take(Keeper([]).prune(app, C, 2))
    assert said[:3] == [f"remove the units of {A}", "reload systemd", f"remove releases/{A}"]
    assert there(app) == those_of(B, C)
    assert not [name for name in os.listdir(systemd.units) if A in name]
    assert systemd.due == {f"hello@{release}-nightly.timer" for release in (B, C)}


def test_a_release_stays_while_its_worker_finishes_jobs(
    app: Application, went_live: Callable[..., None], systemd: FakeSystemd
) -> None:
    went_live(A, B, C, workers=["mail"])
    systemd.states[f"hello@{A}-mail.service"] = "deactivating"
    assert Keeper([]).prune(app, C, 2) == []


def migration(app: Application, systemd: FakeSystemd, release: str, state: str) -> Path:
    """Leave the migration of a release as a killed run does, and return the file of its unit."""
    oneshot = app.oneshot(release, "migrate")
    oneshot.placed.parent.mkdir(exist_ok=True)
    oneshot.placed.write_text("Type=oneshot")
    systemd.states[oneshot.unit] = state
    return oneshot.placed


def test_a_refused_release_stays_until_its_workers_have_finished(
    app: Application, systemd: FakeSystemd, apps: FakeApps, went_live: Callable[..., None]
) -> None:
    went_live(A, B)
    make_build(app.layout, f"b-{C}", f"v-{C}")
    make_release(app.layout, C, build=f"b-{C}", server=f"s-{C}", workers=["mail"])
    apps.sick = {C}
    with pytest.raises(Failed, match="does not pass its probe"):
        take(app.boot(C))
    assert Keeper([]).prune(app, B, 2) == []
    systemd.finish()
    assert f"remove the units of {C}" in take(Keeper([]).prune(app, B, 2))
    assert there(app) == those_of(A, B) and app.layout.instances() == [A, B]


def test_a_release_whose_migration_still_runs_stays(
    app: Application, went_live: Callable[..., None], systemd: FakeSystemd
) -> None:
    went_live(A, B)
    make_build(app.layout, f"b-{C}", f"v-{C}")
    make_release(app.layout, C, build=f"b-{C}", oneshots=["migrate"])
    migration(app, systemd, C, "activating")
    take(Keeper([]).prune(app, B, 2))
    assert there(app) == those_of(A, B, C)


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_a_removed_release_takes_the_migration_of_a_killed_run_with_it(
    app: Application, went_live: Callable[..., None], systemd: FakeSystemd, state: str
) -> None:
    went_live(A, B)
    make_build(app.layout, f"b-{C}", f"v-{C}")
    make_release(app.layout, C, build=f"b-{C}", oneshots=["migrate"])
    placed = migration(app, systemd, C, state)
    take(Keeper([]).prune(app, B, 2))
    assert there(app) == those_of(A, B)
    assert not placed.exists()


def test_a_release_that_the_same_run_retires_stays(app: Application, went_live: Callable[..., None]) -> None:
    went_live(A, B)
    make_build(app.layout, f"b-{C}", f"v-{C}")
    make_release(app.layout, C, build=f"b-{C}")
    take(app.boot(C) + app.switch(C))
    app.history.path.unlink()
    steps = app.record(C, 2) + app.end_others(C) + Keeper([]).prune(app, C, 2)
    take(steps)
    assert there(app) == those_of(B, C)
    assert app.instance(B).is_ending()


@pytest.mark.parametrize(
    ("inside", "left"),
    [
        ("releases/{0}/uwsgi.ini", those_of(A, B, C)),
        ("releases/{0}", those_of(A, B, C)),
        ("builds/b-{0}/app", {**those_of(A, B, C), "releases": [B, C]}),
        ("venvs/v-{0}/lib/some.so", {**those_of(B, C), "venvs": [f"v-{A}", f"v-{B}", f"v-{C}"]}),
        ("venvs/v-{0}0/lib/some.so", those_of(B, C)),
    ],
)
def test_entries_in_use_by_a_process_stay_with_their_parts(
    app: Application, went_live: Callable[..., None], inside: str, left: dict[str, list[str]]
) -> None:
    went_live(A, B, C)
    take(Keeper([app.layout.home / inside.format(A)]).prune(app, C, 2))
    assert there(app) == left


def test_entries_that_a_process_uses_through_a_link_stay(
    app: Application, went_live: Callable[..., None], systemd: FakeSystemd, tmp_path: Path
) -> None:
    went_live(A, B, C)
    (tmp_path / "other").symlink_to("srv")
    beside = Application(Layout("hello", root=tmp_path / "other", units=systemd.units), systemd)
    used = {(app.layout.venvs / f"v-{A}/lib/some.so").resolve()}
    take(Keeper(used).prune(beside, C, 2))
    assert there(app) == {**those_of(B, C), "venvs": [f"v-{A}", f"v-{B}", f"v-{C}"]}


def test_the_steps_name_the_application(app: Application, went_live: Callable[..., None]) -> None:
    went_live(A, B, C)
    assert [step.of for step in Keeper([]).prune(app, C, 2)] == ["hello"] * 5


def test_the_seal_goes_first_so_that_a_partial_release_never_counts(
    app: Application, went_live: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    went_live(A, B, C)

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "remove_tree", die)
        with pytest.raises(KeyboardInterrupt):
            take(Keeper([]).prune(app, C, 2))
    assert (app.releases.path(A) / "build").is_symlink()
    assert app.releases.manifest(A) is None
    take(Keeper([]).prune(app, C, 2))
    assert there(app) == those_of(B, C)


def test_the_units_of_a_running_instance_are_not_removed(
    app: Application, went_live: Callable[..., None], systemd: FakeSystemd
) -> None:
    went_live(A, B, C)
    systemd.states[app.instance(A).service] = "active"
    assert f"remove the units of {A}" not in say(Keeper([]).prune(app, C, 2))


# What applications share


@pytest.fixture
def shared(tmp_path: Path, app: Application, went_live: Callable[..., None]) -> Path:
    """Return the directory of `servers` and `tools`, with those of three releases and of an earlier time."""
    went_live(A, B, C)
    for name in (f"servers/s-{A}", f"servers/s-{B}", f"servers/s-{C}", "tools/uv-today", "tools/uv-before"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "manifest.json").write_text("{}")
    return tmp_path


def prune_shared(keeper: Keeper, shared: Path) -> list[str]:
    places = [shared / name for name in ("servers", "tools", "wheels", "pythons")]
    return take(keeper.prune_shared(shared / "srv", TOOLS, *places))


def servers(shared: Path) -> list[str]:
    return sorted(os.listdir(shared / "servers"))


def test_a_uwsgi_goes_with_the_last_release_that_uses_it(app: Application, shared: Path) -> None:
    keeper = Keeper([])
    steps = keeper.prune(app, C, 2)
    assert prune_shared(keeper, shared)[0] == f"remove servers/s-{A}"
    take(steps)
    assert servers(shared) == [f"s-{B}", f"s-{C}"]


def test_a_uwsgi_stays_while_a_release_of_another_application_uses_it(app: Application, shared: Path) -> None:
    make_release(Layout("other", root=shared / "srv"), D, server=f"s-{A}")
    keeper = Keeper([])
    keeper.prune(app, C, 2)
    prune_shared(keeper, shared)
    assert servers(shared) == [f"s-{A}", f"s-{B}", f"s-{C}"]


def test_a_uwsgi_stays_while_a_process_uses_it(app: Application, shared: Path) -> None:
    keeper = Keeper([shared / f"servers/s-{A}/pyuwsgi.so"])
    keeper.prune(app, C, 2)
    prune_shared(keeper, shared)
    assert servers(shared) == [f"s-{A}", f"s-{B}", f"s-{C}"]


def test_a_uwsgi_stays_while_its_release_answers_its_last_requests(
    app: Application, shared: Path, systemd: FakeSystemd
) -> None:
    systemd.states[app.instance(A).service] = "deactivating"
    keeper = Keeper([])
    keeper.prune(app, C, 2)
    prune_shared(keeper, shared)
    assert servers(shared) == [f"s-{A}", f"s-{B}", f"s-{C}"]


def test_an_incomplete_uwsgi_of_a_killed_run_is_removed(shared: Path) -> None:
    (shared / "servers/half").mkdir()
    prune_shared(Keeper([]), shared)
    assert servers(shared) == [f"s-{A}", f"s-{B}", f"s-{C}"]


def test_an_incomplete_release_keeps_no_uwsgi_and_removes_none(shared: Path) -> None:
    make_release(Layout("hello", root=shared / "srv"), D, sealed=False)
    (shared / f"servers/s-{D}").mkdir()
    prune_shared(Keeper([]), shared)
    assert servers(shared) == [f"s-{A}", f"s-{B}", f"s-{C}"]


def test_only_current_tools_stay(shared: Path) -> None:
    for name in tool_entries(TOOLS):
        (shared / "tools" / name).mkdir(exist_ok=True)
    assert prune_shared(Keeper([]), shared) == ["remove tools/uv-before"]
    assert set(os.listdir(shared / "tools")) == tool_entries(TOOLS)


def test_a_python_goes_with_the_last_packages_for_it(app: Application, shared: Path) -> None:
    for release, name in ((A, "3.13-a"), (B, "3.13-b"), (C, "3.12-b")):
        (shared / f"pythons/{name}").mkdir(parents=True)
        manifest = {"interpreter": f"cpython-{name[:4]}-x86_64-{name}"}
        (app.layout.venvs / f"v-{release}/manifest.json").write_text(json.dumps(manifest))
    (shared / "pythons/half").mkdir()
    keeper = Keeper([shared / "pythons/half/bin/python"])
    steps = keeper.prune(app, C, 2)
    prune_shared(keeper, shared)
    take(steps)
    assert sorted(os.listdir(shared / "pythons")) == ["3.12-b", "3.13-b", "half"]


def gathered(app: Application, shared: Path, release: str, wheels: str | None) -> None:
    """Note that the packages of a release come from a folder of wheels, or from an index."""
    (shared / f"wheels/{wheels}").mkdir(parents=True, exist_ok=True)
    manifest = {} if wheels is None else {"wheels": wheels}
    (app.layout.venvs / f"v-{release}/manifest.json").write_text(json.dumps(manifest))


def test_wheels_go_with_the_last_packages_from_them(app: Application, shared: Path) -> None:
    for release, wheels in ((A, "w1"), (B, "w2"), (C, "w2")):
        gathered(app, shared, release, wheels)
    (shared / "wheels/half").mkdir()
    keeper = Keeper([])
    steps = keeper.prune(app, C, 2)
    assert prune_shared(keeper, shared)[1:3] == ["remove wheels/half", "remove wheels/w1"]
    take(steps)
    assert os.listdir(shared / "wheels") == ["w2"]


def test_wheels_stay_while_packages_of_another_application_use_them(app: Application, shared: Path) -> None:
    for release, wheels in ((A, "w1"), (B, None), (C, None)):
        gathered(app, shared, release, wheels)
    other = Layout("other", root=shared / "srv")
    make_build(other, f"b-{D}", f"v-{D}")
    (other.venvs / f"v-{D}/manifest.json").write_text('{"wheels": "w1"}')
    keeper = Keeper([])
    keeper.prune(app, C, 2)
    prune_shared(keeper, shared)
    assert "w1" in os.listdir(shared / "wheels")


def test_steps_for_shared_files_name_no_application(app: Application, shared: Path) -> None:
    keeper = Keeper([])
    keeper.prune(app, C, 2)
    steps = keeper.prune_shared(shared / "srv", TOOLS, shared / "servers", shared / "tools", shared / "wheels")
    assert [(step.says, step.of) for step in steps] == [(f"remove servers/s-{A}", ""), ("remove tools/uv-before", "")]


def test_a_uwsgi_stays_while_a_process_uses_it_through_a_link(app: Application, shared: Path) -> None:
    (shared / "link").symlink_to("servers")
    keeper = Keeper([(shared / f"servers/s-{A}/pyuwsgi.so").resolve()])
    keeper.prune(app, C, 2)
    assert take(keeper.prune_shared(shared / "srv", TOOLS, shared / "link", shared / "tools", shared / "wheels")) == [
        "remove tools/uv-before"
    ]


def test_a_host_without_shared_files_has_none_to_remove(app: Application, tmp_path: Path) -> None:
    assert (
        Keeper([]).prune_shared(tmp_path / "srv", TOOLS, tmp_path / "servers", tmp_path / "tools", tmp_path / "wheels")
        == []
    )


# What is in use


def process(processes: Path, number: str, cwd: Path, *mapped: Path) -> None:
    """Make a process as /proc shows it: its working directory, and the files that it has mapped."""
    (processes / number).mkdir(parents=True)
    (processes / number / "cwd").symlink_to(cwd)
    lines = ["55d0c0000000-55d0c0001000 r--p 00000000 fe:01 0 ", "7ffd00000000-7ffd00021000 rw-p 0 00:00 0 [stack]"]
    lines += [f"7f0000000000-7f0000001000 r-xp 00000000 fe:01 1234                       {path}" for path in mapped]
    (processes / number / "maps").write_text("\n".join(lines) + "\n")


def test_files_that_processes_map_or_work_in_are_in_use(tmp_path: Path) -> None:
    srv, servers, processes = tmp_path / "srv", tmp_path / "servers", tmp_path / "proc"
    process(processes, "12", srv / "hello/builds/b1/app", srv / "hello/venvs/v1/a b.so", servers / "s1/uwsgi.so")
    process(processes, "345", srv / "hello/builds/b2/app", Path("/usr/lib/libc.so.6"))
    assert in_use(srv, servers, processes=processes) == {
        srv / "hello/builds/b1/app",
        srv / "hello/venvs/v1/a b.so",
        servers / "s1/uwsgi.so",
        srv / "hello/builds/b2/app",
    }


def test_files_that_processes_use_through_a_link_are_found(tmp_path: Path) -> None:
    srv, servers, processes = tmp_path / "disk/srv", tmp_path / "servers", tmp_path / "proc"
    srv.mkdir(parents=True)
    (tmp_path / "srv").symlink_to("disk/srv")
    process(processes, "12", srv / "hello/builds/b1/app", srv / "hello/venvs/v1/some.so", servers / "s1/uwsgi.so")
    assert in_use(tmp_path / "srv", servers, processes=processes) == {
        srv / "hello/builds/b1/app",
        srv / "hello/venvs/v1/some.so",
        servers / "s1/uwsgi.so",
    }


def test_files_elsewhere_are_ignored(tmp_path: Path) -> None:
    srv, processes = tmp_path / "srv", tmp_path / "proc"
    process(processes, "12", tmp_path / "srv-of-mine/x", tmp_path / f"mnt/{srv}/x", srv)
    assert in_use(srv, processes=processes) == set()


def test_a_process_that_has_ended_is_skipped(tmp_path: Path) -> None:
    srv, processes = tmp_path / "srv", tmp_path / "proc"
    process(processes, "12", srv / "one")
    process(processes, "13", srv / "two")
    (processes / "12/maps").unlink()
    (processes / "14").mkdir()
    (processes / "self").symlink_to("12")
    assert in_use(srv, processes=processes) == {srv / "two"}


def test_a_process_of_this_host_is_found(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    command = [sys.executable, "-c", "print('here', flush=True); input()"]
    with subprocess.Popen(
        command, cwd=tmp_path / "inside", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout and child.stdout.readline() == "here\n"
        assert in_use(tmp_path) == {tmp_path / "inside"}
        child.communicate("end")
    assert in_use(tmp_path) == set()
