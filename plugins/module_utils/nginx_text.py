# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""How the host reads the text of NGINX's configuration: the blocks of sites, and where a line was described."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from ansible_collections.wsgi.production.plugins.module_utils.command import Failed

# How each configuration of the collection starts.
OURS = "# Written by the role wsgi.production.nginx"

# The block of each site in the configuration, found by the comments around it, with the empty line before it.
BLOCK = re.compile(r"^\n    # site (\S+)\n.*?^    # end of site \1\n", re.MULTILINE | re.DOTALL)

# What a site has in the server of its host names if it answers below a path: it is in the block of the site that has
# this server, at the place that a comment marks.
PART = re.compile(
    r"^\n        # path of (\S+), which answers within (\d+) s\n.*?^        # end of path of \1\n",
    re.MULTILINE | re.DOTALL,
)
PLACE = "        # paths of other sites\n"

# The part that all sites with HTTP/3 share has the form of a block, so that it can stay with them.
HTTP3 = "_"
HTTP3_IS_USED = " quic;\n"

IS_DEFAULT = " 80 default_server;\n"


class _Part(NamedTuple):
    """What a site has in the server of its host names.

    :param server: the site that has this server.
    :param seconds: how long its slowest response may take.
    """

    text: str
    server: str
    seconds: int


def _apart(config: str) -> tuple[str, dict[str, _Part]]:
    """Return `config` without the parts of sites in the servers of others, and these parts by their site's name."""
    parts = {
        found.group(1): _Part(found.group(), name, int(found.group(2)))
        for name, block in _blocks(config).items()
        for found in PART.finditer(block)
    }
    return PART.sub("", config) if parts else config, parts


def _together(config: str, parts: dict[str, _Part]) -> str:
    """Return `config` with `parts`.

    :raises Failed: if the site that has the server of one of them is not there.
    """
    there = _blocks(config)
    for name, part in parts.items():
        if PLACE not in there.get(part.server, ""):
            raise Failed(
                f"{name}: its path is in the server of {part.server}, which is no longer there; describe {part.server} "
                f"as before, or {undo(name)}"
            )

    def filled(found: re.Match[str]) -> str:
        own = [part.text for part in parts.values() if part.server == found.group(1)]
        return found.group().replace(PLACE, "".join([PLACE, *own]), 1)

    return BLOCK.sub(filled, config) if parts else config


def _blocks(config: str) -> dict[str, str]:
    return {found.group(1): found.group() for found in BLOCK.finditer(config)}


def blocks(config: str) -> dict[str, str]:
    """Return the block of each site in `config` by the site's name; the part shared for HTTP/3 has the name `_`.

    A block has what other sites have in its server no longer in it.
    """
    return _blocks(_apart(config)[0])


def left_over(live: str, described: Iterable[str]) -> dict[str, str]:
    """Return the blocks of `live` whose site is not among `described`, by the site's name."""
    return {name: block for name, block in blocks(live).items() if name not in {HTTP3, *described}}


def without(config: str, sites: Iterable[str]) -> str:
    """Return `config` without the blocks of `sites`.

    :raises Failed: if a site that stays has its path in the server of one of them.
    """
    gone = set(sites)
    rest, parts = _apart(config)
    rest = BLOCK.sub(lambda found: "" if found.group(1) in gone else found.group(), rest)
    return _together(rest, {name: part for name, part in parts.items() if name not in gone})


def put_back(config: str, before: str, sites: Iterable[str]) -> str:
    """Return `config` with `sites` as they are in `before`, and without the ones that are not in `before`.

    A site stays as it is in `config` if it was not there before, and has the server of a site that stays. If one of
    `sites` had a server that another site has now, the other is restored as well.

    :raises Failed: if another site of `config` conflicts with one of them.
    """
    given = set(sites)
    wanted = {site for site in given if site in blocks(before) or not _serves_others(config, site, given)}
    servers = set().union(*(_names(block) for name, block in blocks(before).items() if name in wanted))
    wanted |= {name for name, block in blocks(config).items() if _names(block) & servers}
    there = {name: block for name, block in blocks(before).items() if name in wanted}
    if not wanted & {*there, *blocks(config)}:
        return config
    rest, parts = _apart(config)
    rest = BLOCK.sub(lambda found: "" if found.group(1) in wanted else found.group(), rest)
    stays = {name: part for name, part in parts.items() if name not in wanted}
    return _carried(there, before, rest, stays)


def _serves_others(config: str, site: str, sites: set[str]) -> bool:
    """Return whether a site other than `sites` has its path in the server of `site`."""
    return any(part.server == site and name not in sites for name, part in _apart(config)[1].items())


def carry_over(left: dict[str, str], live: str, wanted: str) -> str:
    """Return the text `wanted` with the blocks `left` of `live` added unchanged.

    :raises Failed: if a site of `wanted` conflicts with one of them.
    """
    rest, parts = _apart(wanted)
    return _carried(left, live, rest, parts)


def _carried(left: dict[str, str], live: str, wanted: str, parts: dict[str, _Part]) -> str:
    """Return `wanted` with the blocks `left` of `live`, with what they have in the servers of others, and with `parts`.

    :raises Failed: if a site of `wanted` conflicts with one of them.
    """
    there = _blocks(wanted)
    for (old, block), (new, other) in product(left.items(), there.items()):
        if IS_DEFAULT in block and IS_DEFAULT in other:
            raise Failed(
                f"{new}: default: {old}, which is left over, is already the default site; remove the "
                f"setting, or {undo(old)}"
            )
        if old.replace("-", "_") == new.replace("-", "_"):
            raise Failed(f"{new}: {old}, which is left over, has almost the same name; change the name, or {undo(old)}")
        if new in parts and _names(block) & _names(other):
            raise Failed(
                f"{new}: path: {old}, which is left over, has the server of {min(_names(block) & _names(other))}; "
                f"describe {old} again, or {undo(old)}"
            )
    kept = set(left)
    if HTTP3 not in there and any(HTTP3_IS_USED in block for block in left.values()):
        kept.add(HTTP3)
    rest, of_live = _apart(live)
    carried = [block for name, block in _blocks(rest).items() if name in kept]
    before, brace, after = wanted.rpartition("}")
    whole = "".join([before, *carried, brace, after])
    return _together(whole, {**{name: part for name, part in of_live.items() if name in left}, **parts})


def _names(block: str) -> set[str]:
    """Return the host names whose server is in a block."""
    return {
        name
        for found in re.finditer(r"^        server_name ([^;]*);$", block, re.MULTILINE)
        for name in found[1].split()
    }


def undo(site: str) -> str:
    """Return how to remove a site that is left over."""
    return f"add to wsgi_apps: - {{name: {site}, state: absent}}"


def slowest(config: str) -> int:
    """Return the seconds that the slowest response of all sites may take; snippets come later in the text."""
    rest, parts = _apart(config)
    found = (re.search(r"_read_timeout (\d+)s;", block) for block in _blocks(rest).values())
    return max([*(int(one.group(1)) for one in found if one), *(part.seconds for part in parts.values())], default=0)


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
