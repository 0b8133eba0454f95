# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Removal: removing an application from a host, and finding applications that are no longer described."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.data import Data
from ansible_collections.wsgi.production.plugins.module_utils.home import Home
from ansible_collections.wsgi.production.plugins.module_utils.layout import Layout
from ansible_collections.wsgi.production.plugins.module_utils.plan import Step
from ansible_collections.wsgi.production.plugins.module_utils.store import remove_tree
from ansible_collections.wsgi.production.plugins.module_utils.user import User


def removal(app: Application, remove_data: bool) -> list[Step]:
    """Return the steps that remove the application: its doors, instances, builds, releases and user.

    :param remove_data: whether to remove its data as well; otherwise, the data is given to root.
    """
    layout, user, data = app.layout, User(app.layout), Data(app.layout, [])
    of = layout.name
    if layout.home.exists() and any(layout.home.iterdir()) and not Home(layout).is_ours():
        raise Failed(f"{layout.home} was not created by this collection, so it is not removed; delete the entry")
    steps = app.close_doors({})
    links = [link for link in (layout.current, layout.previous) if link.is_symlink()]
    if links:
        says = f"take {layout.live()} out of service" if layout.live() else "remove its links"
        steps.append(Step(says, partial(_unlink, links), of))
    instances = app.instances()
    at_work = [one for release in app.releases.names() for one in app.oneshots(release) if one.placed.exists()]
    steps += [Step(f"end {one.unit}", one.end, of) for one in at_work]
    steps += [Step(f"end {one.release}", partial(_end, app, one.release), of) for one in instances]
    if remove_data and not data.is_removed():
        steps.append(Step(f"remove {data.path}", data.remove, of))
    elif not remove_data and data.path.exists() and not data.is_left():
        steps.append(Step(f"give {data.path} to root", data.leave, of))
    places = (layout.releases, layout.builds, layout.venvs, layout.first, app.history.path)
    made = [path for path in places if path.exists()]
    if user.is_own() and (made or links or instances):
        # Only while something else of the collection is left, which shows that the user belongs to it.
        steps.append(Step(f"remove the user {user.name}", user.remove, of))
    if made:
        steps.append(Step("remove its releases and builds", partial(_remove, made), of))
    empty = layout.home.is_dir() and not set(layout.home.iterdir()) - {layout.mark}
    return [*steps, Step(f"remove {layout.home}", partial(_tidy, layout), of)] if steps or empty else []


def left_over(applications: Path, described: Iterable[str]) -> list[str]:
    """Return the names of the applications that the collection deployed on this host, except those in `described`."""
    there = {path.parent.name for path in applications.glob("*/releases")} - set(described)
    return sorted(name for name in there if Home(Layout(name, applications)).is_ours())


def _unlink(links: Iterable[Path]) -> None:
    for link in links:
        link.unlink()


def _end(app: Application, release: str) -> None:
    instance = app.instance(release)
    instance.end()
    instance.forget()
    app.systemd.reload()


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            remove_tree(path)
        else:
            path.unlink()


def _tidy(layout: Layout) -> None:
    """Remove the application's empty directories; the mark goes last, and stays if there is data."""
    if layout.home.is_dir() and layout.data not in set(layout.home.iterdir()):
        layout.mark.unlink(missing_ok=True)
    for directory in (layout.home, Path("/run") / layout.name):
        with suppress(OSError):
            os.rmdir(directory)
