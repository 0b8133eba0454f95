"""What the source of an application promises."""

from __future__ import annotations

import io
import os
import shutil
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source
from tests.unit.repositories import add_submodule, commit, configure, git


def source_of(path: Path | str) -> Source:
    return Source.of({"source": str(path)})


def files_of(path: Path | str) -> list[str]:
    return list(source_of(path).files)


def dependencies_of(path: Path) -> Any:
    return source_of(path).content()["dependencies"]


def archive_of(source: Source) -> tarfile.TarFile:
    file = io.BytesIO()
    source.write_archive(file)
    file.seek(0)
    return tarfile.open(fileobj=file)


@pytest.fixture(autouse=True)
def _plain_git(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app"
    (path / "pages").mkdir(parents=True)
    (path / "main.py").write_text("application = None\n")
    (path / "pages/index.html").write_text("Hello\n")
    (path / "requirements.txt").write_text("flask==3.0.0\n")
    return path


ALL = ["main.py", "pages/index.html", "requirements.txt"]


def test_all_files_of_a_directory_are_sent(app: Path) -> None:
    assert files_of(app) == ALL


def test_a_relative_path_starts_at_the_current_directory(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(app.parent)
    assert files_of("app") == ALL


@pytest.mark.parametrize("name", ["__pycache__/main.cpython-311.pyc", ".mypy_cache/x.json", "old.pyc", ".DS_Store"])
def test_junk_outside_of_git_is_left_out(app: Path, name: str) -> None:
    (app / name).parent.mkdir(parents=True, exist_ok=True)
    (app / name).touch()
    assert files_of(app) == ALL
    assert source_of(app).left_out == ()


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        (".venv/bin/python", ".venv/"),
        ("pages/node_modules/x.js", "pages/node_modules/"),
        (".env", ".env"),
        ("db.sqlite3", "db.sqlite3"),
        ("db.sqlite3-wal", "db.sqlite3-wal"),
        ("pages/.envrc", "pages/.envrc"),
        ("python-for-shop/pyvenv.cfg", "python-for-shop/"),
    ],
)
def test_outside_of_git_local_files_are_left_out_and_reported_and_can_be_included(
    app: Path, name: str, left_out: str
) -> None:
    (app / name).parent.mkdir(parents=True, exist_ok=True)
    (app / name).touch()
    assert files_of(app) == ALL
    assert source_of(app).left_out == (left_out,)
    included = Source.of({"source": str(app), "include": [left_out]})
    assert (list(included.files), included.left_out) == (sorted([*ALL, name]), ())


@pytest.mark.parametrize("checkout", [False, True])
@pytest.mark.parametrize("target", ["pages", "main.py", "nowhere"])
def test_a_link_is_sent_as_a_link(app: Path, checkout: bool, target: str) -> None:
    (app / "link").symlink_to(target)
    if checkout:
        commit(app)
    with archive_of(source_of(app)) as archive:
        assert archive.getmember("link").issym()
        assert archive.getmember("link").linkname == target


