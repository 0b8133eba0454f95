"""The whole test: lint, unit tests, Molecule scenarios, and runs over SSH; says how long each took."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import FrameType

from tests.rig import PROJECT, Unusable, engine, image
from tests.rig.server import Server

OWNER = "test"
SCENARIOS = sorted(path.parent.name for path in PROJECT.glob("molecule/*/molecule.yml"))
PYTHON = ["app", "benchmarks", "molecule", "plugins", "requirements", "tests"]

PARTS: list[tuple[str, list[str]]] = [
    ("ruff", ["ruff", "check", *PYTHON]),
    ("ruff format", ["ruff", "format", "--check", *PYTHON]),
    ("mypy", ["mypy"]),
    ("yamllint", ["yamllint", "--strict", "."]),
    ("ansible-lint", ["ansible-lint", "--offline"]),
    ("unit tests", ["pytest", "-q", "tests/unit"]),
    *((f"molecule {name}", ["molecule", "test", "--scenario-name", name]) for name in SCENARIOS),
    ("over SSH", ["pytest", "-q", "-x", "tests/integration"]),
]


def main() -> int:
    """Run the parts named on the command line, or all, and return the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    wanted = sys.argv[1:]
    unknown = set(wanted) - {name for name, _ in PARTS}
    if unknown:
        print(f"There is no part {', '.join(sorted(unknown))}; known are {', '.join(name for name, _ in PARTS)}")
        return 2
    took: dict[str, str] = {}
    try:
        engine.ensure(OWNER)
        for distribution in image.SUITES:
            image.ensure(distribution)
        failed = False
        for name, command in PARTS:
            if wanted and name not in wanted:
                continue
            begun = time.monotonic()
            print(f"== {name}", flush=True)
            passed = _run(command)
            took[name] = f"{time.monotonic() - begun:6.1f} s{'' if passed else '   FAILED'}"
            failed = failed or not passed
    except Unusable as reason:
        print(reason)
        return 1
    except KeyboardInterrupt:
        print("Interrupted")
        failed = True
    finally:
        if engine.answers():
            _clean_up()
        engine.stop(OWNER)
    print("\n".join(["", *(f"{name:24}{result}" for name, result in took.items())]))
    broken = sum("FAILED" in result for result in took.values())
    print(f"parts: {len(took) - broken} passed, {broken} failed")
    return 1 if failed else 0


def _run(command: list[str]) -> bool:
    environment = {
        **os.environ,
        "PATH": f"{PROJECT}/.venv/bin:{os.environ['PATH']}",
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        "PY_COLORS": "0",
        "ANSIBLE_NOCOLOR": "1",
    }
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait() == 0
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def _clean_up() -> None:
    """Remove the servers that a part left behind, which it does when it is interrupted."""
    listed = subprocess.run(
        ["docker", "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=False
    )
    ours = ("wsgi-test-", *(f"wsgi-{scenario}-" for scenario in SCENARIOS))
    for name in listed.stdout.split():
        if name.startswith(ours):
            Server(name).down()


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
