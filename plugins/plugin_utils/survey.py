# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The survey of a host: what it is asked before the first step, and what it spares the steps after it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.steps.edge import ARGUMENTS as EDGE
from ansible_collections.wsgi.production.plugins.plugin_utils.steps import arguments

# The variable in which a play registers what its survey has found.
SURVEY = "__wsgi_production_survey"

# In which order a run takes its steps. The front door is asked last, for that takes the longest.
ORDER = ("packages", "build", "release", "migrate", "boot", "edge", "switch", "retire", "verify")

# Of the steps that need no other before them: which arguments decide whether there is anything to do. Secrets decide as
# well, but come from the same variables in one run, and not even a digest of them is kept.
DECIDING = {
    "packages": ["names"],
    "build": ["apps", "contents", "wheels"],
    "edge": sorted(EDGE.keys() - {"secrets"}),
}


def questions(steps: Iterable[dict[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Return what the host is asked: the name and the arguments of each step, in the order of a run.

    :param steps: what tasks say of their steps, by the names of these.
    :raises Failed: with a sentence for each thing that is wrong with one.
    """
    asked = [(step, arguments(step, said)) for group in steps for step, said in group.items()]
    return sorted(asked, key=lambda one: ORDER.index(one[0]))


def remember(asked: list[tuple[str, dict[str, Any]]], done: Iterable[list[Any]]) -> dict[str, dict[str, Any]]:
    """Return what `spared` has to know of those steps that were found done.

    :param done: the number of each in `asked`, and its result.
    """
    return {_key(*asked[number]): result for number, result in done if asked[number][0] in DECIDING}


def spared(survey: Any, step: str, args: dict[str, Any]) -> dict[str, Any] | None:
    """Return the result of a step that the survey has found done, for the very arguments `args`.

    :param survey: the variable `SURVEY`, where a play has it.
    """
    known = (survey or {}).get("spared") if step in DECIDING else None
    found = known.get(_key(step, args)) if known else None
    return None if found is None else {**found, "changed": False}


def _key(step: str, args: dict[str, Any]) -> str:
    decides = {key: args[key] for key in DECIDING[step]}
    return hashlib.sha256(json.dumps([step, decides], sort_keys=True).encode()).hexdigest()
