"""Runs commands in parallel, and reports each one when it has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.rig import PROJECT

POLL_SECONDS = 0.1

# The longest part takes a third of this. A part that hangs must end early enough to say where.
LIMIT_SECONDS = 1800
GRACE_SECONDS = 20


@dataclass(frozen=True)
class Job:
    """A command of the test.

    :ivar quiet: whether it measures time, so that at most one other job may run at the same time.
    :ivar after: the job that must pass first.
    :ivar telling: whether to print all its output if it passes; otherwise, only the last line is printed.
    """

    name: str
    command: list[str]
    quiet: bool = False
    after: str = ""
    telling: bool = False


@dataclass
class Ended:
    """A job that has ended, or that could not start."""

    job: Job
    passed: bool
    seconds: float
    said: str


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    output: Path
    begun: float = field(default_factory=time.monotonic)

    def took(self) -> float:
        return time.monotonic() - self.begun

    def stop(self) -> None:
        """End the process and all that it has started."""
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def ended(self) -> Ended:
        said = self.output.read_text(encoding="utf-8", errors="replace")
        if self.process.returncode < 0:
            said += "\nstopped, because it did not end by itself"
        return Ended(self.job, self.process.returncode == 0, self.took(), said)


class Queue:
    """Jobs that wait for their turn.

    :param slots: how many run at the same time.
    :param tell: a function that is called with each job when it has ended.
    """

    def __init__(
        self, jobs: list[Job], slots: int, environment: Mapping[str, str], tell: Callable[[Ended], None]
    ) -> None:
        self.waiting = list(jobs)
        self.slots = slots
        self.environment = environment
        self.tell = tell
        self.running: list[_Running] = []
        self.ended: list[Ended] = []

    def run(self) -> list[Ended]:
        """Run all jobs, and return how they ended; if this is interrupted, end and report the running jobs."""
        with tempfile.TemporaryDirectory() as directory:
            try:
                while self.waiting or self.running:
                    self._refuse()
                    self._begin(Path(directory))
                    time.sleep(POLL_SECONDS)
                    self._end()
            except BaseException:
                self._stop()
                raise
        return self.ended

    def _begin(self, directory: Path) -> None:
        """Start the jobs whose turn it is.

        Other jobs overtake a quiet job that waits for free slots only while another quiet job runs, which frees these
        slots when it ends. Otherwise, the slots might never become free.
        """
        for job in [job for job in self.waiting if self._passed(job.after)]:
            if self._taken() + self._width(job) > self.slots:
                if any(one.job.quiet for one in self.running):
                    continue
                break
            self.waiting.remove(job)
            output = directory / str(len(self.waiting))
            with output.open("wb") as file:
                process = subprocess.Popen(
                    job.command,
                    cwd=PROJECT,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self.running.append(_Running(job, process, output))

    def _end(self) -> None:
        """Report each job that has ended; end each job that hangs."""
        for one in list(self.running):
            if one.took() > LIMIT_SECONDS and one.process.poll() is None:
                one.stop()
            if one.process.poll() is not None:
                self.running.remove(one)
                self._note(one.ended())

    def _refuse(self) -> None:
        """Fail each job that waits for a job that has failed."""
        failed = {one.job.name for one in self.ended if not one.passed}
        for job in [job for job in self.waiting if job.after in failed]:
            self.waiting.remove(job)
            self._note(Ended(job, False, 0, f"did not run: {job.after} has failed\n"))

    def _note(self, ended: Ended) -> None:
        self.ended.append(ended)
        self.tell(ended)

    def _passed(self, name: str) -> bool:
        return not name or any(one.job.name == name and one.passed for one in self.ended)

    def _taken(self) -> int:
        return sum(self._width(one.job) for one in self.running)

    def _width(self, job: Job) -> int:
        return max(1, self.slots - 1) if job.quiet else 1

    def _stop(self) -> None:
        for one in self.running:
            if one.process.poll() is None:
                one.stop()
            self.tell(one.ended())
