# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What git says: which files of a checkout are part of it, and which commit it is at."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed

# Seconds after which git is ended: it may wait for a server that never answers.
LIMIT = 600

# A hook of git has these in its environment, and a deploy may be started by one: they lead to the hook's repository.
ELSEWHERE = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
}

# The mode by which the index tells a submodule from a file.
SUBMODULE = "160000 "


class Git:
    """Runs git in a directory, and never lets it ask the operator.

    :param trouble: begins the sentence when git fails, such as "git cannot read 'app'".
    :param limit: seconds that all commands together may take.
    """

    def __init__(self, directory: Path, trouble: str, limit: float = LIMIT) -> None:
        self.directory = directory
        self.trouble = trouble
        self.deadline = time.monotonic() + limit

    def __call__(self, *arguments: str) -> str:
        """Run a command of git and return what it wrote to standard output.

        :raises Failed: when git is missing, says no, or takes too long.
        """
        # Not pipes: an ssh that stays behind to share its connection would hold them open.
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    ["git", "-C", self.directory, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    env=_environment(),
                    # Without a terminal, ssh does not ask either; and what git has started can be ended with it.
                    start_new_session=True,
                )
            except FileNotFoundError as missing:
                raise Failed(f"{self.trouble}: install git on the controller") from missing
            status = self._wait(process)
            output.seek(0)
            errors.seek(0)
            if status != 0:
                raise Failed(f"{self.trouble}: {without_passwords(os.fsdecode(errors.read()).strip())}")
            return os.fsdecode(output.read())

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(max(0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired as late:
            _end(process)
            raise Failed(f"{self.trouble}: it took too long; try the same with git by hand") from late
        except BaseException:
            _end(process)
            raise


class Checkout:
    """A directory in a checkout of git.

    :param label: what the operator calls it.
    :raises Failed: from all methods, when git cannot read it.
    """

    def __init__(self, path: Path, label: str) -> None:
        self.path = path
        self.label = label
        # What is a repository among the files is refused before; a git that knows the word refuses it itself.
        self._git = partial(Git(path, f"git cannot read {label!r}"), "-c", "safe.bareRepository=explicit")

    def files(self) -> set[str]:
        """Return the names of all that git tracks or would track, also in submodules.

        :raises Failed: when a submodule is not checked out, or a repository in the checkout is none of its submodules.
        """
        names = set()
        for entry in self._list("--stage"):
            about, _tab, name = entry.partition("\t")
            names |= self._submodule(name) if about.startswith(SUBMODULE) else {name}
        for name in self._list("--others", "--exclude-standard"):
            if name.endswith("/"):
                raise Failed(
                    f"{name[:-1]} in {self.label!r} is a separate git repository; make it a submodule with "
                    "`git submodule add`, or add it to .gitignore"
                )
            names.add(name)
        return names

    def commit(self) -> str | None:
        """Return the commit, with `-dirty` where files differ from it, or None before the first one."""
        try:
            head = self._git("rev-parse", "HEAD").strip()
        except Failed:
            return None
        # The operator's configuration may hide some of it, also from the git that looks into submodules.
        shown = ("-c", "status.showUntrackedFiles=normal", "-c", "diff.ignoreSubmodules=none")
        changes = self._git(*shown, "status", "--porcelain", "--ignore-submodules=none", ".")
        return f"{head}-dirty" if changes else head

    def _list(self, *which: str) -> list[str]:
        return self._git("ls-files", "-z", *which).split("\0")[:-1]

    def _submodule(self, name: str) -> set[str]:
        path = self.path / name
        if not (path / ".git").exists():
            raise Failed(
                f"{name} in {self.label!r} is a git submodule that is not checked out; "
                "run `git submodule update --init --recursive`"
            )
        return {f"{name}/{inner}" for inner in Checkout(path, f"{self.label}/{name}").files()}


def is_checkout(path: Path) -> bool:
    """Tell whether a directory lies in a checkout of git.

    :raises Failed: where git would take files of the checkout for a repository, whose configuration can name programs
        for git to run (git-config(1), `safe.bareRepository`).
    """
    # git looks at the places that links lead to, and takes a `HEAD` that is a link to nothing.
    real = path.resolve()
    for above in (real, *real.parents):
        if (above / ".git").exists():
            return True
        if os.path.lexists(above / "HEAD") and any((above / name).exists() for name in ("objects", "commondir")):
            raise Failed(
                f"{str(above)!r} looks like a bare git repository, because it contains HEAD and objects; "
                "remove them, or choose another directory"
            )
    return False


def without_passwords(text: str) -> str:
    """Return `text` without the passwords of URLs: those of submodules are not ours to refuse, and git shows some."""
    return re.sub(r"(://[^/@\s:]*):[^/\s]*@", r"\1:***@", text)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    # The index of a checkout is not ours to refresh, and others read it at the same time.
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
