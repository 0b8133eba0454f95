"""What each role documents about its variables, and each module about its options, is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.wsgi.production.plugins.module_utils.module import ON_FAILURE
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.plugin_utils import specification

PROJECT = Path(__file__).parents[2]
ROLES = sorted(path for path in (PROJECT / "roles").iterdir() if path.is_dir())
PLUGINS = "ansible_collections.wsgi.production.plugins"
MODULES = sorted(path.stem for path in (PROJECT / "plugins/modules").glob("*.py"))

# `check` works only on the controller, and all the others run `step` on the host.
OTHERS = {"check", "step"}
STEPS = [name for name in MODULES if name not in OTHERS]

# The modules whose applications a role documents.
OF_A_ROLE = {"build": "python_app", "wheels": "python_app", "release": "uwsgi"}


def entry_points_of(role: Path) -> dict[str, dict[str, Any]]:
    text = (role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    specs: dict[str, Any] = yaml.safe_load(text)["argument_specs"]
    return {name: spec["options"] for name, spec in specs.items()}


def spec_of(role: Path) -> dict[str, Any]:
    """Return the options of all entry points of `role`."""
    return {name: option for options in entry_points_of(role).values() for name, option in options.items()}


def defaults_of(role: Path) -> dict[str, Any]:
    text = (role / "defaults/main.yml").read_text(encoding="utf-8")
    defaults: dict[str, Any] = yaml.safe_load(text) or {}
    return defaults


def walk(options: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each option with its full name, including those within others."""
    for name, option in options.items():
        yield prefix + name, option
        yield from walk(option.get("options", option.get("suboptions", {})), f"{prefix}{name}.")


OPTIONS = [
    (f"{role.name} {entry_point}: {name}", option)
    for role in ROLES
    for entry_point, options in entry_points_of(role).items()
    for name, option in walk(options)
]
each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def test_there_are_roles_to_compare() -> None:
    assert [role.name for role in ROLES] == ["nginx", "python_app", "uwsgi"]
    assert [list(entry_points_of(role)) for role in ROLES] == [["main"], ["main"], ["main", "recall"]]


@each_role
def test_the_defaults_are_those_of_the_specification(role: Path) -> None:
    specified = {name: option["default"] for name, option in spec_of(role).items() if "default" in option}
    assert defaults_of(role) == specified


@each_role
def test_an_entry_point_is_a_file_of_tasks(role: Path) -> None:
    assert [name for name in entry_points_of(role) if not (role / f"tasks/{name}.yml").is_file()] == []


@each_role
def test_options_of_two_entry_points_have_the_same_type_and_default(role: Path) -> None:
    said: dict[str, list[Any]] = {}
    for options in entry_points_of(role).values():
        for name, option in options.items():
            said.setdefault(name, []).append([option.get(word) for word in ("type", "elements", "required", "default")])
    assert [name for name, words in said.items() if words.count(words[0]) != len(words)] == []


@each_role
def test_a_public_variable_begins_with_its_role(role: Path) -> None:
    names = {*spec_of(role), *defaults_of(role)}
    assert [name for name in names if not name.startswith(f"{role.name}_")] == []


def described(option: dict[str, Any]) -> list[str]:
    """Return the sentences, or paragraphs, that describe an option."""
    said: str | list[str] = option["description"]
    return said if isinstance(said, list) else [said]


def test_each_option_is_described_in_sentences() -> None:
    assert [name for name, option in OPTIONS if not all(said.endswith(".") for said in described(option))] == []


def test_each_option_and_element_has_a_type() -> None:
    for name, option in OPTIONS:
        assert option["type"] in {"bool", "dict", "float", "int", "list", "path", "raw", "str"}, name
        assert ("elements" in option) == (option["type"] == "list"), name
        assert "options" not in option or "dict" in (option["type"], option.get("elements")), name


def test_each_option_is_required_or_has_a_default_or_explains_its_omission() -> None:
    for name, option in OPTIONS:
        said = " ".join(described(option))
        assert [bool(option.get("required")), "default" in option, "If omitted, " in said].count(True) == 1, name


def test_each_default_is_one_of_the_choices() -> None:
    chosen = [(name, option) for name, option in OPTIONS if "choices" in option and "default" in option]
    assert [name for name, option in chosen if option["default"] not in option["choices"]] == []


def test_the_probe_of_the_role_matches_the_modules() -> None:
    options = entry_points_of(PROJECT / "roles/uwsgi")["main"]["uwsgi_apps"]["options"]["probe"]["options"]
    assert {name: option["default"] for name, option in options.items()} == asdict(Probe())


