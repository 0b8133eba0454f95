#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = """
module: step
short_description: Runs a step of a run on the host
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - The action plugins of this collection use this single module for every step, so that Ansible packs the code of the
    collection only once per run. Do not call it directly.
options:
  step:
    description: The name of the step. All other options are those of the module of that name.
    type: str
    required: true
attributes:
  check_mode:
    description: As the module of the step documents.
    support: full
"""

EXAMPLES = """
- name: Do what the module of the step does
  wsgi.production.step:
    step: packages
    names: [nginx]
"""

RETURN = """# What the module of the step returns."""

from typing import TYPE_CHECKING

from ansible.module_utils import basic

from ansible_collections.wsgi.production.plugins.module_utils.module import carry_out
from ansible_collections.wsgi.production.plugins.module_utils.steps import load

if TYPE_CHECKING:
    # Ansible packs everything that is imported anywhere, including here.
    from ansible_collections.wsgi.production.plugins.module_utils.steps import (  # noqa: F401
        back,
        boot,
        build,
        choose,
        command,
        maintenance,
        migrate,
        nginx,
        packages,
        release,
        release_info,
        retire,
        status,
        survey,
        switch,
        verify,
        wheels,
    )

# After these steps the run is over for the host, unless their plan says otherwise.
LAST = ("back", "retire", "survey")


def main() -> None:
    """Run the module."""
    params = basic._load_params() or {}
    if "step" not in params:
        # It says what is missing.
        basic.AnsibleModule(argument_spec={"step": {"type": "str", "required": True}}, supports_check_mode=True)
    name = params["step"]
    step = load(name)
    carry_out(step.ARGUMENTS, step.plan, last=name in LAST)


if __name__ == "__main__":
    main()
