"""External programs that check NGINX, with dependencies that conflict with those of our own tools."""

from __future__ import annotations

from pathlib import Path

from tests.rig import PROJECT, STATE, call, one_at_a_time

REQUIREMENTS = PROJECT / "requirements/scanners.txt"
HOME = STATE / "scanners"


def program(name: str) -> Path:
    """Return the path of `gixy` or `sslyze`, installed in the locked version."""
    with one_at_a_time("scanners"):
        _install()
    return HOME / "bin" / name


def _install() -> None:
    stamp = HOME / "installed"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    uv = str(PROJECT / ".venv/bin/uv")
    call([uv, "venv", "--quiet", "--clear", "--python", str(PROJECT / ".venv/bin/python"), str(HOME)])
    where = ["--python", str(HOME / "bin/python")]
    call([uv, "pip", "install", "--quiet", *where, "--require-hashes", "-r", str(REQUIREMENTS)])
    stamp.write_text(wanted, encoding="utf-8")
