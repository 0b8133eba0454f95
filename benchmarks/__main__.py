"""Runs the benchmarks named on the command line, or all."""

from __future__ import annotations

import sys

from benchmarks import changes, first_deploy, fleet, second_run, serving
from tests.rig import engine

BENCHMARKS = {
    "second-run": second_run.main,
    "changes": changes.main,
    "fleet": fleet.main,
    "first-deploy": first_deploy.main,
    "serving": serving.main,
}


def main() -> None:
    """Run them, and leave nothing behind."""
    engine.ensure("bench")
    try:
        for name in sys.argv[1:] or BENCHMARKS:
            BENCHMARKS[name]()
    finally:
        engine.stop("bench")


main()
