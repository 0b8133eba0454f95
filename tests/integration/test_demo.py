"""`make demo`, as somebody who has just cloned the repository runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import PROJECT, named

NAME = named("test-demo")
NO_PART_OF_A_CLONE = shutil.ignore_patterns(".git", ".rig", ".venv", ".ansible", ".*_cache", "__pycache__")


def make(target: str, clone: Path) -> str:
    """Run a target for a demo that is not the user's own, and return what it said."""
    environment = {**os.environ, "WSGI_DEMO": NAME, "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(["make", target], cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def containers() -> str:
    return subprocess.run(["docker", "ps", "--all"], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout, below a name with a space, to be edited while other tests use the original."""
    copy = tmp_path_factory.mktemp("demo") / "a clone"
    shutil.copytree(PROJECT, copy, symlinks=True, ignore=NO_PART_OF_A_CLONE)
    (copy / ".venv").symlink_to(PROJECT / ".venv")
    return copy


@pytest.fixture(scope="module")
def demo(clone: Path) -> Iterator[str]:
    try:
        yield make("demo", clone)
    finally:
        make("demo-down", clone)


def test_the_demo_ends_with_a_url_that_answers_and_an_edit_goes_live(demo: str, clone: Path) -> None:
    match = re.search(r"(http://localhost:\d+/) answers: Hello, World!", demo)
    assert match, demo
    first = re.search(r"Live release   ([0-9a-f]{12})\n", demo)
    assert first, demo
    code = clone / "app/application.py"
    code.write_text(code.read_text().replace("World", "Demo"))
    again = make("demo", clone)
    assert re.search(rf"Live release   [0-9a-f]{{12}}, which replaced {first.group(1)}\n", again), again
    with urllib.request.urlopen(match.group(1), timeout=10) as answer:
        assert answer.read() == b"Hello, Demo!"


def test_the_demo_leaves_no_container_behind(demo: str, clone: Path) -> None:
    assert NAME in containers()
    make("demo-down", clone)
    assert NAME not in containers()
