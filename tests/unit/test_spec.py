"""What each role says of its variables is true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").iterdir() if path.is_dir())


def spec_of(role: Path) -> dict[str, Any]:
    text = (role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    options: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return options


def defaults_of(role: Path) -> dict[str, Any]:
    text = (role / "defaults/main.yml").read_text(encoding="utf-8")
    defaults: dict[str, Any] = yaml.safe_load(text) or {}
    return defaults


def walk(options: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each option with its full name, those within others included."""
    for name, option in options.items():
        yield prefix + name, option
        yield from walk(option.get("options", {}), f"{prefix}{name}.")


OPTIONS = [pytest.param(option, id=f"{role.name}: {name}") for role in ROLES for name, option in walk(spec_of(role))]
each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
each_option = pytest.mark.parametrize("option", OPTIONS)


def test_there_are_roles_to_compare() -> None:
    assert [role.name for role in ROLES] == ["nginx", "python_app", "uwsgi"]


@each_role
def test_the_defaults_are_those_of_the_specification(role: Path) -> None:
    specified = {name: option["default"] for name, option in spec_of(role).items() if "default" in option}
    assert defaults_of(role) == specified


@each_role
def test_a_public_variable_carries_the_name_of_its_role(role: Path) -> None:
    names = {*spec_of(role), *defaults_of(role)}
    assert [name for name in names if not name.startswith(f"{role.name}_")] == []


@each_option
def test_an_option_says_what_it_is(option: dict[str, Any]) -> None:
    sentences = option["description"]
    sentences = [sentences] if isinstance(sentences, str) else sentences
    assert sentences
    assert [sentence for sentence in sentences if not sentence.endswith(".")] == []


@each_option
def test_an_option_has_a_type_to_the_last_element(option: dict[str, Any]) -> None:
    assert option["type"] in {"bool", "dict", "float", "int", "list", "path", "raw", "str"}
    assert ("elements" in option) == (option["type"] == "list")


@each_option
def test_an_option_is_required_or_has_a_default_or_says_what_is_without_it(option: dict[str, Any]) -> None:
    said = " ".join(option["description"]) if isinstance(option["description"], list) else option["description"]
    assert [bool(option.get("required")), "default" in option, "When it is not given, " in said].count(True) == 1


@each_option
def test_a_default_is_one_of_the_choices(option: dict[str, Any]) -> None:
    if "choices" in option and "default" in option:
        assert option["default"] in option["choices"]
