"""What a store of immutable directories promises."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.store import SEAL, Store, digest


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "entries")


def test_an_entry_that_is_not_there_has_no_manifest(store: Store) -> None:
    assert store.manifest("one") is None


def test_an_entry_without_its_manifest_does_not_count(store: Store) -> None:
    store.path("one").mkdir(parents=True)
    (store.path("one") / "content").write_text("half")
    assert store.manifest("one") is None


def test_an_entry_does_not_count_while_it_is_made(store: Store) -> None:
    with store.create("one", {}) as path:
        (path / "content").write_text("half")
        assert store.manifest("one") is None
    assert store.manifest("one") is not None


def test_a_complete_entry_keeps_what_was_put_there(store: Store) -> None:
    with store.create("one", {}) as path:
        (path / "content").write_text("whole")
    assert (store.path("one") / "content").read_text() == "whole"


def test_a_manifest_says_what_it_was_given_and_when(store: Store) -> None:
    with store.create("one", {"commit": "abc"}):
        pass
    manifest = store.manifest("one") or {}
    created = datetime.fromisoformat(manifest.pop("created"))
    assert manifest == {"commit": "abc"}
    assert abs((datetime.now(timezone.utc) - created).total_seconds()) < 60


@pytest.mark.parametrize("end", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing_behind_and_is_told(store: Store, end: type[BaseException]) -> None:
    with pytest.raises(end), store.create("one", {}) as path:
        (path / "content").write_text("half")
        raise end
    assert list(store.root.iterdir()) == []


def test_what_a_killed_run_left_is_made_anew(store: Store) -> None:
    store.path("one").mkdir(parents=True)
    (store.path("one") / "leftover").write_text("half")
    with store.create("one", {}) as path:
        assert list(path.iterdir()) == []
        (path / "content").write_text("whole")
    assert {path.name for path in store.path("one").iterdir()} == {"content", SEAL}


def test_an_entry_leaves_its_neighbours_alone(store: Store) -> None:
    for name in ("one", "two"):
        with store.create(name, {"name": name}):
            pass
    assert (store.manifest("one") or {})["name"] == "one"


def test_a_digest_is_12_hexadecimal_digits() -> None:
    assert re.fullmatch("[0-9a-f]{12}", digest("anything"))


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


@pytest.mark.parametrize("parts", [("ab", "c"), ("a",), ("a", "bc", None), ("bc", "a"), ("a", ["bc"]), ("a", "bC")])
def test_a_digest_differs_when_a_part_does(parts: tuple[Any, ...]) -> None:
    assert digest(*parts) != digest("a", "bc")
