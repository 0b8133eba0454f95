"""What the source of an application promises."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import tarfile
from pathlib import Path
from typing import Callable

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source

IDENTITY = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]


def git(directory: Path, *arguments: str) -> str:
    command = ["git", *IDENTITY, "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def commit(directory: Path) -> None:
    git(directory, "init", "--quiet")
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "All")


def archive_of(source: Source) -> tarfile.TarFile:
    file = io.BytesIO()
    source.write_archive(file)
    file.seek(0)
    return tarfile.open(fileobj=file)


@pytest.fixture(autouse=True)
def _plain_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app"
    (path / "pages").mkdir(parents=True)
    (path / "main.py").write_text("application = None\n")
    (path / "pages/index.html").write_text("Hello\n")
    (path / "requirements.txt").write_text("flask==3.0.0\n")
    return path


ALL = ["main.py", "pages/index.html", "requirements.txt"]


def test_all_files_of_a_directory_come_along(app: Path) -> None:
    assert Source(str(app)).files == ALL


def test_a_relative_path_starts_at_the_current_directory(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(app.parent)
    assert Source("app").files == ALL


@pytest.mark.parametrize(
    "name", ["__pycache__/main.cpython-311.pyc", ".venv/bin/python", "pages/node_modules/x.js", "old.pyc", ".DS_Store"]
)
def test_outside_of_git_rubbish_stays_out(app: Path, name: str) -> None:
    (app / name).parent.mkdir(parents=True, exist_ok=True)
    (app / name).touch()
    assert Source(str(app)).files == ALL


@pytest.mark.parametrize("checkout", [False, True])
@pytest.mark.parametrize("target", ["pages", "main.py", "nowhere"])
def test_a_link_comes_along_as_a_link(app: Path, checkout: bool, target: str) -> None:
    (app / "link").symlink_to(target)
    if checkout:
        commit(app)
    with archive_of(Source(str(app))) as archive:
        assert archive.getmember("link").issym()
        assert archive.getmember("link").linkname == target


def test_outside_of_git_a_socket_or_pipe_stays_out(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(app / "pipe")
    monkeypatch.chdir(app)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("app.sock")
        assert Source(str(app)).files == ALL


def test_in_a_checkout_what_git_ignores_stays_out(app: Path) -> None:
    (app / ".gitignore").write_text("*.log\n/local/\n")
    (app / "debug.log").touch()
    (app / "local").mkdir()
    (app / "local/settings.py").touch()
    commit(app)
    assert Source(str(app)).files == [".gitignore", *ALL]


def test_in_a_checkout_untracked_files_come_along(app: Path) -> None:
    commit(app)
    (app / "new.py").touch()
    assert Source(str(app)).files == ["main.py", "new.py", "pages/index.html", "requirements.txt"]


def test_in_a_checkout_a_deleted_file_stays_out(app: Path) -> None:
    commit(app)
    (app / "main.py").unlink()
    assert Source(str(app)).files == ["pages/index.html", "requirements.txt"]


def test_a_directory_below_a_checkout_comes_without_what_is_beside_it(app: Path) -> None:
    (app.parent / "secret.txt").touch()
    commit(app.parent)
    assert Source(str(app)).files == ALL


def test_in_a_checkout_a_name_in_another_encoding_comes_along(app: Path) -> None:
    with open(os.path.join(os.fsencode(app), b"caf\xe9.txt"), "w"):
        commit(app)
    assert os.fsdecode(b"caf\xe9.txt") in Source(str(app)).files


def test_the_commit_is_remembered(app: Path) -> None:
    commit(app)
    assert Source(str(app)).content()["commit"] == git(app, "rev-parse", "HEAD").strip()


def test_there_is_no_commit_before_the_first_one(app: Path) -> None:
    git(app, "init", "--quiet")
    assert Source(str(app)).content()["commit"] is None


def test_there_is_no_commit_outside_of_git(app: Path) -> None:
    assert Source(str(app)).content()["commit"] is None


def _missing(app: Path) -> None:
    shutil.rmtree(app)


def _file(app: Path) -> None:
    shutil.rmtree(app)
    app.touch()


def _empty(app: Path) -> None:
    shutil.rmtree(app)
    app.mkdir()


def _ignored(app: Path) -> None:
    (app / ".gitignore").write_text("*\n")
    git(app, "init", "--quiet")


def _without_requirements(app: Path) -> None:
    (app / "requirements.txt").unlink()


def _requirements_ignored(app: Path) -> None:
    (app / ".gitignore").write_text("requirements.txt\n")
    git(app, "init", "--quiet")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_missing, "is not a directory on the controller"),
        (_file, "is not a directory on the controller"),
        (_empty, "has nothing to deploy: it is empty"),
        (_ignored, "has nothing to deploy: git ignores all that is in it"),
        (_without_requirements, "has no requirements.txt: write it"),
        (_requirements_ignored, "has no requirements.txt: git ignores it"),
    ],
)
def test_a_source_that_cannot_be_built_is_refused_with_the_reason(
    app: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(app)
    with pytest.raises(Failed) as failure:
        Source(str(app))
    assert str(failure.value).startswith(f"'{app}' {reason}")


def _other_content(app: Path) -> None:
    (app / "main.py").write_text("application = True\n")


def _other_name(app: Path) -> None:
    (app / "main.py").rename(app / "wsgi.py")


def _other_directory(app: Path) -> None:
    (app / "pages").rename(app / "templates")


def _executable(app: Path) -> None:
    (app / "main.py").chmod(0o755)


def _one_more(app: Path) -> None:
    (app / "empty").touch()


def _one_less(app: Path) -> None:
    (app / "main.py").unlink()


def _other_target(app: Path) -> None:
    (app / "link").unlink()
    (app / "link").symlink_to("requirements.txt")


def _file_for_link(app: Path) -> None:
    (app / "link").unlink()
    (app / "link").write_text("main.py")


@pytest.mark.parametrize(
    "change",
    [
        _other_content,
        _other_name,
        _other_directory,
        _executable,
        _one_more,
        _one_less,
        _other_target,
        _file_for_link,
    ],
)
def test_the_digest_changes_with(app: Path, change: Callable[[Path], None]) -> None:
    (app / "link").symlink_to("main.py")
    before = Source(str(app)).digest()
    change(app)
    assert Source(str(app)).digest() != before


def test_the_digest_does_not_change_with_times_places_and_permissions(app: Path) -> None:
    before = Source(str(app)).digest()
    os.utime(app / "main.py", (1, 1))
    (app / "requirements.txt").chmod(0o600)
    moved = app.rename(app.with_name("elsewhere"))
    assert Source(str(moved)).digest() == before


def test_the_digest_is_the_same_in_a_checkout_and_outside(app: Path) -> None:
    before = Source(str(app)).digest()
    commit(app)
    assert Source(str(app)).digest() == before


def test_the_archive_brings_back_what_went_in(app: Path, tmp_path: Path) -> None:
    source = Source(str(app))
    with archive_of(source) as archive:
        archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
        archive.extractall(tmp_path / "host")
    assert Source(str(tmp_path / "host")).digest() == source.digest()


def test_in_the_archive_root_owns_everything_and_nobody_else_may_write(app: Path) -> None:
    (app / "main.py").chmod(0o777)
    (app / "requirements.txt").chmod(0o600)
    (app / "pages/index.html").chmod(0o666)
    for path in app.rglob("*"):
        if os.geteuid() == 0:
            os.chown(path, 1234, 1234)
    with archive_of(Source(str(app))) as archive:
        members = archive.getmembers()
    assert {(one.uid, one.gid, one.uname, one.gname) for one in members} == {(0, 0, "root", "root")}
    modes = {one.name: one.mode for one in members}
    assert modes == {"main.py": 0o755, "pages/index.html": 0o644, "requirements.txt": 0o644}


@pytest.mark.parametrize(
    "line",
    [
        "-r more/base.txt",
        "-c more/base.txt",
        "--requirement more/base.txt",
        "--requirement=more/base.txt",
        "--constraint more/base.txt",
        "  -r ./more/base.txt",
        "-rmore/base.txt",
        "-r more/base.txt  # what all of them need",
    ],
)
def test_a_change_of_an_included_file_is_a_change_of_the_requirements(app: Path, line: str) -> None:
    (app / "requirements.txt").write_text(f"{line}\n")
    (app / "more").mkdir()
    (app / "more/base.txt").write_text("flask==3.0.0\n")
    before = Source(str(app)).requirements()["digest"]
    (app / "more/base.txt").write_text("flask==3.0.1\n")
    assert Source(str(app)).requirements()["digest"] != before


def test_an_include_is_relative_to_the_file_that_has_it(app: Path) -> None:
    (app / "more").mkdir()
    (app / "requirements.txt").write_text("-r more/base.txt\n")
    (app / "more/base.txt").write_text("-c pins.txt\n")
    (app / "more/pins.txt").write_text("flask==3.0.0 --hash=sha256:00\n")
    assert Source(str(app)).requirements()["hashed"] is True


def test_files_that_include_each_other_are_read_once(app: Path) -> None:
    (app / "requirements.txt").write_text("-r base.txt\n")
    (app / "base.txt").write_text("-r requirements.txt\n./lib\n")
    assert Source(str(app)).requirements()["local"] is True


def test_an_include_that_is_not_there_is_an_error_that_names_it(app: Path) -> None:
    (app / "requirements.txt").write_text("-r base.txt\n")
    with pytest.raises(Failed, match=r"requirements\.txt includes base\.txt"):
        Source(str(app)).requirements()


def test_an_include_that_does_not_go_to_the_hosts_is_an_error(app: Path) -> None:
    (app.parent / "base.txt").write_text("flask==3.0.0\n")
    (app / "requirements.txt").write_text("-r ../base.txt\n")
    with pytest.raises(Failed, match=r"base\.txt"):
        Source(str(app)).requirements()


def test_code_alone_does_not_change_the_requirements(app: Path) -> None:
    before = Source(str(app)).requirements()
    (app / "main.py").write_text("application = True\n")
    assert Source(str(app)).requirements() == before


@pytest.mark.parametrize(
    ("text", "hashed"),
    [("flask==3.0.0\n", False), ("flask==3.0.0 \\\n    --hash=sha256:00\n", True), ("", False)],
)
def test_requirements_are_hashed_where_they_pin_files(app: Path, text: str, hashed: bool) -> None:
    (app / "requirements.txt").write_text(text)
    assert Source(str(app)).requirements()["hashed"] is hashed


@pytest.mark.parametrize(
    ("line", "local"),
    [
        ("flask==3.0.0", False),
        ("# ./lib", False),
        ("--index-url https://pypi.example.org/simple", False),
        (".", True),
        ("./lib", True),
        ("  ./lib", True),
        ("-e .", True),
        ("-e ./lib", True),
        ("--editable=./lib", True),
        ("file:lib", True),
        ("lib/flask-3.0.0-py3-none-any.whl", True),
        ("--find-links lib", True),
        ("--find-links=lib", True),
        ("-f lib", True),
    ],
)
def test_requirements_are_local_where_they_lie_in_the_source(app: Path, line: str, local: bool) -> None:
    (app / "lib").mkdir()
    (app / "lib/flask-3.0.0-py3-none-any.whl").touch()
    (app / "requirements.txt").write_text(f"{line}\n")
    assert Source(str(app)).requirements()["local"] is local
