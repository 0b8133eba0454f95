"""What running git on the controller promises."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils.checkout import Git, is_checkout, without_passwords
from ansible_collections.wsgi.production.plugins.plugin_utils.directory import Directory
from tests.unit.repositories import Watched, commit, configure, git


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    configure(monkeypatch)
    return Watched(tmp_path, monkeypatch)


def gone(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip() in ("", "Z")


def test_git_says_why_it_fails(tmp_path: Path, watched: Watched) -> None:
    with pytest.raises(Failed, match=r"^git cannot read 'app': fatal: not a git repository"):
        Git(tmp_path, "git cannot read 'app'")("status")


def test_the_error_says_to_install_a_missing_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed, match=r"^git cannot read 'app': install git on the controller$"):
        Git(tmp_path, "git cannot read 'app'")("status")


def test_a_git_that_takes_too_long_is_killed_with_its_children(tmp_path: Path, watched: Watched) -> None:
    watched.does(f"sleep 600 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(Failed, match=r"^git cannot read 'app': it took too long"):
        Git(tmp_path, "git cannot read 'app'", limit=1)("status")
    time.sleep(0.1)
    assert gone(int((tmp_path / "pid").read_text()))


def test_all_commands_share_one_time_limit(tmp_path: Path, watched: Watched) -> None:
    watched.does("sleep 0.6")
    git = Git(tmp_path, "git cannot read 'app'", limit=1)
    git("status")
    with pytest.raises(Failed, match="it took too long"):
        git("status")


def test_git_is_killed_when_the_operator_stops_the_run(
    tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.does("exec sleep 600")
    started: list[subprocess.Popen[bytes]] = []
    wait = subprocess.Popen.wait

    def interrupted(self: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        started.append(self)
        if len(started) == 1:
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Git(tmp_path, "git cannot read 'app'")("status")
    assert gone(started[0].pid)


def test_a_child_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path, watched: Watched) -> None:
    watched.does(f"sleep 20 & echo $! > {tmp_path}/pid; echo done")
    begin = time.monotonic()
    assert Git(tmp_path, "git cannot read 'app'")("status") == "done\n"
    assert time.monotonic() - begin < 10
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_git_never_prompts(tmp_path: Path, watched: Watched) -> None:
    watched.does('read line && echo asked; (: < /dev/tty) 2> /dev/null && echo asked; echo "$GIT_TERMINAL_PROMPT"')
    assert Git(tmp_path, "git cannot read 'app'")("status") == "0\n"


def test_reading_a_checkout_does_not_change_its_index(tmp_path: Path, watched: Watched) -> None:
    (tmp_path / "main.py").touch()
    commit(tmp_path)
    os.utime(tmp_path / "main.py", (1, 1))
    before = (tmp_path / ".git/index").read_bytes()
    Git(tmp_path, "git cannot read 'app'")("status")
    assert (tmp_path / ".git/index").read_bytes() == before


class Trap:
    """A checkout in which a directory is also a repository, whose configuration makes git run a program.

    :ivar sprung: exists once that program has run.
    """

    def __init__(self, root: Path) -> None:
        self.sprung = root / "sprung"
        self.program = root / "program"
        self.program.write_text(f"#!/bin/sh\ntouch {self.sprung}\n")
        self.program.chmod(0o755)
        self.checkout = root / "checkout"
        self.directory = self.checkout / "app"
        for name in ("objects/x", "refs/x", "main.py", "pages/index.html"):
            (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / name).touch()
        (self.directory / "HEAD").write_text("ref: refs/heads/main\n")
        self.configure("worktree = .")

    def configure(self, *lines: str) -> None:
        """Let git run the program, and set more."""
        settings = "\n".join(["[core]", f"fsmonitor = {self.program}", "repositoryformatversion = 0", *lines, ""])
        (self.directory / "config").write_text(settings)

    def clone(self) -> Path:
        """Clone the checkout, as a user who does not trust it, and return the directory in the clone."""
        commit(self.checkout)
        copy = self.checkout.with_name("clone")
        git(self.checkout.parent, "clone", "--quiet", str(self.checkout), str(copy))
        return copy / "app"


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trap:
    configure(monkeypatch)
    return Trap(tmp_path)


@pytest.mark.parametrize("below", ["", "pages"])
def test_configuration_inside_a_checkout_cannot_make_git_run_a_program(trap: Trap, below: str) -> None:
    source = trap.clone() / below
    with pytest.raises(Failed, match=r"^'/.*/clone/app' looks like a bare git repository, "):
        Directory(source, "app").commit()
    assert not trap.sprung.exists()
    # What is refused is what git would have taken.
    git(source, "status")
    assert trap.sprung.exists()


def test_links_cannot_hide_a_repository(trap: Trap) -> None:
    (trap.directory / "HEAD").unlink()
    (trap.directory / "HEAD").symlink_to("refs/heads/main")
    (trap.checkout / "link").symlink_to("app/pages")
    source = trap.clone().parent / "link"
    with pytest.raises(Failed, match=r"^'/.*/clone/app' looks like a bare git repository, "):
        Directory(source, "link").commit()
    assert not trap.sprung.exists()
    git(source, "status")
    assert trap.sprung.exists()


def test_a_repository_with_objects_elsewhere_cannot_run_a_program_either(trap: Trap) -> None:
    shared = trap.directory.with_name("shared")
    shared.mkdir()
    for name in ("objects", "refs", "config"):
        (trap.directory / name).rename(shared / name)
    (trap.directory / "commondir").write_text("../shared\n")
    source = trap.clone()
    with pytest.raises(Failed, match="looks like a bare git repository"):
        Directory(source, "app").commit()
    assert not trap.sprung.exists()
    git(source, "--work-tree=.", "status")
    assert trap.sprung.exists()


@pytest.mark.parametrize("there", [("HEAD",), ("objects/x", "refs/x"), ("commondir",)])
def test_files_that_only_resemble_a_repository_are_accepted(tmp_path: Path, there: tuple[str, ...]) -> None:
    (tmp_path / ".git").mkdir()
    for name in there:
        (tmp_path / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "app" / name).touch()
    assert is_checkout(tmp_path / "app")


def test_files_behind_a_link_that_replaced_a_directory_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch)
    checkout, away = tmp_path / "checkout", tmp_path / "away"
    for place in (checkout / "pages/more", away / "more"):
        place.mkdir(parents=True)
        (place / "index.html").touch()
        (place.parent / "secret").touch()
    (checkout / "main.py").touch()
    commit(checkout)
    shutil.rmtree(checkout / "pages")
    (checkout / "pages").symlink_to(away)
    assert Directory(checkout, "app").files == ["main.py", "pages"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("clone of 'https://user:secret@host/x' failed", "clone of 'https://user:***@host/x' failed"),
        ("https://user:sec@ret@host/x", "https://user:***@host/x"),
        ("https://:secret@host/x and https://a:secret@b/", "https://:***@host/x and https://a:***@b/"),
        ("ssh://git@host:22/x", "ssh://git@host:22/x"),
        ("https://host:443/x@y", "https://host:443/x@y"),
    ],
)
def test_passwords_in_urls_are_hidden(text: str, shown: str) -> None:
    assert without_passwords(text) == shown
