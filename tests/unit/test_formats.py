"""What the formats of dependency files promise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import build_user, installer
from ansible_collections.wsgi.production.plugins.module_utils import formats as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.formats import LOCK_TOOLS, FromIndex, Resolved, Wanted
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, Pip, Uv
from ansible_collections.wsgi.production.plugins.plugin_utils import dependencies
from tests.unit.fakes import AtWork

PINS = {"poetry": "poetry==1.0\n", "pipenv": "pipenv==1.0\n"}
LOCKED = "six==1.0 --hash=sha256:00\n"
FILES = {
    "requirements": "requirements/prod.txt",
    "pyproject": "pyproject.toml",
    "uv": "uv.lock",
    "pylock": "pylock.toml",
    "poetry": "poetry.lock",
    "pipfile": "Pipfile.lock",
}


class Tools:
    """Stands in for all programs: notes how each is called, and writes what an export is said to contain.

    `broken` is the word of a command that fails.
    """

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, str]] = []
        self.places: list[Path | None] = []
        self.exported = LOCKED
        self.installed: list[str] = []
        self.broken = ""
        self.raw = b""
        self.purposes: list[str] = []
        self.at_work = AtWork()

    def __call__(self, argv: list[Any], purpose: str, cwd: Path | None = None, env: Any = None, **_: Any) -> str:
        """Take the place of `run`."""
        words = [str(word) for word in argv]
        self.commands.append(words)
        self.environments.append(env)
        self.places.append(cwd)
        self.purposes.append(purpose)
        if self.broken and self.broken in words:
            raise Failed(f"could not {purpose}")
        for option in ("--output-file", "--output"):
            if option in words:
                Path(words[words.index(option) + 1]).write_bytes(self.raw or self.exported.encode())
        if "install" in words and "-r" in words:
            self.installed.append(((cwd or Path()) / words[words.index("-r") + 1]).read_text(errors="replace"))
        return self.exported if "requirements" in words else ""

    def of(self, word: str) -> list[str]:
        """Return the only command that has `word` among its first words."""
        (found,) = [words for words in self.commands if word in words[:3]]
        return found

    def environment(self, word: str) -> dict[str, str]:
        """Return the variables of that command."""
        return self.environments[self.commands.index(self.of(word))]


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tools:
    fake = Tools()
    monkeypatch.setattr(installer, "run", fake)
    monkeypatch.setattr(build_user, "at_work", fake.at_work)
    monkeypatch.setattr(installer, "TOOLS", tmp_path / "tools")
    return fake


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "code"
    for name in FILES.values():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(LOCKED)
    return path


def uv(index: Index | None = None) -> Uv:
    return Uv(index or Index(), Path("/opt/uv"))


def install(
    code: Path,
    format_: str,
    tool: Pip | Uv | None = None,
    hashed: bool = True,
    project: str = "",
    extras: tuple[str, ...] = (),
) -> None:
    wanted = Wanted(FILES.get(format_, ""), format_, hashed, project, extras)
    FromIndex(wanted, PINS).install(tool or uv(), Path("/venv"), code, "python3.12")


def options(words: list[str]) -> list[str]:
    """Return the options that decide what may be installed."""
    return [word for word in words if word in ("--require-hashes", "--no-deps")]


def test_the_request_of_the_controller_is_parsed() -> None:
    content = {"file": "uv.lock", "format": "uv", "digest": "00", "hashed": True, "local": True}
    told = Wanted.of({**content, "project": ".", "extras": ["pg"], "options": ["--pre"]})
    assert told == Wanted("uv.lock", "uv", True, ".", ("pg",), ("--pre",))


def test_host_and_controller_know_the_same_formats() -> None:
    assert set(dependencies.FORMATS) == set(FILES)
    assert set(LOCK_TOOLS) < set(FILES)


@pytest.mark.parametrize(
    ("format_", "hashed", "expected"),
    [
        ("requirements", True, ["--require-hashes"]),
        ("requirements", False, []),
        ("pylock", True, ["--require-hashes"]),
        ("pylock", False, []),
        ("uv", True, ["--require-hashes", "--no-deps"]),
        ("poetry", True, ["--require-hashes", "--no-deps"]),
        ("pipfile", True, ["--require-hashes"]),
        ("pipfile", False, ["--no-deps"]),
        ("pyproject", False, ["--no-deps"]),
    ],
)
def test_a_file_with_hashes_is_installed_by_its_hashes(
    tools: Tools, code: Path, format_: str, hashed: bool, expected: list[str]
) -> None:
    install(code, format_, hashed=hashed)
    words = tools.commands[-1]
    assert words[:3] == ["/opt/uv", "pip", "install"]
    assert options(words) == expected
    assert tools.installed[-1] == LOCKED
    assert tools.places[-1] == code


@pytest.mark.parametrize("format_", ["requirements", "poetry", "pipfile"])
def test_pip_installs_formats_that_do_not_need_uv(tools: Tools, code: Path, format_: str) -> None:
    install(code, format_, Pip(Index()))
    assert "--require-hashes" in tools.commands[-1]
    assert tools.installed[-1] == LOCKED


@pytest.mark.parametrize("format_", ["uv", "pylock", "pyproject"])
def test_without_uv_a_file_that_needs_it_is_refused(tools: Tools, code: Path, format_: str) -> None:
    with pytest.raises(Failed, match=f"^{FILES[format_]} can only be read by uv, which this package index does not"):
        install(code, format_, Pip(Index()))
    assert tools.installed == []


@pytest.mark.parametrize("format_", ["uv", "poetry", "pipfile"])
@pytest.mark.parametrize(
    "line", ["-e ./lib", "./lib", "/code/lib", "-e lib", "lib @ file:///lib", "lib @ git+https://x@0"]
)
def test_local_and_git_packages_need_no_hash_and_bring_no_dependencies(
    tools: Tools, code: Path, format_: str, line: str
) -> None:
    tools.exported = f"{LOCKED}{line}\n"
    install(code, format_)
    assert options(tools.commands[-1]) == ["--no-deps"]


@pytest.mark.parametrize("line", ["six @ https://example.org/six.whl", "git==1.0", "a-e ==1.0"])
def test_other_lines_must_have_a_hash(tools: Tools, code: Path, line: str) -> None:
    tools.exported = f"{LOCKED}{line}\n"
    install(code, "uv")
    assert "--require-hashes" in tools.commands[-1]


@pytest.mark.parametrize("text", ['[packages.directory]\npath = "."\n', 'vcs = { type = "git" }\n'])
def test_a_pylock_with_unhashable_packages_is_installed_by_the_existing_hashes(
    tools: Tools, code: Path, text: str
) -> None:
    (code / "pylock.toml").write_text(text)
    install(code, "pylock")
    assert options(tools.commands[-1]) == []


@pytest.mark.parametrize("format_", ["uv", "poetry", "pipfile"])
def test_a_lock_is_read_in_the_source_directory(tools: Tools, code: Path, format_: str) -> None:
    install(code, format_)
    assert tools.places[-2:] == [code, code]


@pytest.mark.parametrize("format_", ["pyproject", "uv", "poetry", "pipfile", "requirements", "pylock"])
def test_the_build_user_reads_the_file_and_installs_its_packages(tools: Tools, code: Path, format_: str) -> None:
    install(code, format_)
    reads = [purpose for purpose in tools.purposes if purpose.startswith("read ")]
    assert tools.purposes.count("install the packages") == 1
    assert [writes[0] for writes in tools.at_work.writes][-len(reads) - 1 :] == [code] * len(reads) + [Path("/venv")]


def test_a_uv_lock_must_match_its_project_and_is_read_for_production(tools: Tools, code: Path) -> None:
    install(code, "uv", extras=("pg", "s3"))
    words = tools.of("export")
    assert words[:2] == ["/opt/uv", "export"]
    assert {"--locked", "--no-default-groups", "--no-emit-project", "--no-editable"} < set(words)
    assert words[words.index("--python") + 1] == "python3.12"
    assert words[words.index("--format") + 1] == "requirements.txt"
    assert [words[at + 1] for at, word in enumerate(words) if word == "--extra"] == ["pg", "s3"]


def test_the_check_of_a_uv_lock_ignores_settings_of_the_host(tools: Tools, code: Path) -> None:
    install(code, "uv", uv(Index("https://pypi.example.org/simple")))
    env = tools.environment("export")
    assert not {"UV_NO_CONFIG", "UV_DEFAULT_INDEX"} & set(env)
    assert env["UV_INDEX"] == "https://pypi.example.org/simple"
    assert env["HOME"] == "/home/of/a/build"
    assert env["XDG_CONFIG_DIRS"] != "" and not os.path.exists(env["XDG_CONFIG_DIRS"])


def test_without_an_index_uv_uses_the_projects_own(tools: Tools, code: Path) -> None:
    install(code, "uv")
    assert not {"UV_INDEX", "UV_DEFAULT_INDEX"} & set(tools.environment("export"))


@pytest.mark.parametrize("format_", ["pylock", "uv"])
def test_invalid_utf8_is_left_to_the_tool(tools: Tools, code: Path, format_: str) -> None:
    (code / "pylock.toml").write_bytes(b"\xff")
    tools.raw = b"\xff"
    install(code, format_)
    assert "--require-hashes" in tools.commands[-1]


@pytest.mark.parametrize(
    ("format_", "command", "with_index", "without"),
    [
        ("uv", "export", "", "--emit-index-url"),
        ("poetry", "export", "--without-urls", ""),
        ("pipfile", "requirements", "--exclude-index", ""),
    ],
)
def test_a_given_index_replaces_that_of_the_project(
    tools: Tools, code: Path, format_: str, command: str, with_index: str, without: str
) -> None:
    install(code, format_, uv(Index("https://pypi.example.org/simple")))
    given = tools.of(command)
    tools.commands.clear()
    tools.environments.clear()
    install(code, format_)
    own = tools.of(command)
    assert (with_index in given) == bool(with_index) and with_index not in own
    assert (without in own) == bool(without) and without not in given


def test_a_lock_of_poetry_is_read_for_production(tools: Tools, code: Path) -> None:
    install(code, "poetry", extras=("pg", "s3"))
    words = tools.of("export")
    assert Path(words[0]).name == "poetry"
    assert words[words.index("--only") + 1] == "main"
    assert [words[at + 1] for at, word in enumerate(words) if word == "--extras"] == ["pg", "s3"]
    assert "--no-interaction" in words
    env = tools.environment("export")
    assert env["POETRY_VIRTUALENVS_CREATE"] == "false"
    assert env["HOME"] != "/root"


def test_poetry_checks_the_interpreter_of_the_project_before_it_exports(tools: Tools, code: Path) -> None:
    tools.broken = "show"
    with pytest.raises(Failed, match=r"^could not read poetry\.lock$"):
        install(code, "poetry")
    active = tools.environment("show")["VIRTUAL_ENV"]
    assert ["/opt/uv", "venv", "--python", "python3.12", active] in tools.commands
    assert not [words for words in tools.commands if "export" in words]


def test_a_pipenv_lock_must_match_its_pipfile(tools: Tools, code: Path) -> None:
    tools.broken = "verify"
    with pytest.raises(Failed, match=r"^could not read Pipfile\.lock$"):
        install(code, "pipfile")
    assert not [words for words in tools.commands if "requirements" in words]


def test_a_lock_of_pipenv_is_read_with_its_hashes(tools: Tools, code: Path) -> None:
    install(code, "pipfile")
    words = tools.of("requirements")
    assert Path(words[0]).name == "pipenv"
    assert "--hash" in words
    for command in ("verify", "requirements"):
        env = tools.environment(command)
        assert env["PIPENV_DONT_LOAD_ENV"] == env["PIPENV_IGNORE_VIRTUALENVS"] == env["NO_COLOR"] == "1"
        assert env["HOME"] != "/root"


def test_a_lock_tool_is_installed_from_the_controllers_pins(tools: Tools, code: Path) -> None:
    install(code, "pipfile")
    assert tools.installed == [PINS["pipenv"], LOCKED]


def test_a_project_without_a_lock_is_resolved_for_its_interpreter(tools: Tools, code: Path) -> None:
    install(code, "pyproject", hashed=False, extras=("pg",))
    words = tools.of("compile")
    assert words[:3] == ["/opt/uv", "pip", "compile"]
    assert words[words.index("--python") + 1] == "python3.12"
    assert words[words.index("--extra") + 1] == "pg"
    assert words[-1] == "pyproject.toml"


def test_a_project_is_installed_last_without_dependencies_from_a_copy(tools: Tools, code: Path) -> None:
    (code / "link").symlink_to("nowhere")
    install(code, "uv", project=".")
    words = tools.commands[-1]
    assert words[:3] == ["/opt/uv", "pip", "install"]
    assert words[-2] == "--no-deps"
    assert not Path(words[-1]).is_relative_to(code) and Path(words[-1]).is_absolute()


def test_the_copy_of_a_project_is_complete_with_its_links(tools: Tools, code: Path, tmp_path: Path) -> None:
    (code / "link").symlink_to("nowhere")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    copy = Path(Resolved(Wanted("", "none", False, "."), uv(), code, scratch, "python3", {}).project())
    assert os.readlink(copy / "link") == "nowhere"
    assert (copy / "uv.lock").read_text() == LOCKED


def test_an_error_says_what_failed(tools: Tools, code: Path) -> None:
    install(code, "uv", project=".")
    assert tools.purposes == ["read uv.lock", "install the packages", "install the project"]


def test_a_wheel_is_installed_last_and_alone(tools: Tools, code: Path) -> None:
    install(code, "requirements", project="shop-1.0-py3-none-any.whl")
    assert tools.commands[-1][-2:] == ["--no-deps", str(code / "shop-1.0-py3-none-any.whl")]
    assert len(tools.installed) == 1


def test_without_dependencies_nothing_is_run(tools: Tools, code: Path) -> None:
    install(code, "none", hashed=False)
    assert tools.commands == []


def test_no_error_of_a_lock_tool_shows_a_password(tools: Tools, code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise Failed("https://user:hunter2@pypi.example.org is not there")

    resolved = Resolved(
        Wanted("uv.lock", "uv", True), uv(Index("https://user:hunter2@pypi.example.org")), code, code, "python3", {}
    )
    monkeypatch.setattr(installer, "run", fail)
    with pytest.raises(Failed, match=r"https://user:\*\*\*\*@pypi"):
        resolved.arguments()


def test_packages_of_an_index_add_nothing_to_the_manifest() -> None:
    assert FromIndex(Wanted("", "none", False), {}).about() == {}
    assert unit.LOCK_TOOLS == {"poetry": "poetry", "pipfile": "pipenv"}
