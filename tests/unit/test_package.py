"""What packages promise as a source: from the index, or as a wheel on the controller."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.plugin_utils.source import Source

WHEEL = "shop-1.0-py3-none-any.whl"


def source_of(text: str, named: str = "", extras: list[str] | None = None) -> Source:
    return Source.of({"source": text, "dependencies": named, "extras": extras or []})


def archive_of(source: Source) -> dict[str, bytes]:
    """Return the archive as the host sees it: what is in each file."""
    file = io.BytesIO()
    source.write_archive(file)
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        members = archive.getmembers()
        assert {(one.uid, one.gid, one.uname, one.mode, one.isfile()) for one in members} == {
            (0, 0, "root", 0o644, True)
        }
        return {one.name: (archive.extractfile(one) or io.BytesIO()).read() for one in members}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def wheel(here: Path) -> Path:
    path = here / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("shop.py", "application = None\n")
    return path


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("httpbin==0.10.2", "httpbin==0.10.2"),
        ("httpbin == 0.10.2", "httpbin==0.10.2"),
        ("httpbin[mainapp]==0.10.2", "httpbin[mainapp]==0.10.2"),
        ("httpbin[b, a]==0.10.2", "httpbin[a,b]==0.10.2"),
        ("a==1!2.0+local.1", "a==1!2.0+local.1"),
    ],
)
def test_a_package_is_sent_as_a_requirement(text: str, line: str) -> None:
    source = source_of(text)
    assert archive_of(source) == {"requirements.txt": f"{line}\n".encode()}
    content: Any = source.content()
    digest = content["dependencies"].pop("digest")
    assert len(digest) == 64
    assert content == {
        "digest": source.digest(),
        "commit": None,
        "dependencies": {
            "file": "requirements.txt",
            "format": "requirements",
            "hashed": False,
            "local": False,
            "project": "",
            "extras": [],
            "options": [],
            "label": line,
        },
    }


def test_another_version_is_another_source() -> None:
    one, other = (source_of(f"httpbin=={version}").content() for version in ("0.10.1", "0.10.2"))
    assert one["digest"] != other["digest"]
    assert one["dependencies"]["digest"] != other["dependencies"]["digest"]


@pytest.mark.parametrize(
    "text",
    [
        "httpbin>=0.10",
        "httpbin~=0.10",
        "httpbin>0.10",
        "httpbin<1",
        "httpbin!=1",
        "httpbin===0.10.2",
        "httpbin==0.10.*",
        "httpbin==0.10.2,!=1",
        "httpbin==0.10.2; python_version > '3'",
        "httpbin[mainapp]",
    ],
)
def test_an_unpinned_package_is_refused(text: str) -> None:
    with pytest.raises(Failed, match=r"does not pin a version: write httpbin==1\.0"):
        source_of(text)


@pytest.mark.parametrize("text", ["httpbin==", "httpbin==one", "httpbin[==1", "httpbin==1.0 --hash=sha256:00"])
def test_an_invalid_requirement_is_refused(text: str) -> None:
    with pytest.raises(Failed, match=r"is not a package; write a name and a version, such as httpbin==0.10.2"):
        source_of(text)


@pytest.mark.parametrize("name", ["a==1", "a[1]", "app>1"])
def test_an_existing_directory_is_used_whatever_its_name(here: Path, name: str) -> None:
    (here / name).mkdir()
    (here / name / "requirements.txt").touch()
    assert list(source_of(name).files) == ["requirements.txt"]


@pytest.mark.parametrize("text", ["httpbin", "lib/httpbin==1.0", "./a==1", "app (1)"])
def test_a_missing_directory_is_refused_as_one(text: str) -> None:
    with pytest.raises(Failed, match="is not a directory on the controller"):
        source_of(text)


PINS = "# all of it\nHTTPbin[mainapp]==0.10.2 \\\n    --hash=sha256:00\nflask==3.0.0 --hash=sha256:11\n"


@pytest.mark.parametrize("named", ["pins.txt", "pins/all.txt"])
def test_a_package_comes_with_the_named_requirements(here: Path, named: str) -> None:
    (here / named).parent.mkdir(exist_ok=True)
    (here / named).write_text(PINS)
    source = source_of("httpbin==0.10.2", named)
    assert archive_of(source) == {"requirements.txt": PINS.encode()}
    found = source.content()["dependencies"]
    assert (found["file"], found["hashed"], found["local"], found["project"]) == ("requirements.txt", True, False, "")


def test_requirements_with_other_line_ends_and_encodings_stay_unchanged(here: Path) -> None:
    text = b"a==1\r\n# caf\xe9\r\n"
    (here / "pins.txt").write_bytes(text)
    assert archive_of(source_of("a==1", "pins.txt")) == {"requirements.txt": text}


@pytest.mark.parametrize(
    "pins",
    [
        "flask==3.0.0\n",
        "httpbin==0.10.1\n",
        "httpbin>=0.10.2\n",
        "httpbin\n",
        "# httpbin==0.10.2\n",
        "a==0.10.2\n",
        "-f httpbin==0.10.2\n",
    ],
)
def test_requirements_that_do_not_pin_the_package_itself_are_refused(here: Path, pins: str) -> None:
    (here / "pins.txt").write_text(pins)
    with pytest.raises(Failed, match=r"^build\.dependencies: pins\.txt does not contain httpbin==0\.10\.2: pin it"):
        source_of("httpbin==0.10.2", "pins.txt")


@pytest.mark.parametrize("pin", ["httpbin==0.10.2; python_version>'3'", "httpbin==0.10.2;python_version>'3'"])
def test_a_pin_may_have_a_marker(here: Path, pin: str) -> None:
    (here / "pins.txt").write_text(f"{pin}\n")
    assert source_of("httpbin==0.10.2", "pins.txt").files


@pytest.mark.parametrize(
    "line",
    ["-r base.txt", "-c base.txt", "--requirement=base.txt", "--constraint base.txt", "./base.txt", "-e base.txt"],
)
@pytest.mark.parametrize("text", ["httpbin==0.10.2", WHEEL])
def test_requirements_that_need_another_file_are_refused(here: Path, wheel: Path, line: str, text: str) -> None:
    (here / "pins.txt").write_text(f"{PINS}{line}\n")
    with pytest.raises(Failed, match=r"^build\.dependencies: pins\.txt needs another file, (\./)?base\.txt, which"):
        source_of(text, "pins.txt")


@pytest.mark.parametrize("named", ["nope.txt", "directory.txt", "uv.lock"])
@pytest.mark.parametrize("text", ["httpbin==0.10.2", WHEEL])
def test_invalid_requirements_files_are_refused(here: Path, wheel: Path, named: str, text: str) -> None:
    (here / "directory.txt").mkdir()
    (here / "uv.lock").touch()
    with pytest.raises(Failed, match=rf"^build\.dependencies: '{named}' is not a requirements file"):
        source_of(text, named)


def test_extras_of_a_package_are_written_in_brackets() -> None:
    with pytest.raises(Failed, match=r"^build.extras: remove them; write them in brackets"):
        source_of("httpbin==0.10.2", extras=["mainapp"])


def test_extras_of_a_wheel_are_refused(wheel: Path) -> None:
    with pytest.raises(Failed, match=r"^build.extras: remove them; set build.dependencies to a requirements file"):
        source_of(WHEEL, extras=["mainapp"])


def test_a_wheel_is_sent_with_a_requirement_for_itself(wheel: Path) -> None:
    for text in (WHEEL, str(wheel), f"../{wheel.parent.name}/{WHEEL}"):
        source = source_of(text)
        assert archive_of(source) == {WHEEL: wheel.read_bytes(), "requirements.txt": f"./{WHEEL}\n".encode()}
        found = source.content()["dependencies"]
        assert (found["format"], found["hashed"], found["local"], found["project"]) == ("requirements", False, True, "")
        assert source.commit is None


def test_a_wheel_is_installed_after_the_named_requirements(here: Path, wheel: Path) -> None:
    (here / "pins.txt").write_text(PINS)
    source = source_of(WHEEL, "pins.txt")
    assert archive_of(source) == {WHEEL: wheel.read_bytes(), "requirements.txt": PINS.encode()}
    found = source.content()["dependencies"]
    assert (found["hashed"], found["local"], found["project"]) == (True, True, WHEEL)


def test_a_wheel_is_sent_instead_of_its_link(here: Path, wheel: Path) -> None:
    (here / "dist").mkdir()
    (here / "dist" / WHEEL).symlink_to(wheel)
    assert archive_of(source_of(f"dist/{WHEEL}"))[WHEEL] == wheel.read_bytes()


def test_a_wheel_with_other_content_is_another_source(wheel: Path) -> None:
    before = source_of(WHEEL).digest()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more.py", "")
    assert source_of(WHEEL).digest() != before


@pytest.mark.parametrize("text", [f"nope/{WHEEL}", "directory.whl"])
def test_a_missing_wheel_is_refused(here: Path, text: str) -> None:
    (here / "directory.whl").mkdir()
    with pytest.raises(Failed, match=r"is not a file on the controller \(/"):
        source_of(text)


def test_a_url_of_a_wheel_is_refused_and_not_shown() -> None:
    with pytest.raises(Failed, match=r"^build\.source: this is a URL; ") as failure:
        source_of("https://alice:hunter2@example.org/shop-1.0-py3-none-any.whl")
    assert "hunter2" not in str(failure.value)


@pytest.mark.parametrize(
    "name", ["shop.whl", "shop-1.0.whl", "shop-1.0-py3-none-any .whl", "shop-1.0-py3-none-a#b.whl"]
)
def test_an_invalid_wheel_name_is_refused(here: Path, wheel: Path, name: str) -> None:
    wheel.rename(here / name)
    with pytest.raises(Failed, match=rf"^build\.source: '{name}' does not have the name of a wheel, such as shop-1"):
        source_of(name)


def test_a_damaged_wheel_is_refused(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:-10])
    with pytest.raises(Failed, match="is not a wheel: it is not a complete zip file"):
        source_of(WHEEL)


@pytest.mark.parametrize("text", ["", None])
def test_a_missing_source_is_refused(text: Any) -> None:
    with pytest.raises(Failed, match="it is empty; write a directory, the URL of a git repository, or a package"):
        Source.of({"source": text})