def test_outside_of_git_a_socket_or_pipe_stays_out(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(app / "pipe")
    monkeypatch.chdir(app)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("app.sock")
        assert files_of(app) == ALL


def test_in_a_checkout_ignored_files_stay_out(app: Path) -> None:
    (app / ".gitignore").write_text("*.log\n/local/\n")
    (app / "debug.log").touch()
    (app / "local").mkdir()
    (app / "local/settings.py").touch()
    commit(app)
    assert files_of(app) == [".gitignore", *ALL]


def test_in_a_checkout_untracked_files_are_sent(app: Path) -> None:
    commit(app)
    (app / "new.py").touch()
    assert files_of(app) == ["main.py", "new.py", "pages/index.html", "requirements.txt"]


def test_in_a_checkout_a_deleted_file_stays_out(app: Path) -> None:
    commit(app)
    (app / "main.py").unlink()
    assert files_of(app) == ["pages/index.html", "requirements.txt"]


def test_a_subdirectory_of_a_checkout_is_sent_without_its_siblings(app: Path) -> None:
    (app.parent / "secret.txt").touch()
    commit(app.parent)
    assert files_of(app) == ALL


def test_in_a_checkout_names_in_other_encodings_are_sent(app: Path) -> None:
    with open(os.path.join(os.fsencode(app), b"caf\xe9.txt"), "w"):
        commit(app)
    assert os.fsdecode(b"caf\xe9.txt") in files_of(app)


@pytest.fixture
def library(tmp_path: Path, app: Path) -> Path:
    """Return the checkout of a submodule of `app`, which has a submodule itself."""
    for name in ("inner", "library"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").touch()
        commit(tmp_path / name)
    add_submodule(tmp_path / "library", str(tmp_path / "inner"), "deep/inner")
    commit(tmp_path / "library")
    git(app, "init", "--quiet")
    add_submodule(app, str(tmp_path / "library"), "library")
    git(app, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")
    commit(app)
    return app / "library"


OF_LIBRARY = [".gitmodules", "library/.gitmodules", "library/deep/inner/inner.py", "library/library.py"]


def test_in_a_checkout_submodules_are_sent(app: Path, library: Path) -> None:
    assert files_of(app) == sorted([*ALL, *OF_LIBRARY])


def test_new_files_of_a_submodule_are_sent_and_ignored_ones_are_not(app: Path, library: Path) -> None:
    (library / ".gitignore").write_text("*.log\n")
    (library / "debug.log").touch()
    assert files_of(app) == sorted([*ALL, *OF_LIBRARY, "library/.gitignore"])


def test_a_directory_in_a_submodule_can_be_a_source(library: Path) -> None:
    (library / "deep/requirements.txt").touch()
    assert files_of(library / "deep") == ["inner/inner.py", "requirements.txt"]


def test_a_submodule_that_is_not_checked_out_is_refused_with_the_command_to_run(app: Path, library: Path) -> None:
    git(app, "submodule", "--quiet", "deinit", "--force", "library")
    with pytest.raises(
        Failed, match=r"^build\.source: library in .*/app' is a git submodule .*`git submodule update --init"
    ):
        source_of(app)


def test_a_submodule_whose_directory_is_gone_is_refused(app: Path, library: Path) -> None:
    shutil.rmtree(library)
    with pytest.raises(Failed, match="git submodule update --init"):
        source_of(app)


def test_a_submodule_of_a_submodule_that_is_not_checked_out_is_refused(app: Path, library: Path) -> None:
    git(library, "submodule", "--quiet", "deinit", "--force", "deep/inner")
    with pytest.raises(Failed, match=r"^build\.source: deep/inner in .*/app/library' .*`git submodule update --init"):
        source_of(app)


def test_a_nested_repository_that_is_not_a_submodule_is_refused(app: Path) -> None:
    commit(app)
    (app / "own").mkdir()
    (app / "own/main.py").touch()
    commit(app / "own")
    with pytest.raises(Failed, match=r"^build\.source: own in .* is a separate git repository; .*`git submodule add`"):
        source_of(app)


def _changed(app: Path) -> None:
    (app / "main.py").write_text("application = True\n")


def _new(app: Path) -> None:
    (app / "new.py").touch()


def _changed_in_submodule(app: Path) -> None:
    (app / "library/library.py").write_text("1\n")


def _new_in_submodule(app: Path) -> None:
    (app / "library/new.py").touch()


def _new_in_submodule_of_submodule(app: Path) -> None:
    (app / "library/deep/inner/new.py").touch()


def _other_commit_of_submodule(app: Path) -> None:
    (app / "library/new.py").touch()
    commit(app / "library")


@pytest.mark.parametrize(
    "change",
    [
        _changed,
        _new,
        _changed_in_submodule,
        _new_in_submodule,
        _new_in_submodule_of_submodule,
        _other_commit_of_submodule,
    ],
)
@pytest.mark.parametrize(
    "hide",
    [
        {},
        {"status__showUntrackedFiles": "no", "diff__ignoreSubmodules": "all"},
        {"submodule__library__ignore": "all"},
    ],
)
def test_a_changed_checkout_is_dirty_whatever_the_configuration_hides(
    app: Path,
    library: Path,
    change: Callable[[Path], None],
    hide: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(monkeypatch, **hide)
    head = git(app, "rev-parse", "HEAD")
    assert source_of(app).commit == head
    change(app)
    assert source_of(app).commit == f"{head}-dirty"


def test_a_change_beside_a_directory_does_not_make_it_dirty(app: Path) -> None:
    head = commit(app.parent)
    (app.parent / "beside.txt").touch()
    assert source_of(app).commit == head


def test_a_deploy_from_a_hook_of_another_repository_reads_the_right_one(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/other.py").touch()
    commit(tmp_path / "other")
    head = commit(app)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other/.git/index"))
    assert files_of(app) == ALL
    assert source_of(app).commit == head


def test_the_commit_is_recorded(app: Path) -> None:
    commit(app)
    assert source_of(app).content()["commit"] == git(app, "rev-parse", "HEAD")


def test_there_is_no_commit_before_the_first_one(app: Path) -> None:
    git(app, "init", "--quiet")
    assert source_of(app).content()["commit"] is None


def test_there_is_no_commit_outside_of_git(app: Path) -> None:
    assert source_of(app).content()["commit"] is None


def _missing(app: Path) -> None:
    shutil.rmtree(app)


def _file(app: Path) -> None:
    shutil.rmtree(app)
    app.touch()


def _empty(app: Path) -> None:
    shutil.rmtree(app)
    app.mkdir()


def _empty_in_a_checkout(app: Path) -> None:
    _empty(app)
    git(app.parent, "init", "--quiet")


def _rubbish(app: Path) -> None:
    _empty(app)
    (app / ".DS_Store").touch()


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
        (_empty_in_a_checkout, "has nothing to deploy: it is empty"),
        (_rubbish, "has nothing to deploy: it is empty"),
        (_ignored, "has nothing to deploy: git ignores all files in it"),
        (_without_requirements, "has no requirements.txt: write one"),
        (_requirements_ignored, "has no requirements.txt: git ignores it"),
    ],
)
def test_a_source_that_cannot_be_built_is_refused_with_the_reason(
    app: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(app)
    with pytest.raises(Failed) as failure:
        source_of(app)
    assert str(failure.value).startswith(f"build.source: '{app}' {reason}")


@pytest.mark.parametrize(
    "text",
    [
        *("hello @ https://alice:hunter2@example.org/hello.whl", "svn+https://u:hunter2@example.org/hello"),
        *(" HTTPS://u:hunter2@example.org/hello", "u:hunter2@git.example.com:hello.git"),
        *("https://hunter2@git.example.com/hello.git", "https://alice:hunter2@git.example.com/hello.git@v1.2"),
        *("http://git.example.com/hunter2", "ssh://git@git.example.com/hunter2.git", "git://git.example.com/hunter2"),
        *("file:///srv/hunter2", "git@git.example.com:hunter2.git", "git@git.example.com:team/hunter2.git"),
        *("git-hunter2@host:hello", "git@192.0.2.1:~hunter2/hello"),
    ],
)
def test_a_url_without_git_prefix_is_refused_with_advice_and_not_shown(text: str) -> None:
    with pytest.raises(Failed) as failure:
        source_of(text)
    assert str(failure.value) == (
        "build.source: this is a URL; that of a git repository begins with git+ and has a / "
        "after the host, such as git+https://git.example.com/hello.git@v1.2 or "
        "git+ssh://git@git.example.com/hello.git@v1.2. Download any other file first, and write "
        "its path"
    )


def test_a_url_with_git_prefix_is_a_repository(app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    commit(app)
    assert files_of(f"git+file://{app}") == ALL


@pytest.mark.parametrize("name", ["a@b", "git@example", "a:b", "example.org:8000", "https:", "a+b"])
def test_a_directory_with_a_name_like_a_url_is_a_source(app: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app.rename(app.parent / name)
    monkeypatch.chdir(app.parent)
    assert files_of(name) == ALL


ADVICE = "; to install a package, add its version, such as hello==1.2"


@pytest.mark.parametrize(
    ("text", "advised"),
    [
        *((name, True) for name in ("hello", "hello-world", "Hello_World2", "zope.interface")),
        *((path, False) for path in ("./hello", "no/hello", "/no/hello", "hello/", "two words", "grüße")),
    ],
)
def test_a_possible_package_name_is_refused_with_the_right_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, advised: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failed) as failure:
        source_of(text)
    refused = f"build.source: {text!r} is not a directory on the controller ({Path(text).absolute()})"
    assert str(failure.value) == refused + (ADVICE if advised else "")


def test_a_directory_with_a_name_like_a_package_is_a_source(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(app.parent)
    app.rename(app.parent / "zope.interface")
    assert files_of("zope.interface") == ALL


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
    before = source_of(app).digest()
    change(app)
    assert source_of(app).digest() != before


def test_the_digest_does_not_change_with_times_paths_and_permissions(app: Path) -> None:
    before = source_of(app).digest()
    os.utime(app / "main.py", (1, 1))
    (app / "requirements.txt").chmod(0o600)
    moved = app.rename(app.with_name("elsewhere"))
    assert source_of(moved).digest() == before


def test_the_digest_is_the_same_in_a_checkout_and_outside(app: Path) -> None:
    before = source_of(app).digest()
    commit(app)
    assert source_of(app).digest() == before


def test_the_archive_preserves_all_files(app: Path, tmp_path: Path) -> None:
    source = source_of(app)
    with archive_of(source) as archive:
        archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
        archive.extractall(tmp_path / "host")
    assert source_of(tmp_path / "host").digest() == source.digest()


def test_in_the_archive_root_owns_everything_and_only_root_may_write(app: Path) -> None:
    (app / "main.py").chmod(0o777)
    (app / "requirements.txt").chmod(0o600)
    (app / "pages/index.html").chmod(0o666)
    for path in app.rglob("*"):
        if os.geteuid() == 0:
            os.chown(path, 1234, 1234)
    with archive_of(source_of(app)) as archive:
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
def test_changing_an_included_file_changes_the_requirements(app: Path, line: str) -> None:
    (app / "requirements.txt").write_text(f"{line}\n")
    (app / "more").mkdir()
    (app / "more/base.txt").write_text("flask==3.0.0\n")
    before = dependencies_of(app)["digest"]
    (app / "more/base.txt").write_text("flask==3.0.1\n")
    assert dependencies_of(app)["digest"] != before


def test_an_include_is_relative_to_the_file_that_has_it(app: Path) -> None:
    (app / "more").mkdir()
    (app / "requirements.txt").write_text("-r more/base.txt\n")
    (app / "more/base.txt").write_text("-c pins.txt\n")
    (app / "more/pins.txt").write_text("flask==3.0.0 --hash=sha256:00\n")
    assert dependencies_of(app)["hashed"] is True


def test_files_that_include_each_other_are_read_once(app: Path) -> None:
    (app / "requirements.txt").write_text("-r base.txt\n")
    (app / "base.txt").write_text("-r requirements.txt\n./lib\n")
    assert dependencies_of(app)["local"] is True


def test_a_missing_include_is_an_error_that_names_it(app: Path) -> None:
    (app / "requirements.txt").write_text("-r base.txt\n")
    with pytest.raises(Failed, match=r"requirements\.txt includes base\.txt"):
        dependencies_of(app)


def test_an_include_outside_the_source_is_an_error(app: Path) -> None:
    (app.parent / "base.txt").write_text("flask==3.0.0\n")
    (app / "requirements.txt").write_text("-r ../base.txt\n")
    with pytest.raises(Failed, match=r"base\.txt"):
        dependencies_of(app)


def test_code_alone_does_not_change_the_requirements(app: Path) -> None:
    before = dependencies_of(app)
    (app / "main.py").write_text("application = True\n")
    assert dependencies_of(app) == before


@pytest.mark.parametrize(
    ("text", "hashed"),
    [("flask==3.0.0\n", False), ("flask==3.0.0 \\\n    --hash=sha256:00\n", True), ("", False)],
)
def test_requirements_are_hashed_if_they_pin_files(app: Path, text: str, hashed: bool) -> None:
    (app / "requirements.txt").write_text(text)
    assert dependencies_of(app)["hashed"] is hashed


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
        ("-e lib", True),
        ("--editable=./lib", True),
        ("file:lib", True),
        ("lib/flask-3.0.0-py3-none-any.whl", True),
        ("--only-binary lib", False),
        ("--find-links lib", True),
        ("--find-links=lib", True),
        ("-f lib", True),
    ],
)
def test_requirements_are_local_if_they_are_in_the_source(app: Path, line: str, local: bool) -> None:
    (app / "lib").mkdir()
    (app / "lib/flask-3.0.0-py3-none-any.whl").touch()
    (app / "requirements.txt").write_text(f"{line}\n")
    assert dependencies_of(app)["local"] is local


def test_in_a_checkout_ignored_files_can_be_included(app: Path) -> None:
    (app / ".gitignore").write_text("dist\n*.map\n")
    (app / "web/dist/__pycache__").mkdir(parents=True)
    for name in ("web/dist/app.js", "web/dist/app.map", "web/dist/__pycache__/x.pyc", "a.map", "b.map"):
        (app / name).touch()
    commit(app)
    source = Source.of({"source": str(app), "include": ["web/dist", "./a.map"]})
    assert list(source.files) == sorted([".gitignore", *ALL, "a.map", "web/dist/app.js", "web/dist/app.map"])
    assert source.digest() != source_of(app).digest()


def test_included_files_must_exist(app: Path) -> None:
    with pytest.raises(
        Failed, match=r"^build\.include: '.*/app' has no dist; create it first, or remove it from build.include"
    ):
        Source.of({"source": str(app), "include": ["dist"]})


def test_packages_include_no_files() -> None:
    with pytest.raises(Failed, match=r"^build.include: a package has no other files; remove it"):
        Source.of({"source": "httpbin==0.10.2", "include": ["dist"]})
