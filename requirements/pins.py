"""Writes plugins/module_utils/pins.py from the locked requirements beside this file."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE.parent / "plugins/module_utils/pins.py"
HEADER = '''\
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""What the collection itself installs on a host, with the digests of the published files.

Made by `make lock` from `requirements/`.
"""

from __future__ import annotations
'''


def main() -> None:
    """Write the module."""
    parts = [HEADER]
    for name in ("uv", "pyuwsgi", "uwsgi"):
        pin = (HERE / f"{name}.txt").read_text(encoding="utf-8").replace("\\", "\\\\")
        parts.append(f'{name.upper()} = """\\\n{pin}"""\n')
    TARGET.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
