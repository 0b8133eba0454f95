# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What the hosts say of their applications, as one table and a list of problems."""

from __future__ import annotations

from typing import Any

# The variable with the result of the module `status` on a host.
STATUS = "__wsgi_production_status"

HEADS = ("host", "application", "release", "live since (UTC)", "health", "busy", "queue", "restarts", "memory", "TLS")


def report(hostvars: Any, hosts: list[str]) -> dict[str, Any]:
    """Return the state of all `hosts`: a table as `lines` and as `rows`, `problems`, and the data of `hosts`."""
    results = {host: hostvars[host].get(STATUS, {}) for host in hosts}
    rows: list[tuple[str, ...]] = [HEADS]
    problems: list[str] = []
    releases: dict[str, dict[str, list[str]]] = {}
    for host, result in results.items():
        if "applications" not in result:
            why = "cannot be reached" if result.get("unreachable") else result.get("msg", "was not asked")
            problems.append(f"{host}: {why}")
            rows.append((host, "-", "-", "-", why, *["-"] * 5))
            continue
        problems += [f"{host}: {problem}" for problem in result["problems"]]
        for one in result["applications"]:
            rows.append((host, *_cells(one)))
            if one.get("release"):
                releases.setdefault(one["name"], {}).setdefault(one["release"], []).append(host)
    for name, found in releases.items():
        if len(found) > 1:
            where = "; ".join(f"{release} on {', '.join(there)}" for release, there in found.items())
            problems.append(f"{name}: hosts have different releases: {where}; run the playbook site")
    data = {
        host: {key: result[key] for key in ("applications", "free")}
        for host, result in results.items()
        if "free" in result
    }
    cells = [dict(zip(HEADS, row)) for row in rows[1:]]
    return {"lines": _table(rows), "rows": cells, "problems": problems, "hosts": data}


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of an application, after that of its host."""
    bad = [word for key, word in (("healthy", "sick"), ("served", "not served")) if one.get(key) is False]
    good = "closed" if one.get("closed") else "healthy"
    health = ", ".join(bad) or ("problems" if one["problems"] else good)
    busy = f"{one['busy']}/{one['processes']}" if "busy" in one else "-"
    memory = f"{one['memory'] / (1 << 20):.0f} MiB" if one.get("memory") else "-"
    days = one.get("certificate_days")
    return (
        one["name"],
        str(one.get("release") or "-"),
        str(one.get("live_since") or "-").partition("+")[0].replace("T", " "),
        health,
        busy,
        str(one.get("queue", "-")),
        str(one.get("restarts", "-")),
        memory,
        "-" if days is None else f"{days} days",
    )


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return `rows` as lines with columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
