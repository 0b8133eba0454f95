# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The state of an application and of its host: what runs, for how long, how busy it is, and what is wrong with it."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.certificate import served
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed, run, shown
from ansible_collections.wsgi.production.plugins.module_utils.instance import Instance
from ansible_collections.wsgi.production.plugins.module_utils.layout import (
    MAINTENANCE,
    NGINX_ADDRESS,
    NGINX_HTTPS_ADDRESS,
)
from ansible_collections.wsgi.production.plugins.module_utils.nginx import Nginx, verify_token
from ansible_collections.wsgi.production.plugins.module_utils.nginx_text import explain
from ansible_collections.wsgi.production.plugins.module_utils.probe import Ask, Probe, over_http, wait_for

# What a process of an application sends is read only up to this size and for so long.
MOST_BYTES, SECONDS = 1 << 20, 2

# Below so many days, a certificate should have been renewed; below so many percent, a disk is as good as full.
DAYS_LEFT, PERCENT_LEFT = 14, 5

# What systemd reports of a unit, in the order in which `_Unit` takes it.
PROPERTIES = ("ActiveState", "UnitFileState", "NRestarts", "MemoryCurrent", "DropInPaths", "NeedDaemonReload")


def of_application(app: Application) -> dict[str, Any]:
    """Return the state of an application on this host, with a sentence for each of its `problems`."""
    name, live = app.layout.name, app.layout.live()
    found: dict[str, Any] = {"name": name, "release": live, "problems": []}
    if live is None:
        return {**found, "problems": [f"{name}: no release is live; deploy it"]}
    instance, entry = app.instance(live), app.history.entries().get(live, {})
    units = {unit: _unit(app, unit) for unit in instance.lasting if unit not in instance.elsewhere}
    problems = [f"{unit} is {one['state'] or 'missing'}" for unit, one in units.items() if one["state"] != "active"]
    problems += [f"{unit} does not start when the host boots" for unit, one in units.items() if not one["enabled"]]
    problems += [
        f"{unit} was restarted {_times(one['restarts'])} since {live} went live"
        for unit, one in units.items()
        if one["restarts"]
    ]
    problems += [
        f"{unit} also has settings from {path}, which no run has written; remove that file, or use uwsgi_templates"
        for unit, one in units.items()
        for path in one["foreign"]
    ]
    problems += [
        f"{unit} was changed on the disk, and systemd has not read it since; run the playbook site again"
        for unit, one in units.items()
        if one["stale"]
    ]
    why = _objection(instance.probe(), instance.ask)
    problems += [f"the instance is not healthy: {why}"] if why else []
    stats = _stats(instance)
    if stats.get("queue") and stats["busy"] == stats["processes"]:
        problems.append(f"all {stats['busy']} processes are busy, and {stats['queue']} requests wait")
    if app.history.latest() != live:
        problems.append(f"{live} was switched to, but not verified; run the playbook site again")
    return {
        **found,
        "commit": instance.manifest.get("commit"),
        "live_since": entry.get("live"),
        "previous": app.history.previous(),
        "healthy": not why,
        "units": {unit: one["state"] for unit, one in units.items()},
        "restarts": sum(one["restarts"] for one in units.values()),
        "memory": sum(one["memory"] for one in units.values()) or None,
        **stats,
        "problems": [f"{name}: {problem}" for problem in problems],
    }


def of_front(front: dict[str, Any]) -> dict[str, Any]:
    """Return what clients of an application get at its front door, and how long its certificate is valid.

    :param front: the name of the application, the address of the door, and the probe.
    """
    address, probe = front["address"], Probe.of(front["probe"])
    tls = address == NGINX_HTTPS_ADDRESS
    ask = over_http(address, verify_token() if address in (NGINX_ADDRESS, NGINX_HTTPS_ADDRESS) else "", tls)
    why, days = _objection(probe, ask), None
    problems = [f"clients do not reach it at {address}: {why}"] if why else []
    if tls:
        try:
            days = served(address, probe.host.partition(":")[0]).left.days
        except (OSError, ValueError) as failure:
            problems.append(f"NGINX shows no certificate: {failure}")
        if days is not None and days < DAYS_LEFT:
            problems.append(f"the certificate for {probe.host} is valid for {days} more days; look at its renewal")
    return {
        "name": front["name"],
        "served": not why,
        "closed": (MAINTENANCE / front["name"]).exists(),
        "certificate_days": days,
        "problems": [f"{front['name']}: {shown(problem)}" for problem in problems],
    }


def of_nginx(nginx: Nginx) -> list[str]:
    """Return a sentence for each thing that is wrong with NGINX on this host, if it serves sites here."""
    if not nginx.is_taken_over():
        return []
    problems = []
    if nginx.is_changing():
        problems.append("a run has not finished with NGINX; run the playbook site again")
    elif not nginx.serves():
        problems.append("NGINX does not run, or does not start when the host boots; run the playbook site again")
    try:
        run(["nginx", "-t", "-q"], "check the configuration of NGINX")
    except Failed as failure:
        problems.append(f"NGINX would not load its configuration: {explain(str(failure), nginx.text())}")
    return problems


def of_host(path: Path) -> dict[str, Any]:
    """Return how many percent of the file system of `path` are free, of its bytes and of its inodes."""
    found = os.statvfs(path)
    free = {
        "bytes": 100 * found.f_bavail // max(1, found.f_blocks),
        # A file system without a fixed number of inodes says zero.
        "inodes": 100 * found.f_favail // found.f_files if found.f_files else 100,
    }
    problems = [f"only {left} % of the {kind} of {path} are free" for kind, left in free.items() if left < PERCENT_LEFT]
    return {"free": free, "problems": problems}


def _unit(app: Application, unit: str) -> dict[str, Any]:
    """Return what systemd says of a unit."""
    state, enabled, restarts, memory, drop_ins, stale = app.systemd.properties(unit, *PROPERTIES)
    return {
        "state": state,
        "enabled": enabled == "enabled",
        "restarts": int(restarts or 0),
        # Without memory accounting, systemd says that it is not set.
        "memory": int(memory) if memory.isdigit() and int(memory) < 1 << 62 else 0,
        # A distribution may have some for all services.
        "foreign": [path for path in drop_ins.split() if path.startswith(("/etc/", "/run/"))],
        "stale": stale == "yes",
    }


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _objection(probe: Probe, ask: Ask) -> str:
    """Return what is wrong with the answer to one request; empty if nothing is."""
    try:
        wait_for(probe, ask, 1, 0)
    except Failed as failure:
        return str(failure)
    return ""


def _stats(instance: Instance) -> dict[str, int]:
    """Return how busy uWSGI is: its processes, how many of them work, and how many requests wait and were answered."""
    if instance.speaks_http:
        return {}
    try:
        told = json.loads(_read(instance.layout.stats(instance.release)))
        processes = [one for one in told["workers"] if one["status"] != "cheap"]
        return {
            "processes": len(processes),
            "busy": sum(one["status"] != "idle" for one in processes),
            "queue": int(told["listen_queue"]),
            "requests": sum(int(one["requests"]) for one in processes),
        }
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        # A process of the application may have written anything.
        return {}


def _read(path: Path) -> str:
    """Return what a Unix socket sends until it closes the connection."""
    deadline, said = time.monotonic() + SECONDS, b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(SECONDS)
        connection.connect(str(path))
        while len(said) < MOST_BYTES and (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            some = connection.recv(65536)
            if not some:
                break
            said += some
    return said.decode(errors="replace")
