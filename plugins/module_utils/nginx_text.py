# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""How the host reads the text of NGINX's configuration: the blocks of sites, and where a line was described."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed

# How each configuration of the collection starts.
OURS = "# Written by the role wsgi.production.nginx"

# The block of each site in the configuration, found by the comments around it, with the empty line before it.
BLOCK = re.compile(r"^\n    # site (\S+)\n.*?^    # end of site \1\n", re.MULTILINE | re.DOTALL)

# The part that all sites with HTTP/3 share has the form of a block, so that it can stay with them.
HTTP3 = "_"
HTTP3_IS_USED = " quic;\n"

IS_DEFAULT = " 80 default_server;\n"


def blocks(config: str) -> dict[str, str]:
    """Return the block of each site in `config` by the site's name; the part shared for HTTP/3 has the name `_`."""
    return {found.group(1): found.group() for found in BLOCK.finditer(config)}


def left_over(live: str, described: Iterable[str]) -> dict[str, str]:
    """Return the blocks of `live` whose site is not among `described`, by the site's name."""
    return {name: block for name, block in blocks(live).items() if name not in {HTTP3, *described}}


def without(config: str, sites: Iterable[str]) -> str:
    """Return `config` without the blocks of `sites`."""
    gone = set(sites)
    return BLOCK.sub(lambda found: "" if found.group(1) in gone else found.group(), config)


def put_back(config: str, before: str, sites: Iterable[str]) -> str:
    """Return `config` with `sites` as they are in `before`, and without the ones that are not in `before`.

    :raises Failed: if another site of `config` conflicts with one of them.
    """
    wanted = set(sites)
    there = {name: block for name, block in blocks(before).items() if name in wanted}
    return carry_over(there, before, without(config, wanted)) if wanted & {*there, *blocks(config)} else config


def carry_over(left: dict[str, str], live: str, wanted: str) -> str:
    """Return the text `wanted` with the blocks `left` of `live` added unchanged.

    :raises Failed: if a site of `wanted` conflicts with one of them.
    """
    there = blocks(wanted)
    for (old, block), (new, other) in product(left.items(), there.items()):
        if IS_DEFAULT in block and IS_DEFAULT in other:
            raise Failed(
                f"{new}: default: {old}, which is left over, is already the default site; remove the "
                f"setting, or {undo(old)}"
            )
        if old.replace("-", "_") == new.replace("-", "_"):
            raise Failed(f"{new}: {old}, which is left over, has almost the same name; change the name, or {undo(old)}")
    kept = set(left)
    if HTTP3 not in there and any(HTTP3_IS_USED in block for block in left.values()):
        kept.add(HTTP3)
    carried = [block for name, block in blocks(live).items() if name in kept]
    before, brace, after = wanted.rpartition("}")
    return "".join([before, *carried, brace, after])


def undo(site: str) -> str:
    """Return how to remove a site that is left over."""
    return f"add to wsgi_apps: - {{name: {site}, state: absent}}"


def slowest(config: str) -> int:
    """Return the seconds that the slowest response of all sites may take; snippets come later in the text."""
    found = (re.search(r"_read_timeout (\d+)s;", block) for block in blocks(config).values())
    return max((int(one.group(1)) for one in found if one), default=0)


def explain(said: str, config: str) -> str:
    """Return the message of NGINX about `config`, with the line that it means and where that line was described.

    NGINX usually names the line, but for a certificate or a cipher only the value.
    """
    match = re.search(r"\[emerg\] (?:\d+#\d+: )?(.*?)(?: in \S+?nginx\.conf(?:\.next)?:(\d+))?$", said, re.MULTILINE)
    if not match:
        return said
    reason, lines = match.group(1), config.splitlines()
    number = int(match.group(2)) if match.group(2) else _line_with(re.findall(r'"([^"]+)"', reason), lines)
    if number is None or number > len(lines):
        return reason
    return f"{_origin(lines[:number])}{reason}; line {number} of the configuration is: {lines[number - 1].strip()}"


def _line_with(values: list[str], lines: list[str]) -> int | None:
    """Return the number of the first line that contains the most of `values` as whole words."""
    words = [re.compile(rf"(?<![\w$]){re.escape(value)}(?!\w)") for value in values]
    counts = [0 if line.lstrip().startswith("#") else sum(bool(word.search(line)) for word in words) for line in lines]
    most = max(counts, default=0)
    return counts.index(most) + 1 if most else None


def _origin(lines: list[str]) -> str:
    """Return where the last of `lines` was described, from the comment before it in the configuration."""
    comments = (re.fullmatch(r"\s*# from (.+)", line) for line in reversed(lines))
    return next((f"{comment.group(1)}: " for comment in comments if comment), "")
