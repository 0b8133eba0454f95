"""What a build promises."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.build import Builder, Recipe, interpreter_tag
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, Pip
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.modules import build as module
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source
from tests.unit.fakes import FakeModule


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

    def recipe(self) -> Recipe:
        """Return what a build of the source, as it is now, is made of."""
        return Recipe(str(self.path), Source(str(self.path)).content(), "cpython-3.11-x86_64")

    def archive(self) -> Path:
        """Return an archive of the source, as it is now."""
        archive = self.path.with_suffix(".tar.gz")
        with archive.open("wb") as file:
            Source(str(self.path)).write_archive(file)
        return archive

    def make(self) -> Path:
        """Make the build and return its directory."""
        recipe = self.recipe()
        self.builder.make(recipe, self.archive(), sys.executable, self.tool)
        return self.builder.builds.path(recipe.build)


@pytest.fixture(autouse=True)
def nice(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return by how much this process was made nicer, which it is not."""
    found: list[int] = []
    monkeypatch.setattr(os, "nice", found.append)
    return found


@pytest.fixture
def app(tmp_path: Path, layout: Layout) -> App:
    return App(tmp_path / "app", layout)


def recipe(
    code: str = "code", requirements: str = "flask", local: bool = False, interpreter: str = "cpython-3.11-x86_64"
) -> Recipe:
    content: dict[str, Any] = {"digest": code, "commit": None}
    content["requirements"] = {"digest": requirements, "hashed": False, "local": local}
    return Recipe("app", content, interpreter)


def test_the_same_input_is_the_same_build() -> None:
    assert (recipe().build, recipe().venv) == (recipe().build, recipe().venv)


def test_a_change_of_code_alone_keeps_the_packages() -> None:
    assert recipe(code="other").build != recipe().build
    assert recipe(code="other").venv == recipe().venv


@pytest.mark.parametrize("changed", [recipe(requirements="other"), recipe(interpreter="cpython-3.13-x86_64")])
def test_other_requirements_and_another_interpreter_change_code_and_packages(changed: Recipe) -> None:
    assert changed.build != recipe().build
    assert changed.venv != recipe().venv


def test_packages_depend_on_the_code_where_a_requirement_lies_in_it() -> None:
    assert recipe(code="other", local=True).venv != recipe(local=True).venv


def test_where_the_source_lies_does_not_change_the_build() -> None:
    assert Recipe("elsewhere", recipe().content, recipe().interpreter).build == recipe().build


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
    assert not app.builder.exists(app.recipe())
    app.make()
    assert app.builder.exists(app.recipe())


def test_a_build_remembers_where_it_comes_from(app: App) -> None:
    recipe = app.recipe()
    app.make()
    manifest = app.builder.builds.manifest(recipe.build) or {}
    del manifest["created"]
    assert manifest == {
        "build": recipe.build,
        "source": str(app.path),
        "commit": None,
        "packages": recipe.venv,
        "interpreter": "cpython-3.11-x86_64",
    }


def test_a_build_refers_to_its_packages_by_a_relative_link(app: App) -> None:
    assert os.readlink(app.make() / "venv") == f"../../venvs/{app.recipe().venv}"


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


def test_visitors_come_before_a_build(app: App, nice: list[int]) -> None:
    app.make()
    assert nice == [10]


@pytest.mark.parametrize("failure", [Failed("no such package"), KeyboardInterrupt()])
def test_packages_that_cannot_be_installed_leave_nothing_half_made(app: App, failure: BaseException) -> None:
    app.tool.failure = failure
    with pytest.raises(type(failure)):
        app.make()
    assert list(app.builder.builds.root.iterdir()) == []
    assert list(app.builder.venvs.root.iterdir()) == []


def test_a_failure_leaves_the_builds_before_it_as_they_were(app: App) -> None:
    before, recipe = app.make(), app.recipe()
    app.write("requirements.txt", "flask==9.9.9\n")
    app.tool.failure = Failed("no such package")
    with pytest.raises(Failed):
        app.make()
    assert app.builder.exists(recipe)
    assert (before / "venv/installed").read_text() == "flask==3.0.0\n"


def test_packages_that_are_there_are_used_again(app: App) -> None:
    before = app.make()
    app.write("main.py", "application = True\n")
    after = app.make()
    assert after != before
    assert (after / "venv").resolve() == (before / "venv").resolve()
    assert len(app.tool.arguments) == 1


def test_what_a_killed_run_left_is_made_anew(app: App) -> None:
    recipe = app.recipe()
    leftovers = [app.builder.builds.path(recipe.build) / "app", app.builder.venvs.path(recipe.venv)]
    for leftover in leftovers:
        leftover.mkdir(parents=True)
        (leftover / "half").touch()
    app.make()
    assert app.builder.exists(recipe)
    assert not any((leftover / "half").exists() for leftover in leftovers)


class Planner:
    """The module `build`, asked for builds of `app`; `warnings` is what it warned of."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.warnings: list[str] = []

    def plan(self, archive: Path | None = None, check_mode: bool = False) -> Plan:
        """Return what the module would do with the source as it is now."""
        source = str(self.app.path)
        fake = FakeModule(
            check_mode, name="hello", source=source, content=Source(source).content(), python=sys.executable
        )
        fake.params.update(archive=archive and str(archive), index_url="", ca_bundle="", proxy="")
        fake.warnings = self.warnings
        return module.plan(fake)


@pytest.fixture
def planner(app: App, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Planner:
    monkeypatch.setattr(module, "Layout", lambda _: layout)
    monkeypatch.setattr(module, "installer", lambda _: app.tool)
    return Planner(app)


def test_a_host_that_lacks_the_build_asks_for_the_source_before_it_does_anything(planner: Planner) -> None:
    planned = planner.plan()
    assert planned.result["needs_archive"]
    assert planned.steps == []


def test_a_host_that_has_the_source_makes_the_build(planner: Planner) -> None:
    planned = planner.plan(planner.app.archive())
    assert "needs_archive" not in planned.result
    planned.take()
    path = Path(planned.result["path"])
    assert (path / "app/main.py").is_file()
    assert path.name == planned.result["build"]
    assert path.parent == planner.app.builder.builds.root


def test_a_host_that_has_the_build_needs_nothing(planner: Planner) -> None:
    first = planner.plan(planner.app.archive())
    first.take()
    second = planner.plan()
    assert (second.steps, second.result) == ([], first.result)
    assert second.settled == f"has build {first.result['build']}"


def test_check_mode_tells_of_the_build_and_neither_sends_nor_makes_anything(planner: Planner) -> None:
    planned = planner.plan(check_mode=True)
    assert "needs_archive" not in planned.result
    assert len(planned.steps) == 1
    assert not planner.app.builder.builds.root.exists()


def test_a_change_says_whether_the_packages_are_new(planner: Planner) -> None:
    first = planner.plan(planner.app.archive())
    first.take()
    planner.app.write("main.py", "application = True\n")
    second = planner.plan(check_mode=True)
    packages = os.path.basename(os.readlink(Path(first.result["path"]) / "venv"))
    assert [step.says for step in first.steps] == [
        f"build {first.result['build']} with packages {packages}, which are new"
    ]
    assert [step.says for step in second.steps] == [
        f"build {second.result['build']} with packages {packages}, there already"
    ]


@pytest.mark.parametrize(("name", "warnings"), [("pip", 1), ("uv", 0)])
def test_whoever_has_to_wait_for_pip_is_told_why(planner: Planner, name: str, warnings: int) -> None:
    planner.app.tool.name = name
    planner.plan(planner.app.archive()).take()
    assert len(planner.warnings) == warnings
