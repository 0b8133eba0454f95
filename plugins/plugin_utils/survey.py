# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The survey of a host: the questions it asks, and the later steps it makes unnecessary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.steps.nginx import ARGUMENTS as NGINX
from ansible_collections.wsgi.production.plugins.plugin_utils.steps import arguments

# The variable in which a play registers the result of its survey.
SURVEY = "__wsgi_production_survey"

# The order of the steps in a survey. `verify` comes last, since it only runs if no other step has anything to do.
ORDER = ("packages", "build", "release", "migrate", "boot", "nginx", "switch", "retire", "verify")

# For the steps that depend on no other step: the arguments that decide whether there is anything to do. Secrets decide
# as well, but they come from the same variables throughout a run, and not even a digest of them is kept.
DECIDING = {
    "packages": ["names"],
    "build": ["apps", "contents", "wheels"],
    "nginx": sorted(NGINX.keys() - {"secrets"}),
}


def questions(steps: Iterable[dict[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Return the name and the arguments of each step, in the order of a survey.

    :param steps: the arguments of tasks, by the names of their steps.
    :raises Failed: with a sentence for each mistake in the arguments of a step.
    """
    asked = [(step, arguments(step, said)) for group in steps for step, said in group.items()]
    return sorted(asked, key=lambda one: ORDER.index(one[0]))


def remember(asked: list[tuple[str, dict[str, Any]]], done: Iterable[list[Any]]) -> dict[str, dict[str, Any]]:
    """Return the results that `known_result` can find again.

    :param asked: what `questions` has returned.
    :param done: the number in `asked` and the result of each step that has nothing to do.
    """
    return {_key(*asked[number]): result for number, result in done if asked[number][0] in DECIDING}


def known_result(survey: Any, step: str, args: dict[str, Any]) -> dict[str, Any] | None:
    """Return the result of a step for which the survey has found nothing to do, or None.

    :param survey: the variable `SURVEY`, or None in a play without a survey.
    :param args: the arguments of the step; the survey must have asked about exactly these.
    """
    known = (survey or {}).get("done") if step in DECIDING else None
    found = known.get(_key(step, args)) if known else None
    return None if found is None else {**found, "changed": False}


def _key(step: str, args: dict[str, Any]) -> str:
    decides = {key: args[key] for key in DECIDING[step]}
    return hashlib.sha256(json.dumps([step, decides], sort_keys=True).encode()).hexdigest()
