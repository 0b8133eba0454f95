"""What the history of an application promises."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.history import History
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout, replace_link

A, B, C, D = "aaa111", "bbb222", "ccc333", "ddd444"
HTTP = {"http": "0.0.0.0:9000"}
BOTH = {**HTTP, "uwsgi": "127.0.0.1:9001"}


@pytest.fixture
def history(layout: Layout) -> History:
    return History(layout)


def went_live(history: History, *releases: str, keep: int = 7) -> None:
    """Let `releases` go live one after the other, each healthy and without doors."""
    for release in releases:
        replace_link(history.layout.current, f"releases/{release}")
        history.record(release, {}, keep)


def set_times(history: History, time: str) -> None:
    listed = [{"release": release, **entry, "live": time} for release, entry in history.entries().items()]
    history.path.write_text(json.dumps(listed))


def test_before_the_first_release_there_is_no_history(history: History) -> None:
    assert (history.entries(), history.latest(), history.previous(), history.doors()) == ({}, None, None, {})


def test_the_first_release_has_none_before_it(history: History) -> None:
    went_live(history, A)
    assert (history.latest(), history.previous()) == (A, None)


def test_releases_are_remembered_in_the_order_they_went_live(history: History) -> None:
    went_live(history, C, A, B)
    assert list(history.entries()) == [C, A, B]
    assert (history.latest(), history.previous()) == (B, A)


def test_the_next_run_reads_the_history(history: History, layout: Layout) -> None:
    went_live(history, A, B)
    assert History(layout).entries() == history.entries()


def test_after_a_rollback_its_release_is_the_latest_and_listed_once(history: History) -> None:
    went_live(history, A, B, C, A)
    assert list(history.entries()) == [B, C, A]
    assert history.previous() == C


def test_an_unverified_switch_is_not_in_the_history(history: History, layout: Layout) -> None:
    went_live(history, A, B)
    replace_link(layout.current, f"releases/{C}")
    assert (history.latest(), history.previous()) == (B, B)


def test_a_release_went_live_when_it_was_recorded(history: History) -> None:
    went_live(history, A)
    since = datetime.fromisoformat(history.entries()[A]["live"])
    assert abs((datetime.now(UTC) - since).total_seconds()) < 60


def test_a_release_that_stays_live_keeps_its_time(history: History) -> None:
    went_live(history, A)
    set_times(history, "2026-01-01T00:00:00+00:00")
    went_live(history, A)
    assert history.entries() == {A: {"live": "2026-01-01T00:00:00+00:00", "doors": {}}}


def test_a_rollback_gives_its_release_a_new_time(history: History) -> None:
    went_live(history, A, B)
    set_times(history, "2026-01-01T00:00:00+00:00")
    went_live(history, A)
    assert history.entries()[B]["live"] == "2026-01-01T00:00:00+00:00"
    assert history.entries()[A]["live"] > "2026-01-01T00:00:00+00:00"


def test_each_release_is_recorded_with_its_open_doors(history: History, layout: Layout) -> None:
    history.record(A, HTTP, 7)
    history.record(B, BOTH, 7)
    assert {release: entry["doors"] for release, entry in History(layout).entries().items()} == {A: HTTP, B: BOTH}


def test_the_doors_are_those_of_the_latest_release(history: History) -> None:
    for release, doors in ((A, HTTP), (B, BOTH), (A, {})):
        history.record(release, doors, 7)
        assert history.doors() == doors


def test_changed_doors_keep_the_time_of_a_release(history: History) -> None:
    history.record(A, {}, 7)
    set_times(history, "2026-01-01T00:00:00+00:00")
    history.record(A, HTTP, 7)
    assert history.entries() == {A: {"live": "2026-01-01T00:00:00+00:00", "doors": HTTP}}


@pytest.mark.parametrize(
    ("release", "keep", "kept"),
    [(D, 2, [C, D]), (D, 3, [B, C, D]), (D, 9, [A, B, C, D]), (C, 2, [B, C]), (A, 2, [C, A]), (A, 3, [B, C, A])],
)
def test_the_newest_releases_and_the_live_one_are_kept(
    history: History, release: str, keep: int, kept: list[str]
) -> None:
    went_live(history, A, B, C)
    assert history.kept(release, keep) == kept
    assert list(history.entries()) == [A, B, C]


def test_only_kept_releases_are_remembered(history: History) -> None:
    went_live(history, A, B, C, D, keep=2)
    assert list(history.entries()) == [C, D]


def test_a_history_that_cannot_be_written_stays_unchanged(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    went_live(history, A)

    def fail(path: Path, target: Path) -> Path:
        raise OSError("killed")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="killed"):
        history.record(B, {}, 7)
    assert list(history.entries()) == [A]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"7",
        b"null",
        b"[7]",
        b"[[]]",
        b"[{}]",
        b'{"aaa111": "2026-01-01T00:00:00+00:00"}',
        b'[{"release": "aaa111", "live": "2026-01-01T00:00:00+00:00"}]',
        b'[{"release": [], "live": "2026-01-01T00:00:00+00:00", "doors": {}}]',
        b"\xff\xfe",
        b"{}",
        b'""',
        b'[{"release": "aaa111", "live": "2026-01-01T00:00:00+00:00", "doors": [7]}]',
    ],
)
def test_a_damaged_history_is_refused_and_stays_unchanged(history: History, content: bytes) -> None:
    history.path.write_bytes(content)
    asks: list[Callable[[], object]] = [
        history.entries,
        history.latest,
        history.previous,
        history.doors,
        lambda: history.kept(B, 2),
        lambda: history.record(B, {}, 2),
    ]
    for ask in asks:
        with pytest.raises(Failed, match=f"^{re.escape(str(history.path))} is damaged: "):
            ask()
    assert history.path.read_bytes() == content
