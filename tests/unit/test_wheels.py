"""What wheels promise when one host gathers them and others install them."""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import build_user, installer
from ansible_collections.wsgi.production.plugins.module_utils import wheels as unit
from ansible_collections.wsgi.production.plugins.module_utils.build import Recipe
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.installer import Index, Pip, Uv
from ansible_collections.wsgi.production.plugins.module_utils.plan import Plan
from ansible_collections.wsgi.production.plugins.module_utils.steps import wheels as module
from ansible_collections.wsgi.production.plugins.module_utils.wheels import (
    Folder,
    FromFolder,
    Gatherer,
    Wheels,
    pack,
    unpack,
)
from tests.unit.fakes import AtWork, FakeModule

ARGUMENTS: dict[str, Any] = dict(module.ARGUMENTS)

TAG = "cpython-3.11-x86_64"
SIX = "six-1.0-py3-none-any.whl"
SHOP = "shop-2.0+local-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
UV = "uv-0.1-py3-none-linux_x86_64.whl"
SERVER = "pyuwsgi-2.0-cp311-cp311-linux_x86_64.whl"
PINS = {
    "uv": "uv==0.1 --hash=sha256:01\n",
    "pip": "pip==1 --hash=sha256:02\n",
    "pyuwsgi": "pyuwsgi==2.0 --hash=sha256:03\n",
}
SENT = "/home/alice/wheels.tar on the controller"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Index4Pip:
    """Stands in for all programs: a `pip wheel` leaves what it was asked for; `failing` is the part that fails.

    `commands` is what was run, `requirements` the text of each file of them.
    """

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, str]] = []
        self.requirements: list[str] = []
        self.failing = ""
        self.at_work = AtWork()

    def __call__(self, argv: list[Any], purpose: str, cwd: Path | None = None, env: Any = None, **_: Any) -> str:
        """Take the place of `run`."""
        words = [str(word) for word in argv]
        self.commands.append(words)
        self.environments.append(env)
        if self.failing and self.failing in purpose:
            raise Failed(f"could not {purpose}")
        text = ((cwd or Path()) / words[words.index("-r") + 1]).read_text() if "-r" in words else ""
        self.requirements.append(text)
        if "wheel" in words:
            folder = Path(words[words.index("--wheel-dir") + 1])
            made = {PINS["uv"]: UV, PINS["pyuwsgi"]: SERVER, "": SHOP}.get(text, SIX)
            (folder / made).write_text(made)
        return ""

    def wheels(self) -> list[list[str]]:
        """Return the calls of `pip wheel`."""
        return [words for words in self.commands if "wheel" in words]