def test_settings_left_out_of_a_section_exist_in_the_role() -> None:
    for role, added in specification.SECTIONS.values():
        assert added <= set(specification.input_spec(role))


def test_on_failure_has_the_same_choices_everywhere() -> None:
    for role in ("python_app", "uwsgi"):
        option = spec_of(PROJECT / f"roles/{role}")[f"{role}_on_failure"]
        assert {word: option[word] for word in ("type", "choices", "default")} == ON_FAILURE["on_failure"]


def test_the_role_and_its_module_describe_absent_in_the_same_way() -> None:
    role = spec_of(PROJECT / "roles/uwsgi")["uwsgi_absent"]
    assert comparable({"absent": role}) == comparable({"absent": arguments("retire")["absent"]})


def test_every_setting_of_the_role_reaches_the_release_module() -> None:
    release = import_module(f"{PLUGINS}.module_utils.steps.release")
    secrets = import_module(f"{PLUGINS}.plugin_utils.steps").SECRETS
    # The rest is for the steps `switch` and `retire`.
    elsewhere = {"keep", "listen_http", "listen_networks", "listen_uwsgi", "listen_group"}
    texts = [path.read_text(encoding="utf-8") for path in PROJECT.glob("roles/uwsgi/templates/*.j2")]
    rendered = {
        *re.findall(r"\w+", " ".join(texts)),
        "files",
        "workers",
        "timers",
        "migrate",
        "migrate_timeout",
        "after_switch",
    }
    taken = {"name", "build", "wheels", "public_data", "probe", *release.SETTINGS, *secrets}
    assert set(specification.input_spec("uwsgi")) - rendered - taken == elsewhere


def test_no_error_shows_settings_that_hold_secrets() -> None:
    secrets = import_module(f"{PLUGINS}.plugin_utils.steps").SECRETS
    assert set(secrets) <= import_module(f"{PLUGINS}.module_utils.sections").SECRET


def arguments(module: str) -> dict[str, Any]:
    """Return the options that `module` takes, on the controller if it is the survey, else on the host."""
    if module == "survey":
        actions = [import_module(f"{PLUGINS}.action.{name}") for name in ("check", "survey")]
        return {key: option for action in actions for key, option in action.ARGUMENTS.items()}
    taken: dict[str, Any] = import_module(f"{PLUGINS}.module_utils.steps.{module}").ARGUMENTS
    return taken


each_of_a_role = pytest.mark.parametrize(("module", "role"), OF_A_ROLE.items())


@each_of_a_role
def test_a_module_refers_to_the_role_that_documents_its_applications(module: str, role: str) -> None:
    for apps in (documented(module)["apps"], arguments(module)["apps"]):
        assert (apps["type"], apps["elements"], apps["required"]) == ("list", "dict", True)
        assert not {"options", "suboptions", "default"} & set(apps)
    assert f"that the role C({role}) documents" in documented(module)["apps"]["description"]


@each_of_a_role
def test_examples_of_such_a_module_are_valid_for_its_role(module: str, role: str) -> None:
    for task in yaml.safe_load(import_module(f"{PLUGINS}.modules.{module}").EXAMPLES):
        apps = task[f"wsgi.production.{module}"]["apps"]
        assert [app["name"] for app in specification.inputs(apps, role)] == [app["name"] for app in apps] != []


@pytest.mark.parametrize("module", STEPS)
def test_only_those_modules_leave_their_applications_undescribed(module: str) -> None:
    undescribed = arguments(module).get("apps", {"options": {}}).get("options") is None
    assert undescribed is (module in OF_A_ROLE or module == "survey")


@pytest.mark.parametrize("module", STEPS)
def test_a_module_that_continues_returns_what_is_broken(module: str) -> None:
    returned = yaml.safe_load(import_module(f"{PLUGINS}.modules.{module}").RETURN) or {}
    # The survey leaves that to the steps themselves.
    assert ("on_failure" in arguments(module)) is ("broken" in returned or module == "survey")


def documented(module: str) -> dict[str, Any]:
    """Return the options that `module` documents, including those of its fragments."""
    documentation = yaml.safe_load(import_module(f"{PLUGINS}.modules.{module}").DOCUMENTATION)
    fragments = documentation.get("extends_documentation_fragment", [])
    options: dict[str, Any] = {}
    for fragment in [fragments] if isinstance(fragments, str) else fragments:
        name = fragment.removeprefix("wsgi.production.")
        text = import_module(f"{PLUGINS}.doc_fragments.{name}").ModuleDocFragment.DOCUMENTATION
        options.update(yaml.safe_load(text)["options"])
    return {**options, **documentation.get("options", {})}


