"""What a build promises."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import build as unit
from ansible_collections.wsgi.production.plugins.module_utils import rules
from ansible_collections.wsgi.production.plugins.module_utils.build import (
    Builder,
    Recipe,
    base_interpreter,
    interpreter_tag,
)
from ansible_collections.wsgi.production.plugins.module_utils.build_commands import Commands
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.formats import FromIndex, Wanted
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, Pip
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.steps import build as module
from ansible_collections.wsgi.production.plugins.module_utils.user import User
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

    def install(self, venv: Path, arguments: list[str], purpose: str, cwd: Path | None = None, **_: Any) -> None:
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
        self.commands: list[str] = []

    def write(self, name: str, text: str) -> None:
        """Change a file of the source."""
        (self.path / name).write_text(text)

    def recipe(self) -> Recipe:
        """Return what a build of the source, as it is now, is made of."""
        content = self.source().content()
        return Recipe(str(self.path), content, "cpython-3.11-x86_64", self.commands, {"DEBUG": True})

    def source(self) -> Source:
        """Return the source as it is now."""
        return Source.of({"source": str(self.path)})

    def archive(self) -> Path:
        """Return an archive of the source, as it is now."""
        archive = self.path.with_suffix(".tar.gz")
        with archive.open("wb") as file:
            self.source().write_archive(file)
        return archive

    def make(self) -> Path:
        """Make the build and return its directory."""
        recipe = self.recipe()
        packages = FromIndex(Wanted.of(recipe.content["dependencies"]), {})
        self.builder.make(recipe, self.archive(), sys.executable, self.tool, packages)
        return self.builder.builds.path(recipe.build)


@pytest.fixture(autouse=True)
def nice(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the requested changes of niceness; none of them is made."""
    found: list[int] = []
    monkeypatch.setattr(os, "nice", found.append)
    return found


@pytest.fixture
def app(tmp_path: Path, layout: Layout) -> App:
    return App(tmp_path / "app", layout)


def recipe(
    code: str = "code",
    requirements: str = "flask",
    local: bool = False,
    interpreter: str = "cpython-3.11-x86_64",
    **more: Any,
) -> Recipe:
    content: dict[str, Any] = {"digest": code, "commit": None}
    content["dependencies"] = {"digest": requirements, "local": local, "options": []}
    return Recipe("app", content, interpreter, **more)


def test_same_input_gives_the_same_build() -> None:
    assert (recipe().build, recipe().venv) == (recipe().build, recipe().venv)


@pytest.mark.parametrize("changed", [{"code": "other"}, {"commands": ["make"]}, {"env": {"DEBUG": "1"}}])
def test_changed_code_or_commands_keep_the_packages(changed: dict[str, Any]) -> None:
    assert recipe(**changed).build != recipe().build
    assert recipe(**changed).venv == recipe().venv


@pytest.mark.parametrize(
    "changed",
    [
        recipe(requirements="other"),
        recipe(interpreter="cpython-3.13-x86_64"),
        recipe(wheels="other"),
        recipe(revision="2"),
    ],
)
def test_changed_packages_interpreter_or_revision_change_build_and_packages(changed: Recipe) -> None:
    assert changed.build != recipe().build
    assert changed.venv != recipe().venv


@pytest.mark.parametrize("changed", [{"code": "other"}, {"commands": ["make"]}, {"env": {"DEBUG": "1"}}])
def test_packages_that_may_refer_to_a_build_belong_to_it_alone(changed: dict[str, Any]) -> None:
    assert recipe(local=True, **changed).venv != recipe(local=True).venv


def test_the_source_path_does_not_change_the_build() -> None:
    assert Recipe("elsewhere", recipe().content, recipe().interpreter).build == recipe().build


def test_an_interpreter_tag_has_what_compiled_packages_depend_on() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert interpreter_tag(sys.executable) == f"{sys.implementation.name}-{version}-{platform.machine()}"


