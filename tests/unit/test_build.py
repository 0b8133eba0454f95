"""What a build promises."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.build import Builder, Plan, interpreter_tag
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, Pip
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source


class FakeTool(Pip):
    """A pip that installs nothing; `arguments` is what it was asked for each time."""

    name = "fake"

    def __init__(self) -> None:
        super().__init__(Index())
        self.arguments: list[list[str]] = []
        self.failure: BaseException | None = None

    def make_venv(self, path: Path, python: str) -> None:
        """Make what looks like a virtual environment, and leave a lock as uv does."""
        (path / "bin").mkdir()
        (path / "bin/python").symlink_to(python)
        (path / ".lock").touch()

    def install(self, venv: Path, arguments: list[str], purpose: str, cwd: Path | None = None) -> None:
        """Install what `requirements.txt` in the source says."""
        self.arguments.append(arguments)
        if self.failure:
            raise self.failure
        (venv / "installed").write_text(((cwd or Path()) / "requirements.txt").read_text())


class App:
    """The source of an application, and how it is built."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self.tool = FakeTool()
        self.builder = Builder(layout)
        path.mkdir()
        self.write("main.py", "application = None\n")
        self.write("requirements.txt", "flask==3.0.0\n")

    def write(self, name: str, text: str) -> None:
        """Change a file of the source."""
        (self.path / name).write_text(text)

    def plan(self) -> Plan:
        """Return what a build of the source, as it is now, is made of."""
        return Plan(str(self.path), Source(str(self.path)).content(), "cpython-3.11-x86_64")

    def make(self) -> Path:
        """Make the build and return its directory."""
        plan = self.plan()
        archive = self.path.with_suffix(".tar.gz")
        with archive.open("wb") as file:
            Source(str(self.path)).write_archive(file)
        self.builder.make(plan, archive, sys.executable, self.tool)
        return self.builder.builds.path(plan.build)


@pytest.fixture
def app(tmp_path: Path, layout: Layout) -> App:
    return App(tmp_path / "app", layout)


def plan(
    code: str = "code", requirements: str = "flask", local: bool = False, interpreter: str = "cpython-3.11-x86_64"
) -> Plan:
    content: dict[str, Any] = {"digest": code, "commit": None}
    content["requirements"] = {"digest": requirements, "hashed": False, "local": local}
    return Plan("app", content, interpreter)


def test_the_same_input_is_the_same_build() -> None:
    assert (plan().build, plan().venv) == (plan().build, plan().venv)


def test_a_change_of_code_alone_keeps_the_packages() -> None:
    assert plan(code="other").build != plan().build
    assert plan(code="other").venv == plan().venv


@pytest.mark.parametrize("changed", [plan(requirements="other"), plan(interpreter="cpython-3.13-x86_64")])
def test_other_requirements_and_another_interpreter_change_code_and_packages(changed: Plan) -> None:
    assert changed.build != plan().build
    assert changed.venv != plan().venv


def test_packages_depend_on_the_code_where_a_requirement_lies_in_it() -> None:
    assert plan(code="other", local=True).venv != plan(local=True).venv


def test_where_the_source_lies_does_not_change_the_build() -> None:
    assert Plan("elsewhere", plan().content, plan().interpreter).build == plan().build


def test_an_interpreter_is_named_by_what_compiled_packages_depend_on() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert interpreter_tag(sys.executable) == f"{sys.implementation.name}-{version}-{platform.machine()}"


def test_an_interpreter_that_the_host_lacks_is_named() -> None:
    with pytest.raises(Failed, match="could not run the interpreter python9: the host has no python9"):
        interpreter_tag("python9")


def test_a_build_has_the_code_and_the_packages(app: App) -> None:
    path = app.make()
    assert (path / "app/main.py").read_text() == "application = None\n"
    assert (path / "venv/installed").read_text() == "flask==3.0.0\n"


def test_a_build_exists_once_it_is_complete(app: App) -> None:
    assert not app.builder.exists(app.plan())
    app.make()
    assert app.builder.exists(app.plan())


def test_a_build_remembers_where_it_comes_from(app: App) -> None:
    plan = app.plan()
    app.make()
    manifest = app.builder.builds.manifest(plan.build) or {}
    del manifest["created"]
    assert manifest == {
        "build": plan.build,
        "source": str(app.path),
        "commit": None,
        "packages": plan.venv,
        "interpreter": "cpython-3.11-x86_64",
    }


def test_a_build_refers_to_its_packages_by_a_relative_link(app: App) -> None:
    assert os.readlink(app.make() / "venv") == f"../../venvs/{app.plan().venv}"


def test_the_code_is_compiled_because_the_application_cannot_do_it(app: App) -> None:
    assert list((app.make() / "app/__pycache__").glob("main.*.pyc"))


def test_code_that_does_not_compile_is_no_obstacle(app: App) -> None:
    app.write("template.py", "def {{ name }}:\n")
    assert (app.make() / "app/template.py").exists()


def test_a_lock_that_everyone_may_write_does_not_stay_in_the_packages(app: App) -> None:
    assert not (app.make() / "venv/.lock").exists()


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("flask==3.0.0\n", ["-r", "requirements.txt"]),
        ("flask==3.0.0 --hash=sha256:00\n", ["--require-hashes", "-r", "requirements.txt"]),
    ],
)
def test_only_pinned_files_are_installed_where_the_requirements_have_hashes(
    app: App, text: str, arguments: list[str]
) -> None:
    app.write("requirements.txt", text)
    app.make()
    assert app.tool.arguments == [arguments]


@pytest.mark.parametrize("failure", [Failed("no such package"), KeyboardInterrupt()])
def test_packages_that_cannot_be_installed_leave_nothing_half_made(app: App, failure: BaseException) -> None:
    app.tool.failure = failure
    with pytest.raises(type(failure)):
        app.make()
    assert list(app.builder.builds.root.iterdir()) == []
    assert list(app.builder.venvs.root.iterdir()) == []


def test_a_failure_leaves_the_builds_before_it_as_they_were(app: App) -> None:
    before, plan = app.make(), app.plan()
    app.write("requirements.txt", "flask==9.9.9\n")
    app.tool.failure = Failed("no such package")
    with pytest.raises(Failed):
        app.make()
    assert app.builder.exists(plan)
    assert (before / "venv/installed").read_text() == "flask==3.0.0\n"


def test_packages_that_are_there_are_used_again(app: App) -> None:
    before = app.make()
    app.write("main.py", "application = True\n")
    after = app.make()
    assert after != before
    assert (after / "venv").resolve() == (before / "venv").resolve()
    assert len(app.tool.arguments) == 1


def test_what_a_killed_run_left_is_made_anew(app: App) -> None:
    plan = app.plan()
    leftovers = [app.builder.builds.path(plan.build) / "app", app.builder.venvs.path(plan.venv)]
    for leftover in leftovers:
        leftover.mkdir(parents=True)
        (leftover / "half").touch()
    app.make()
    assert app.builder.exists(plan)
    assert not any((leftover / "half").exists() for leftover in leftovers)
