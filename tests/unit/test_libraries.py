"""What the controller says when a library of ansible-core is missing."""

from __future__ import annotations

import pytest

from ansible_collections.wsgi.production.plugins.action import check
from ansible_collections.wsgi.production.plugins.plugin_utils import libraries


def test_a_missing_library_is_reported_with_a_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries.require_all()
    monkeypatch.setattr(libraries, "MISSING", [])
    libraries.note_missing(ModuleNotFoundError("No module named 'packaging'", name="packaging"))
    action = check.ActionModule.__new__(check.ActionModule)
    (said,) = action.objections({}, {})
    assert said.endswith(" cannot import packaging, on which ansible-core depends: reinstall ansible-core")
