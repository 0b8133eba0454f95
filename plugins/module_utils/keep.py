# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Keeping: what stays on a host, and the removal of the rest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from ansible_collections.wsgi.production.plugins.module_utils.application import Application
from ansible_collections.wsgi.production.plugins.module_utils.build import VENV
from ansible_collections.wsgi.production.plugins.module_utils.installer import tool_entries
from ansible_collections.wsgi.production.plugins.module_utils.layout import PYTHONS, SERVERS, TOOLS
from ansible_collections.wsgi.production.plugins.module_utils.plan import Step
from ansible_collections.wsgi.production.plugins.module_utils.store import Store, read_manifest
from ansible_collections.wsgi.production.plugins.module_utils.wheels import WHEELS


def in_use(*roots: Path, processes: Path = Path("/proc")) -> set[Path]:
    """Return files and directories below `roots` that running processes have mapped or use as working directory."""
    found: set[Path] = set()
    names = "|".join(re.escape(str(root.resolve())) for root in roots)
    pattern = re.compile(rf" ((?:{names})/.*)$", re.MULTILINE)
    for process in processes.glob("[0-9]*"):
        try:
            said = f" {os.readlink(process / 'cwd')}\n" + (process / "maps").read_text(errors="replace")
        except OSError:
            # It has exited in the meantime, or is a kernel thread.
            continue
        found.update(Path(name) for name in pattern.findall(said))
    return found


class Keeper:
    """Removes what neither a kept release nor a running process uses.

    :param used: paths that a running process uses.
    """

    def __init__(self, used: Iterable[Path]) -> None:
        self.used = set(used)
        self.gone: set[Path] = set()

    def prune(self, app: Application, live: str, keep: int) -> list[Step]:
        """Return the steps that reduce the application to `keep` releases, including the live and the previous one.

        A release whose instance still answers its last requests stays, and so do its build and packages.
        """
        layout = app.layout
        instances = app.instances()
        kept = set(app.history.kept(live, keep))
        kept.update(one.release for one in instances if one.was_live() or one.is_ending())
        oneshots = {name: app.oneshots(name) for name in app.releases.names()}
        kept.update(name for name, both in oneshots.items() if any(oneshot.runs() for oneshot in both))
        ended = [one for one in instances if one.release not in kept and one.has_ended()]
        steps = [Step(f"remove the units of {one.release}", one.forget, layout.name) for one in ended]
        steps += [Step("reload systemd", app.systemd.reload, layout.name)] if ended else []
        left = [one for name, both in oneshots.items() if name not in kept for one in both if one.placed.exists()]
        steps += [Step(f"remove {one.unit}, which a killed run left behind", one.forget, layout.name) for one in left]
        builds, venvs = Store(layout.builds), Store(layout.venvs)
        steps += self._remove(app.releases, kept, layout.name)
        steps += self._remove(builds, _targets(path / "build" for path in self._staying(app.releases)), layout.name)
        return steps + self._remove(venvs, _targets(path / VENV for path in self._staying(builds)), layout.name)

    def prune_shared(
        self,
        applications: Path,
        names: Iterable[str],
        servers: Path = SERVERS,
        tools: Path = TOOLS,
        wheels: Path = WHEELS,
        pythons: Path = PYTHONS,
    ) -> list[Step]:
        """Return the steps that remove servers, wheels and Pythons that nothing needs, and tools that are not current.

        Call this after `prune` for each application.

        :param applications: the directory that holds all applications.
        :param names: the names of the current tools.
        """
        steps = self._remove(Store(servers), self._said(applications, "releases", "server"))
        steps += self._remove(Store(wheels), self._said(applications, "venvs", "wheels"))
        tags = self._said(applications, "venvs", "interpreter")
        needed = {name for name in Store(pythons).names() if any(tag.endswith(f"-{name}") for tag in tags)}
        steps += self._remove(Store(pythons), needed)
        return steps + self._remove(Store(tools), tool_entries(names))

    def _said(self, applications: Path, kind: str, key: str) -> set[str]:
        """Return the values of `key` in the manifests of all entries of `kind` that stay."""
        paths = [path for home in applications.glob(f"*/{kind}") for path in self._staying(Store(home))]
        return {str((read_manifest(path) or {}).get(key)) for path in paths}

    def _remove(self, store: Store, kept: set[str], of: str = "") -> list[Step]:
        names = [name for name in store.names() if name not in kept and not self._uses(store.path(name))]
        self.gone.update(store.path(name) for name in names)
        return [Step(f"remove {store.root.name}/{name}", partial(store.remove, name), of) for name in names]

    def _staying(self, store: Store) -> list[Path]:
        return [path for path in map(store.path, store.names()) if path not in self.gone]

    def _uses(self, path: Path) -> bool:
        real = path.resolve()
        return any(real == one or real in one.parents for one in self.used)


def _targets(links: Iterable[Path]) -> set[str]:
    """Return the names that `links` point to."""
    return {os.path.basename(os.readlink(link)) for link in links if link.is_symlink()}
