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


def test_a_missing_entry_has_no_manifest(store: Store) -> None:
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


def test_a_complete_entry_keeps_its_files(store: Store) -> None:
    with store.create("one", {}) as path:
        (path / "content").write_text("whole")
    assert (store.path("one") / "content").read_text() == "whole"


def test_a_manifest_has_its_values_and_the_time(store: Store) -> None:
    with store.create("one", {"commit": "abc"}):
        pass
    manifest = store.manifest("one") or {}
    created = datetime.fromisoformat(manifest.pop("created"))
    assert manifest == {"commit": "abc"}
    assert abs((datetime.now(UTC) - created).total_seconds()) < 60


@pytest.mark.parametrize("end", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing_and_is_raised(store: Store, end: type[BaseException]) -> None:
    with pytest.raises(end), store.create("one", {}) as path:
        (path / "content").write_text("half")
        raise end
    assert list(store.root.iterdir()) == []


def test_an_incomplete_entry_is_made_again(store: Store) -> None:
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


def test_a_complete_entry_is_never_made_again(store: Store) -> None:
    with store.create("one", {}) as path:
        (path / "content").write_text("whole")
    with pytest.raises(FileExistsError), store.create("one", {}):
        pass
    assert (store.path("one") / "content").read_text() == "whole"


def test_a_missing_store_has_no_entries(store: Store) -> None:
    assert store.names() == []


def test_names_lists_all_entries_complete_or_not(store: Store) -> None:
    with store.create("two", {}):
        pass
    store.path("one").mkdir()
    assert store.names() == ["one", "two"]


def test_only_directories_are_entries(store: Store) -> None:
    with store.create("one", {}):
        pass
    (store.root / "file").touch()
    (store.root / "link").symlink_to("one")
    (store.root / "nowhere").symlink_to("missing")
    assert store.names() == ["one"]


STRANGE = [b"", b"{", b"[]", b"7", b"null", b'"text"', b"\xff\xfe"]


@pytest.mark.parametrize("content", STRANGE)
def test_an_entry_with_an_invalid_manifest_is_made_again(store: Store, content: bytes) -> None:
    store.path("one").mkdir(parents=True)
    (store.path("one") / SEAL).write_bytes(content)
    assert store.manifest("one") is None
    with store.create("one", {"commit": "abc"}):
        pass
    assert (store.manifest("one") or {})["commit"] == "abc"


def test_a_file_has_no_manifest(store: Store) -> None:
    store.root.mkdir()
    store.path("one").touch()
    assert store.manifest("one") is None


def test_a_directory_is_no_manifest(store: Store) -> None:
    (store.path("one") / SEAL).mkdir(parents=True)
    assert store.manifest("one") is None


@pytest.mark.parametrize("complete", [True, False])
def test_an_entry_is_removed_with_its_files_and_nothing_else(store: Store, complete: bool) -> None:
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


def test_an_entry_does_not_count_once_its_removal_begins(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_missing_entry_cannot_be_removed(store: Store) -> None:
    with pytest.raises(Failed, match="could not remove"):
        store.remove("one")


def test_a_digest_is_12_hexadecimal_digits() -> None:
    assert re.fullmatch("[0-9a-f]{12}", digest("anything"))


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


@pytest.mark.parametrize("parts", [("ab", "c"), ("a",), ("a", "bc", None), ("bc", "a"), ("a", ["bc"]), ("a", "bC")])
def test_a_digest_changes_with_each_part(parts: tuple[Any, ...]) -> None:
    assert digest(*parts) != digest("a", "bc")


def sealed(store: Store) -> Path:
    """Return an entry with files, links and byte code."""
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
def test_an_entry_with_a_lost_file_is_not_whole_and_is_made_again(store: Store, lost: str) -> None:
    path = sealed(store)
    (path / lost).unlink()
    assert not store.is_whole("one")
    sealed(store)


@pytest.mark.parametrize("emptied", ["top", "below/deep", CONTENTS, SEAL])
def test_an_entry_with_a_damaged_file_is_not_whole(store: Store, emptied: str) -> None:
    (sealed(store) / emptied).write_text("")
    assert not store.is_whole("one")


def test_an_entry_is_whole_without_byte_code_and_with_later_files(store: Store) -> None:
    path = sealed(store)
    shutil.rmtree(path / "below/__pycache__")
    (path / "later").touch()
    assert store.is_whole("one")


def test_a_missing_entry_is_not_whole(store: Store) -> None:
    assert not store.is_whole("none")
