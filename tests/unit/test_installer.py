"""What the installation of packages promises."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import build_user
from ansible_collections.wsgi.production.plugins.module_utils import installer as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import (
    Index,
    Pip,
    Uv,
    install_pinned,
    installer,
    lock_tool,
    pinned_tool,
    tool_entries,
    tool_name,
)
from ansible_collections.wsgi.production.plugins.module_utils.store import read_manifest
from ansible_collections.wsgi.production.plugins.plugin_utils.pinned import TOOLS, pins
from tests.unit.fakes import AtWork

PIN = "uv==1.0 \\\n    --hash=sha256:00\n"


class Runner:
    """Notes the programs that would be run; each fails with `failure`, if there is one."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, str]] = []
        self.places: list[Path | None] = []
        self.purposes: list[str] = []
        self.failure: Failed | None = None
        self.at_work = AtWork()

    def __call__(self, argv: list[Any], purpose: str, **options: Any) -> str:
        """Take the place of `run`."""
        self.commands.append([str(word) for word in argv])
        self.environments.append(options.get("env") or {})
        self.places.append(options.get("cwd"))
        self.purposes.append(purpose)
        if self.failure:
            raise self.failure
        return ""


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runner:
    fake = Runner()
    monkeypatch.setattr(unit, "run", fake)
    monkeypatch.setattr(build_user, "at_work", fake.at_work)
    monkeypatch.setattr(unit, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(unit, "TOOLS", tmp_path / "tools")
    return fake


def tools(index: Index) -> list[Pip | Uv]:
    return [Pip(index), Uv(index, Path("/opt/uv"))]


def test_without_settings_the_tools_use_their_own_index() -> None:
    environment = Index().environment()
    assert not {"PIP_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_CERT", "SSL_CERT_FILE", "HTTPS_PROXY"} & set(environment)


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX"])
def test_both_tools_use_the_given_index(name: str) -> None:
    assert Index("https://pypi.example.org/simple").environment()[name] == "https://pypi.example.org/simple"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"])
def test_both_tools_use_the_given_proxy(name: str) -> None:
    assert Index(proxy="http://proxy.example.org:3128").environment()[name] == "http://proxy.example.org:3128"


@pytest.mark.parametrize("name", ["PIP_CERT", "SSL_CERT_FILE"])
def test_both_tools_trust_the_given_certificates(tmp_path: Path, name: str) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.touch()
    assert Index(ca_bundle=str(bundle)).environment()[name] == str(bundle)


def test_a_missing_ca_bundle_is_ignored(tmp_path: Path) -> None:
    assert Index(ca_bundle=str(tmp_path / "ca.crt")).environment() == Index().environment()


def test_the_tools_never_prompt_are_quiet_and_ignore_settings_of_the_host() -> None:
    assert Index().environment() == {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "UV_CACHE_DIR": "/var/cache/wsgi/uv",
        "UV_NO_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def test_uv_never_downloads_an_interpreter() -> None:
    assert Index().environment()["UV_PYTHON_DOWNLOADS"] == "never"


def test_a_password_is_never_an_argument(runner: Runner) -> None:
    index = Index("https://user:hunter2@pypi.example.org/simple", proxy="http://user:hunter2@proxy.example.org:3128")
    for tool in tools(index):
        tool.make_venv(Path("/venv"), "python3")
        tool.install(Path("/venv"), ["flask"], "install flask")
        tool.install_into(Path("/target"), "python3", ["flask"], "install flask")
    assert len(runner.commands) == 6
    assert not [word for command in runner.commands for word in command if "hunter2" in word]
    assert all("hunter2" in environment["PIP_INDEX_URL"] for environment in runner.environments)


@pytest.mark.parametrize(
    ("url", "told", "secret"),
    [
        ("https://user:hunter2@pypi.example.org/simple", "https://user:hunter2@pypi.example.org", "hunter2"),
        ("https://user:hunter%212@pypi.example.org/simple", "the password hunter!2", "hunter!2"),
        ("https://user:hunter!2@pypi.example.org/simple", "user:hunter%212@", "hunter%212"),
        ("https://user:a%25@pypi.example.org/simple", "user:a%25@", "25"),
        ("https://user:a%2Fb@pypi.example.org/simple", "user:a/b@", "a/b"),
        ("https://user:a/b@pypi.example.org/simple", "user:a%2Fb@", "a%2Fb"),
        ("https://token-abc@pypi.example.org/simple", "https://token-abc@pypi.example.org", "token-abc"),
        ("https://user:hun/ter@pypi.example.org/simple", "invalid port in user:hun/ter@", "hun/ter"),
        ("https://user:hunter2@pypi.example.org/simple@v1", "https://user:hunter2@pypi.example.org", "hunter2"),
        ("user:hunter2@pypi.example.org:3128", "user:hunter2@pypi.example.org", "hunter2"),
    ],
)
@pytest.mark.parametrize("option", ["url", "proxy"])
def test_no_error_shows_a_password(runner: Runner, option: str, url: str, told: str, secret: str) -> None:
    runner.failure = Failed(f"could not install flask; uv said:\n{told}")
    for tool in tools(Index(**{option: url})):
        calls: list[Callable[[], None]] = [
            partial(tool.make_venv, Path("/venv"), "python3"),
            partial(tool.install, Path("/venv"), ["flask"], "install flask"),
            partial(tool.install_into, Path("/target"), "python3", ["flask"], "install flask"),
        ]
        for call in calls:
            with pytest.raises(Failed, match=r"could not install flask; uv said:\n.*\*\*\*\*") as failure:
                call()
            assert secret not in str(failure.value)
            assert failure.value.__cause__ is None and failure.value.__suppress_context__


def test_a_password_within_another_is_fully_hidden(runner: Runner) -> None:
    runner.failure = Failed("user:xyz@proxy.example.org")
    with pytest.raises(Failed, match=r"^user:\*\*\*\*@proxy\.example\.org$"):
        Pip(Index("https://user:yz@pypi.example.org", proxy="http://user:xyz@proxy.example.org")).make_venv(
            Path("/v"), "p"
        )


def test_an_error_without_a_password_is_unchanged(runner: Runner) -> None:
    runner.failure = Failed("https://pypi.example.org/simple says user@example.org")
    with pytest.raises(Failed, match=r"^https://pypi\.example\.org/simple says user@example\.org$"):
        Pip(Index("https://pypi.example.org/simple")).make_venv(Path("/venv"), "python3")


def test_a_program_can_have_its_own_index_variables(runner: Runner) -> None:
    index = Index("https://pypi.example.org/simple")
    index.run(["uv"], "ask", Path("/code"), {"UV_INDEX": index.url})
    assert runner.environments == [{"UV_INDEX": index.url}]


class Nowhere(Index):
    """An index that needs an argument."""

    def arguments(self) -> list[str]:
        """Return the argument."""
        return ["--no-index"]


def test_each_tool_gets_its_own_arguments(runner: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(unit, "DISTRIBUTION_WHEELS", tmp_path)
    for tool in tools(Index()):
        tool.make_venv(Path("/venv"), "python3.12")
        tool.install(Path("/venv"), ["flask"], "install flask", Path("/code"))
        tool.install_into(Path("/target"), "python3.12", ["flask"], "install flask")
    assert [" ".join(words) for words in runner.commands] == [
        "python3.12 -m venv --without-pip /venv",
        f"{sys.executable} -m pip --python /venv/bin/python install flask",
        "python3.12 -m pip install --target /target flask",
        "/opt/uv venv --python python3.12 /venv",
        "/opt/uv pip install --python /venv/bin/python --compile-bytecode flask",
        "/opt/uv pip install --python python3.12 --target /target flask",
    ]
    assert runner.places == [None, Path("/code"), None] * 2
    assert runner.purposes == ["create a virtual environment", "install flask", "install flask"] * 2
    assert [tool.name for tool in tools(Index())] == ["pip", "uv"]


def test_the_newest_pip_of_the_distribution_is_used(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("pip-23.0.1-py3-none-any.whl", "pip-25.1-py3-none-any.whl", "wheel-0.38-py3-none-any.whl"):
        (tmp_path / name).touch()
    monkeypatch.setattr(unit, "DISTRIBUTION_WHEELS", tmp_path)
    Pip(Index()).install(Path("/venv"), ["flask"], "install flask")
    assert runner.commands[0][:2] == [sys.executable, str(tmp_path / "pip-25.1-py3-none-any.whl/pip")]


def test_the_path_of_debians_wheels_is_correct() -> None:
    assert Path("/usr/share/python-wheels") == unit.DISTRIBUTION_WHEELS


def test_index_options_are_strings_in_a_fixed_order() -> None:
    assert list(unit.INDEX_OPTIONS) == ["index_url", "ca_bundle", "proxy"]
    assert all((option["type"], option["default"]) == ("str", "") for option in unit.INDEX_OPTIONS.values())


def test_options_with_passwords_are_not_logged() -> None:
    assert [name for name, option in unit.INDEX_OPTIONS.items() if option["no_log"]] == ["index_url", "proxy"]


@pytest.mark.parametrize("number", [0, 1])
def test_arguments_of_an_index_follow_the_install_command(runner: Runner, number: int) -> None:
    tool = tools(Nowhere())[number]
    tool.install(Path("/venv"), ["flask"], "install flask")
    tool.install_into(Path("/target"), "python3", ["flask"], "install flask")
    for words in runner.commands:
        assert words.index("install") < words.index("--no-index") < words.index("flask")


@pytest.mark.parametrize("number", [0, 1])
def test_packages_go_into_the_named_virtual_environment(runner: Runner, number: int) -> None:
    tools(Index())[number].install(Path("/venv"), ["flask"], "install flask")
    words = runner.commands[0]
    assert words[words.index("--python") + 1] == "/venv/bin/python"
    assert words[-1] == "flask"


@pytest.mark.parametrize("number", [0, 1])
def test_code_of_packages_runs_as_the_build_user(runner: Runner, number: int) -> None:
    tool = tools(Index())[number]
    tool.install(Path("/venv"), ["flask"], "install flask", writes=(Path("/code"),))
    assert runner.at_work.writes == [(Path("/venv"), Path("/code"))]
    assert runner.environments[-1]["HOME"] == "/home/of/a/build"
    assert runner.environments[-1]["UV_CACHE_DIR"].startswith("/var/cache/wsgi-build/")
    # Root itself installs what the collection pins by hash.
    tool.install_into(Path("/target"), "python3", ["uv"], "install uv")
    assert len(runner.at_work.writes) == 1


def test_uv_is_fetched_once(runner: Runner, tmp_path: Path) -> None:
    first, second = installer(Index(), PIN), installer(Index(), PIN)
    assert len(runner.commands) == 1
    assert isinstance(first, Uv) and isinstance(second, Uv)
    assert first.executable == second.executable
    assert first.executable.is_relative_to(tmp_path / "tools")
    assert first.executable.parts[-2:] == ("bin", "uv")
    assert first.executable.parents[1].name == tool_name("uv", PIN)


def test_another_version_of_uv_is_another_tool(runner: Runner) -> None:
    first, second = installer(Index(), PIN), installer(Index(), PIN.replace("1.0", "1.1"))
    assert len(runner.commands) == 2
    assert isinstance(first, Uv) and isinstance(second, Uv)
    assert first.executable != second.executable


def test_pip_is_used_if_the_index_lacks_uv(runner: Runner, tmp_path: Path) -> None:
    runner.failure = Failed("no matching distribution")
    assert isinstance(installer(Index(), PIN), Pip)
    assert list((tmp_path / "tools").iterdir()) == []


def test_uv_is_tried_again_after_a_failed_download(runner: Runner) -> None:
    runner.failure = Failed("no matching distribution")
    installer(Index(), PIN)
    runner.failure = None
    assert isinstance(installer(Index(), PIN), Uv)


def test_others_cannot_read_the_cache(runner: Runner, tmp_path: Path) -> None:
    installer(Index(), PIN)
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_pinned_requirements_are_installed_by_hash_without_dependencies(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    install_pinned(Pip(Index()), tmp_path, sys.executable, PIN, "--only-binary", ":all:")
    words = runner.commands[0]
    assert {"--require-hashes", "--no-deps", "--only-binary"} < set(words)
    assert words[words.index("--target") + 1] == str(tmp_path)
    assert Path(words[words.index("-r") + 1]).read_text() == PIN
    assert not (tmp_path / ".lock").exists()
    assert runner.purposes == ["install uv==1.0"]


def test_a_tool_is_fetched_once_and_a_failure_leaves_nothing(runner: Runner, tmp_path: Path) -> None:
    runner.failure = Failed("no matching distribution")
    with pytest.raises(Failed, match="no matching distribution"):
        pinned_tool(Pip(Index()), "uv", PIN)
    assert list((tmp_path / "tools").iterdir()) == []
    runner.failure = None
    first, second = pinned_tool(Pip(Index()), "uv", PIN), pinned_tool(Pip(Index()), "uv", PIN)
    assert first == second
    assert len(runner.commands) == 2
    assert (read_manifest(first) or {})["requirement"] == "uv==1.0"


def test_a_lock_tool_has_its_own_virtual_environment_with_hashed_packages(runner: Runner) -> None:
    tool = Uv(Index(), Path("/opt/uv"))
    program = lock_tool(tool, "poetry", PIN)
    assert lock_tool(tool, "poetry", PIN) == program
    made, installed = runner.commands
    venv = program.parents[1]
    assert program == venv / "bin/poetry"
    assert (read_manifest(venv) or {})["requirement"] == "poetry"
    assert runner.purposes[-1] == "install poetry"
    assert made[-3:] == ["--python", sys.executable, str(venv)]
    assert installed[installed.index("--python") + 1] == str(venv / "bin/python")
    assert {"--require-hashes", "--no-deps"} < set(installed)
    assert Path(installed[installed.index("-r") + 1]).read_text() == PIN


def test_a_lock_tool_keeps_no_lock_file_of_uv(monkeypatch: pytest.MonkeyPatch, runner: Runner) -> None:
    class Careless(Pip):
        def install(self, venv: Path, arguments: list[str], purpose: str, cwd: Path | None = None, **_: Any) -> None:
            (venv / ".lock").touch()

    program = lock_tool(Careless(Index()), "pipenv", PIN)
    assert not (program.parents[1] / ".lock").exists()


def test_tool_entries_names_the_directories_of_the_tools(runner: Runner) -> None:
    places = [pinned_tool(Pip(Index()), "uv", PIN), lock_tool(Pip(Index()), "poetry", PIN).parents[1]]
    assert {place.name for place in places} < tool_entries([tool_name("uv", PIN), tool_name("poetry", PIN)])
    assert not tool_entries([tool_name("uv", "uv==1.1\n")]) & {place.name for place in places}


def test_another_interpreter_gets_another_lock_tool(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    before, before_version = lock_tool(Pip(Index()), "poetry", PIN), sys.version_info
    monkeypatch.setattr(sys, "version_info", (4, 0, 1))
    assert lock_tool(Pip(Index()), "poetry", PIN) != before
    monkeypatch.setattr(sys, "version_info", (*before_version[:2], 99))
    assert lock_tool(Pip(Index()), "poetry", PIN) == before


@pytest.mark.parametrize("name", sorted({*TOOLS, "pyuwsgi", "uwsgi"}))
def test_tools_of_the_collection_are_pinned_by_hash(name: str) -> None:
    (pin,) = pins(name).values()
    assert re.search(rf"^{name}==\S+ \\\n    --hash=sha256:[0-9a-f]{{64}}", pin, re.MULTILINE)
    assert pin.count("==") <= pin.count("--hash=sha256:")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], []),
        (["--pre"], ["--prerelease=allow"]),
        (["--extra-index-url", "--require-hashes"], ["--index-strategy=unsafe-best-match"]),
    ],
)
def test_uv_follows_options_of_a_requirements_file_like_pip(options: list[str], words: list[str]) -> None:
    assert Uv(Index(), Path("uv")).words(options) == words
    assert Pip(Index()).words(options) == []


def test_a_warning_is_reported_once_and_without_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index("https://ci:hunter2@pypi.example.org/simple")
    script = (
        "import sys; sys.stderr.write('warning: a hunter2\\x1b\\nResolved\\n WARNING: b\\nwarning: a hunter2\\x1b\\n')"
    )
    for _ in range(2):
        index.run([sys.executable, "-c", script], "install")
    assert index.warnings == ["warning: a ****\\x1b", "WARNING: b"]


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (
            "Git executable not found. Ensure that Git is installed and available.",
            "add git to python_app_extra_packages",
        ),
        ("ERROR: Cannot find command 'git' - do you have 'git' installed", "add git to python_app_extra_packages"),
        ("error: command 'gcc' failed: No such file or directory", "such as [build-essential, python3-dev]"),
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", "build-essential"),
        ("fatal error: Python.h: No such file or directory", "build-essential"),
        ("Error: pg_config executable not found.", "such as libpq-dev"),
        ("error: can't find Rust compiler", "build-essential"),
    ],
)
def test_a_missing_tool_is_reported_with_the_setting(runner: Runner, said: str, hint: str) -> None:
    runner.failure = Failed(f"could not install the packages; uv said:\n{said}")
    with pytest.raises(Failed) as failed:
        Index().run(["uv"], "install the packages")
    first, second = str(failed.value).splitlines()
    assert first.startswith("could not install the packages: a package ") and first.endswith("; uv said:")
    assert hint in first and second == said


def test_other_failures_have_no_hint(runner: Runner) -> None:
    runner.failure = Failed("could not install the packages; uv said:\nno such package: flaks")
    with pytest.raises(Failed, match=r"flaks$"):
        Index().run(["uv"], "install the packages")
