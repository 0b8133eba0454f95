"""What fetching from a git repository promises."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils import repository
from ansible_collections.wsgi.production.plugins.plugin_utils.repository import Address
from ansible_collections.wsgi.production.plugins.plugin_utils.run import this_run
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source
from tests.unit.repositories import Watched, add_submodule, commit, configure, git

NOWHERE = "0123456789" * 4


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configure(monkeypatch, protocol__file__allow="always")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/wsgi.production/sources"


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Return a repository with an application, the first of its commits."""
    path = tmp_path / "shop"
    path.mkdir()
    (path / "requirements.txt").touch()
    (path / "main.py").write_text("1\n")
    commit(path)
    return path


@pytest.fixture
def watched(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(tmp_path, monkeypatch)


def change(remote: Path) -> str:
    """Make another commit and return it."""
    with (remote / "main.py").open("a") as file:
        file.write("more\n")
    return commit(remote)


def source_of(remote: Path, rest: str = "") -> Source:
    return Source.of({"source": f"git+file://{remote}{rest}"})


def commit_of(remote: Path, rest: str = "") -> str:
    """Return the commit of a source, from which all its files come."""
    source = source_of(remote, rest)
    main = source.files["main.py"]
    assert source.commit and isinstance(main, Path)
    assert main.read_text().strip() == git(remote, "show", f"{source.commit}:main.py")
    return source.commit


def begin_run(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(repository, "this_run", lambda: {"id": name, "who": name})


def age(days: float, *paths: Path) -> None:
    for path in paths:
        os.utime(path, (time.time() - days * 24 * 3600,) * 2)


@pytest.mark.parametrize(
    ("text", "url", "ref", "subdirectory"),
    [
        ("git+https://host/org/repo.git", "https://host/org/repo.git", "", ""),
        ("git+https://host/org/repo.git@main", "https://host/org/repo.git", "main", ""),
        ("git+https://host/org/repo.git@feature/x#subdirectory=a/b", "https://host/org/repo.git", "feature/x", "a/b"),
        ("git+https://a-user-with-19-char@host/r", "https://a-user-with-19-char@host/r", "", ""),
        ("git+https://user@host:8443/repo#subdirectory=a", "https://user@host:8443/repo", "", "a"),
        ("git+ssh://git@host/org/repo.git@v1.2", "ssh://git@host/org/repo.git", "v1.2", ""),
        (
            "git+ssh://a-deploy-user-with-a-long-name@host/repo",
            "ssh://a-deploy-user-with-a-long-name@host/repo",
            "",
            "",
        ),
        ("git+file:///srv/repo@main", "file:///srv/repo", "main", ""),
        ("git+file:///srv/a@b/repo@main", "file:///srv/a@b/repo", "main", ""),
    ],
)
def test_addresses_are_parsed_as_in_pip(text: str, url: str, ref: str, subdirectory: str) -> None:
    assert Address.parse(text) == Address(text, url, ref, subdirectory)


@pytest.mark.parametrize(
    "text",
    [
        "git+https://user:secret@host/repo.git",
        "git+https://:secret@host/repo.git",
        "git+https://user:@host/secret",
        "git+https://user:se@cret@host/secret.git",
        "git+https://secret-of-20-letters@host/repo.git",
        "git+ssh://git:secret@host/repo.git",
        "git+http://user:secret@host/repo.git",
        "git+file://user:secret@/repo.git",
    ],
)
def test_a_url_with_a_password_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(Failed, match=r"contains a password.*git credential helper.*git\+ssh") as failure:
        Address.parse(text)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("git+https://user:sec/ret@host/repo.git", "write a / between host and path"),
        ("git+https://user:1#secret@host/repo.git", "write a branch after an @"),
        ("git+https://user:secret?x@host/repo.git", "write a / between host and path"),
        ("git+ssh://git@host:secret/repo.git", "write a / between host and path"),
        ("git+https://[secret/repo.git", "write a / between host and path"),
        ("git+https://host/repo?token=secret", "write one of git+https://host/path"),
        ("git+git@host:secret/repo.git", "write one of git+https://host/path"),
        ("git+http://host/secret", "write one of git+https://host/path"),
        ("git+secret", "write one of git+https://host/path"),
        ("git+https:///secret", "write one of git+https://host/path"),
        ("git+file://secret/repo", "write one of git+https://host/path"),
        ("git+https://host/secret@", "nothing after the @ of the URL"),
        ("git+https://host/repo#secret", "write a branch after an @"),
        ("git+https://host/repo#egg=secret", "write a branch after an @"),
        ("git+https://host/secret#subdirectory=", "write a branch after an @"),
    ],
)
def test_an_invalid_address_is_refused_without_showing_a_possible_password(text: str, advice: str) -> None:
    with pytest.raises(Failed) as failure:
        Address.parse(text)
    assert advice in str(failure.value)
    assert "secret" not in str(failure.value)
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


