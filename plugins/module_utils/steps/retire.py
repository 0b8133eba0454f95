# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The step `retire`: cleans up after a change."""

from __future__ import annotations

from functools import partial

from ansible_collections.wsgi.production.plugins.module_utils import rules, sections
from ansible_collections.wsgi.production.plugins.module_utils.application import Application, go_back
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.keep import Keeper, in_use
from ansible_collections.wsgi.production.plugins.module_utils.layout import APPLICATIONS, PYTHONS, SERVERS, Layout
from ansible_collections.wsgi.production.plugins.module_utils.nginx import Nginx
from ansible_collections.wsgi.production.plugins.module_utils.oneshot import Oneshot
from ansible_collections.wsgi.production.plugins.module_utils.plan import Module, Plan, Step
from ansible_collections.wsgi.production.plugins.module_utils.removal import left_over, removal
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

ARGUMENTS = {
    "apps": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "keep": {"type": "int", "default": 7},
        },
    },
    "broken": {"type": "list", "elements": "str", "default": []},
    "after_switch": {"type": "bool", "default": True},
    "absent": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "remove_data": {"type": "bool", "default": False},
        },
    },
    "described": {"type": "list", "elements": "str"},
    "tools": {"type": "list", "elements": "str", "required": True},
}


def plan(module: Module) -> Plan:
    """Retire old releases."""
    asked, systemd = module.params, Systemd()
    planned = Plan(settled="there is nothing to retire")
    nginx, broken = Nginx(systemd), asked["broken"]
    settle = Step("keep the new configuration of NGINX", partial(nginx.settle, broken), always=True)
    go_back(planned, [Application(Layout(name), systemd) for name in broken], [settle] if nginx.before.exists() else [])
    if asked["apps"] or asked["absent"]:
        keeper = Keeper(in_use(APPLICATIONS, SERVERS, PYTHONS))
        for absent in asked["absent"]:
            app = Application(Layout(absent["name"]), systemd)
            planned.add(absent["name"], partial(_remove, app, absent["remove_data"]))
            keeper.gone.update(app.layout.releases.glob("*"), app.layout.venvs.glob("*"))
        for one in asked["apps"]:
            app = Application(Layout(one["name"]), systemd)
            planned.add(one["name"], partial(_settle, module, app, keeper, one["keep"]))
        planned.add("", partial(keeper.prune_shared, APPLICATIONS, asked["tools"]))
    if asked["described"] is not None:
        for name in left_over(APPLICATIONS, asked["described"]):
            module.warn(
                f"{name} is left over: it exists on this host, but there is no entry for it. It stays as "
                f"it is. To remove it, add to wsgi_apps: - {{name: {name}, state: absent}}"
            )
    return planned


def _remove(app: Application, remove_data: bool) -> list[Step]:
    wrong = rules.name(app.layout.name)
    if wrong:
        raise Failed(wrong)
    return removal(app, remove_data)


def _settle(module: Module, app: Application, keeper: Keeper, keep: int) -> list[Step]:
    live = app.layout.live()
    wrong = sections.objections({"keep": rules.keep}, {"keep": keep})
    if wrong:
        raise Failed(wrong[0])
    if not live:
        return []
    steps = []
    after = app.oneshot(live, "after-switch")
    if module.params["after_switch"] and after.exists() and app.history.latest() != live:
        steps.append(Step("run its after_switch commands", partial(_run, module, after), app.layout.name))
    return steps + app.record(live, keep) + app.end_others(live) + keeper.prune(app, live, keep)


def _run(module: Module, after: Oneshot) -> None:
    try:
        after.run()
    except Failed as failure:
        module.warn(f"the after_switch commands failed, which changes nothing else: {failure}")
