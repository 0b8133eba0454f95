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

# The role that takes each section of an entry, and the keys of its input that the playbook adds.
SECTIONS = {
    "build": ("python_app", {"name"}),
    "run": ("uwsgi", {"name", "build", "wheels", "front", "public_data", "static"}),
    "serve": ("nginx", {"name", "servers", "protocol", "read_timeout", "health"}),
}

REQUIRED_SECTIONS = {"build", "run"}

# Variables that `site.yml` fills in, in addition to the lists of applications.
FILLED_IN = (
    *("python_app_on_failure", "python_app_build_host", "nginx_described", "nginx_kept", "uwsgi_on_failure"),
    *("uwsgi_broken", "uwsgi_hosts", "uwsgi_absent", "uwsgi_described", "uwsgi_index_url", "uwsgi_ca_bundle"),
    "uwsgi_proxy",
)

# What to write for a type, in the singular and in the plural.
WRITTEN = {
    "bool": ("true or false", ""),
    "dict": ("a dictionary, such as {name: value}", "dictionaries, each with a - before it"),
    "int": ("a whole number", "whole numbers"),
    "list": ("a list, such as [one, two]", ""),
    "str": ("text", "texts"),
}


@cache
def role_spec(role: str) -> dict[str, Any]:
    """Return the specification of the variables of `role`."""
    text = (ROLES / role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    # The loader written in C is ten times as fast, but not always available.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec: dict[str, Any] = yaml.load(text, loader)["argument_specs"]["main"]["options"]
    return spec


def input_spec(role: str) -> dict[str, Any]:
    """Return the specification of one element of the list of applications of `role`."""
    spec: dict[str, Any] = role_spec(role)[INPUTS[role]]["options"]
    return spec


def settings_spec() -> dict[str, Any]:
    """Return the specification of the role variables that `site.yml` does not fill in."""
    return {
        key: option
        for role in INPUTS
        for key, option in role_spec(role).items()
        if key not in FILLED_IN and key not in INPUTS.values()
    }


def section_spec(section: str) -> dict[str, Any]:
    """Return the specification of the section `section` of an entry."""
    role, added = SECTIONS[section]
    return {key: value for key, value in input_spec(role).items() if key not in added}


def with_defaults(values: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Return `values` converted to the types of `spec`, with its defaults for missing keys.

    :raises Failed: when a value cannot be converted to its type.
    """
    try:
        result = ArgumentSpecValidator(_for_validator(spec)).validate(plain(values))
    except TypeError as confused:
        # The validator joins the names of unknown keys, which fails if one is not a string.
        raise Failed("a key is not a string; quote it") from confused
    if result.error_messages:
        raise Failed("; ".join(result.error_messages))
    validated: dict[str, Any] = result.validated_parameters
    return validated


def inputs(apps: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    """Return `apps` with the types and defaults that `role` documents for its list of applications.

    :raises Failed: when a value cannot be converted to its type.
    """
    return [with_defaults(app, input_spec(role)) for app in apps]


def read(where: str, values: Any, spec: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the valid ones of `values`, converted to their types, and a sentence for each mistake.

    A mistake is an unknown key, a missing key, or a value of the wrong type. Defaults are not filled in.

    :param where: the place of the values, for the sentences; empty for the top level.
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
                # A value that should be a list or a dictionary is not shown, because it may contain a secret.
                shown = "" if key in sections.SECRET or option["type"] in ("dict", "list") else f"{value!r}: "
                leave = ", or remove it" if value is None and not option.get("required") else ""
                wrong.append(f"{place}: {shown}{_wanted(option)}{leave}")
    return found, wrong


def keys(values: dict[str, Any], known: list[str], required: set[str]) -> Iterator[str]:
    """Yield a sentence for each unknown key and for each missing key."""
    meant = set()
    for key in values:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            meant.update(near)
            advice = f"did you mean {near[0]}?" if near else f"known keys are {', '.join(known)}"
            # Without its value, which may be a misplaced password or key.
            yield f"{key}: unknown key; {advice}"
    for key in sorted(required - set(values) - meant):
        yield f"{key} is missing; add it"


def _typed(value: Any, option: dict[str, Any]) -> Any:
    """Return a value converted to its type, but refuse a text that Ansible would split: it may be a single command.

    :raises Failed: when it cannot be converted.
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
    """Return `value` without Ansible's lazy containers, because each copy of them takes its templating along."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _for_validator(spec: dict[str, Any]) -> dict[str, Any]:
    """Return `spec` without its documentation, in the form that the validator expects."""
    wanted = ("type", "elements", "required", "default", "choices")
    found = {}
    for key, option in spec.items():
        found[key] = {word: option[word] for word in wanted if word in option}
        if "options" in option:
            found[key]["options"] = _for_validator(option["options"])
    return found
