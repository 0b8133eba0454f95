"""What the installing of packages promises."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import installer as unit
from ansible_collections.wsgi.production.plugins.module_utils import pins
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, Pip, Uv, install_pinned, installer

PIN = "uv==1.0 \\\n    --hash=sha256:00\n"


class Runner:
    """Notes the programs that would be run; `failure` is what becomes of each."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, str]] = []
        self.failure: Failed | None = None

    def __call__(self, argv: list[Any], purpose: str, **options: Any) -> str:
        """Take the place of `run`."""
        self.commands.append([str(word) for word in argv])
        self.environments.append(options.get("env") or {})
        if self.failure:
            raise self.failure
        return ""


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runner:
    fake = Runner()
    monkeypatch.setattr(unit, "run", fake)
    monkeypatch.setattr(unit, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(unit, "TOOLS", tmp_path / "tools")
    return fake


def tools(index: Index) -> list[Pip | Uv]:
    return [Pip(index), Uv(index, Path("/opt/uv"))]


def test_without_settings_the_tools_use_their_own_index() -> None:
    environment = Index().environment()
    assert not {"PIP_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_CERT", "SSL_CERT_FILE", "HTTPS_PROXY"} & set(environment)


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX"])
def test_both_tools_use_the_index_that_is_given(name: str) -> None:
    assert Index("https://pypi.example.org/simple").environment()[name] == "https://pypi.example.org/simple"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"])
def test_both_tools_use_the_proxy_that_is_given(name: str) -> None:
    assert Index(proxy="http://proxy.example.org:3128").environment()[name] == "http://proxy.example.org:3128"


@pytest.mark.parametrize("name", ["PIP_CERT", "SSL_CERT_FILE"])
def test_both_tools_trust_the_certificates_that_are_given(tmp_path: Path, name: str) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.touch()
    assert Index(ca_bundle=str(bundle)).environment()[name] == str(bundle)


def test_certificates_that_are_not_there_are_not_asked_for(tmp_path: Path) -> None:
    assert Index(ca_bundle=str(tmp_path / "ca.crt")).environment() == Index().environment()


def test_uv_never_brings_an_interpreter_of_its_own() -> None:
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


@pytest.mark.parametrize("number", [0, 1])
def test_packages_go_into_the_virtual_environment_that_is_named(runner: Runner, number: int) -> None:
    tools(Index())[number].install(Path("/venv"), ["flask"], "install flask")
    words = runner.commands[0]
    assert words[words.index("--python") + 1] == "/venv/bin/python"
    assert words[-1] == "flask"


def test_uv_is_fetched_once(runner: Runner, tmp_path: Path) -> None:
    first, second = installer(Index()), installer(Index())
    assert len(runner.commands) == 1
    assert isinstance(first, Uv) and isinstance(second, Uv)
    assert first.executable == second.executable
    assert first.executable.is_relative_to(tmp_path / "tools")


def test_another_version_of_uv_is_another_tool(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    first = installer(Index())
    monkeypatch.setattr(pins, "UV", PIN)
    second = installer(Index())
    assert len(runner.commands) == 2
    assert isinstance(first, Uv) and isinstance(second, Uv)
    assert first.executable != second.executable


def test_pip_does_the_work_where_the_index_lacks_uv(runner: Runner, tmp_path: Path) -> None:
    runner.failure = Failed("no matching distribution")
    assert isinstance(installer(Index()), Pip)
    assert list((tmp_path / "tools").iterdir()) == []


def test_uv_is_asked_for_again_after_it_was_not_to_be_had(runner: Runner) -> None:
    runner.failure = Failed("no matching distribution")
    installer(Index())
    runner.failure = None
    assert isinstance(installer(Index()), Uv)


def test_others_cannot_read_the_cache(runner: Runner, tmp_path: Path) -> None:
    installer(Index())
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_what_is_pinned_is_installed_by_its_digest_and_alone(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    install_pinned(Pip(Index()), tmp_path, sys.executable, PIN, "--only-binary", ":all:")
    words = runner.commands[0]
    assert {"--require-hashes", "--no-deps", "--only-binary"} < set(words)
    assert words[words.index("--target") + 1] == str(tmp_path)
    assert Path(words[words.index("-r") + 1]).read_text() == PIN
    assert not (tmp_path / ".lock").exists()
