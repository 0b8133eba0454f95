"""Draws `docs/deploy.svg`: the terminal of a real deploy under load. Run as `python -m tests.rig.picture`."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.rig import PROJECT, engine, prepared
from tests.rig.server import Server, ansible

PICTURE = PROJECT / "docs/deploy.svg"
HOST = "web1.example.com"
COMMAND = "ansible-playbook playbooks/site.yml -i inventory/prod"

# In pixels, for a monospaced font.
WIDTH, LINE, MARGIN = 930, 19, 18
COLOURS = {"changed": "#e5c07b", "ok": "#98c379", "skipping": "#56b6c2", "PLAY": "#ffffff", "TASK": "#ffffff"}


def main() -> None:
    """Deploy twice, the second time under load, and draw what the second run printed."""
    engine.ensure(engine.TEST)
    server = prepared.server("picture", "debian13")
    server.down()
    server.up()
    try:
        with tempfile.TemporaryDirectory() as directory:
            text = _deploy(server, Path(directory) / "app")
    finally:
        server.down()
    PICTURE.write_text(_svg(text.splitlines()), encoding="utf-8")


def _deploy(server: Server, source: Path) -> str:
    shutil.copytree(PROJECT / "tests/integration/patient", source)
    (source / "requirements.in").write_text("flask\niniconfig\n", encoding="utf-8")
    lock = [
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--generate-hashes",
        "requirements.in",
        "--output-file",
        "requirements.txt",
    ]
    subprocess.run([PROJECT / ".venv/bin" / lock[0], *lock[1:]], cwd=source, check=True)
    app = {
        "name": "hello",
        "build": {"source": str(source)},
        "run": {"callable": "main:application"},
        "serve": {"server_names": ["hello.example.com"]},
    }
    command = [*COMMAND.split(), "-i", str(server.write_inventory(HOST, {"wsgi_apps": [app]}))]
    ansible(*command)
    with (source / "main.py").open("a", encoding="utf-8") as code:
        code.write("# An edit.\n")
    with server.load("hello.example.com") as seen:
        said = ansible(*command).stdout
    lines = [re.sub(r" \*+$", "", line).replace("wsgi.production.", "").rstrip() for line in said.splitlines() if line]
    # Skipped tasks are not shown.
    shown = [line for line, after in zip(lines, [*lines[1:], ""]) if not _is_skipped(line, after)]
    return "\n".join([f"$ {COMMAND}", *shown, f"# {seen.requests:,} requests meanwhile, {len(seen.failures)} failed"])


def _is_skipped(line: str, after: str) -> bool:
    return line.startswith("skipping") or (line.startswith("TASK") and after.startswith(("TASK", "skipping")))


def _svg(lines: list[str]) -> str:
    height = MARGIN * 2 + LINE * len(lines)
    rows = "\n".join(
        f'<text x="{MARGIN}" y="{MARGIN + LINE * number + 13}" fill="{_colour(line)}">{html.escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    font = 'font-family="monospace" font-size="13" xml:space="preserve"'
    background = '<rect width="100%" height="100%" rx="8" fill="#282c34"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {font}>'
    return "\n".join([head, background, rows, "</svg>", ""])


def _colour(line: str) -> str:
    return next((colour for word, colour in COLOURS.items() if line.startswith(word)), "#abb2bf")


if __name__ == "__main__":
    main()
