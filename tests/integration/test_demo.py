"""`make demo`, as somebody who has just cloned the repository runs it."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from tests.rig import PROJECT, named

CODE = PROJECT / "app/application.py"
NAME = named("test-demo")


def make(target: str) -> str:
    """Run a target for a demo that is not the user's own, and return what it said."""
    environment = {**os.environ, "WSGI_DEMO": NAME, "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(["make", target], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def containers() -> str:
    return subprocess.run(["docker", "ps", "--all"], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    try:
        yield make("demo")
    finally:
        make("demo-down")


def test_the_demo_ends_with_a_url_that_answers_and_an_edit_goes_live(demo: str) -> None:
    match = re.search(r"(http://localhost:\d+/) answers: Hello, World!", demo)
    assert match, demo
    first = re.search(r"Live release   ([0-9a-f]{12})\n", demo)
    assert first, demo
    before = CODE.read_text()
    try:
        CODE.write_text(before.replace("World", "Demo"))
        again = make("demo")
    finally:
        CODE.write_text(before)
    assert re.search(rf"Live release   [0-9a-f]{{12}}, which replaced {first.group(1)}\n", again), again
    with urllib.request.urlopen(match.group(1), timeout=10) as answer:
        assert answer.read() == b"Hello, Demo!"


def test_the_demo_leaves_no_container_behind(demo: str) -> None:
    assert NAME in containers()
    make("demo-down")
    assert NAME not in containers()
