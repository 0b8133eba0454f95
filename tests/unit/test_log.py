"""What an error shows from a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.log import MOST_LINES, explained

DATA = Path("/srv/hello/data")

# What uWSGI and systemd log at every start, whatever the application does.
BANNER = """\
Starting hello@81d0e77c2b6f.service - hello, release 81d0e77c2b6f...
[uWSGI] getting INI configuration from /srv/hello/releases/81d0e77c2b6f/uwsgi.ini
*** Starting uWSGI 2.0.31 (64bit) on [Thu Nov 26 10:00:00 2026] ***
compiled with version: 12.2.0 on 01 November 2026 10:00:00
os: Linux-6.1.0 #1 SMP
nodename: web1
machine: x86_64
clock source: unix
pcre jit disabled
detected number of CPU cores: 2
current working directory: /srv/hello/builds/abc/app
detected binary path: /srv/hello/venvs/abc/bin/python
chdir() to /srv/hello/releases/81d0e77c2b6f/build/app
your processes number limit is 96000
your memory page size is 4096 bytes
detected max file descriptor number: 65536
lock engine: pthread robust mutexes
thunder lock: disabled (you can enable it with --thunder-lock)
uwsgi socket 0 inherited UNIX address /run/hello/81d0e77c2b6f.socket fd 3
Python version: 3.11.2 (main, Nov 30 2024, 21:22:50) [GCC 12.2.0]
Python main interpreter initialized at 0x7f
python threads support enabled
your server socket listen backlog is limited to 4096 connections
your mercy for graceful operations on workers is 60 seconds
mapped 437424 bytes (427 KB) for 4 cores
*** Operational MODE: preforking ***
"""

AFTER = """\
unable to load app 0 (mountpoint='') (callable not found or import error)
*** no app loaded. GAME OVER ***
hello@81d0e77c2b6f.service: Main process exited, code=exited, status=22/n/a
hello@81d0e77c2b6f.service: Failed with result 'exit-code'.
Failed to start hello@81d0e77c2b6f.service - hello, release 81d0e77c2b6f.
"""


def traceback(last: str) -> str:
    return f'Traceback (most recent call last):\n  File "main.py", line 1, in <module>\n    run()\n{last}\n'


def test_the_cause_comes_first_and_the_tail_has_only_lines_of_the_application() -> None:
    log = BANNER + "connecting\n" + traceback("RuntimeError: no luck") + AFTER
    assert explained("release 1 does not start", log, DATA).splitlines() == [
        "release 1 does not start: RuntimeError: no luck; its log ends with:",
        "connecting",
        *traceback("RuntimeError: no luck").splitlines(),
    ]


def test_the_last_of_several_tracebacks_is_the_cause() -> None:
    log = traceback("KeyError: 'x'") + "\nDuring handling\n\n" + traceback("ValueError: two")
    assert explained("it fails", log, DATA).startswith("it fails: ValueError: two; its log")


def test_a_message_of_the_collection_is_the_cause() -> None:
    log = BANNER + traceback("ValueError: an older one") + "main:app: there is no app\n" + AFTER
    assert explained("it fails", log, DATA, "main:app").startswith("it fails: main:app: there is no app; its log")


@pytest.mark.parametrize("log", ["", BANNER + AFTER])
def test_an_empty_log_is_reported_as_such(log: str) -> None:
    assert explained("it fails", log, DATA) == "it fails; its log has no entry about it"


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("OSError: [Errno 30] Read-only file system: 'x'", "An application can write only to /srv/hello/data"),
        ("sqlite3.OperationalError: unable to open database file", "the value of DATA_DIRECTORY"),
        ("KeyError: 'SECRET_KEY'", "If this is an environment variable, add it to run.env or run.secrets"),
        ("ModuleNotFoundError: No module named 'flask'", "Add the package that provides it to the dependencies"),
        ("ImportError: libpq.so.5: cannot open shared object file", "to python_app_extra_packages"),
        ("OSError: [Errno 98] Address already in use", "set exclusive: true"),
        ("MemoryError", "There was not enough memory: raise run.memory_max"),
    ],
)
def test_a_common_cause_comes_with_advice(line: str, advice: str) -> None:
    first = explained("it fails", traceback(line), DATA).splitlines()[0]
    assert first.startswith(f"it fails: {line}. ")
    assert advice in first


def test_a_key_that_is_no_variable_has_no_advice() -> None:
    assert explained("it fails", traceback("KeyError: 'name'"), DATA).startswith("it fails: KeyError: 'name'; its log")


def test_a_process_killed_by_the_kernel_is_the_cause() -> None:
    line = "DAMN ! worker 1 (pid: 17) died, killed by signal 9 :( trying respawn ..."
    assert explained("it fails", f"{BANNER}{line}\n", DATA).startswith(f"it fails: {line}. There was not enough memory")


KILLED = "hello@81d0e77c2b6f.service: Main process exited, code=killed, status=9/KILL"


def test_a_start_killed_by_the_kernel_needs_more_memory_unless_it_timed_out() -> None:
    assert explained("it fails", BANNER + KILLED, DATA).startswith(f"it fails: {KILLED}. There was not enough memory")
    late = f"hello@81d0e77c2b6f.service: start operation timed out. Terminating.\n{KILLED}"
    assert explained("it fails within 3 s", BANNER + late, DATA).startswith("it fails within 3 s; its log")


def test_only_the_last_lines_are_shown() -> None:
    log = "".join(f"line {number}\n" for number in range(100))
    lines = explained("it fails", log, DATA).splitlines()
    assert (len(lines), lines[-1]) == (MOST_LINES + 1, "line 99")


def test_an_error_of_uwsgi_itself_is_the_cause() -> None:
    line = "[strict-mode] unknown config directive: max-request"
    assert explained("it fails", f"{line}\nusage\n", DATA).startswith(f"it fails: {line}; its log ends with:")
