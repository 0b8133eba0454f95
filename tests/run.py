"""The whole test: lint, unit tests, Molecule scenarios, and runs over SSH; says how long each took."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from types import FrameType

from tests.rig import PROJECT, Unusable, engine, image, named, prepared
from tests.rig.server import Server

# With this word, what the tests over SSH repeat a few times is repeated as often as it takes to trust it.
LONG = "--long"
SCENARIOS = sorted(path.parent.name for path in PROJECT.glob("molecule/*/molecule.yml"))
PYTHON = ["app", "benchmarks", "molecule", "plugins", "requirements", "tests"]

DEMO = "tests/integration/test_demo.py"
# What a test measured is shown also when it passed; those that failed are listed at the end.
SSH = ["pytest", "-q", "-rPfE", "--durations", "15", "tests/integration", "--ignore", DEMO, "-k"]
HALF = "debian13 or test_fleet"

# The commands of a part run side by side.
PARTS: dict[str, list[list[str]]] = {
    "ruff": [["ruff", "check", *PYTHON]],
    "ruff format": [["ruff", "format", "--check", *PYTHON]],
    "mypy": [["mypy"]],
    "yamllint": [["yamllint", "--strict", "."]],
    "ansible-lint": [["ansible-lint", "--offline"]],
    "unit tests": [["pytest", "-q", "--numprocesses", "2", "tests/unit"]],
    **{f"molecule {name}": [["molecule", "test", "--scenario-name", name]] for name in SCENARIOS},
    "demo": [["pytest", "-q", "-x", DEMO]],
    "over SSH": [[*SSH, f"not ({HALF})"], [*SSH, HALF]],
}


def main() -> int:
    """Run the parts named on the command line, or all, and return the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    wanted = [word for word in sys.argv[1:] if word != LONG]
    if LONG in sys.argv:
        os.environ["WSGI_LONG"] = "1"
    unknown = set(wanted) - set(PARTS)
    if unknown:
        print(f"There is no part {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
        return 2
    took: dict[str, str] = {}
    try:
        engine.ensure(engine.TEST)
        for distribution in image.SUITES:
            prepared.ensure(distribution)
        failed = False
        for name, commands in PARTS.items():
            if wanted and name not in wanted:
                continue
            begun = time.monotonic()
            print(f"== {name}", flush=True)
            passed = _run(commands)
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
        engine.stop(engine.TEST)
    print("\n".join(["", *(f"{name:24}{result}" for name, result in took.items())]))
    broken = sum("FAILED" in result for result in took.values())
    print(f"parts: {len(took) - broken} passed, {broken} failed")
    return 1 if failed else 0


def _run(commands: list[list[str]]) -> bool:
    """Run `commands` side by side, and tell whether all succeeded. What the first says is seen at once."""
    environment = {
        **os.environ,
        "PATH": f"{PROJECT}/.venv/bin:{os.environ['PATH']}",
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        "PY_COLORS": "0",
        "ANSIBLE_NOCOLOR": "1",
    }
    with ExitStack() as stack:
        processes = []
        outputs = [None, *(stack.enter_context(tempfile.TemporaryFile("w+")) for _ in commands[1:])]
        try:
            for command, output in zip(commands, outputs):
                processes.append(
                    subprocess.Popen(
                        command,
                        cwd=PROJECT,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT if output else None,
                        start_new_session=True,
                    )
                )
            passed = [process.wait() == 0 for process in processes]
        except BaseException:
            running = [process for process in processes if process.poll() is None]
            for process in running:
                os.killpg(process.pid, signal.SIGTERM)
            for process in running:
                process.wait()
            raise
        for output in filter(None, outputs):
            output.seek(0)
            print(output.read(), flush=True)
    return all(passed)


def _clean_up() -> None:
    """Remove the servers that a part left behind, which it does when it is interrupted."""
    listed = subprocess.run(
        ["docker", "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=False
    )
    ours = (named("test-"), *(f"wsgi-{scenario}-" for scenario in SCENARIOS))
    for name in listed.stdout.split():
        if name.startswith(ours):
            Server(name).down()


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
