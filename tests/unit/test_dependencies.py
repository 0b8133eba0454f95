"""What the controller finds out about the dependencies of an application in a directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source
from tests.unit.repositories import configure, git

PROJECT = '[project]\nname = "shop"\n[project.optional-dependencies]\npostgres = []\nRed_Is = []\n'
BUILT = '[build-system]\nrequires = ["setuptools"]\n'
NO_HASH = "flask==3.0.0\n"


@pytest.fixture(autouse=True)
def _plain_git(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app"
    path.mkdir()
    (path / "main.py").touch()
    return path


def write(app: Path, *files: str, **contents: str) -> None:
    """Write files: empty ones by name, others with their content, where `_` stands for a dot."""
    for name in files:
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).touch()
    for name, content in contents.items():
        (app / name.replace("_", ".")).write_text(content)


def dependencies_of(app: Path, named: str = "", extras: list[str] | None = None) -> Any:
    source = Source.of({"source": str(app), "dependencies": named, "extras": extras or []})
    return source.content()["dependencies"]


@pytest.mark.parametrize(
    ("files", "file", "format_"),
    [
        (["uv.lock", "pyproject.toml"], "uv.lock", "uv"),
        (["pylock.toml"], "pylock.toml", "pylock"),
        (["pylock.toml", "pyproject.toml"], "pylock.toml", "pylock"),
        (["poetry.lock", "pyproject.toml"], "poetry.lock", "poetry"),
        (["Pipfile.lock", "Pipfile"], "Pipfile.lock", "pipfile"),
        (["requirements.txt"], "requirements.txt", "requirements"),
        (["requirements.txt", "pyproject.toml"], "requirements.txt", "requirements"),
        (["requirements.txt", "pylock.prod.toml", "dev.txt", "lib/uv.lock"], "requirements.txt", "requirements"),
    ],
)
def test_the_only_dependency_file_is_found(app: Path, files: list[str], file: str, format_: str) -> None:
    write(app, *files)
    found = dependencies_of(app)
    assert (found["file"], found["format"]) == (file, format_)
    assert (found["local"], found["project"], found["extras"]) == (False, "", [])


def test_a_project_table_works_without_a_lock(app: Path) -> None:
    write(app, pyproject_toml=PROJECT)
    assert dependencies_of(app)["file"] == "pyproject.toml"
    assert dependencies_of(app)["format"] == "pyproject"


def test_a_pyproject_needs_a_project_table(app: Path) -> None:
    write(app, pyproject_toml="[tool.ruff]\n")
    sentence = (
        r"^build\.source: '.*/app' has no requirements\.txt: write one, which may be empty, or "
        r"one of uv\.lock, pylock\.toml, poetry\.lock, Pipfile\.lock, or a pyproject\.toml with a "
        r"table \[project\]$"
    )
    with pytest.raises(Failed, match=sentence):
        dependencies_of(app)


def test_several_files_are_refused_with_their_names(app: Path) -> None:
    write(app, "requirements.txt", "uv.lock", "pyproject.toml")
    with pytest.raises(Failed, match=r"has uv\.lock and requirements\.txt: set build\.dependencies"):
        dependencies_of(app)


@pytest.mark.parametrize("name", ["uv.lock", "requirements.txt"])
def test_an_ignored_file_is_refused_with_the_reason(app: Path, name: str) -> None:
    write(app, name, _gitignore=f"{name}\n")
    git(app, "init", "--quiet")
    with pytest.raises(Failed, match=f"has no {name}: git ignores it"):
        dependencies_of(app)
    with pytest.raises(Failed, match=rf"build\.dependencies: '.*/app' has no {name}: git ignores it"):
        dependencies_of(app, name)


def test_a_lock_that_git_ignores_does_not_count(app: Path) -> None:
    write(app, "requirements.txt", "uv.lock", _gitignore="uv.lock\n")
    git(app, "init", "--quiet")
    assert dependencies_of(app)["file"] == "requirements.txt"


@pytest.mark.parametrize(
    ("named", "file", "format_"),
    [
        ("requirements/prod.txt", "requirements/prod.txt", "requirements"),
        ("./requirements/../requirements.txt", "requirements.txt", "requirements"),
        ("pylock.prod.toml", "pylock.prod.toml", "pylock"),
        ("pylock.toml", "pylock.toml", "pylock"),
        ("pyproject.toml", "pyproject.toml", "pyproject"),
        ("uv.lock", "uv.lock", "uv"),
        ("poetry.lock", "poetry.lock", "poetry"),
        ("Pipfile.lock", "Pipfile.lock", "pipfile"),
    ],
)
def test_the_named_file_is_used(app: Path, named: str, file: str, format_: str) -> None:
    write(app, "requirements/prod.txt", "requirements.txt", "pylock.prod.toml", "pylock.toml", "uv.lock", "poetry.lock")
    write(app, "Pipfile", "Pipfile.lock", pyproject_toml=PROJECT)
    found = dependencies_of(app, named)
    assert (found["file"], found["format"]) == (file, format_)


@pytest.mark.parametrize("named", ["setup.py", "pylock..toml", "pylock.a.b.toml", "xpylock.a.toml", "other.lock"])
def test_an_unknown_format_is_refused_with_the_known_ones(app: Path, named: str) -> None:
    write(app, named)
    known = r"use \*\.txt, uv\.lock, pylock\.toml, poetry\.lock, Pipfile\.lock, pylock\.\*\.toml and " r"pyproject"
    with pytest.raises(Failed, match=rf"^build\.dependencies: {named} is not a supported format; {known}"):
        dependencies_of(app, named)


@pytest.mark.parametrize("named", ["nope.txt", "../beside.txt", "/etc/hostname", "."])
def test_a_file_outside_the_source_is_refused(app: Path, named: str) -> None:
    write(app, "requirements.txt", "../beside.txt")
    git(app, "init", "--quiet")
    with pytest.raises(Failed, match=rf"has no {named}: write a path relative to build.source"):
        dependencies_of(app, named)


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml", "pyproject.toml"])
def test_only_requirements_can_be_in_a_subfolder(app: Path, name: str) -> None:
    write(app, f"lib/{name}", "lib/pyproject.toml", "lib/Pipfile")
    with pytest.raises(Failed, match=rf"lib/{name} is not in the top directory of the source; make lib the source"):
        dependencies_of(app, f"lib/{name}")


@pytest.mark.parametrize(
    ("lock", "companion"),
    [("uv.lock", "pyproject.toml"), ("poetry.lock", "pyproject.toml"), ("Pipfile.lock", "Pipfile")],
)
def test_a_lock_without_the_file_that_it_locks_is_refused(app: Path, lock: str, companion: str) -> None:
    write(app, lock)
    with pytest.raises(Failed, match=rf"has {lock}, but no {companion}: put it beside the lock file"):
        dependencies_of(app)
    write(app, companion, _gitignore=f"{companion}\n")
    git(app, "init", "--quiet")
    with pytest.raises(Failed, match=rf"has {lock}, but no {companion}: git ignores it"):
        dependencies_of(app)


def test_a_named_pyproject_needs_a_project_table(app: Path) -> None:
    write(app, pyproject_toml="[tool.poetry]\n")
    with pytest.raises(Failed, match=r"^build\.source: pyproject\.toml of '.*/app' has no \[project\] table"):
        dependencies_of(app, "pyproject.toml")


@pytest.mark.parametrize("named", ["", "pyproject.toml", "uv.lock", "pylock.toml"])
def test_a_pyproject_that_is_not_toml_is_an_error(app: Path, named: str) -> None:
    write(app, *([named] if named else []), pyproject_toml="[project\n")
    with pytest.raises(Failed, match=r"^build\.source: pyproject\.toml of '.*/app' is not TOML: .*line 1"):
        dependencies_of(app, named)


@pytest.mark.parametrize(
    "content", ["project = 3\n", "[project]\ndynamic = 3\n", "[project]\noptional-dependencies = 3\n", "tool = 3\n"]
)
def test_a_malformed_pyproject_causes_no_traceback(app: Path, content: str) -> None:
    write(app, "uv.lock", pyproject_toml=content)
    assert dependencies_of(app)["project"] == ""


def test_a_broken_link_is_an_error(app: Path) -> None:
    (app / "requirements.txt").symlink_to("nowhere")
    with pytest.raises(Failed, match=r"^build\.source: requirements\.txt of '.*/app' cannot be read: No such file"):
        dependencies_of(app)


def test_another_encoding_causes_no_traceback(app: Path) -> None:
    (app / "requirements.txt").write_bytes(b"flask==3.0.0  # caf\xe9\n")
    (app / "pyproject.toml").write_bytes(b"# caf\xe9\n[project]\n")
    before = dependencies_of(app, "requirements.txt")["digest"]
    (app / "requirements.txt").write_bytes(b"flask==3.0.0  # caf\xe8\n")
    assert dependencies_of(app, "requirements.txt")["digest"] != before
    assert dependencies_of(app, "pyproject.toml")["file"] == "pyproject.toml"


PACKAGED = [("pyproject.toml", True), ("uv.lock", True), ("poetry.lock", True), ("pylock.toml", True)]
UNPACKAGED = [("requirements.txt", False), ("Pipfile.lock", False)]


@pytest.mark.parametrize(("name", "installed"), [*PACKAGED, *UNPACKAGED])
def test_a_buildable_project_is_installed_with_a_lock_but_not_with_requirements(
    app: Path, name: str, installed: bool
) -> None:
    write(app, name, "Pipfile", pyproject_toml=PROJECT + BUILT)
    found = dependencies_of(app, name)
    assert (found["project"], found["local"]) == ((".", True) if installed else ("", False))


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock", "poetry.lock", "pylock.toml"])
@pytest.mark.parametrize(
    "content",
    [
        PROJECT,
        PROJECT + BUILT + "[tool.uv]\npackage = false\n",
        PROJECT + BUILT + "[tool.poetry]\npackage-mode = false\n",
    ],
)
def test_a_project_that_is_no_package_is_not_installed(app: Path, name: str, content: str) -> None:
    write(app, name)
    write(app, pyproject_toml=content)
    found = dependencies_of(app, name)
    assert (found["project"], found["local"]) == ("", False)


@pytest.mark.parametrize(("named", "local"), [("pyproject.toml", True), ("uv.lock", False)])
def test_dynamic_dependencies_are_local_unless_they_are_locked(app: Path, named: str, local: bool) -> None:
    write(app, "uv.lock", pyproject_toml='[project]\nname = "shop"\ndynamic = ["dependencies"]\n')
    assert dependencies_of(app, named)["local"] is local


@pytest.mark.parametrize(
    ("name", "text", "hashed"),
    [
        ("requirements.txt", "flask==3.0.0 --hash=sha256:00\n", True),
        ("requirements.txt", NO_HASH, False),
        ("uv.lock", 'sdist = { url = "https://x", hash = "sha256:00" }\n', True),
        ("uv.lock", 'source = { git = "https://x" }\n', False),
        ("poetry.lock", '{file = "a.whl", hash = "sha256:00"},\n', True),
        ("poetry.lock", '[metadata]\ncontent-hash = "00"\n', False),
        ("Pipfile.lock", '{"_meta": {"hash": {"sha256": "00"}}, "default": {"hashes": ["sha256:00"]}}', True),
        ("Pipfile.lock", '{"_meta": {"hash": {"sha256": "00"}}}', False),
        ("pylock.toml", 'wheels = [{url = "https://x", hashes = {sha256 = "00"}}]\n', True),
        ("pylock.toml", "[packages.sdist.hashes]\nsha512 = '00'\n", True),
        ("pylock.toml", 'vcs = {url = "https://x"}\n', False),
        ("pyproject.toml", '[project]\ndependencies = ["x @ https://x#sha256:00 --hash=sha256:00"]\n', False),
    ],
)
def test_hashes_in_dependency_files_are_recognized(app: Path, name: str, text: str, hashed: bool) -> None:
    write(app, "Pipfile", "pyproject.toml")
    (app / name).write_text(text)
    assert dependencies_of(app, name)["hashed"] is hashed


@pytest.mark.parametrize(
    ("name", "text", "local"),
    [
        ("uv.lock", 'source = { virtual = "." }\nsource = { registry = "https://x" }\n', False),
        ("uv.lock", 'source = { editable = "." }\n', False),
        ("uv.lock", 'source = { editable = "lib" }\n', True),
        ("uv.lock", 'source = { directory = "lib" }\n', True),
        ("uv.lock", 'source = { path = "lib/a.whl" }\n', True),
        ("poetry.lock", '[package.source]\ntype = "directory"\nurl = "lib"\n', True),
        ("poetry.lock", '[package.source]\ntype = "file"\nurl = "a.whl"\n', True),
        ("poetry.lock", '[package.source]\ntype = "git"\nfiles = []\n', False),
        ("Pipfile.lock", '{"lib": {"path": "./lib"}}', True),
        ("Pipfile.lock", '{"lib": {"file": "lib.whl"}}', True),
        ("Pipfile.lock", '{"lib": {"file": "https://x/lib.whl"}}', False),
        ("pylock.toml", 'directory = {path = "lib"}\n', True),
        ("pylock.toml", '[[packages.wheels]]\npath = "a.whl"\n', True),
        ("pylock.toml", '[[packages.wheels]]\nurl = "https://x/a.whl"\n', False),
        ("pyproject.toml", '[project]\n[tool.uv.sources]\nlib = { path = "lib" }\n', True),
        ("pyproject.toml", "[project]\n[tool.uv.sources]\nlib = { workspace = true }\n", True),
        ("pyproject.toml", '[project]\ndependencies = ["lib @ file:lib"]\n', True),
        ("pyproject.toml", '[project]\nname = "shop"\n[tool.pytest.ini_options]\npythonpath = ["."]\n', False),
    ],
)
def test_packages_in_the_source_make_the_dependencies_local(app: Path, name: str, text: str, local: bool) -> None:
    write(app, "Pipfile", pyproject_toml=PROJECT)
    (app / name).write_text(text)
    assert dependencies_of(app, name)["local"] is local


@pytest.mark.parametrize("line", ["--find-links wheels", "-f wheels", "wheels/a.whl", "top/a.whl", "-f top"])
def test_files_beside_requirements_or_at_the_top_are_local(app: Path, line: str) -> None:
    write(app, "requirements/wheels/a.whl", "top/a.whl")
    (app / "requirements/prod.txt").write_text(f"{line}\n")
    assert dependencies_of(app, "requirements/prod.txt")["local"] is True


def test_the_error_about_an_include_names_the_including_file(app: Path) -> None:
    write(app, prod_txt="-r base.txt\n")
    with pytest.raises(Failed, match=r"^build\.source: prod\.txt includes base\.txt"):
        dependencies_of(app, "prod.txt")


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock", "poetry.lock"])
def test_the_project_defines_the_extras(app: Path, name: str) -> None:
    write(app, name, pyproject_toml=PROJECT)
    assert dependencies_of(app, name, ["red-is", "postgres", "postgres"])["extras"] == ["postgres", "red-is"]
    with pytest.raises(Failed, match=r"^build\.extras: pyproject\.toml has no extra 'sql'; there are Red_Is, postgres"):
        dependencies_of(app, name, ["sql"])


def test_extras_of_poetry_are_known(app: Path) -> None:
    write(app, "poetry.lock", pyproject_toml='[tool.poetry.extras]\nsql = ["x"]\n')
    assert dependencies_of(app, extras=["sql"])["extras"] == ["sql"]


def test_dynamic_extras_are_accepted(app: Path) -> None:
    write(app, pyproject_toml='[project]\ndynamic = ["optional-dependencies"]\n')
    assert dependencies_of(app, extras=["sql"])["extras"] == ["sql"]


def test_extras_of_a_project_without_any_are_refused(app: Path) -> None:
    write(app, pyproject_toml='[project]\nname = "shop"\ndynamic = ["version"]\n')
    with pytest.raises(Failed, match=r"has no extra 'sql'; it has none"):
        dependencies_of(app, extras=["sql"])


@pytest.mark.parametrize("name", ["requirements.txt", "Pipfile.lock", "pylock.toml"])
def test_extras_are_refused_if_the_file_has_none(app: Path, name: str) -> None:
    write(app, name, "Pipfile", pyproject_toml=PROJECT)
    with pytest.raises(Failed, match=rf"^build\.extras: {name} has no extras; remove them, or set"):
        dependencies_of(app, name, ["postgres"])


def _other_lock(app: Path) -> list[str]:
    (app / "poetry.lock").write_text("# other\n")
    return []


def _other_project(app: Path) -> list[str]:
    (app / "pyproject.toml").write_text(PROJECT + "# other\n")
    return []


def _extras(app: Path) -> list[str]:
    return ["postgres"]


@pytest.mark.parametrize("change", [_other_lock, _other_project, _extras])
def test_the_digest_changes_with(app: Path, change: Callable[[Path], list[str]]) -> None:
    write(app, "poetry.lock", pyproject_toml=PROJECT)
    before = dependencies_of(app)["digest"]
    assert dependencies_of(app, extras=change(app))["digest"] != before


def test_the_digest_changes_with_the_format(app: Path) -> None:
    write(app, "uv.lock", "poetry.lock", "pyproject.toml")
    digests = {dependencies_of(app, name)["digest"] for name in ("uv.lock", "poetry.lock")}
    assert len(digests) == 2


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock"])
def test_the_digest_does_not_change_with_code(app: Path, name: str) -> None:
    write(app, name, "Pipfile", pyproject_toml=PROJECT)
    before = dependencies_of(app)
    (app / "main.py").write_text("1\n")
    assert dependencies_of(app) == before


@pytest.mark.parametrize(
    ("name", "text", "ours"),
    [
        ("uv.lock", '[[package]]\nname = "uwsgi"\n', True),
        ("poetry.lock", '[[package]]\nname = "uWSGI"\n', True),
        ("pylock.toml", "[[packages]]\nname = 'pyuwsgi'\n", True),
        ("Pipfile.lock", '{\n  "default": {\n    "uwsgi": {\n', True),
        ("pyproject.toml", '[project]\ndependencies = ["uwsgi==2.0.30"]\n', True),
        ("pyproject.toml", '[project]\ndependencies = [\n  "flask",\n  "pyuwsgi>=2",\n]\n', True),
        ("requirements.txt", "flask\nuwsgi\n", True),
        ("uv.lock", '[[package]]\nname = "uwsgitop"\n', False),
        ("Pipfile.lock", '{\n    "uwsgidecorators": {\n', False),
        ("pyproject.toml", '[project]\ndependencies = ["uwsgi-tools"]\n', False),
    ],
)
def test_uwsgi_among_the_dependencies_is_refused(app: Path, name: str, text: str, ours: bool) -> None:
    write(app, "Pipfile", pyproject_toml=PROJECT)
    (app / name).write_text(text)
    if not ours:
        assert dependencies_of(app, name)["file"] == name
        return
    with pytest.raises(Failed, match=r"^build\.dependencies: .*the collection installs its own uWSGI; remove it"):
        dependencies_of(app, name)


def test_installer_options_come_from_all_files(app: Path) -> None:
    write(app, requirements_txt="--pre\n-r base.txt\n", base_txt="--extra-index-url https://pypi.example.org/simple\n")
    assert dependencies_of(app)["options"] == ["--extra-index-url", "--pre"]


def test_requirements_that_ask_for_hashes_are_hashed(app: Path) -> None:
    write(app, requirements_txt="--require-hashes\nflask==3.0.0\n")
    assert dependencies_of(app)["hashed"] is True


def test_all_unsupported_lines_are_reported_together_with_their_files(app: Path) -> None:
    write(app, requirements_txt="--trusted-host a\n-x\n")
    with pytest.raises(
        Failed, match=r"^build\.dependencies: requirements\.txt, line 1: --trusted-host: .*; requ.* line 2: -x"
    ):
        dependencies_of(app)


def test_a_requirement_longer_than_any_file_name_is_accepted(app: Path) -> None:
    markers = " or ".join(f"platform_machine == 'machine{number}'" for number in range(20))
    write(app, requirements_txt=f"greenlet==3.2.4 ; {markers}\n")
    assert dependencies_of(app)["local"] is False
