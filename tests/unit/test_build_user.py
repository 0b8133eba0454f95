"""What the user that builds promises."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import build_user as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.rules import name

# Before a test puts its own in their place.
SWITCH = unit.switch


def test_a_program_runs_as_the_user_and_in_no_other_group() -> None:
    user = pwd.struct_passwd((unit.NAME, "x", 4711, 4712, "", "/", "/usr/sbin/nologin"))
    assert SWITCH(user) == {"user": 4711, "group": 4712, "extra_groups": [], "umask": 0o022}


def test_the_build_user_name_is_reserved() -> None:
    assert name(unit.NAME) is not None


def test_each_build_has_its_own_temporary_home(tmp_path: Path) -> None:
    homes = []
    for _ in range(2):
        with unit.at_work(tmp_path) as (_, env):
            assert env["HOME"] == env["TMPDIR"] and Path(env["HOME"]).is_dir()
            homes.append(env["HOME"])
    assert len(set(homes)) == 2
    assert not any(map(os.path.exists, homes))


def test_a_home_with_very_deeply_nested_directories_is_removed(tmp_path: Path) -> None:
    with unit.at_work(tmp_path) as (_, env):
        code = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"
        subprocess.run([sys.executable, "-c", code], cwd=env["HOME"], check=True)
    assert not os.path.exists(env["HOME"])


def large(path: Path) -> None:
    path.touch()
    os.truncate(path, (16 << 20) + 1)


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo, Path.mkdir, large])
def test_only_files_of_limited_size_are_read_from_a_build(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "file").write_text("text")
    assert unit.read_made(tmp_path / "file") == "text"
    make(tmp_path / "other")
    with pytest.raises(Failed, match="is not a file of at most 16 MiB"):
        unit.read_made(tmp_path / "other")
