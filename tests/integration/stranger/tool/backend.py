"""A build backend that needs no other, and leaves in its wheel who ran it."""

import os
import zipfile
from pathlib import Path

NAME = "tool-1.0-py3-none-any.whl"
FILES = {
    "tool_built_by.txt": str(os.geteuid()),
    "tool-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n",
    "tool-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


def build_wheel(wheel_directory: str, *_: object, **__: object) -> str:
    """Build the wheel (PEP 517)."""
    record = "".join(f"{name},,\n" for name in [*FILES, "tool-1.0.dist-info/RECORD"])
    with zipfile.ZipFile(Path(wheel_directory, NAME), "w") as archive:
        for name, text in {**FILES, "tool-1.0.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    return NAME
