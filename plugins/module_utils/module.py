# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The frame of every step that changes a host: plan what to do, report it, and do it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.wsgi.production.plugins.module_utils.lock import Held, Lock
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, sentence

# An option of the modules that work for several applications; documented in plugins/doc_fragments/on_failure.py.
ON_FAILURE = {"on_failure": {"type": "str", "choices": ["stop", "continue"], "default": "stop"}}


# What the action plugins add to the arguments of a step: its name, and the run that it belongs to.
ADDED = {"step": {"type": "str"}, "run": {"type": "dict"}}


def carry_out(argument_spec: dict[str, Any], plan: Callable[[Module], Plan], last: bool = False) -> None:
    """Carry out a step: take the host's lock, plan, and carry out the plan unless in check mode.

    :param plan: examines the host and returns a plan, without changing anything.
    :param last: whether the run ends here on this host and releases the lock, unless the plan says that it goes on.
    """
    module = AnsibleModule(argument_spec={**argument_spec, **ADDED}, supports_check_mode=True)
    os.umask(0o022)
    run = module.params["run"]
    try:
        if module.check_mode or not run:
            planned = _take(module, plan(module))
        else:
            with Lock().during(run) as lock:
                if last:
                    lock.release()
                planned = _take(module, plan(module))
                if planned.goes_on:
                    lock.keep()
    except Held as held:
        module.fail_json(msg=str(held), holder=held.holder)
    except Exception as failure:
        module.fail_json(msg=sentence(failure))
    failures = planned.failures
    if failures and ("" in failures or module.params.get("on_failure") != "continue"):
        module.fail_json(msg="; ".join(failures.values()))
    changed = bool(planned.steps)
    before = "would " if module.check_mode else ""
    said = planned.says(before) or planned.settled
    result = {**planned.result, "changed": changed, "msg": "; ".join(filter(None, [said, *failures.values()]))}
    if "on_failure" in module.params:
        result["broken"] = failures
    if changed:
        result["diff"] = [{"prepared": "".join(f"{line}\n" for line in planned.lines(before))}, *planned.diff()]
    module.exit_json(**result)


def _take(module: AnsibleModule, planned: Plan) -> Plan:
    if not module.check_mode:
        planned.take()
    return planned
