# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""A remote git repository: its address in pip's notation, and the commit that a run fetches from it once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils.cache import cache
from ansible_collections.wsgi.production.plugins.plugin_utils.checkout import Git
from ansible_collections.wsgi.production.plugins.plugin_utils.run import this_run

PREFIX = "git+"
SCHEMES = ("https", "ssh", "file")
HASH = re.compile(r"[0-9a-fA-F]{40}")

# A user name with at least this many characters is a token rather than a name.
TOKEN = 20

# Seconds for which unused files are kept: longer than any run lasts.
KEEP = 7 * 24 * 3600


@dataclass(frozen=True)
class Address:
    """Where a repository is, as `git+https://host/org/repo.git@ref#subdirectory=backend` says.

    :ivar text: the whole address.
    :ivar ref: a branch, a tag or the full hash of a commit; empty for the remote's HEAD.
    :ivar subdirectory: the application's directory in the repository; empty for the top.
    """

    text: str
    url: str
    ref: str
    subdirectory: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address in `text`.

        :raises Failed: when it is not an address, or contains a password. The message does not show it, because any
            part of a malformed address may contain a password.
        """
        try:
            parts = urlsplit(text.removeprefix(PREFIX))
            secret = parts.password is not None
            host, _port = parts.hostname, parts.port
        except ValueError:
            raise Failed(
                "this is not the URL of a git repository: write a / between host and path, and a : only "
                "before a port number, such as git+ssh://git@git.example.org/shop/shop.git"
            ) from None
        if secret or (parts.scheme == "https" and len(parts.username or "") >= TOKEN):
            raise Failed(
                "the URL contains a password, which would end up in manifests on every host; remove it "
                "and use a git credential helper, or git+ssh://"
            )
        if parts.scheme not in SCHEMES or bool(host) is (parts.scheme == "file") or parts.query:
            known = ", ".join(f"git+{one}" for one in ("https://host/path", "ssh://user@host/path", "file:///path"))
            raise Failed(f"this URL of a git repository is not supported; write one of {known}")
        path, at, ref = parts.path.rpartition("@") if "@" in parts.path else (parts.path, "", "")
        key, _sign, subdirectory = parts.fragment.partition("=")
        if at and not ref:
            raise Failed("there is nothing after the @ of the URL; write a branch, a tag, or the full hash of a commit")
        if parts.fragment and (key != "subdirectory" or not subdirectory):
            raise Failed("only subdirectory=... can follow the # of the URL; write a branch after an @")
        return cls(text, f"{parts.scheme}://{parts.netloc}{path}", ref, subdirectory)


class Repository:
    """A repository from which this run reads one commit, even if its branches move meanwhile.

    Fetched files are kept in the user's cache, in one tree for each commit, until no run has used them for days.

    :param address: where it is.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.cache = cache("sources")
        self.place = self.cache / hashlib.sha256(address.url.encode()).hexdigest()[:16]

    def fetch(self) -> tuple[Path, str]:
        """Return the directory with the application, and the commit; fetch them if they are not in the cache.

        :raises Failed: when git cannot fetch the repository, or it has no such ref or directory.
        """
        try:
            self.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.place.mkdir(exist_ok=True)
            with _locked(self.place):
                commit = self._commit()
                fetched = self._tree(commit)
            if fetched:
                _prune(self.cache)
        except OSError as error:
            raise Failed(
                f"{self.address.text!r} cannot be stored in {str(self.cache)!r} ({error.strerror}); set "
                "XDG_CACHE_HOME to a directory with more space or other permissions"
            ) from error
        return self._inside(commit), commit

    def _commit(self) -> str:
        """Return the commit that this run reads, and remember it."""
        if HASH.fullmatch(self.address.ref):
            return self.address.ref.lower()
        key = hashlib.sha256(f"{this_run()['id']} {self.address.ref}".encode()).hexdigest()
        memo = self.place / "runs" / key
        if not memo.exists():
            commit = self._resolve()
            memo.parent.mkdir(exist_ok=True)
            incomplete = self.place / "memo"
            incomplete.write_text(commit, encoding="ascii")
            incomplete.rename(memo)
        os.utime(memo)
        return memo.read_text(encoding="ascii")

    def _resolve(self) -> str:
        """Return the commit that the ref currently has on the remote."""
        ref = self.address.ref
        names = [f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}"] if ref else ["HEAD"]
        listed = self._git(self.place)("ls-remote", self.address.url, *names)
        found = {name: commit for commit, name in (line.split("\t") for line in listed.splitlines())}
        for name in names:
            if name in found:
                return found[name]
        if not ref:
            raise Failed(f"{self.address.url} has no commit: push one")
        raise Failed(
            f"{self.address.url} has no branch or tag {ref!r}: `git ls-remote {self.address.url}` lists them; write a "
            "commit with all 40 digits of its hash"
        )

    def _tree(self, commit: str) -> bool:
        """Make sure that the complete tree of `commit` is in the cache; return whether it had to be fetched."""
        tree = _tree_of(self.place, commit)
        missing = not tree.exists()
        if missing:
            self._download(commit).rename(tree)
        # Pruning relies on this time.
        os.utime(tree)
        return missing

    def _download(self, commit: str) -> Path:
        """Return a new checkout of `commit`."""
        incoming = _incoming(self.place)
        git = self._git(incoming)
        try:
            self._check_out(git, commit, ["--depth", "1", "origin", commit], ["--depth", "1"])
        except Failed:
            # Some servers send only the tips of branches and tags, with their whole history.
            _incoming(self.place)
            self._check_out(git, commit, ["--tags", "origin"], [])
        return incoming

    def _check_out(self, git: Git, commit: str, what: list[str], of_submodules: list[str]) -> None:
        git("init", "--quiet")
        # Relative URLs of submodules are resolved against the remote with this name.
        git("remote", "add", "origin", self.address.url)
        git("fetch", "--quiet", *what)
        git("checkout", "--quiet", commit)
        git("submodule", "--quiet", "update", "--init", "--recursive", *of_submodules)

    def _git(self, directory: Path) -> Git:
        return Git(directory, f"git cannot fetch {self.address.text!r}")

    def _inside(self, commit: str) -> Path:
        top = _tree_of(self.place, commit).resolve()
        path = (top / self.address.subdirectory).resolve()
        if not path.is_dir() or not path.is_relative_to(top):
            raise Failed(f"{self.address.text!r}: the commit {commit} has no directory {self.address.subdirectory!r}")
        return path


def _tree_of(place: Path, commit: str) -> Path:
    return place / "trees" / commit


def _incoming(place: Path) -> Path:
    """Return a new directory for incomplete files; remove what a killed run left there."""
    path = place / "incoming"
    # Usually there is none; if it cannot be removed, mkdir fails.
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    (place / "trees").mkdir(exist_ok=True)
    return path


@contextmanager
def _locked(place: Path, wait: bool = True) -> Iterator[None]:
    """Lock a repository's part of the cache while the body runs.

    :raises BlockingIOError: when another process has locked it and `wait` is false.
    """
    with (place / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _prune(cache: Path) -> None:
    """Remove what no run has used for a long time; skip a repository that another run is fetching."""
    for place in [lock.parent for lock in cache.glob("*/lock")]:
        with suppress(BlockingIOError), _locked(place, wait=False):
            for path in [*place.glob("runs/*"), *place.glob("trees/*")]:
                if time.time() - path.stat().st_mtime > KEEP:
                    # In one step, because half a tree is worse than none.
                    path.rename(_incoming(place) / "old")
            # Usually nothing was old. The next fetch removes what is left, and reports an error if it cannot.
            shutil.rmtree(place / "incoming", ignore_errors=True)
