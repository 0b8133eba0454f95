"""Runs the whole test: lint, unit tests, Molecule scenarios, and runs over SSH; prints how long each took."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from xml.etree import ElementTree

from tests.rig import CHECKOUT, PROJECT, QUIET, engine, named
from tests.rig.jobs import Ended, Job, Queue
from tests.rig.server import Server

# `--all` runs on all distributions what otherwise runs on one. `--long` does so, too; what the tests over SSH repeat a
# few times, it repeats as often as it takes to trust the result.
ALL, LONG = "--all", "--long"

# A run spends about half of its time waiting for its host.
SLOTS = (os.cpu_count() or 2) + 1

# All Molecule scenarios, and those that `make test` runs only on the distribution where their role is more at risk.
SCENARIOS = sorted(path.parent.name for path in PROJECT.glob("molecule/*/molecule.yml"))
ON_ONE = {"nginx": "debian12", "python_app": "debian13", "uwsgi": "debian13"}
# The checks of the collection as it is published.
ARTEFACT = ("galaxy", "docs", "sanity")
WORKFLOWS = sorted(PROJECT.glob(".github/workflows/*.yml"))
PYTHON = ["app", "benchmarks", "docs", "molecule", "plugins", "roles", "tests"]
SSH = "over SSH"
SERVERS = "servers"
# Replaces the name of a distribution if the tests themselves choose their servers.
FIXED = "fixed"
DEMO = "tests/integration/test_demo.py"

# The longest jobs come first, and before them quiet jobs, while there are other jobs that can run at the same time.
ORDER = [
    SERVERS,
    "unit tests",
    "ansible-lint",
    "mypy",
    "sanity",
    QUIET,
    *(f"{SSH} {module}" for module in ("releases", "around", "howto", "many", "repair", "tls", "nginx", "live")),
    *(f"{SSH} {module}" for module in ("fleet", "applications", "people", "stranger", "all_or_nothing")),
    *(f"{SSH} {module}" for module in ("build_once", "locks", "serve", "site", "options")),
    "molecule",
    "demo",
    *(f"{SSH} {module}" for module in ("attacks", "protection")),
]


def main() -> int:
    """Run the parts named on the command line, or all, and return the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    wanted = [word for word in sys.argv[1:] if word not in (ALL, LONG)]
    os.environ.update({name: "1" for word, name in ((ALL, "WSGI_ALL"), (LONG, "WSGI_LONG")) if word in sys.argv})
    with tempfile.TemporaryDirectory() as reports:
        jobs = _jobs(Path(reports))
        unknown = [word for word in wanted if not any(_is_part(job.name, word) for job in jobs)]
        if unknown:
            known = "\n  ".join(job.name for job in jobs)
            print(f"There is no part {', '.join(unknown)}; known are, by any of their words:\n  {known}")
            return 2
        try:
            ended = Queue(_chosen(jobs, wanted), SLOTS, _environment(), _tell).run()
        except KeyboardInterrupt:
            print("Interrupted")
            return 1
        finally:
            if engine.answers():
                _clean_up()
            engine.stop(engine.TEST)
        slowest = _slowest(Path(reports))
    _report(ended, slowest)
    return 0 if all(one.passed for one in ended) else 1


def _jobs(reports: Path) -> list[Job]:
    """Return all jobs in the order in which they are to start."""
    pytest = ["pytest", "-q"]
    jobs = [
        Job(SERVERS, ["python", "-m", "tests.rig.prepared"]),
        Job("ruff", ["ruff", "check", *PYTHON]),
        Job("ruff format", ["ruff", "format", "--check", *PYTHON]),
        Job("mypy", ["mypy"]),
        Job("yamllint", ["yamllint", "--strict", "."]),
        Job("ansible-lint", ["ansible-lint", "--offline"]),
        Job("changelog", ["antsibull-changelog", "lint"]),
        Job("workflows", ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)]),
        *(Job(name, ["python", "-m", "tests.rig.artefact", name]) for name in ARTEFACT),
        Job("unit tests", [*pytest, "--numprocesses", "2", *_kept(reports, "unit"), "tests/unit"], quiet=True),
        *(Job(f"molecule {name}", _scenario(name), after=SERVERS) for name in SCENARIOS),
        Job("demo", [*pytest, "-x", *_kept(reports, "demo"), DEMO], after=SERVERS),
    ]
    for quiet in (True, False):
        marked = QUIET if quiet else f"not {QUIET}"
        for module, distribution in _over_ssh(marked):
            name = f"{SSH} {module} {distribution or FIXED}{f' {QUIET}' if quiet else ''}"
            where = ["-m", marked, "-k", distribution or "not debian", f"tests/integration/test_{module}.py"]
            command = [*pytest, "-rPfE", *_kept(reports, name), *where]
            jobs.append(Job(name, command, quiet=quiet, after=SERVERS, telling=True))
    return sorted(jobs, key=_rank)


