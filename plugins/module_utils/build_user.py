# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The system user that builds: whatever a build runs of a source or of a package runs as this user.

No application runs as it, so no application can reach a build while it is made. What the user has made belongs to root
before it counts.
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

# How deep directories may be nested in what the user has made.
DEEPEST = 100

# How many bytes of a file of the user's are read.
MOST_BYTES = 16 << 20


def ensure() -> pwd.struct_passwd:
    """Return the user, made where the host lacks it, with the directory that keeps its cache.

    :raises Failed: when somebody can log in under its name.
    """
    account = Account(NAME, BUILD_CACHE, "the collection runs builds as this user, so rename the other one")
    if not account.exists():
        account.make()
    found = pwd.getpwnam(NAME)
    BUILD_CACHE.mkdir(mode=0o700, exist_ok=True)
    os.chown(BUILD_CACHE, found.pw_uid, found.pw_gid)
    # On the way to the wheels that it installs from, and nobody else.
    CACHE.mkdir(mode=0o710, exist_ok=True)
    CACHE.chmod(0o710)
    os.chown(CACHE, 0, found.pw_gid)
    return found


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a directory for what is only needed meanwhile: root's, and the user may read it."""
    with _temporary() as directory:
        os.chown(directory, -1, ensure().pw_gid)
        directory.chmod(0o750)
        yield directory


def switch(user: pwd.struct_passwd, group: int | None = None) -> dict[str, Any]:
    """Return the options with which `subprocess` runs a program as the user.

    :param group: the only group that it is in beside its own: that of an application whose packages it may read.
    """
    groups = [] if group is None else [group]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups, "umask": 0o022}


def is_plain_file(path: Path) -> bool:
    """Tell whether there is a file, and not a link, a pipe or anything else that the user may have made of it."""
    return path.is_file() and not path.is_symlink()


def read_made(path: Path) -> str:
    """Return the text of a file that the user may have made, once that is root's.

    :raises Failed: when it is no file, or one that is too large to be what it should be.
    """
    if not is_plain_file(path) or path.stat().st_size > MOST_BYTES:
        raise Failed(f"{path} is not a file of at most {MOST_BYTES >> 20} MiB")
    return path.read_text(encoding="utf-8", errors="surrogateescape")


@contextmanager
def at_work(*directories: Path) -> Iterator[tuple[pwd.struct_passwd, dict[str, str]]]:
    """Let directories belong to the user while the body runs programs as it, and to root afterwards.

    Yields the user, and the variables that its programs see: a home that is new and theirs alone, so that nothing is
    left there for the next build. What they leave running is ended before the directories are root's again.

    :raises Failed: when what they leave is nested too deep.
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
    """Yield a directory that is removed afterwards, however deep directories are nested in it."""
    path = Path(mkdtemp())
    try:
        yield path
    finally:
        remove_tree(path)


@contextmanager
def _nothing_left(uid: int) -> Iterator[None]:
    """End what the body leaves running of a user, who could write on to what is root's by then.

    Whatever loses its parent becomes a child of this process (prctl(2), `PR_SET_CHILD_SUBREAPER`).
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
    """Return the numbers of the children of this process that run as a user."""
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
    """Let the directory `path` belong to a user, and to its owner again afterwards."""
    owner = path.stat()
    with _opened(path) as directory:
        _give(directory, owner.st_uid, uid, gid)
    try:
        yield
    finally:
        with _opened(path) as directory:
            _take(directory, uid, owner.st_uid, owner.st_gid)


def _give(directory: int, owner: int, uid: int, gid: int) -> None:
    """Let an open directory and all that is in it belong to a user.

    What is in a directory goes first: the user may be at work already, and must not exchange it meanwhile.
    """
    for name in os.listdir(directory):
        with _entry(directory, name, owner, uid, gid) as below:
            if below is not None:
                _give(below, owner, uid, gid)
    os.fchown(directory, uid, gid)


def _take(directory: int, user: int, uid: int, gid: int, depth: int = 0) -> None:
    """Let an open directory and all that is in it belong to its owner again, in the modes of an archive.

    A directory goes before what is in it, so that the user can exchange nothing in there any more.

    :raises Failed: when directories are nested so deep that programs which go through them would fail.
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
    """Hand an entry of an open directory over, or yield it opened if it is a directory itself.

    No link is followed, and what does not belong to `owner` is let be: by a hard link, it may lie elsewhere as well.
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