def test_the_error_for_a_missing_interpreter_lists_those_that_exist(tmp_path: Path) -> None:
    for name in ("python3", "python3.13", "python3.9", "python3.9-config", "python3.13t", "pip3.9"):
        (tmp_path / name).touch()
    with pytest.raises(
        Failed, match=r"^the host has no interpreter python9 \(it has python3\.9, python3\.13\): set build\.python"
    ):
        base_interpreter("python9", [tmp_path, tmp_path / "missing"])
    with pytest.raises(Failed, match=r"\(it has none\):"):
        base_interpreter("/usr/bin/python9", [])


def test_interpreters_are_found_only_in_fixed_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Path("/usr/local/bin"), Path("/usr/bin")) == unit.PROGRAMS
    (tmp_path / "python9").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed, match="the host has no interpreter python9"):
        interpreter_tag("python9")


def test_a_broken_interpreter_shows_its_output(tmp_path: Path) -> None:
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\necho broken; exit 1\n")
    program.chmod(0o755)
    with pytest.raises(Failed, match=f"could not run the interpreter {program}; python3 said:\nbroken"):
        interpreter_tag(program)


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
        "python": str(Path(sys.executable).resolve()),
    }


def test_the_packages_remember_what_they_were_installed_from(app: App) -> None:
    app.make()
    manifest = app.builder.venvs.manifest(app.recipe().venv) or {}
    del manifest["created"]
    assert manifest == {
        "packages": app.recipe().venv,
        "interpreter": "cpython-3.11-x86_64",
        "installer": "fake",
        "dependencies": {"file": "requirements.txt", "hashes": False},
    }


def test_the_packages_remember_the_wheels_that_they_were_installed_from(app: App) -> None:
    class Wheels(FromIndex):
        def about(self) -> dict[str, Any]:
            return {"wheels": "w1"}

    recipe = app.recipe()
    wanted = Wanted.of(recipe.content["dependencies"])
    app.builder.make(recipe, app.archive(), sys.executable, app.tool, Wheels(wanted, {}))
    assert (app.builder.venvs.manifest(recipe.venv) or {})["wheels"] == "w1"


class Chores(Commands):
    """Commands that are not run, but leave a file where they would have been."""

    def run(self, code: Path, venv: Path, group: int | None = None) -> None:
        """Note what is there already, and what was asked for."""
        told = [self.commands, self.env, (venv / "installed").exists(), (code / "__pycache__").exists()]
        (code / "told").write_text(json.dumps(told))
        (code / "made.py").write_text("made = True\n")


def test_commands_run_after_the_packages_are_installed_and_their_code_is_compiled(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "Commands", Chores)
    app.commands = ["make"]
    path = app.make()
    assert json.loads((path / "app/told").read_text()) == [["make"], {"DEBUG": True}, True, False]
    assert list((path / "app/__pycache__").glob("made.*.pyc"))


def test_a_command_that_fails_leaves_no_build_and_keeps_the_packages(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Commands):
        def run(self, code: Path, venv: Path, group: int | None = None) -> None:
            raise Failed("no")

    monkeypatch.setattr(unit, "Commands", Failing)
    with pytest.raises(Failed, match="no"):
        app.make()
    assert not app.builder.exists(app.recipe())
    assert list(app.builder.builds.root.iterdir()) == []
    assert app.builder.has_packages(app.recipe())


def test_a_build_refers_to_its_packages_by_a_relative_link(app: App) -> None:
    assert os.readlink(app.make() / "venv") == f"../../venvs/{app.recipe().venv}"


def test_the_code_is_compiled_because_the_application_cannot_do_it(app: App) -> None:
    assert list((app.make() / "app/__pycache__").glob("main.*.pyc"))


