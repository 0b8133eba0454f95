"""Writes plugins/module_utils/pins.py from the locked requirements beside this file, and from those of lock tools."""

from __future__ import annotations

import hashlib
from pathlib import Path

HERE = Path(__file__).parent
LOCK_TOOLS = HERE.parent / "plugins/plugin_utils/pins"
TARGET = HERE.parent / "plugins/module_utils/pins.py"
HEADER = '''\
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What the collection itself installs on a host, with the digests of the published files.

Made by `make lock` from `requirements/`.
"""

from __future__ import annotations
'''
COMMENT = """\
# The SHA-256 of what stands in plugins/plugin_utils/pins/: long lists, which stay on the controller until needed.
"""


def main() -> None:
    """Write the module."""
    parts = [HEADER]
    for name in ("uv", "pip", "pyuwsgi", "uwsgi"):
        pin = (HERE / f"{name}.txt").read_text(encoding="utf-8").replace("\\", "\\\\")
        parts.append(f'{name.upper()} = """\\\n{pin}"""\n')
    digests = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(LOCK_TOOLS.glob("*.txt"))}
    lines = "".join(f'    "{name}": "{digest}",\n' for name, digest in digests.items())
    parts.append(f"{COMMENT}LOCK_TOOLS = {{\n{lines}}}\n")
    TARGET.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
