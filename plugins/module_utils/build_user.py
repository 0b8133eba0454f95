# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The build user, a system user that runs all code of a source or of a package during a build.

No application runs as this user, so no application can access a build while it is made. Files that the user creates are
given to root before they are used.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import BUILD_CACHE, CACHE
from ansible_collections.wsgi.production.plugins.module_utils.store import remove_tree
from ansible_collections.wsgi.production.plugins.module_utils.user import Account

NAME = "wsgi-build"

PR_SET_CHILD_SUBREAPER = 36

# How deeply the build user may nest directories.
DEEPEST = 100

# The largest file of the build user that is read, in bytes.
MOST_BYTES = 16 << 20


def ensure() -> pwd.struct_passwd:
    """Return the build user, and create it and its cache directory if the host lacks them.

    :raises Failed: if the host has another user of this name.
    """
    account = Account(NAME, BUILD_CACHE, "the collection runs builds as this user, so rename the other one")
    if not account.exists():
        account.make()
    found = pwd.getpwnam(NAME)
    BUILD_CACHE.mkdir(mode=0o700, exist_ok=True)
    os.chown(BUILD_CACHE, found.pw_uid, found.pw_gid)
    # Only the build user may pass through to the wheels that it installs.
    CACHE.mkdir(mode=0o710, exist_ok=True)
    CACHE.chmod(0o710)
    os.chown(CACHE, 0, found.pw_gid)
    return found


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a temporary directory that belongs to root and that the build user may read."""
    with _temporary() as directory:
        os.chown(directory, -1, ensure().pw_gid)
        directory.chmod(0o750)
        yield directory


def switch(user: pwd.struct_passwd, group: int | None = None) -> dict[str, Any]:
    """Return the options with which `subprocess` runs a program as the build user.

    :param group: its only other group: the group of an application whose packages it may read.
    """
    groups = [] if group is None else [group]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups, "umask": 0o022}


def is_plain_file(path: Path) -> bool:
    """Return whether `path` is a regular file, and not a link, a pipe or anything else that the user may have made."""
    return path.is_file() and not path.is_symlink()


def read_made(path: Path) -> str:
    """Return the text of a file that the build user may have made, after it was given to root.

    :raises Failed: if it is not a regular file, or is too large.
    """
    if not is_plain_file(path) or path.stat().st_size > MOST_BYTES:
        raise Failed(f"{path} is not a file of at most {MOST_BYTES >> 20} MiB")
    return path.read_text(encoding="utf-8", errors="surrogateescape")


@contextmanager
def at_work(*directories: Path) -> Iterator[tuple[pwd.struct_passwd, dict[str, str]]]:
    """Give directories to the build user while the body runs programs as it, and back to root afterwards.

    Yields the user, and the variables for its programs: a new and private home, so that nothing is left for the next
    build. Processes that they leave running are killed before root gets the directories back.

    :raises Failed: if they leave directories that are nested too deeply.
    """
    user = ensure()
    with _temporary() as home, ExitStack() as stack:
        for directory in directories:
            stack.enter_context(_lent(directory, user.pw_uid, user.pw_gid))
        stack.enter_context(_nothing_left(user.pw_uid))
        os.chown(home, user.pw_uid, user.pw_gid)
        yield user, {"HOME": str(home), "TMPDIR": str(home)}


@contextmanager
def _temporary() -> Iterator[Path]:
    """Yield a directory that is removed afterwards, however deeply directories are nested in it."""
    path = Path(mkdtemp())
    try:
        yield path
    finally:
        remove_tree(path)


@contextmanager
def _nothing_left(uid: int) -> Iterator[None]:
    """Kill processes of a user that the body leaves running: they could still write to files that root owns by then.

    A process that loses its parent becomes a child of this process (prctl(2), `PR_SET_CHILD_SUBREAPER`).
    """
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        while left := _children(uid):
            for child in left:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _children(uid: int) -> list[int]:
    """Return the ids of the child processes of this process that run as a user."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # After the name, which may be anything, come the state and the parent (proc_pid_stat(5)).
            parent = (place / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and place.stat().st_uid == uid:
                found.append(int(place.name))
    return found


@contextmanager
def _lent(path: Path, uid: int, gid: int) -> Iterator[None]:
    """Give the directory `path` to a user, and back to its owner afterwards."""
    owner = path.stat()
    with _opened(path) as directory:
        _give(directory, owner.st_uid, uid, gid)
    try:
        yield
    finally:
        with _opened(path) as directory:
            _take(directory, uid, owner.st_uid, owner.st_gid)


def _give(directory: int, owner: int, uid: int, gid: int) -> None:
    """Give an open directory and everything in it to a user.

    The contents come first: programs of the user may already be running, and must not replace anything meanwhile.
    """
    for name in os.listdir(directory):
        with _entry(directory, name, owner, uid, gid) as below:
            if below is not None:
                _give(below, owner, uid, gid)
    os.fchown(directory, uid, gid)


def _take(directory: int, user: int, uid: int, gid: int, depth: int = 0) -> None:
    """Give an open directory and everything in it back to its owner, with the modes of an archive.

    A directory comes before its contents, so that the user can no longer replace anything in it.

    :raises Failed: if directories are nested so deeply that programs which walk through them would fail.
    """
    if depth > DEEPEST:
        raise Failed(f"the build left directories nested more than {DEEPEST} levels deep")
    os.fchown(directory, uid, gid)
    os.fchmod(directory, 0o755)
    for name in os.listdir(directory):
        with _entry(directory, name, user, uid, gid) as below:
            if below is not None:
                _take(below, user, uid, gid, depth + 1)


@contextmanager
def _entry(directory: int, name: str, owner: int, uid: int, gid: int) -> Iterator[int | None]:
    """Change the owner of an entry of an open directory, or open and yield the entry if it is a directory.

    No link is followed. A file that does not belong to `owner` stays unchanged: a hard link may lead to it from here.
    """
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode):
        with _opened(name, directory) as below:
            yield below
        return
    if found.st_uid == owner:
        os.chown(name, uid, gid, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            os.chmod(name, 0o755 if found.st_mode & stat.S_IXUSR else 0o644, dir_fd=directory)
    yield None


@contextmanager
def _opened(path: str | Path, directory: int | None = None) -> Iterator[int]:
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    try:
        yield opened
    finally:
        os.close(opened)
