"""Source archives that others have published, as the machine's own pip fetches them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

# Nothing of the archive is changed: it may have a requirements.txt of its own.
LOCKED = "locked.txt"


@dataclass(frozen=True)
class Archive:
    """One source archive of the package index.

    :param requirement: the package and its version, `name==1.2.3`.
    :param sha256: the digest of the archive.
    :param directory: which directory of the archive is wanted; empty for all of it.
    """

    requirement: str
    sha256: str
    directory: str = ""

    def unpack(self, target: Path, lock: Path) -> Path:
        """Fetch the archive and make `target` the directory that is wanted, with `lock` in it as `LOCKED`.

        pip says where packages come from: it is asked as it is set up on this machine.
        """
        downloads = target.parent / f"{target.name}.download"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        words = ["--no-deps", "--no-binary", ":all:", "--dest", str(downloads)]
        subprocess.run([*pip, *words, self.requirement], check=True)
        (archive,) = downloads.iterdir()
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        assert digest == self.sha256, f"{archive.name} has the digest {digest}"
        with tarfile.open(archive) as files:
            # Python 3.11.2, which Debian 12 has, knows no filters.
            files.extraction_filter = getattr(tarfile, "data_filter", None)
            files.extractall(downloads)
        (top,) = (path for path in downloads.iterdir() if path.is_dir())
        (top / self.directory).rename(target)
        (target / LOCKED).write_bytes(lock.read_bytes())
        return target
