"""What a store of immutable directories promises."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import store as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.store import CONTENTS, SEAL, Store, digest


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
    assert abs((datetime.now(UTC) - created).total_seconds()) < 60


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
    assert {path.name for path in store.path("one").iterdir()} == {"content", SEAL, CONTENTS}


def test_an_entry_leaves_its_neighbours_alone(store: Store) -> None:
    for name in ("one", "two"):
        with store.create(name, {"name": name}):
            pass
    assert (store.manifest("one") or {})["name"] == "one"


def test_what_is_complete_is_never_made_again(store: Store) -> None:
    with store.create("one", {}) as path:
        (path / "content").write_text("whole")
    with pytest.raises(FileExistsError), store.create("one", {}):
        pass
    assert (store.path("one") / "content").read_text() == "whole"


def test_a_store_that_is_not_there_yet_has_no_entries(store: Store) -> None:
    assert store.names() == []


def test_the_names_are_those_of_all_entries_complete_or_not(store: Store) -> None:
    with store.create("two", {}):
        pass
    store.path("one").mkdir()
    assert store.names() == ["one", "two"]


def test_what_is_no_directory_is_no_entry(store: Store) -> None:
    with store.create("one", {}):
        pass
    (store.root / "file").touch()
    (store.root / "link").symlink_to("one")
    (store.root / "nowhere").symlink_to("missing")
    assert store.names() == ["one"]


STRANGE = [b"", b"{", b"[]", b"7", b"null", b'"text"', b"\xff\xfe"]


@pytest.mark.parametrize("content", STRANGE)
def test_a_manifest_of_another_kind_is_none_and_its_entry_is_made_anew(store: Store, content: bytes) -> None:
    store.path("one").mkdir(parents=True)
    (store.path("one") / SEAL).write_bytes(content)
    assert store.manifest("one") is None
    with store.create("one", {"commit": "abc"}):
        pass
    assert (store.manifest("one") or {})["commit"] == "abc"


def test_what_is_no_directory_has_no_manifest(store: Store) -> None:
    store.root.mkdir()
    store.path("one").touch()
    assert store.manifest("one") is None


def test_a_directory_in_the_place_of_a_manifest_is_none(store: Store) -> None:
    (store.path("one") / SEAL).mkdir(parents=True)
    assert store.manifest("one") is None


@pytest.mark.parametrize("complete", [True, False])
def test_an_entry_is_removed_with_all_that_is_in_it_and_nothing_else(store: Store, complete: bool) -> None:
    for name in ("one", "two"):
        with store.create(name, {}) as path:
            (path / "some").mkdir()
            (path / "some/content").touch()
            (path / "outside").symlink_to(store.path("two"))
    if not complete:
        (store.path("one") / SEAL).unlink()
    store.remove("one")
    assert store.names() == ["two"]
    assert {path.name for path in store.path("two").iterdir()} == {"some", "outside", SEAL, CONTENTS}


def test_an_entry_does_not_count_from_the_moment_that_its_removal_begins(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.create("one", {}):
        pass

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unit, "remove_tree", die)
        with pytest.raises(KeyboardInterrupt):
            store.remove("one")
    assert store.manifest("one") is None
    store.remove("one")
    assert store.names() == []


def test_what_is_not_there_cannot_be_removed(store: Store) -> None:
    with pytest.raises(Failed, match="could not remove"):
        store.remove("one")


def test_a_digest_is_12_hexadecimal_digits() -> None:
    assert re.fullmatch("[0-9a-f]{12}", digest("anything"))


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


@pytest.mark.parametrize("parts", [("ab", "c"), ("a",), ("a", "bc", None), ("bc", "a"), ("a", ["bc"]), ("a", "bC")])
def test_a_digest_differs_when_a_part_does(parts: tuple[Any, ...]) -> None:
    assert digest(*parts) != digest("a", "bc")


def sealed(store: Store) -> Path:
    """Return an entry with files, a link, byte code, and a directory with nothing in it."""
    with store.create("one", {}) as path:
        for name in ("top", "below/deep", "below/__pycache__/deep.pyc"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(name)
        (path / "link").symlink_to("nowhere")
        (path / "dirs").symlink_to("below")
        (path / "\n0").write_text("a name as a stranger may choose it")
    assert store.is_whole("one")
    return path


@pytest.mark.parametrize("lost", ["top", "below/deep", "link", "dirs", "\n0", SEAL, CONTENTS])
def test_an_entry_of_which_a_file_is_lost_is_not_whole_and_is_made_anew(store: Store, lost: str) -> None:
    path = sealed(store)
    (path / lost).unlink()
    assert not store.is_whole("one")
    sealed(store)


@pytest.mark.parametrize("emptied", ["top", "below/deep", CONTENTS, SEAL])
def test_an_entry_of_which_a_file_is_damaged_is_not_whole(store: Store, emptied: str) -> None:
    (sealed(store) / emptied).write_text("")
    assert not store.is_whole("one")


def test_an_entry_is_whole_with_byte_code_lost_and_files_that_came_later(store: Store) -> None:
    path = sealed(store)
    shutil.rmtree(path / "below/__pycache__")
    (path / "later").touch()
    assert store.is_whole("one")


def test_an_entry_that_never_was_is_not_whole(store: Store) -> None:
    assert not store.is_whole("none")