@pytest.fixture(autouse=True)
def nice(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(os, "nice", found.append)
    return found


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Index4Pip:
    fake = Index4Pip()
    monkeypatch.setattr(installer, "run", fake)
    monkeypatch.setattr(build_user, "at_work", fake.at_work)
    monkeypatch.setattr(installer, "TOOLS", tmp_path / "tools")
    return fake


class Site:
    """One application and the host that gathers its wheels."""

    def __init__(self, path: Path) -> None:
        self.root = path / "wheels"
        self.archive = path / "source.tar.gz"
        self.tool: Pip | Uv = Uv(Index("https://pypi.example.org"), Path("/opt/uv"))
        (path / "requirements.txt").write_text("six==1.0 --hash=sha256:00\n")
        with tarfile.open(self.archive, "w:gz") as files:
            files.add(path / "requirements.txt", "requirements.txt")

    def recipe(self, tag: str = TAG, code: str = "code", local: bool = False, **more: Any) -> Recipe:
        """Return what a build of the application is made of."""
        dependencies: dict[str, Any] = {"file": "requirements.txt", "format": "requirements", "digest": "d1"}
        dependencies.update({"hashed": True, "local": local, "project": ".", "extras": [], "options": [], **more})
        return Recipe("app", {"digest": code, "commit": None, "dependencies": dependencies}, tag)

    def gatherer(self, **more: Any) -> Gatherer:
        """Return the gatherer of its wheels."""
        return Gatherer(self.recipe(**more), PINS, self.root)

    def gather(self, **more: Any) -> Wheels:
        """Gather its wheels."""
        return self.gatherer(**more).make(self.archive, "python3.12", self.tool)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_all_wheels_are_gathered_once(site: Site, pip: Index4Pip, nice: list[int]) -> None:
    gatherer = site.gatherer()
    assert gatherer.find() is None
    wheels = site.gather()
    assert sorted(path.name for path in gatherer.path.glob("*.whl")) == sorted([SIX, SHOP, UV, SERVER])
    assert gatherer.find() == wheels
    assert nice == [10]


def test_the_build_user_gathers_the_wheels(site: Site, pip: Index4Pip) -> None:
    gatherer = site.gatherer()
    site.gather()
    assert [writes[0] for writes in pip.at_work.writes].count(gatherer.path) == len(pip.wheels())


def test_a_link_in_place_of_a_wheel_is_refused(site: Site, pip: Index4Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(argv: list[Any], purpose: str, **options: Any) -> str:
        if purpose == "gather the packages":
            Path(argv[argv.index("--wheel-dir") + 1], "evil.whl").symlink_to("/etc/shadow")
        return pip(argv, purpose, **options)

    monkeypatch.setattr(installer, "run", leave)
    with pytest.raises(Failed, match=r"a build left evil\.whl, which is not a file"):
        site.gather()


def test_wheels_are_listed_by_digest_and_the_collections_own_separately(site: Site, pip: Index4Pip) -> None:
    wheels = site.gather()
    assert wheels.files == {SIX: sha256(SIX), SHOP: sha256(SHOP)}
    assert wheels.tools == {UV: sha256(UV), SERVER: sha256(SERVER)}
    assert (wheels.interpreter, wheels.folder) == (TAG, site.gatherer().name)
    assert Wheels.of(wheels.as_dict()) == wheels
    manifest = site.gatherer().store.manifest(wheels.folder) or {}
    assert {name: manifest[name] for name in wheels.as_dict()} == wheels.as_dict()


def test_the_requirements_allow_exactly_the_wheels_of_the_application(site: Site, pip: Index4Pip) -> None:
    text = f"shop==2.0+local --hash=sha256:{sha256(SHOP)}\nsix==1.0 --hash=sha256:{sha256(SIX)}\n"
    assert site.gather().requirements() == text
    assert (site.gatherer().path / "requirements.txt").read_text() == text


def test_wheels_are_made_by_the_pinned_pip_in_their_interpreter(site: Site, pip: Index4Pip, tmp_path: Path) -> None:
    site.gather()
    assert pip.requirements[0] == PINS["pip"]
    for words in pip.wheels():
        assert words[0] == "python3.12"
        assert Path(words[1]).parent.parent == tmp_path / "tools"
        assert words[1].endswith("/pip")
        assert Path(words[1]).parent.name == installer.tool_name("pip", PINS["pip"])


def test_hashed_dependencies_are_gathered_by_hash(site: Site, pip: Index4Pip) -> None:
    site.gather()
    packages, project, uv, server = pip.wheels()
    assert "--require-hashes" in packages and "--no-require-hashes" not in packages
    assert packages[-2:] == ["-r", "requirements.txt"]
    assert project[-2] == "--no-deps"
    assert not {"--require-hashes", "-r"} & set(project)
    for words in (uv, server):
        assert {"--require-hashes", "--no-deps"} < set(words)
        assert words[words.index("--only-binary") + 1] == ":all:"
    assert pip.requirements[-2:] == [PINS["uv"], PINS["pyuwsgi"]]


def test_dependencies_without_hashes_are_gathered_without_requiring_them(site: Site, pip: Index4Pip) -> None:
    site.gather(hashed=False)
    assert "--no-require-hashes" in pip.wheels()[0]
    assert "--require-hashes" not in pip.wheels()[0]


def test_without_dependencies_only_the_collections_own_are_gathered(site: Site, pip: Index4Pip) -> None:
    wheels = site.gather(format="none", project="")
    assert wheels.files == {}
    assert set(wheels.tools) == {UV, SERVER}


def test_a_wheel_of_the_project_is_reproducible(site: Site, pip: Index4Pip) -> None:
    site.gather()
    project = pip.environments[pip.commands.index(pip.wheels()[1])]
    assert int(project["SOURCE_DATE_EPOCH"]) == 315532800
    assert project["PIP_INDEX_URL"] == "https://pypi.example.org"


def test_no_uv_is_gathered_if_the_index_has_none(site: Site, pip: Index4Pip) -> None:
    site.tool = Pip(Index())
    assert set(site.gather().tools) == {SERVER}


@pytest.mark.parametrize(
    "failing", ["gather the packages", "build a wheel of the project", "gather uv", "gather pyuwsgi"]
)
def test_a_failed_gathering_leaves_nothing(site: Site, pip: Index4Pip, failing: str) -> None:
    pip.failing = failing
    with pytest.raises(Failed, match=f"could not {failing}"):
        site.gather()
    assert list(site.root.iterdir()) == []
    assert site.gatherer().find() is None


def test_a_folder_is_named_by_what_its_wheels_are_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = site.gatherer().name
    assert site.gatherer(code="other").name == before
    names = {
        before,
        site.gatherer(tag="cpython-3.13-x86_64").name,
        site.gatherer(digest="d2").name,
        site.gatherer(local=True).name,
        site.gatherer(local=True, code="other").name,
    }
    for pin in ("uv", "pyuwsgi"):
        monkeypatch.setitem(PINS, pin, "other==1.0")
        names.add(site.gatherer().name)
    assert len(names) == 7


def test_the_digest_of_wheels_does_not_depend_on_their_folder() -> None:
    wheels = Wheels("f1", TAG, {SIX: "00"}, {UV: "01"})
    assert wheels.digest == Wheels("f2", TAG, {SIX: "00"}, {UV: "01"}).digest
    assert wheels.digest != Wheels("f1", TAG, {SIX: "02"}, {UV: "01"}).digest
    assert wheels.digest != Wheels("f1", TAG, {SIX: "00"}, {UV: "02"}).digest


@pytest.fixture
def folder(site: Site, pip: Index4Pip, tmp_path: Path) -> Path:
    """Return a folder with wheels on another host, where nothing has run yet."""
    wheels = site.gather()
    archive = tmp_path / "wheels.tar"
    pack(site.gatherer().path, wheels, archive)
    folder = unpack(archive, wheels, SENT, tmp_path / "host")
    pip.commands.clear()
    pip.environments.clear()
    pip.requirements.clear()
    return folder


def test_wheels_are_sent_unchanged_and_count_when_complete(site: Site, folder: Path, tmp_path: Path) -> None:
    wheels = site.gatherer().find()
    assert wheels is not None
    assert {path.name: path.read_text() for path in folder.glob("*.whl")} == {
        name: name for name in (SIX, SHOP, UV, SERVER)
    }
    assert folder == tmp_path / "host" / wheels.folder
    assert Gatherer(site.recipe(), PINS, tmp_path / "host").find() == wheels


def test_an_archive_of_wheels_is_not_compressed_again(site: Site, folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "wheels.tar", "r:") as files:
        assert files.getnames() == sorted([SIX, SHOP, UV, SERVER])


def test_existing_wheels_are_not_unpacked_again(site: Site, folder: Path, tmp_path: Path) -> None:
    wheels = site.gather(digest="d2")
    first = unpack(tmp_path / "wheels.tar", wheels, SENT, tmp_path / "host")
    assert unpack(tmp_path / "missing.tar", wheels, SENT, tmp_path / "host") == first


def test_different_wheels_replace_those_of_the_same_name(site: Site, folder: Path, tmp_path: Path) -> None:
    before = site.gatherer().find()
    assert before is not None
    after = Wheels(before.folder, TAG, {SIX: sha256("other")}, {})
    with tarfile.open(tmp_path / "other.tar", "w") as files:
        (tmp_path / "other").write_text("other")
        files.add(tmp_path / "other", SIX)
    assert unpack(tmp_path / "other.tar", after, SENT, tmp_path / "host") == folder
    assert [path.read_text() for path in folder.glob("*.whl")] == ["other"]
    assert Gatherer(site.recipe(), PINS, tmp_path / "host").find() == after


@pytest.mark.parametrize("name", [f"../{SIX}", "requirements.txt", f"a/{SIX}", "/x.whl"])
def test_an_archive_may_contain_only_wheels(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with tarfile.open(tmp_path / "wheels.tar", "w") as files:
        files.add(tmp_path / "file", SIX)
        entry = tarfile.TarInfo(name)
        files.addfile(entry)
    with pytest.raises(Failed, match=f"the archive of wheels contains '{name}', which is not a wheel"):
        unpack(tmp_path / "wheels.tar", Wheels("f1", TAG, {SIX: "00"}, {}), SENT, tmp_path / "host")
    assert list((tmp_path / "host").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_wheel_is_a_regular_file(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "wheels.tar", "w") as files:
        entry = tarfile.TarInfo(SIX)
        entry.type, entry.linkname = kind, "/etc/passwd"
        files.addfile(entry)
    with pytest.raises(Failed, match="which is not a wheel"):
        unpack(tmp_path / "wheels.tar", Wheels("f1", TAG, {SIX: "00"}, {}), SENT, tmp_path / "host")


def install(site: Site, folder: Path, tool: Pip | Uv | None = None) -> None:
    wheels = site.gatherer().find()
    assert wheels is not None
    tool = tool or Uv(Folder(folder), Path("/opt/uv"))
    FromFolder(wheels, folder, TAG).install(tool, Path("/venv"), Path("/"), "python3")


@pytest.mark.parametrize("kind", ["uv", "pip"])
def test_wheels_are_installed_by_digest_without_an_index(site: Site, folder: Path, pip: Index4Pip, kind: str) -> None:
    index = Folder(folder)
    install(site, folder, Uv(index, Path("/opt/uv")) if kind == "uv" else Pip(index))
    (words,) = pip.commands
    assert {"--no-index", "--require-hashes", "--no-deps"} < set(words)
    assert words[words.index("--find-links") + 1] == str(folder)
    wheels = site.gatherer().find()
    assert wheels is not None
    assert pip.requirements == [wheels.requirements()]


def test_uv_itself_comes_from_the_folder(
    site: Site, folder: Path, pip: Index4Pip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installer, "CACHE", tmp_path / "cache")
    assert isinstance(installer.installer(Folder(folder), PINS["uv"]), Uv)
    (words,) = pip.commands
    assert "--no-index" in words
    assert words[words.index("--find-links") + 1] == str(folder)
    assert pip.requirements == [PINS["uv"]]


def test_settings_of_the_host_for_pip_are_ignored() -> None:
    environment = Folder(Path("/wheels")).environment()
    assert environment["PIP_CONFIG_FILE"] == os.devnull
    assert not {"PIP_INDEX_URL", "UV_DEFAULT_INDEX", "HTTPS_PROXY"} & set(environment)
    assert environment["UV_PYTHON_DOWNLOADS"] == "never"


@pytest.mark.parametrize(
    ("name", "package"),
    [(SIX, "six==1.0"), (SHOP, r"shop==2\.0\+local"), (UV, r"uv==0\.1"), (SERVER, r"pyuwsgi==2\.0")],
)
def test_one_changed_byte_is_an_error_that_names_the_package(
    site: Site, folder: Path, pip: Index4Pip, name: str, package: str
) -> None:
    (folder / name).write_text(name[:-1] + "L")
    with pytest.raises(
        Failed, match=f"^the wheel of {package} is not the one that the build host gathered: "
    ) as failure:
        install(site, folder)
    assert str(failure.value).endswith(
        f"{folder / name} should have SHA-256 {sha256(name)}, and has {sha256(name[:-1] + 'L')}. Remove {folder} on "
        "this host, and run again"
    )
    assert pip.commands == []


def test_digests_beside_the_wheels_do_not_count(site: Site, folder: Path) -> None:
    (folder / SIX).write_text("other")
    (folder / "requirements.txt").write_text(f"six==1.0 --hash=sha256:{sha256('other')}\n")
    with pytest.raises(Failed, match="the wheel of six"):
        install(site, folder)


def test_a_missing_wheel_is_named(site: Site, folder: Path) -> None:
    (folder / SHOP).unlink()
    with pytest.raises(
        Failed, match=r"^the wheel of shop==2\.0\+local .* and has none, because it is missing\. Remove /"
    ):
        install(site, folder)


@pytest.mark.parametrize("name", [SIX, SHOP, UV, SERVER])
@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_wheels_damaged_on_the_build_host_are_not_packed(
    site: Site, pip: Index4Pip, tmp_path: Path, name: str, damage: str
) -> None:
    wheels, folder = site.gather(), site.gatherer().path
    if damage == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_text("other")
    with pytest.raises(
        Failed, match=f"is not the one that the build host gathered: .* Remove {folder} on this host, and run"
    ):
        pack(folder, wheels, tmp_path / "wheels.tar")
    assert not (tmp_path / "wheels.tar").exists()


def test_other_files_beside_the_wheels_are_not_packed(site: Site, pip: Index4Pip, tmp_path: Path) -> None:
    wheels = site.gather()
    (site.gatherer().path / "other-1.0-py3-none-any.whl").touch()
    pack(site.gatherer().path, wheels, tmp_path / "wheels.tar")
    with tarfile.open(tmp_path / "wheels.tar") as files:
        assert set(files.getnames()) == set(wheels.all)


@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_the_next_run_repairs_a_damaged_transfer(site: Site, pip: Index4Pip, tmp_path: Path, damage: str) -> None:
    wheels = site.gather()
    good, bad, host = tmp_path / "good.tar", tmp_path / "bad.tar", tmp_path / "host"
    pack(site.gatherer().path, wheels, good)
    with tarfile.open(bad, "w") as files:
        for name in sorted(wheels.all):
            (tmp_path / "wheel").write_text("damaged" if name == SIX else name)
            if name != SIX or damage == "altered":
                files.add(tmp_path / "wheel", name)
    with pytest.raises(Failed, match=f"^the wheel of six==1.0 is not .* Remove {SENT}, and run again$"):
        unpack(bad, wheels, SENT, host)
    assert list(host.iterdir()) == []
    folder = unpack(good, wheels, SENT, host)
    assert {path.name for path in folder.glob("*.whl")} == set(wheels.all)
    install(site, folder)


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({"folder": "../../../etc/cron.d/x"}, r"'\.\./.*' is not the name of a folder of wheels"),
        ({"folder": "0123456789ab\n"}, "is not the name of a folder of wheels"),
        ({"folder": "0123456789AB"}, "is not the name of a folder of wheels"),
        ({"folder": "0123456789abc"}, "is not the name of a folder of wheels"),
        ({"folder": ""}, "is not the name of a folder of wheels"),
        ({"files": {f"../{SIX}": "00"}}, f"'../{SIX}' is not the name of a wheel"),
        ({"tools": {"/etc/passwd": "00"}}, "'/etc/passwd' is not the name of a wheel"),
        ({"tools": {f"{UV}\n": "00"}}, "is not the name of a wheel"),
    ],
)
def test_only_valid_names_become_paths(told: dict[str, Any], wrong: str) -> None:
    right = {"folder": "0123456789ab", "interpreter": TAG, "files": {SIX: "00"}, "tools": {UV: "01"}}
    assert Wheels.of(right).as_dict() == right
    with pytest.raises(Failed, match=wrong):
        Wheels.of({**right, **told})


def test_an_archive_is_named_by_its_folder_and_contents() -> None:
    wheels = Wheels("0123456789ab", TAG, {SIX: "00"}, {})
    assert wheels.packed == f"0123456789ab-{wheels.digest}"
    assert wheels.packed != Wheels("0123456789ab", TAG, {SIX: "01"}, {}).packed


def test_wheels_for_another_interpreter_are_refused(tmp_path: Path) -> None:
    wheels = Wheels("f1", TAG, {}, {})
    with pytest.raises(Failed, match=f"the wheels are for {TAG}, but this host has cpython-3.13-x86_64: "):
        FromFolder(wheels, tmp_path, "cpython-3.13-x86_64")


def test_the_packages_remember_their_folder(tmp_path: Path) -> None:
    assert FromFolder(Wheels("f1", TAG, {}, {}), tmp_path, TAG).about() == {"wheels": "f1"}


def test_an_application_without_packages_has_nothing_to_install(tmp_path: Path, pip: Index4Pip) -> None:
    tool = Uv(Folder(tmp_path), Path("/opt/uv"))
    FromFolder(Wheels("f1", TAG, {}, {}), tmp_path, TAG).install(tool, Path("/venv"), tmp_path, sys.executable)
    assert pip.commands == []


@pytest.mark.parametrize(
    "name", ["six.whl", "six-1.0-py3-none-any.tar", "a b-1.0-py3-none-any.whl", "../x-1-a-b-c.whl"]
)
def test_a_file_without_a_wheel_name_is_no_requirement(name: str) -> None:
    with pytest.raises(Failed, match="is not the name of a wheel"):
        Wheels("f1", TAG, {name: "00"}, {}).requirements()


def test_wheels_are_in_the_cache_of_the_collection() -> None:
    assert Path("/var/cache/wsgi/wheels") == unit.WHEELS


# The module


class Planner:
    """The module `wheels` on the host of `site`, asked for the wheels of applications with the same needs."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def plan(self, *names: str, sent: bool = True, **given: Any) -> Plan:
        """Return what the module would do."""
        apps = [{"name": name, "source": "app", "python": "python3.12"} for name in names]
        contents = {name: self.site.recipe().content for name in names}
        archives = dict.fromkeys(names, str(self.site.archive)) if sent else None
        asked = {"apps": apps, "contents": contents, "archives": archives, "pins": PINS, **given}
        defaults = {option: spec.get("default") for option, spec in ARGUMENTS.items()}
        return module.plan(FakeModule(**{**defaults, **asked}))


@pytest.fixture
def planner(site: Site, pip: Index4Pip, monkeypatch: pytest.MonkeyPatch) -> Planner:
    monkeypatch.setattr(module, "interpreter_tag", lambda python: TAG)
    monkeypatch.setattr(module, "Gatherer", lambda recipe, pins: Gatherer(recipe, pins, site.root))
    monkeypatch.setattr(module, "installer", lambda index, pin: site.tool)
    return Planner(site)


def test_wheels_that_two_applications_need_are_gathered_once(planner: Planner, pip: Index4Pip) -> None:
    assert planner.plan("hello", "world", sent=False).result == {"wheels": {}, "missing": ["hello", "world"]}
    planned = planner.plan("hello", "world")
    planned.take()
    assert planned.failures == {}
    told = planned.result["wheels"]
    assert told["hello"] == told["world"] == Wheels.of(told["hello"]).as_dict()
    assert len(pip.wheels()) == 4


def test_the_result_has_only_names_and_digests_of_wheels(planner: Planner) -> None:
    planner.plan("hello").take()
    planned = planner.plan("hello")
    assert (planned.steps, set(planned.result["wheels"]["hello"])) == ([], {"folder", "interpreter", "files", "tools"})


def test_wheels_are_packed_for_the_controller_if_it_asks_for_them(planner: Planner, tmp_path: Path) -> None:
    planner.plan("hello").take()
    planned = planner.plan("hello", pack={"hello": str(tmp_path / "hello.tar")})
    assert (planned.steps, planned.failures) == ([], {})
    with tarfile.open(tmp_path / "hello.tar") as files:
        assert set(files.getnames()) == {SIX, SHOP, UV, SERVER}


def test_a_failed_gathering_does_not_break_other_applications(planner: Planner, pip: Index4Pip) -> None:
    assert ARGUMENTS["on_failure"]["choices"] == ["stop", "continue"]
    recipes = {"hello": planner.site.recipe(), "world": planner.site.recipe(digest="d2", format="none", project="")}
    contents = {name: recipe.content for name, recipe in recipes.items()}
    planned = planner.plan("hello", "world", contents=contents)
    pip.failing = "gather the packages"
    planned.take()
    assert planned.failures == {"hello": "hello: could not gather the packages"}
    assert list(planned.result["wheels"]) == ["world"]
