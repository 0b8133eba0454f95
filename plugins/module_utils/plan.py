# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Plans: what a module is going to do, to report or to carry out."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, shown


class Module(Protocol):
    """The part of an Ansible module that a step uses.

    :ivar params: the arguments, in their types and with their defaults.
    :ivar check_mode: whether the plan is only shown.
    """

    params: dict[str, Any]
    check_mode: bool

    def warn(self, warning: str) -> None:
        """Show the operator a warning."""


class Step(NamedTuple):
    """Something to do on the host.

    :param says: what it does, in a few words that can follow "would".
    :param of: the application that it is for; empty for the whole host.
    :param always: whether to take a step for the whole host even if an application has failed.
    """

    says: str
    do: Callable[[], object]
    of: str = ""
    always: bool = False


@dataclass
class Plan:
    """What a module found out, and what it is going to do.

    :param result: what the module returns.
    :param settled: what to say when there is nothing to do.
    :param failures: the reason for each application that has failed.
    :param goes_on: whether the run continues on this host after a step that could have been its last.
    """

    steps: list[Step] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    settled: str = ""
    failures: dict[str, str] = field(default_factory=dict)
    goes_on: bool = False

    def add(self, app: str, plan: Callable[[], Iterable[Step]]) -> None:
        """Add the steps that `plan` returns for the application `app`; a failure does not affect other applications."""
        try:
            self.steps += plan()
        except Exception as failure:
            self._fail(app, failure)

    def says(self, before: str = "") -> str:
        """Return what the steps do, grouped by application, with `before` in front, such as "would "."""
        groups: dict[str, list[str]] = {}
        for step in self.steps:
            groups.setdefault(step.of, []).append(step.says)
        return "; ".join((f"{of}: " if of else "") + before + ", ".join(said) for of, said in groups.items())

    def lines(self, before: str = "") -> list[str]:
        """Return a line for each step, with `before` in front of what it does."""
        return [(f"{step.of}: " if step.of else "") + before + step.says for step in self.steps]

    def diff(self) -> list[dict[str, Any]]:
        """Return files before and after the changes."""
        found = self.result.get("diff", [])
        return found if isinstance(found, list) else [found]

    def take(self) -> None:
        """Take the steps; a failure skips the rest for its application, and most of those for the whole host."""
        for step in self.steps:
            if step.of in self.failures or (self.failures and not step.of and not step.always):
                continue
            try:
                step.do()
            except Exception as failure:
                self._fail(step.of, failure)

    def _fail(self, app: str, failure: Exception) -> None:
        said = sentence(failure)
        self.failures[app] = said if not app or said.startswith(f"{app}: ") else f"{app}: {said}"


def sentence(failure: Exception) -> str:
    """Return the message for a failure, which may be an unexpected one caused by untrusted input."""
    if isinstance(failure, (Failed, OSError)):
        return shown(str(failure))
    place = traceback.extract_tb(failure.__traceback__)[-1]
    where = f"{os.path.basename(place.filename)}, line {place.lineno}"
    return shown(f"this is a bug in the collection, please report it: {type(failure).__name__}: {failure} ({where})")
