# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Asks git which files belong to a checkout, and which commit it is at."""

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

# Seconds after which git is killed: it may be waiting for a server that never answers.
LIMIT = 600

# Git sets these in the environment of a hook, which may start a deploy: they point to the hook's repository.
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

# The mode that marks a submodule in the index.
SUBMODULE = "160000 "


class Git:
    """Runs git in a directory, and never lets it prompt the operator.

    :param trouble: the start of the message when git fails, such as "git cannot read 'app'".
    :param limit: seconds that all commands together may take.
    """

    def __init__(self, directory: Path, trouble: str, limit: float = LIMIT) -> None:
        self.directory = directory
        self.trouble = trouble
        self.deadline = time.monotonic() + limit

    def __call__(self, *arguments: str) -> str:
        """Run a git command and return its standard output.

        :raises Failed: when git is missing, fails, or takes too long.
        """
        # Not pipes: an ssh process that keeps running to share its connection would hold them open.
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    ["git", "-C", self.directory, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    env=_environment(),
                    # Without a terminal, ssh does not prompt either; and git's child processes can be killed with it.
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
    """A directory in a git checkout.

    :param label: the operator's name for it.
    :raises Failed: from all methods, when git cannot read it.
    """

    def __init__(self, path: Path, label: str) -> None:
        self.path = path
        self.label = label
        # `is_checkout` refuses files that look like a bare repository; a git that knows this setting refuses them too.
        self._git = partial(Git(path, f"git cannot read {label!r}"), "-c", "safe.bareRepository=explicit")

    def files(self) -> set[str]:
        """Return the names of all files that git tracks or would track, including those in submodules.

        :raises Failed: when a submodule is not checked out, or a repository in the checkout is not a submodule.
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
        """Return the commit, with `-dirty` if files differ from it, or None if there is no commit yet."""
        try:
            head = self._git("rev-parse", "HEAD").strip()
        except Failed:
            return None
        # The operator's git configuration may hide changes, also from the git process that looks into submodules.
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
    """Return whether a directory is in a git checkout.

    :raises Failed: when git would mistake files of the checkout for a repository, whose configuration can name programs
        for git to run (git-config(1), `safe.bareRepository`).
    """
    # git looks at the path after resolving links, and accepts a `HEAD` that is a dangling link.
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
    """Return `text` without the passwords in URLs: we cannot refuse those of submodules, and git shows some."""
    return re.sub(r"(://[^/@\s:]*):[^/\s]*@", r"\1:***@", text)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    # Do not refresh the index of the checkout, because others may read it at the same time.
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