def _scenario(name: str) -> list[str]:
    """Return the command that runs a Molecule scenario."""
    command = ["molecule", "test", "--scenario-name", name]
    if name in ON_ONE and not {ALL, LONG} & set(sys.argv):
        command += ["--platform-name", named(f"molecule-{name}-{ON_ONE[name]}")]
    return command


def _over_ssh(marked: str) -> list[tuple[str, str]]:
    """Return the modules with tests over SSH that match `marked`, each with their distributions, or with none."""
    command = ["pytest", "--collect-only", "-q", "-m", marked, "tests/integration", "--ignore", DEMO]
    done = subprocess.run(command, cwd=PROJECT, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    found = re.findall(r"^tests/integration/test_(\w+)\.py::\w+(?:\[(debian\d+))?", done.stdout, re.MULTILINE)
    return sorted(set(found))


def _kept(reports: Path, name: str) -> list[str]:
    """Return the options with which pytest records how long each test took."""
    return ["--junitxml", str(reports / f"{name}.xml")]


def _rank(job: Job) -> int:
    return next((number for number, name in enumerate(ORDER) if _is_part(job.name, name)), len(ORDER))


def _is_part(name: str, word: str) -> bool:
    """Return whether `word`, such as `unit`, `molecule nginx` or `over SSH debian12`, means this job."""
    return set(word.split()) <= set(name.split())


def _chosen(jobs: list[Job], wanted: list[str]) -> list[Job]:
    """Return the wanted jobs, and the jobs that they need."""
    chosen = [job for job in jobs if not wanted or any(_is_part(job.name, word) for word in wanted)]
    needed = {job.after for job in chosen}
    return [job for job in jobs if job in chosen or job.name in needed]


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{PROJECT}/.venv/bin:{os.environ['PATH']}",
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        "WSGI_CHECKOUT": CHECKOUT,
        "PY_COLORS": "0",
        "ANSIBLE_NOCOLOR": "1",
    }


def _tell(ended: Ended) -> None:
    """Print the output of a job: all of it if it is worth reading or the job failed, else the last line."""
    print(f"== {_line(ended)}", flush=True)
    said = ended.said.rstrip()
    print(said if ended.job.telling or not ended.passed else said.rpartition("\n")[2], flush=True)


def _line(ended: Ended) -> str:
    return f"{ended.job.name:32}{ended.seconds:7.1f} s{'' if ended.passed else '   FAILED'}"


def _slowest(reports: Path) -> list[tuple[float, str]]:
    """Return the slowest tests, and how many seconds they took, including their setup."""
    cases = [case for path in reports.glob("*.xml") for case in ElementTree.parse(path).iter("testcase")]
    took = [(float(case.get("time", 0)), f"{case.get('classname')}::{case.get('name')}") for case in cases]
    return sorted(took, reverse=True)[:20]


def _report(ended: list[Ended], slowest: list[tuple[float, str]]) -> None:
    if slowest:
        print("\nThe slowest tests, with what was set up for them:\n")
    for seconds, name in slowest:
        print(f"{seconds:7.1f} s  {name}")
    print("\n".join(["", *map(_line, ended)]))
    failed = sum(not one.passed for one in ended)
    print(f"parts: {len(ended) - failed} passed, {failed} failed")


def _clean_up() -> None:
    """Remove the servers that an interrupted part left behind."""
    listed = subprocess.run(
        ["docker", "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=False
    )
    for name in listed.stdout.split():
        if name.startswith((named("test-"), named("molecule-"))):
            Server(name).down()


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
