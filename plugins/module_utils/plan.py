# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Plans: what a module is going to do, to tell of or to take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed


class Step(NamedTuple):
    """Something to do on the host.

    :param says: what it does, in a few words that can follow "would".
    :param of: the application that it is for; empty for the whole host.
    """

    says: str
    do: Callable[[], object]
    of: str = ""


@dataclass
class Plan:
    """What a module found out, and what it is going to do.

    :param result: what the module returns.
    :param settled: what to say when there is nothing to do.
    """

    steps: list[Step] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    settled: str = ""

    def says(self, before: str = "") -> str:
        """Return what the steps do, each application's together, with `before` in front, such as "would "."""
        groups: dict[str, list[str]] = {}
        for step in self.steps:
            groups.setdefault(step.of, []).append(step.says)
        return "; ".join((f"{of}: " if of else "") + before + ", ".join(said) for of, said in groups.items())

    def take(self) -> None:
        """Take the steps. One that fails ends those of its application, and those of the whole host.

        :raises Failed: when a step could not be taken.
        """
        failures: dict[str, str] = {}
        for step in self.steps:
            if step.of in failures or (failures and not step.of):
                continue
            try:
                step.do()
            except (Failed, OSError) as failure:
                failures[step.of] = f"{step.of}: {failure}" if step.of else str(failure)
        if failures:
            raise Failed("; ".join(failures.values()))


def plan_for(app: str, plan: Callable[[], list[Step]]) -> list[Step]:
    """Return the steps of `plan`, or one that fails when it is taken, so that other applications have theirs.

    :param app: the application that they are for.
    """
    try:
        return plan()
    except (Failed, OSError) as failure:
        reason = failure

    def fail() -> None:
        raise reason

    return [Step("fail", fail, app)]
