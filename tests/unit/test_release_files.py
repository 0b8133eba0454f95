"""What the controller renders for a release, and how an operator can change it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.tokens import MARK, fill, token
from ansible_collections.wsgi.production.plugins.plugin_utils import specification
from ansible_collections.wsgi.production.plugins.plugin_utils.release_files import files

KNOWN = {
    "release": "81d0e77c2b6f",
    "server": "/opt/u",
    "backlog": 1,
    "private_users": "yes",
    "two_per_processor": 2,
    "identity": "",
}


def app(**given: Any) -> dict[str, Any]:
    """Return an application with one of each thing that has a file."""
    parts: dict[str, Any] = {
        "workers": [{"name": "mail", "command": "mail"}],
        "timers": [{"name": "nightly", "command": "nightly", "on_calendar": "daily"}],
        "migrate": ["migrate"],
        "after_switch": ["warm"],
    }
    values = {"name": "hello", "build": "/srv/hello/builds/1", "callable": "main:app", **parts, **given}
    return specification.inputs([values], "uwsgi")[0]


def filled(directory: Path | str = "", **given: Any) -> dict[str, str]:
    return {name: fill(text, KNOWN) for name, text in files(app(**given), str(directory)).items()}


def write(directory: Path, name: str, text: str) -> Path:
    (directory / name).write_text(text)
    return directory


def test_the_first_line_of_every_file_says_where_it_comes_from() -> None:
    for name, text in filled().items():
        assert "Written by wsgi.production from the section run of hello" in text.splitlines()[0], name


def test_values_known_only_to_a_host_are_tokens_that_it_fills() -> None:
    assert any(MARK in text for text in files(app()).values())
    assert not any(MARK in text for text in filled().values())


@pytest.mark.parametrize("value", [token("release"), f"a{MARK}b"])
def test_no_value_can_look_like_a_token(value: str) -> None:
    with pytest.raises(Failed, match=r"^hello: a value contains the private-use character U\+E000"):
        files(app(options={"route": value}))
    with pytest.raises(Failed, match=r"^hello: a value contains the private-use character U\+E000"):
        files(app(migrate=[f"echo {value}"]))


def test_an_added_directive_goes_into_every_process(tmp_path: Path) -> None:
    own = "{% extends 'wsgi.production/process.j2' %}\n{% block more %}\nNice=5\n{% endblock %}\n"
    plain, changed = filled(), filled(write(tmp_path, "process.j2", own))
    for name in plain:
        assert ("\nNice=5\n" in changed[name]) is name.endswith(".service")
        assert changed[name].replace("Nice=5\n", "") == plain[name]


def test_an_added_line_of_configuration_leaves_those_of_the_role(tmp_path: Path) -> None:
    own = "{% extends 'wsgi.production/uwsgi.ini.j2' %}\n{% block log %}\n{{ super() }}log-4xx = true\n{% endblock %}\n"
    changed = filled(write(tmp_path, "uwsgi.ini.j2", own), options={"route": "a"})["uwsgi.ini"]
    assert changed.replace("log-4xx = true\n", "") == filled(options={"route": "a"})["uwsgi.ini"]
    assert "log-4xx = true\n" in changed


@pytest.mark.parametrize(
    ("template", "text", "line"),
    [
        ("uwsgi.ini.j2", "[uwsgi]\nmaster = true\n", "socket = fd://3"),
        ("instance.socket.j2", "[Socket]\n", "ListenStream=/run/hello/"),
        ("instance.service.j2", "{% include 'process.j2' %}\n", "Type=notify"),
        ("process.j2", "User=root\n", "User=hello"),
        ("worker.service.j2", "{% include 'process.j2' %}\n", "ExecStart="),
        ("timer.timer.j2", "", "OnCalendar="),
    ],
)
def test_a_template_without_lines_that_a_release_needs_is_refused(
    tmp_path: Path, template: str, text: str, line: str
) -> None:
    with pytest.raises(Failed, match=rf"^uwsgi_templates: .* of hello no longer has the line '{line}.*'"):
        files(app(), str(write(tmp_path, template, text)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ("one\n{% if %}", "line 2: "),
        ("{% extends 'wsgi.production/none.j2' %}", "needs wsgi.production/none.j2, which does not exist"),
    ],
)
def test_an_invalid_template_is_reported_with_its_name(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(Failed, match=rf"^the template .*uwsgi\.ini\.j2.*{why}"):
        files(app(), str(write(tmp_path, "uwsgi.ini.j2", text)))


def test_a_directory_of_templates_must_exist(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"^uwsgi_templates: '.*/none' is not a directory on the controller"):
        files(app(), str(tmp_path / "none"))


def test_a_process_has_one_thread_by_default() -> None:
    assert "threads =" not in filled()["uwsgi.ini"].replace("enable-threads =", "")
    assert "\nthreads = 4\n" in filled(threads=4)["uwsgi.ini"]
