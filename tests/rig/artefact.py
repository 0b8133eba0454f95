"""Checks the collection as it is published: the built artefact, installed into an empty directory.

Run as `python -m tests.rig.artefact galaxy`, `sanity` or `docs`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.rig import PROJECT, STATE

COLLECTION = "wsgi.production"
DOCS = STATE / "docs"

# What is published. Galaxy adds the files in the last line.
SHIPPED = {
    *("CHANGELOG.md", "LICENSE", "README.md", "changelogs", "docs", "meta", "playbooks", "plugins", "roles"),
    *("FILES.json", "MANIFEST.json"),
}

# The file that ansible-test looks for before it downloads its pip installer, and a script that needs no download.
PIP = "get_pip_24_2.py"
INSTALL_PIP = "import ensurepip\nensurepip.bootstrap(upgrade=True)\n"


def galaxy(root: Path) -> None:
    """Import the artefact as Galaxy does; warnings are errors.

    :raises SystemExit: with the output of the importer.
    """
    artefact = _build(root)
    with tarfile.open(artefact) as archive:
        shipped = {name.partition("/")[0] for name in archive.getnames()}
    if shipped != SHIPPED:
        raise SystemExit(f"The artefact has other files than it should: {sorted(shipped ^ SHIPPED)}")
    done = _run([sys.executable, "-m", "galaxy_importer.main", artefact], cwd=root, capture=True)
    said = done.stdout + done.stderr
    wrong = [line for line in said.splitlines() if line.startswith(("ERROR", "WARNING"))]
    if done.returncode or wrong or "Importer processing completed successfully" not in said:
        raise SystemExit(said)
    print("Galaxy imports the artefact without a warning")


def sanity(root: Path) -> None:
    """Run all of ansible-test's sanity tests, with nothing ignored.

    :raises SystemExit: when one fails.
    """
    collection = install(root)
    cache = root / ".ansible/test/cache"
    cache.mkdir(parents=True)
    (cache / PIP).write_text(INSTALL_PIP, encoding="ascii")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = ["ansible-test", "sanity", "--venv", "--color", "no", "--python", python]
    done = _run(command, cwd=collection, capture=True, environment={"HOME": str(root)})
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    print("ansible-test sanity passes")


def docs(root: Path) -> None:
    """Check the documentation of all options, and build pages from it; warnings are errors.

    :raises SystemExit: when a part of it is wrong.
    """
    collection = install(root)
    where = {"ANSIBLE_COLLECTIONS_PATH": str(root), "HOME": str(root)}
    lint = ["lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", str(collection)]
    _required(_run(["antsibull-docs", *lint], environment=where))
    pages = root / "pages"
    pages.mkdir(mode=0o700)
    settings = PROJECT / "docs/reference"
    config = ["--config-file", str(settings / "antsibull-docs.cfg")]
    options = ["--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", str(pages)]
    _required(_run(["antsibull-docs", *config, "collection", *options, COLLECTION], environment=where))
    if DOCS.exists():
        shutil.rmtree(DOCS)
    _required(_run(["sphinx-build", "-q", "-W", "--keep-going", "-c", settings, "-b", "html", pages, DOCS]))
    print(f"The reference pages begin at {DOCS.relative_to(PROJECT)}/index.html")


def install(root: Path) -> Path:
    """Build the artefact and install it below `root`; return the directory of the collection."""
    command = [
        "ansible-galaxy",
        "collection",
        "install",
        str(_build(root)),
        "--offline",
        "--collections-path",
        str(root),
    ]
    # Not in the checkout, where ansible.cfg says that the collection is already installed.
    _required(_run(command, cwd=root, capture=True))
    return root / "ansible_collections" / COLLECTION.replace(".", "/")


def _build(root: Path) -> Path:
    """Build the artefact in `root` and return its path."""
    _required(_run(["ansible-galaxy", "collection", "build", "--output-path", root, PROJECT], capture=True))
    return next(root.glob("*.tar.gz"))


def _run(
    command: Sequence[str | Path], cwd: Path = PROJECT, capture: bool = False, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    paths = f"{PROJECT}/.venv/bin:{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": paths, **(environment or {})},
        capture_output=capture,
        text=True,
        check=False,
    )


def _required(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise SystemExit((done.stdout or "") + (done.stderr or "") or done.returncode)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        {"galaxy": galaxy, "sanity": sanity, "docs": docs}[sys.argv[1]](Path(directory))
