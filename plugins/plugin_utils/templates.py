# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The templates of the roles, and an operator's templates, which take precedence over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
)

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.tokens import MARK

ROLES = Path(__file__).parents[2] / "roles"

# The prefix with which an operator's template names one of ours, to extend it.
OURS = "wsgi.production"


@cache
def environment(role: str, filters: tuple[tuple[str, Callable[..., str]], ...] = (), own: str = "") -> Environment:
    """Return the environment in which the templates of a role are rendered.

    :param role: the name of the role.
    :param filters: the filters that its templates use, with their names.
    :param own: a directory with the operator's templates, which is searched first; empty for none.
    :raises Failed: when there is no such directory.
    """
    ours = FileSystemLoader(ROLES / role / "templates")
    first = []
    if own:
        directory = Path(own).expanduser().absolute()
        if not directory.is_dir():
            raise Failed(f"{role}_templates: {own!r} is not a directory on the controller ({directory})")
        first = [FileSystemLoader(directory)]
    made = Environment(
        loader=ChoiceLoader([*first, ours, PrefixLoader({OURS: ours})]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(filters)
    return made


def compile_all(environment: Environment) -> None:
    """Compile the templates of a role, so that the processes that Ansible forks for each task and host need not."""
    for name in environment.list_templates():
        if not name.startswith(f"{OURS}/"):
            environment.get_template(name)


def render(environment: Environment, template: str, **values: Any) -> str:
    """Return the text of a template.

    :raises Failed: when it, or one that it includes, has an error; the message says which one and in which line.
    """
    try:
        return environment.get_template(template).render(values)
    except TemplateNotFound as missing:
        raise Failed(f"the template {template} needs {missing.name}, which does not exist") from missing
    except TemplateSyntaxError as wrong:
        raise Failed(f"the template {wrong.filename or template}, line {wrong.lineno}: {wrong.message}") from wrong
    except TemplateError as wrong:
        raise Failed(f"the template {template}: {wrong.message}") from wrong


def require(text: str, wanted: Iterable[str], what: str) -> None:
    """Refuse a rendered text that has lost a line, which happens when an operator's template overrides ours.

    :param wanted: the prefixes of the lines, without their indentation.
    :param what: the setting and the template, for the message.
    :raises Failed: with the missing line.
    """
    lines = [line.strip() for line in text.splitlines()]
    for beginning in wanted:
        if not any(line.startswith(beginning) for line in lines):
            shown = beginning.replace(MARK, "@")
            raise Failed(f"{what} no longer has the line {shown!r}, which is required: restore it")
