# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The commands that complete a build: code of the application, and so run as its user."""

from __future__ import annotations

import ctypes
import os
import pwd
import shlex
import signal
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.command import PATH, Failed

LAST_LINES = 20

PR_SET_CHILD_SUBREAPER = 36


class Commands:
    """Commands that run in the directory of the code, which is theirs to write to meanwhile.

    :param user: the name of the system user that they run as.
    :param env: variables that they see; `PATH`, `HOME` and `TMPDIR` are set for them.
    """

    def __init__(self, commands: Sequence[str], env: Mapping[str, Any], user: str) -> None:
        self.commands = commands
        self.env = env
        self.user = user

    def run(self, code: Path, venv: Path) -> None:
        """Run them, one after the other; `code` belongs to root again afterwards, however that went.

        :param venv: the virtual environment whose programs come first.
        :raises Failed: when one cannot be started or fails, with the end of what it said, or the user is missing.
        """
        if not self.commands:
            return
        try:
            user = pwd.getpwnam(self.user)
        except KeyError as missing:
            raise Failed(f"the host has no user {self.user}, as whom the commands of the build run") from missing
        with TemporaryDirectory() as home, _lent(code, user.pw_uid, user.pw_gid), _nothing_left(user.pw_uid):
            os.chown(home, user.pw_uid, user.pw_gid)
            env = {
                "LANG": "C.UTF-8",
                **{name: str(value) for name, value in self.env.items()},
                "HOME": home,
                "PATH": f"{venv}/bin:{PATH}",
                "TMPDIR": home,
                "VIRTUAL_ENV": str(venv),
            }
            for command in self.commands:
                _run(command, code, env, user)


def _run(command: str, code: Path, env: Mapping[str, str], user: pwd.struct_passwd) -> None:
    try:
        argv = shlex.split(command)
    except ValueError as wrong:
        raise Failed(f"the command {command!r} of the build cannot be split into words: {wrong}") from wrong
    if not argv:
        raise Failed("a command of the build is empty: take it out")
    # Not a pipe: what a command leaves running would hold it open.
    with TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                argv,
                cwd=code,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o022,
                user=user.pw_uid,
                group=user.pw_gid,
                extra_groups=[],
            )
        except OSError as wrong:
            raise Failed(f"the command {command!r} of the build cannot be started: {wrong}") from wrong
        try:
            # It is not to be forgotten yet: its number must stand for nothing else when its children are killed.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        if status != 0:
            output.seek(0)
            said = output.read().decode(errors="replace").strip().splitlines()
            tail = "\n".join(said[-LAST_LINES:])
            raise Failed(f"the command {command!r} of the build failed with status {status}; it said:\n{tail}")


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
def _lent(code: Path, uid: int, gid: int) -> Iterator[None]:
    """Let the directory `code` belong to a user, and to its owner again afterwards."""
    owner = code.stat()
    with _opened(code) as directory:
        _give(directory, owner.st_uid, uid, gid)
    try:
        yield
    finally:
        with _opened(code) as directory:
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


def _take(directory: int, user: int, uid: int, gid: int) -> None:
    """Let an open directory and all that is in it belong to its owner again, in the modes of an archive.

    A directory goes before what is in it, so that the user can exchange nothing in there any more.
    """
    os.fchown(directory, uid, gid)
    os.fchmod(directory, 0o755)
    for name in os.listdir(directory):
        with _entry(directory, name, user, uid, gid) as below:
            if below is not None:
                _take(below, user, uid, gid)


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
