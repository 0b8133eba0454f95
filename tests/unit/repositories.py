"""Repositories of git for tests, and a git that remembers what it was asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

IDENTITY = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]


def git(directory: Path, *arguments: str) -> str:
    command = ["git", *IDENTITY, "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(directory: Path) -> str:
    """Commit all that is in a directory, which becomes a repository if it is none, and return the commit."""
    git(directory, "init", "--quiet")
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "All")
    return git(directory, "rev-parse", "HEAD")


def add_submodule(directory: Path, url: str, name: str) -> None:
    git(directory, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, name)


def configure(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """Configure git for a test by these settings alone; a `__` in a name stands for a dot."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (name, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name.replace("__", "."))
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)


class Watched:
    """The git of the controller, which from now on writes down what it is asked to do."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = directory / "git.log"
        self.program = directory / "git-bin/git"
        self.program.parent.mkdir()
        self._real = shutil.which("git")
        self.does(f'exec {self._real} "$@"')
        monkeypatch.setenv("PATH", str(self.program.parent), prepend=os.pathsep)

    def does(self, script: str) -> None:
        """Have it do something else from now on."""
        self.program.write_text(f'#!/bin/sh\necho "$@" >> {self.log}\n{script}\n')
        self.program.chmod(0o755)

    def asked(self, command: str) -> int:
        """Return how often it was asked to do `command`, by the code that is tested."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum(line.startswith("-C ") and line.split()[2] == command for line in lines)