def comparable(options: dict[str, Any]) -> dict[str, Any]:
    """Return what must be the same in the documentation and the arguments of `options`."""
    words = ("type", "elements", "default", "choices", "required")
    found: dict[str, Any] = {}
    for name, option in options.items():
        found[name] = {word: option[word] for word in words if word in option}
        inner = option.get("suboptions", option.get("options"))
        if inner:
            found[name]["options"] = comparable(inner)
    return found


each_module = pytest.mark.parametrize("module", STEPS)


@each_module
def test_a_module_documents_the_options_that_it_takes(module: str) -> None:
    said = documented(module)
    # The frame of all modules adds `run`.
    expected = comparable({**arguments(module), "run": {"type": "dict"}})
    if module == "survey":
        # We check them with our own messages, not Ansible.
        for name in ("apps", "on_failure", "build_host"):
            expected[name] = comparable({name: said[name]})[name]
    for name, option in said.items():
        if "do not set it" in str(option["description"]):
            # The action plugin always passes it.
            expected[name].pop("required", None)
    assert comparable(said) == expected


@each_module
def test_each_option_of_a_module_is_described(module: str) -> None:
    for _, option in walk(documented(module)):
        sentences = option["description"]
        assert [
            one for one in ([sentences] if isinstance(sentences, str) else sentences) if not one.endswith(".")
        ] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_documented_by_its_name(module: str) -> None:
    code = import_module(f"{PLUGINS}.modules.{module}")
    assert yaml.safe_load(code.DOCUMENTATION)["module"] == module
    for task in yaml.safe_load(code.EXAMPLES):
        assert f"wsgi.production.{module}" in task
        given = task[f"wsgi.production.{module}"]
        assert set(given) <= {*documented(module), *(documented(given["step"]) if module == "step" else [])}


def test_every_step_has_an_action_plugin_that_passes_the_run() -> None:
    runtime = yaml.safe_load((PROJECT / "meta/runtime.yml").read_text(encoding="utf-8"))
    routed = runtime["plugin_routing"]["modules"]
    own = {path.stem for path in (PROJECT / "plugins/action").glob("*.py")} & set(STEPS)
    assert {name: route["action_plugin"] for name, route in routed.items()} == dict.fromkeys(
        set(STEPS) - own, "wsgi.production.step"
    )
    step = import_module(f"{PLUGINS}.action.step")
    assert [
        name for name in own if not issubclass(import_module(f"{PLUGINS}.action.{name}").ActionModule, step.StepAction)
    ] == []


def test_the_host_knows_every_step() -> None:
    code = (PROJECT / "plugins/modules/step.py").read_text(encoding="utf-8")
    steps = {path.stem for path in (PROJECT / "plugins/module_utils/steps").glob("[a-z]*.py")}
    assert steps == set(STEPS) == set(re.findall(r"^        (\w+),$", code, re.MULTILINE))


def test_the_survey_covers_every_step_of_a_run() -> None:
    order = import_module(f"{PLUGINS}.plugin_utils.survey").ORDER
    # A run also gathers wheels on the build host, which is surveyed separately, and rolls back when it fails.
    others = {"back", "choose", "command", "maintenance", "release_info", "status", "survey", "wheels"}
    assert set(STEPS) - set(order) == others


def test_each_test_that_a_document_names_exists() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in PROJECT.glob("tests/**/test_*.py"))
    documents = "".join(path.read_text(encoding="utf-8") for path in PROJECT.glob("docs/*.md"))
    named = set(re.findall(r"`(test_\w+)`", documents))
    assert len(named) > 50
    assert sorted(name for name in named if f"def {name}(" not in tests) == []


def tasks_of(role: Path) -> Iterator[dict[str, Any]]:
    """Yield all tasks of a role, including those within blocks."""
    waiting = [task for path in role.glob("tasks/*.yml") for task in yaml.safe_load(path.read_text(encoding="utf-8"))]
    while waiting:
        task = waiting.pop()
        yield task
        waiting += [inner for part in ("block", "rescue", "always") for inner in task.get(part, [])]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_task_has_every_argument_that_the_survey_passes_to_its_step(role: Path) -> None:
    given = {
        name: args for task in tasks_of(role) for name, args in task.items() if name.startswith("wsgi.production.")
    }
    steps = yaml.safe_load((role / "vars/main.yml").read_text(encoding="utf-8"))[f"{role.name}_steps"]
    for step, asked in steps.items():
        assert set(asked) <= set(given.get(f"wsgi.production.{step}", asked)), step