def test_without_a_ref_the_head_of_the_remote_is_used(remote: Path) -> None:
    git(remote, "checkout", "--quiet", "-b", "trunk")
    wanted = change(remote)
    assert wanted != git(remote, "rev-parse", "main")
    assert commit_of(remote) == wanted


@pytest.mark.parametrize("kind", ["branch", "branch/with/slashes", "tag", "annotated", "hash", "HASH"])
def test_a_ref_is_a_branch_a_tag_or_a_hash(remote: Path, kind: str) -> None:
    wanted = git(remote, "rev-parse", "HEAD")
    ref = {"hash": wanted, "HASH": wanted.upper()}.get(kind, kind)
    if kind == "annotated":
        git(remote, "tag", "--annotate", "--message", "Release", ref)
    elif kind == "tag":
        git(remote, "tag", ref)
    elif kind.startswith("branch"):
        git(remote, "branch", ref)
    change(remote)
    assert commit_of(remote, f"@{ref}") == wanted


def test_a_branch_wins_over_a_tag_of_the_same_name_as_in_pip(remote: Path) -> None:
    git(remote, "tag", "--annotate", "--message", "Release", "both")
    git(remote, "branch", "both", change(remote))
    assert commit_of(remote, "@both") == git(remote, "rev-parse", "refs/heads/both")


def test_a_ref_is_never_confused_with_one_that_ends_like_it(remote: Path) -> None:
    git(remote, "branch", "other/refs/heads/new")
    git(remote, "update-ref", "refs/x/refs/heads/new", "HEAD")
    with pytest.raises(Failed, match="has no branch or tag 'new'"):
        source_of(remote, "@new")


@pytest.mark.parametrize("ref", ["nope", "ma*", "--upload-pack=x", "0123abc"])
def test_a_missing_ref_is_named(remote: Path, ref: str) -> None:
    with pytest.raises(Failed) as failure:
        source_of(remote, f"@{ref}")
    assert f"file://{remote} has no branch or tag {ref!r}" in str(failure.value)
    assert f"`git ls-remote file://{remote}` lists" in str(failure.value)


def test_a_missing_commit_is_an_error_with_the_message_of_git(remote: Path) -> None:
    with pytest.raises(Failed, match=rf"^build\.source: git cannot fetch 'git\+file:.*@{NOWHERE}': fatal: .*{NOWHERE}"):
        source_of(remote, f"@{NOWHERE}")


def test_a_repository_without_commits_is_an_error(remote: Path) -> None:
    shutil.rmtree(remote / ".git")
    git(remote, "init", "--quiet")
    with pytest.raises(Failed, match=r"^build\.source: file://.* has no commit: push one"):
        source_of(remote)


def test_an_unreachable_repository_is_an_error_with_the_message_of_git(remote: Path) -> None:
    shutil.rmtree(remote)
    with pytest.raises(Failed, match=r"^build\.source: git cannot fetch 'git\+file:.*/shop': fatal: .*/shop"):
        source_of(remote)