def test_root_runs_no_code_of_packages(app: App, tmp_path: Path) -> None:
    mark = tmp_path / "ran"

    class Infected(FakeTool):
        """Installs a package with code that each start of the interpreter runs."""

        def make_venv(self, path: Path, python: str) -> None:
            super().make_venv(path, python)
            (path / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")

        def install(self, venv: Path, arguments: list[str], purpose: str, cwd: Path | None = None, **_: Any) -> None:
            version = f"python{sys.version_info.major}.{sys.version_info.minor}"
            packages = venv / "lib" / version / "site-packages"
            packages.mkdir(parents=True)
            (packages / "evil.pth").write_text(f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n")

    app.tool = Infected()
    path = app.make()
    assert list((path / "app/__pycache__").glob("main.*.pyc"))
    assert not mark.exists()
    interpreter_tag(path / "venv/bin/python")
    assert not mark.exists()
    subprocess.run([path / "venv/bin/python", "-c", ""], check=True)
    assert mark.exists()


@pytest.mark.parametrize(
    ("brought", "said"),
    [
        ({"evil": ["../../../pyvenv.cfg"]}, "evil replaces pyvenv.cfg of the virtual environment"),
        ({"evil": ["../../../bin/python"]}, "evil replaces bin/python of the virtual environment"),
        ({"evil": ["../../../bin/python3.99"]}, "evil replaces bin/python3.99 of the virtual environment"),
        ({"good": ["../../../bin/tool"], "evil": ["../../../bin/tool"]}, "evil and good both contain bin/tool"),
    ],
    ids=["configuration", "interpreter", "another interpreter", "program"],
)
def test_a_package_that_replaces_the_interpreter_or_a_program_is_refused_by_name(
    app: App, brought: dict[str, list[str]], said: str
) -> None:
    class Replacing(FakeTool):
        def install(self, venv: Path, arguments: list[str], purpose: str, cwd: Path | None = None, **_: Any) -> None:
            packages = venv / "lib/python3.11/site-packages"
            for name, places in brought.items():
                (packages / f"{name}-1.0.dist-info").mkdir(parents=True)
                (packages / f"{name}-1.0.dist-info/RECORD").write_text("".join(f"{place},,\n" for place in places))
                for place in places:
                    path = Path(os.path.normpath(packages / place))
                    path.unlink(missing_ok=True)
                    path.write_text(name)

    app.tool = Replacing()
    with pytest.raises(Failed, match=re.escape(said)):
        app.make()
    assert not app.builder.has_packages(app.recipe())


def test_root_runs_no_interpreter_of_an_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit, "APPLICATIONS", tmp_path)
    program = tmp_path / "hello/venv/bin/python"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(Failed, match="which belongs to an application: use an interpreter of the host"):
        interpreter_tag(program)
    program.unlink()
    program.symlink_to(sys.executable)
    assert base_interpreter(program) == Path(sys.executable).resolve()


@pytest.mark.parametrize("place", ["", "pages"])
@pytest.mark.parametrize("made", ["source", "commands"])
def test_compiled_code_is_never_written_through_a_symlink(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, made: str
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    (app.path / "pages").mkdir()
    app.write("pages/views.py", "views = []\n")

    def infect(code: Path) -> None:
        (code / place / "__pycache__").symlink_to(away)

    class Infecting(Commands):
        def run(self, code: Path, venv: Path, group: int | None = None) -> None:
            infect(code)

    if made == "commands":
        monkeypatch.setattr(unit, "Commands", Infecting)
    else:
        unpack = unit.unpack_source

        def unpack_infected(archive: Path, code: Path) -> None:
            unpack(archive, code)
            infect(code)

        monkeypatch.setattr(unit, "unpack_source", unpack_infected)
    path = app.make() / "app"
    assert list(away.iterdir()) == []
    for cache in (path / "__pycache__", path / "pages/__pycache__"):
        assert cache.is_dir() and not cache.is_symlink()
        assert list(cache.glob("*.pyc"))


def test_code_that_does_not_compile_is_accepted(app: App) -> None:
    app.write("template.py", "def {{ name }}:\n")
    assert (app.make() / "app/template.py").exists()


def test_the_world_writable_lock_of_uv_is_removed_from_the_packages(app: App) -> None:
    assert not (app.make() / "venv/.lock").exists()


def test_an_installer_that_leaves_no_lock_works_too(app: App) -> None:
    class Clean(FakeTool):
        def install(self, venv: Path, arguments: list[str], purpose: str, cwd: Path | None = None, **_: Any) -> None:
            (venv / ".lock").unlink()

    app.tool = Clean()
    assert (app.make() / "app").is_dir()


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("flask==3.0.0\n", ["-r", "requirements.txt"]),
        ("flask==3.0.0 --hash=sha256:00\n", ["--require-hashes", "-r", "requirements.txt"]),
    ],
)
def test_requirements_with_hashes_are_installed_with_hash_checking(app: App, text: str, arguments: list[str]) -> None:
    app.write("requirements.txt", text)
    app.make()
    assert app.tool.arguments == [arguments]


