# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What a log says about a failure: its cause first, what to do about it, and the application's own lines."""

from __future__ import annotations

import re
from pathlib import Path

MOST_LINES = 30

# How many characters of a cause are shown, because its text may be anything.
MOST_WORDS = 400

# What uWSGI and systemd log at each start, whatever the application does (uWSGI 2.0, core/uwsgi.c and others).
BANNER = re.compile(
    "|".join(
        (
            r"\*\*\* (Starting uWSGI|Operational MODE|Stats server enabled|uWSGI is running|WARNING: the)",
            r"\*\*\* (has_emperor|running under|no app loaded|backtrace|end of backtrace|dumping internal)",
            r"\[uWSGI\] getting INI|compiled with version|os: Linux|nodename:|machine:|clock source:|pcre jit",
            r"detected (number of CPU cores|binary path|max file descriptor)|current working directory:|chdir\(\) to",
            r"your (processes number limit|memory page size|server socket listen|mercy for graceful)|lock engine:",
            r"thunder lock:|uwsgi socket \d+|uWSGI http bound|Python version:|PEP 405|Set PythonHome|dropping root",
            r"Python main interpreter|python threads support|mapped \d+ bytes|added .+ to pythonpath\.|limiting ",
            r"spawned uWSGI|WSGI app \d+|set cheap|unable to load app|VACUUM|goodbye to uWSGI|SIGINT/SIGTERM|gateway ",
            r"gracefully (killing|kill)|worker \d+ (buried|killed)|cheaping worker|uWSGI worker|running .+ in |\.\.\.",
            r"--- Python VM already|setting request body|running \"unix_signal",
            r"!!!|(Starting|Started|Stopping|Stopped) .+\.(\.\.)?$|\S+@[0-9a-f]+\S*: (Deactivated|Scheduled|Consumed)",
            r"\S+@[0-9a-f]+\S*: (Main process exited|Failed with result|Unit process|Killing process|Control process)",
            r"(Failed to start|Dependency failed for) ",
            r"\s*$",
        )
    )
)

TRACEBACK = "Traceback (most recent call last):"

OUT_OF_MEMORY = re.compile(r"killed by the OOM killer|died, killed by signal 9|code=killed, status=9/KILL|MemoryError")

# How uWSGI itself says why it does not start.
OWN_WORDS = re.compile(r"unknown config directive|unable to find plugin|bind\(\): ")

# systemd kills processes that take too long; the kernel kills those that use too much memory.
TOOK_TOO_LONG = re.compile(r"timed out\. (Killing|Terminating|Aborting|Stopping)")

# What to do about a cause; `{data}` is the directory that the application may write to.
ADVICE = (
    (
        re.compile(r"Read-only file system|unable to open database file|readonly database|Permission denied: '/"),
        "an application can write only to {data}, the value of DATA_DIRECTORY",
    ),
    (OUT_OF_MEMORY, "there was not enough memory: raise run.memory_max, or start fewer processes"),
    (
        re.compile(r"KeyError: '[A-Z][A-Z0-9_]+'"),
        "if this is an environment variable, add it to run.env or run.secrets",
    ),
    (re.compile(r"ModuleNotFoundError|No module named"), "add the package that provides it to the dependencies"),
    (re.compile(r"cannot open shared object file"), "add the package that provides it to python_app_extra_packages"),
    (
        re.compile(r"Address already in use|Resource temporarily unavailable.*lock|already locked"),
        "the previous release holds it until the switch: set exclusive: true for such a worker",
    ),
)


def explained(what: str, log: str, data: Path, ours: str = "") -> str:
    """Return the message for a failure: what it is, its cause, what to do, and the end of the log.

    :param what: a sentence without its full stop.
    :param log: the last lines of the log, the newest last.
    :param data: the directory that the application may write to.
    :param ours: the start of a line in which a program of the collection states the cause.
    """
    lines = [line.rstrip() for line in log.splitlines()]
    lines = [line for line in lines if not BANNER.match(line)]
    cause = _cause(lines, ours) or _kill(log)
    advice = next((text for sign, text in ADVICE if sign.search(cause)), "").format(data=data)
    said = ". ".join(part for part in (f"{what}: {cause}" if cause else what, advice[:1].upper() + advice[1:]) if part)
    if not lines:
        return f"{said}; its log has no entry about it"
    return "\n".join([f"{said}; its log ends with:", *lines[-MOST_LINES:]])


def _cause(lines: list[str], ours: str) -> str:
    """Return the line that states the cause: from the last traceback, or from uWSGI itself."""
    if ours:
        found = next((line for line in reversed(lines) if line.startswith(ours)), "")
        if found:
            return found[:MOST_WORDS]
    begins = [number for number, line in enumerate(lines) if line.strip().endswith(TRACEBACK)]
    for line in lines[begins[-1] + 1 :] if begins else []:
        # The lines within a traceback are indented.
        if re.match(r"[A-Za-z_]", line):
            return line[:MOST_WORDS]
    return next((line for line in reversed(lines) if OWN_WORDS.search(line)), "")[:MOST_WORDS]


def _kill(log: str) -> str:
    """Return the line about a process that was killed because it used too much memory."""
    if TOOK_TOO_LONG.search(log):
        return ""
    return next((line for line in reversed(log.splitlines()) if OUT_OF_MEMORY.search(line)), "")[:MOST_WORDS]