def test_everything_is_fetched_if_a_server_refuses_commits_by_hash(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = git(remote, "rev-parse", "HEAD")
    change(remote)
    watched = Watched(tmp_path, monkeypatch)
    # The first version of the protocol refuses them by default.
    configure(monkeypatch, protocol__file__allow="always", protocol__version="0")
    assert commit_of(remote, f"@{wanted}") == wanted
    assert watched.asked("fetch") == 2


def test_a_commit_that_only_a_tag_has_is_found_if_everything_is_fetched(
    remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(remote, "checkout", "--quiet", "--detach")
    wanted = change(remote)
    git(remote, "tag", "--annotate", "--message", "Release", "v1")
    git(remote, "checkout", "--quiet", "main")
    configure(monkeypatch, protocol__file__allow="always", protocol__version="0")
    assert commit_of(remote, "@v1") == wanted


@pytest.mark.parametrize("back", [0, 1])
def test_only_the_commit_itself_is_fetched(remote: Path, cache: Path, watched: Watched, back: int) -> None:
    change(remote)
    change(remote)
    wanted = commit_of(remote, f"@{git(remote, 'rev-parse', f'HEAD~{back}')}")
    assert watched.asked("fetch") == 1
    (tree,) = cache.glob("*/trees/*")
    assert tree.name == wanted
    assert git(tree, "rev-list", "--all", "HEAD") == wanted


def test_submodules_are_included_even_with_relative_urls(remote: Path, cache: Path, tmp_path: Path) -> None:
    for name in ("inner", "library"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").touch()
        commit(tmp_path / name)
    git(tmp_path / "library", "remote", "add", "origin", f"file://{tmp_path}/library")
    add_submodule(tmp_path / "library", "../inner", "inner")
    commit(tmp_path / "library")
    git(remote, "remote", "add", "origin", f"file://{remote}")
    add_submodule(remote, "../library", "library")
    commit(remote)
    # Later commits of the submodules do not belong to this commit.
    (tmp_path / "inner/later.py").touch()
    commit(tmp_path / "inner")
    assert list(source_of(remote).files) == [
        ".gitmodules",
        "library/.gitmodules",
        "library/inner/inner.py",
        "library/library.py",
        "main.py",
        "requirements.txt",
    ]
    (tree,) = cache.glob("*/trees/*")
    assert git(tree / "library", "rev-list", "--count", "HEAD") == "1"


def test_a_failed_submodule_is_an_error_that_shows_no_password(remote: Path) -> None:
    (remote / ".gitmodules").write_text(
        '[submodule "library"]\npath = library\nurl = http://user:secret@127.0.0.1:1/library\n'
    )
    git(remote, "update-index", "--add", "--cacheinfo", f"160000,{NOWHERE},library")
    git(remote, "add", ".gitmodules")
    git(remote, "commit", "--quiet", "--message", "Submodule")
    with pytest.raises(
        Failed, match=r"(?s)^build\.source: git cannot fetch .*'http://user:\*\*\*@127\.0\.0\.1:1/library"
    ) as failure:
        source_of(remote)
    assert "secret" not in str(failure.value)


def test_a_subdirectory_is_the_whole_source(remote: Path) -> None:
    (remote / "backend").mkdir()
    (remote / "backend/requirements.txt").touch()
    head = commit(remote)
    source = source_of(remote, "#subdirectory=backend")
    assert list(source.files) == ["requirements.txt"]
    assert source.commit == head


@pytest.mark.parametrize("name", ["frontend", "main.py", "..", "../..", "/", "link"])
def test_a_missing_subdirectory_is_refused(remote: Path, name: str) -> None:
    (remote / "link").symlink_to("/")
    head = commit(remote)
    with pytest.raises(Failed, match=f"the commit {head} has no directory '{name}'"):
        source_of(remote, f"#subdirectory={name}")


def test_errors_about_the_source_name_the_url(remote: Path) -> None:
    git(remote, "rm", "--quiet", "requirements.txt")
    commit(remote)
    with pytest.raises(Failed, match=r"^build\.source: 'git\+file:.*/shop' has no requirements\.txt: write one"):
        source_of(remote)


def test_the_commit_is_exact_even_if_git_sees_a_fresh_checkout_as_changed(remote: Path) -> None:
    (remote / "page.html").write_bytes(b"a\r\n")
    commit(remote)
    (remote / ".gitattributes").write_text("*.html text\n")
    git(remote, "add", ".gitattributes")
    git(remote, "commit", "--quiet", "--message", "Attributes")
    assert source_of(remote).commit == git(remote, "rev-parse", "HEAD")


def test_a_run_reads_one_commit_even_if_the_branch_moves(remote: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_run(monkeypatch, "one")
    first = commit_of(remote, "@main")
    second = change(remote)
    assert commit_of(remote, "@main") == first
    begin_run(monkeypatch, "another")
    assert commit_of(remote, "@main") == second
    begin_run(monkeypatch, "one")
    assert commit_of(remote, "@main") == first


def test_a_run_reads_one_commit_even_if_the_first_fetch_failed(
    remote: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = git(remote, "rev-parse", "HEAD")
    script = watched.program.read_text().splitlines()[-1]
    watched.does(f'[ "$3" = fetch ] && exit 1; {script}')
    with pytest.raises(Failed):
        source_of(remote)
    watched.does(script)
    change(remote)
    assert commit_of(remote) == first


def test_refs_and_repositories_are_kept_apart(remote: Path, tmp_path: Path) -> None:
    first = git(remote, "rev-parse", "HEAD")
    git(remote, "branch", "old")
    second = change(remote)
    assert commit_of(remote, "@old") == first
    assert commit_of(remote, "@main") == second
    shutil.copytree(remote, tmp_path / "copy")
    third = change(tmp_path / "copy")
    assert commit_of(tmp_path / "copy", "@main") == third


def test_a_commit_is_not_fetched_twice(remote: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in ("one", "one", "another"):
        begin_run(monkeypatch, run)
        source_of(remote)
    assert (watched.asked("ls-remote"), watched.asked("fetch")) == (2, 1)


def test_a_hash_fetched_before_needs_no_network(remote: Path) -> None:
    head = git(remote, "rev-parse", "HEAD")
    source_of(remote)
    shutil.rmtree(remote)
    assert source_of(remote, f"@{head}").commit == head


def _work(remote: Path, answers: Any) -> None:
    answers.put((source_of(remote, "@main").commit, this_run()["id"]))


def test_parallel_workers_fetch_once_and_see_the_same_commit(remote: Path, watched: Watched) -> None:
    # Enough time for all of them to find that nothing is there.
    script = watched.program.read_text().splitlines()[-1]
    watched.does(f'case "$3" in ls-remote|fetch) sleep 0.3;; esac; {script}')
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    workers = [context.Process(target=_work, args=(remote, answers)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = {answers.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert found == {(git(remote, "rev-parse", "HEAD"), this_run()["id"])}
    assert (watched.asked("ls-remote"), watched.asked("fetch")) == (1, 1)


def test_leftovers_of_a_killed_run_are_ignored_and_removed(remote: Path, cache: Path) -> None:
    head = commit_of(remote)
    (place,) = cache.iterdir()
    shutil.rmtree(place / "trees")
    (place / "incoming/.git").mkdir(parents=True)
    (place / "incoming/main.py").write_text("half")
    (place / "memo").write_text("half")
    assert commit_of(remote) == head
    assert not (place / "incoming").exists()


def test_a_failed_fetch_leaves_no_tree(remote: Path, cache: Path) -> None:
    with pytest.raises(Failed):
        source_of(remote, f"@{NOWHERE}")
    assert not list(cache.glob("*/trees/*"))


def test_only_the_operator_can_read_fetched_sources(remote: Path, cache: Path) -> None:
    source_of(remote)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_without_xdg_the_cache_is_in_the_home_directory(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    source_of(remote)
    assert list((tmp_path / "home/.cache/wsgi.production/sources").glob("*/trees/*"))


def test_an_unwritable_cache_is_an_error_that_names_its_path(remote: Path, cache: Path) -> None:
    cache.parent.parent.touch()
    with pytest.raises(Failed, match=rf"cannot be stored in '{cache}' (.*); set XDG_CACHE_HOME"):
        source_of(remote)


def test_sources_unused_for_long_are_removed_at_the_next_fetch(
    remote: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_run(monkeypatch, "old")
    source_of(remote)
    shutil.copytree(remote, tmp_path / "copy")
    source_of(tmp_path / "copy")
    age(7.1, *cache.glob("*/trees/*"), *cache.glob("*/runs/*"))
    begin_run(monkeypatch, "new")
    new = change(remote)
    assert commit_of(remote) == new
    assert [path.name for path in cache.glob("*/trees/*")] == [new]
    assert len(list(cache.glob("*/runs/*"))) == 1
    assert not list(cache.glob("*/incoming"))


def test_sources_possibly_in_use_are_kept(remote: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_run(monkeypatch, "old")
    old = commit_of(remote)
    age(6.9, *cache.glob("*/trees/*"), *cache.glob("*/runs/*"))
    begin_run(monkeypatch, "new")
    new = change(remote)
    assert commit_of(remote) == new
    assert {path.name for path in cache.glob("*/trees/*")} == {old, new}
    begin_run(monkeypatch, "old")
    assert commit_of(remote) == old


def test_reused_sources_count_as_used(remote: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_run(monkeypatch, "old")
    old = commit_of(remote)
    age(7.1, *cache.glob("*/trees/*"), *cache.glob("*/runs/*"))
    source_of(remote)
    begin_run(monkeypatch, "new")
    new = change(remote)
    source_of(remote)
    assert {path.name for path in cache.glob("*/trees/*")} == {old, new}
    begin_run(monkeypatch, "old")
    assert commit_of(remote) == old


def test_sources_that_another_run_is_fetching_are_left_alone(
    remote: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_of(remote)
    (place,) = cache.iterdir()
    (place / "incoming").mkdir()
    age(7.1, *place.glob("trees/*"))
    shutil.copytree(remote, tmp_path / "copy")
    with repository._locked(place):
        source_of(tmp_path / "copy")
    assert (place / "incoming").exists()
    assert list(place.glob("trees/*"))