def test_a_build_runs_at_low_priority(app: App, nice: list[int]) -> None:
    app.make()
    assert nice == [10]


@pytest.mark.parametrize("failure", [Failed("no such package"), KeyboardInterrupt()])
def test_a_failed_installation_leaves_nothing_behind(app: App, failure: BaseException) -> None:
    app.tool.failure = failure
    with pytest.raises(type(failure)):
        app.make()
    assert list(app.builder.builds.root.iterdir()) == []
    assert list(app.builder.venvs.root.iterdir()) == []


def test_a_failure_leaves_earlier_builds_unchanged(app: App) -> None:
    before, recipe = app.make(), app.recipe()
    app.write("requirements.txt", "flask==9.9.9\n")
    app.tool.failure = Failed("no such package")
    with pytest.raises(Failed):
        app.make()
    assert app.builder.exists(recipe)
    assert (before / "venv/installed").read_text() == "flask==3.0.0\n"


def test_existing_packages_are_reused(app: App) -> None:
    before = app.make()
    app.write("main.py", "application = True\n")
    after = app.make()
    assert after != before
    assert (after / "venv").resolve() == (before / "venv").resolve()
    assert len(app.tool.arguments) == 1


def test_an_incomplete_build_is_made_again(app: App) -> None:
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

    def plan(self, archive: Path | None = None, check_mode: bool = False, wheels: Any = None, **given: Any) -> Plan:
        """Return what the module would do with the source as it is now."""
        asked = {"name": "hello", "source": str(self.app.path), "python": sys.executable, "commands": [], "env": {}}
        asked.update({"revision": "", **given})
        secrets = json.dumps({asked["name"]: {"env": asked.pop("env")}})
        contents = {asked["name"]: self.app.source().content()}
        fake = FakeModule(
            check_mode, apps=[asked], contents=contents, archives=archive and {asked["name"]: str(archive)}
        )
        fake.params["secrets"] = secrets
        fake.params.update(index_url="", ca_bundle="", proxy="", pins={"uv": "uv==1"}, wheels=wheels or {})
        fake.params["wheel_archives"] = dict.fromkeys(wheels or {}, "/tmp/x.tar")
        fake.warnings = self.warnings
        return module.plan(fake)


class KnownUser(User):
    """A user whom the host has."""

    def exists(self) -> bool:
        """Say yes."""
        return True


