"""What a command of the operator in the live release promises."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import operator_command as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.operator_command import OperatorCommand
from ansible_collections.wsgi.production.plugins.module_utils.tokens import fill
from ansible_collections.wsgi.production.plugins.plugin_utils import specification
from ansible_collections.wsgi.production.plugins.plugin_utils.release_files import files
from tests.unit.fakes import FakeSystemd, make_release

A = "aaa111"
KNOWN = {"release": A, "server": "/opt/u", "backlog": 1, "private_users": "yes", "two_per_processor": 2, "identity": ""}


class Runner(FakeSystemd):
    """Runs a unit by keeping its text, and writing output where the unit says."""

    said = "done\n"

    def start(self, *units: str, wait: bool = True, seconds: float | None = None) -> None:
        """Write what the command says, then end as the test wants it to."""
        self.text = (self.transient / units[0]).read_text()
        output = next(line.partition(":")[2] for line in self.text.splitlines() if line.startswith("StandardOutput="))
        Path(output).write_text(self.said)
        super().start(*units, wait=wait, seconds=seconds)

    def properties(self, unit: str, *names: str) -> list[str]:
        """Say how the command failed."""
        return [{"Result": "exit-code", "ExecMainStatus": "3"}[name] for name in names]


@pytest.fixture
def runner(layout: Layout) -> Runner:
    return Runner(layout.units, layout.transient)


def in_release(
    layout: Layout, runner: Runner, tmp_path: Path, command: str = "python manage.py check"
) -> OperatorCommand:
    """Return a command in a release whose instance is rendered as in a deploy."""
    make_release(layout, A)
    app: dict[str, Any] = {"name": "hello", "build": "/srv/hello/builds/1", "callable": "main:app"}
    texts = files(specification.inputs([app], "uwsgi")[0], layout=layout)
    (layout.releases / A / "instance.service").write_text(fill(texts["instance.service"], KNOWN))
    return OperatorCommand(layout, A, command, runner, tmp_path)


def test_a_command_has_the_settings_of_its_release(layout: Layout, runner: Runner, tmp_path: Path) -> None:
    assert in_release(layout, runner, tmp_path).run() == "done\n"
    lines = runner.text.splitlines()
    instance = (layout.releases / A / "instance.service").read_text().splitlines()
    shared = instance[instance.index("User=hello") : instance.index("[Install]")]
    assert [line for line in shared if line and line not in lines] == []
    assert 'ExecStart="python" "manage.py" "check"' in lines
    assert not [line for line in lines if line.startswith(("Restart", "ExecStop", "Type=notify", "[Install]"))]


def test_a_command_leaves_nothing_behind(layout: Layout, runner: Runner, tmp_path: Path) -> None:
    command = in_release(layout, runner, tmp_path)
    command.run()
    runner.broken = {command.unit}
    with pytest.raises(Failed):
        command.run()
    assert os.listdir(layout.transient) == []
    assert not command.output.exists()


def test_a_command_that_fails_is_reported_with_its_status_and_output(
    layout: Layout, runner: Runner, tmp_path: Path
) -> None:
    command = in_release(layout, runner, tmp_path)
    runner.broken, runner.said = {command.unit}, "no such table\x1b[2J\n"
    with pytest.raises(Failed) as failure:
        command.run()
    said = str(failure.value)
    assert said.startswith("'python manage.py check' failed with status 3; its output ends with:\nno such table")
    assert "\x1b" not in said


def test_only_the_end_of_a_long_output_is_read(
    layout: Layout, runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "MOST_OUTPUT", 4)
    runner.said = "0123456789"
    assert in_release(layout, runner, tmp_path).run() == "6789"
