# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The documented types and defaults of all settings, applied to values."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.wsgi.production.plugins.module_utils import sections
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed

ROLES = Path(__file__).parents[2] / "roles"

# The input of each role that takes a list of applications.
INPUTS = {"python_app": "python_app_apps", "uwsgi": "uwsgi_apps", "nginx": "nginx_sites"}

# The section of an entry that each role takes, and what of its input the playbook adds.
SECTIONS = {
    "build": ("python_app", {"name"}),
    "run": ("uwsgi", {"name", "build", "wheels", "front", "public_data", "static"}),
    "serve": ("nginx", {"name", "servers", "protocol", "read_timeout", "health"}),
}

REQUIRED_SECTIONS = {"build", "run"}

# Variables that `site.yml` fills in, beside the lists of applications.
FILLED_IN = (
    *("python_app_on_failure", "python_app_build_host", "nginx_described", "nginx_kept", "uwsgi_on_failure"),
    *("uwsgi_broken", "uwsgi_hosts", "uwsgi_absent", "uwsgi_described", "uwsgi_index_url", "uwsgi_ca_bundle"),
    "uwsgi_proxy",
)

# What to write for a type, once and several times.
WRITTEN = {
    "bool": ("true or false", ""),
    "dict": ("a dictionary, such as {name: value}", "dictionaries, each with a - before it"),
    "int": ("a whole number", "whole numbers"),
    "list": ("a list, such as [one, two]", ""),
    "str": ("text", "texts"),
}


@cache
def role_spec(role: str) -> dict[str, Any]:
    """Return how `role` types its variables."""
    text = (ROLES / role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    # The loader that is written in C is ten times as fast, where there is one.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec: dict[str, Any] = yaml.load(text, loader)["argument_specs"]["main"]["options"]
    return spec


def input_spec(role: str) -> dict[str, Any]:
    """Return how `role` types one element of its list of applications."""
    spec: dict[str, Any] = role_spec(role)[INPUTS[role]]["options"]
    return spec


def settings_spec() -> dict[str, Any]:
    """Return how the variables of roles are typed that `site.yml` does not fill in."""
    return {
        key: option
        for role in INPUTS
        for key, option in role_spec(role).items()
        if key not in FILLED_IN and key not in INPUTS.values()
    }


def section_spec(section: str) -> dict[str, Any]:
    """Return how the section `section` of an entry is typed."""
    role, added = SECTIONS[section]
    return {key: value for key, value in input_spec(role).items() if key not in added}


def with_defaults(values: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Return `values` in the types of `spec`, and its defaults for what they leave out.

    :raises Failed: when a value cannot have its type.
    """
    try:
        result = ArgumentSpecValidator(_for_validator(spec)).validate(plain(values))
    except TypeError as confused:
        # It joins the names of keys that it does not know.
        raise Failed("a key is not a string; quote it") from confused
    if result.error_messages:
        raise Failed("; ".join(result.error_messages))
    validated: dict[str, Any] = result.validated_parameters
    return validated


def inputs(apps: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    """Return `apps` in the types, and with the defaults, that `role` documents for its list of applications.

    :raises Failed: when a value cannot have its type.
    """
    return [with_defaults(app, input_spec(role)) for app in apps]


def read(where: str, values: Any, spec: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return those of `values` that can have their types, in these types, and a sentence for each mistake.

    A mistake is a key that is not known, one that is missing, or a value of another type. Defaults are not filled in.

    :param where: the place of the values, for the sentences; empty for the top.
    """
    if not isinstance(values, dict):
        return {}, [f"{where}: write a dictionary of {', '.join(spec)}"]
    required = {key for key, option in spec.items() if option.get("required")}
    before = f"{where}." if where else ""
    found: dict[str, Any] = {}
    wrong = [f"{before}{sentence}" for sentence in keys(values, list(spec), required)]
    for key in [key for key in values if key in spec]:
        option, value, place = spec[key], values[key], f"{before}{key}"
        if "options" in option and "elements" not in option:
            found[key], more = read(place, value, option["options"])
            wrong += more
            continue
        more = []
        if "options" in option and isinstance(value, list):
            for number, item in enumerate(value):
                more += read(sections.nth(place, number, item), item, option["options"])[1]
        wrong += more
        try:
            found[key] = _typed(value, option)
        except Failed:
            if not more:
                # What is to be a list or a dictionary may be one with a secret in it, written in another way.
                shown = "" if key in sections.SECRET or option["type"] in ("dict", "list") else f"{value!r}: "
                leave = ", or remove it" if value is None and not option.get("required") else ""
                wrong.append(f"{place}: {shown}{_wanted(option)}{leave}")
    return found, wrong


def keys(values: dict[str, Any], known: list[str], required: set[str]) -> Iterator[str]:
    """Yield a sentence for each key that is not known, and for each that is missing."""
    meant = set()
    for key in values:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            meant.update(near)
            advice = f"did you mean {near[0]}?" if near else f"known keys are {', '.join(known)}"
            # Without its value, which may be a password or a key that is out of place.
            yield f"{key}: unknown key; {advice}"
    for key in sorted(required - set(values) - meant):
        yield f"{key} is missing; add it"


def _typed(value: Any, option: dict[str, Any]) -> Any:
    """Return a value in its type. What Ansible would split into several values has none: it may be one command.

    :raises Failed: when it cannot have its type.
    """
    splits = option["type"] == "list" and "," in str(value)
    if isinstance(value, str) and (splits or "dict" in (option["type"], option.get("elements"))):
        raise Failed("it would be split")
    return with_defaults({"value": value}, {"value": option})["value"]


def _wanted(option: dict[str, Any]) -> str:
    """Return what to write for a setting."""
    if "choices" in option:
        return f"write {' or '.join(option['choices'])}"
    if option["type"] == "list" and option["elements"] != "str":
        return f"write a list of {WRITTEN[option['elements']][1]}"
    return f"write {WRITTEN[option['type']][0]}"


def plain(value: Any) -> Any:
    """Return `value` without Ansible's lazy containers, each copy of which would drag its templating along."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _for_validator(spec: dict[str, Any]) -> dict[str, Any]:
    """Return `spec` without what documents it, as the validator wants it."""
    wanted = ("type", "elements", "required", "default", "choices")
    found = {}
    for key, option in spec.items():
        found[key] = {word: option[word] for word in wanted if word in option}
        if "options" in option:
            found[key]["options"] = _for_validator(option["options"])
    return found
