"""What is done beside the application; each part writes into its data what it does."""

import os
import signal
import sys
import time

from main import MARK


def say(*words: str) -> None:
    """Write a line into the application's data."""
    with open(os.path.join(os.environ["DATA_DIRECTORY"], "log"), "a") as file:
        file.write(" ".join([*words, MARK]) + "\n")


def worker() -> None:
    """Do one job after the other; the one at hand is finished when the worker is told to end."""
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    say("worker begins")
    while not told:
        begun = time.monotonic()
        while time.monotonic() < begun + float(sys.argv[2]):
            time.sleep(0.1)
    say("worker ends")


def job() -> None:
    """Take as long as is asked."""
    say(sys.argv[3], "begins")
    time.sleep(float(sys.argv[2]))
    say(sys.argv[3], "ends")


def fail() -> None:
    """Fail, with a sentence."""
    say("fails")
    sys.exit("the table is locked")


globals()[sys.argv[1]]()