@pytest.fixture
def planner(app: App, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Planner:
    monkeypatch.setattr(module, "Layout", lambda _: layout)
    monkeypatch.setattr(module, "User", KnownUser)
    monkeypatch.setattr(module, "installer", lambda *_: app.tool)
    return Planner(app)


def test_a_host_without_the_build_first_asks_for_the_source(planner: Planner) -> None:
    planned = planner.plan()
    assert planned.result["missing"] == ["hello"]
    assert planned.steps == []


def test_a_host_that_has_the_source_makes_the_build(planner: Planner) -> None:
    planned = planner.plan(planner.app.archive())
    planned.take()
    assert planned.failures == {}
    path = Path(planned.result["builds"]["hello"])
    assert (path / "app/main.py").is_file()
    assert path.parent == planner.app.builder.builds.root


def test_a_host_that_has_the_build_needs_nothing(planner: Planner) -> None:
    first = planner.plan(planner.app.archive())
    first.take()
    second = planner.plan()
    assert (second.steps, second.result["missing"]) == ([], [])
    assert second.result["builds"] == first.result["builds"]
    assert second.settled == f"hello: has build {Path(first.result['builds']['hello']).name}"


def test_check_mode_reports_the_build_and_makes_nothing(planner: Planner) -> None:
    planned = planner.plan(check_mode=True)
    assert len(planned.steps) == 1
    assert not planner.app.builder.builds.root.exists()


def test_a_missing_interpreter_is_reported_when_the_build_is_planned(planner: Planner) -> None:
    planned = planner.plan(planner.app.archive(), python="python3.99")
    assert planned.failures["hello"].startswith("hello: the host has no interpreter python3.99")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"name": "root"}, "root: name: 'root': the system uses this name; choose another"),
        ({"name": "../x"}, "../x: name: '../x': "),
        ({"python": "python9"}, "hello: python: 'python9': write the name of an interpreter"),
        ({"python": "/bin/sh"}, "hello: python: '/bin/sh': write the name of an interpreter"),
        ({"commands": ["a; b"]}, "hello: commands: 'a; b': 'a;' is not the name of a program"),
        ({"env": {"A-B": "1"}}, "hello: env: "),
        ({"python": "sh", "commands": [""]}, "commands: '': write a command in one line"),
    ],
)
def test_the_module_refuses_what_the_rules_refuse(
    planner: Planner, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], wrong: str
) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(module, "interpreter_tag", ran.append)
    planned = planner.plan(planner.app.archive(), **given)
    (failure,) = planned.failures.values()
    assert wrong in failure
    assert (planned.steps, planned.result) == ([], {"builds": {}, "folders": {}, "missing": []})
    assert ran == []


def test_a_damaged_archive_of_wheels_is_named_by_its_controller_path(
    planner: Planner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[Any, ...]] = []

    def unpack(*arguments: Any) -> Path:
        asked.append(arguments)
        raise Failed("damaged")

    monkeypatch.setattr(module, "unpack", unpack)
    told = {"folder": "0123456789ab", "interpreter": interpreter_tag(sys.executable), "files": {}, "tools": {}}
    planned = planner.plan(planner.app.archive(), wheels={"hello": {**told, "archive": "/home/alice/x.tar"}})
    planned.take()
    assert planned.failures == {"hello": "hello: damaged"}
    ((archive, wheels, sent),) = asked
    assert (archive, wheels.as_dict(), sent) == (Path("/tmp/x.tar"), told, "/home/alice/x.tar on the controller")


def test_a_change_says_whether_the_packages_are_new(planner: Planner) -> None:
    first = planner.plan(planner.app.archive())
    first.take()
    planner.app.write("main.py", "application = True\n")
    second = planner.plan(check_mode=True)
    before, after = (Path(planned.result["builds"]["hello"]) for planned in (first, second))
    packages = os.path.basename(os.readlink(before / "venv"))
    assert [step.says for step in first.steps] == [f"build {before.name} with packages {packages}, which are new"]
    assert [step.says for step in second.steps] == [f"build {after.name} with packages {packages}, there already"]


@pytest.mark.parametrize(("name", "warnings"), [("pip", 1), ("uv", 0)])
def test_a_host_without_uv_gets_a_warning(planner: Planner, name: str, warnings: int) -> None:
    planner.app.tool.name = name
    planner.plan(planner.app.archive()).take()
    assert len([warning for warning in planner.warnings if "has no uv" in warning]) == warnings


def test_a_link_to_an_interpreter_hidden_from_applications_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "HIDDEN", (str(tmp_path / "home"),))
    (tmp_path / "home").mkdir()
    program = tmp_path / "home/own"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "python3").symlink_to(program)
    with pytest.raises(Failed, match="applications cannot access this directory"):
        base_interpreter(tmp_path / "python3")
