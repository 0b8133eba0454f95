"""What the commands of a build promise."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import build_user as unit
from ansible_collections.wsgi.production.plugins.module_utils.build_commands import Commands
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.store import remove_tree

PR_GET_CHILD_SUBREAPER = 37


def user(uid: int, gid: int) -> pwd.struct_passwd:
    return pwd.struct_passwd(("hello", "x", uid, gid, "", "/data", "/usr/sbin/nologin"))


class Host:
    """A host on which this process's own user is the one that builds."""

    def __init__(self, path: Path) -> None:
        self.code = path / "code"
        self.venv = path / "venv"
        self.stdin: list[int | None] = []
        self.owners: list[tuple[int, int]] = []
        self.code.mkdir()
        (self.venv / "bin").mkdir(parents=True)
        (self.venv / "bin/python").symlink_to(sys.executable)
        self.start = subprocess.Popen

    def popen(self, argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a program, and note what it reads from."""
        self.stdin.append(options.get("stdin"))
        return self.start(argv, **options)

    def fchown(self, directory: int, uid: int, gid: int) -> None:
        """Note the owner of a directory instead of changing it."""
        self.owners.append((uid, gid))

    def script(self, text: str) -> str:
        """Return a command that runs `text`."""
        (self.code / "script.py").write_text(f"import os, sys\n{text}\n")
        return "python script.py"

    def run(self, *commands: str, **env: Any) -> None:
        """Run commands of a build."""
        Commands(commands, env).run(self.code, self.venv)

    def mode(self, name: str) -> int:
        """Return the mode of what is in the code."""
        return stat.S_IMODE((self.code / name).lstat().st_mode)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    fake = Host(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", fake.popen)
    return fake


def test_commands_run_in_sequence_in_the_code_directory(host: Host) -> None:
    host.run(host.script("open('said', 'a').write(os.getcwd())"), "mv said 'in the code'")
    assert (host.code / "in the code").read_text() == str(host.code)


def test_commands_find_the_programs_of_the_packages_first(host: Host) -> None:
    host.run(host.script("open('said', 'w').write(sys.argv[0] + os.environ['PATH'] + os.environ['VIRTUAL_ENV'])"))
    said = (host.code / "said").read_text()
    assert said.startswith(f"script.py{host.venv}/bin:/usr/local/sbin:")
    assert said.endswith(str(host.venv))


def test_commands_see_only_the_given_environment(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of root")
    host.run(host.script("open('said', 'w').write(repr(dict(os.environ)))"), DEBUG=True, PATH="/nowhere", LANG="C")
    said = eval((host.code / "said").read_text())
    assert said.pop("LC_CTYPE", "") in ("", "C.UTF-8")
    assert said.pop("HOME") == said.pop("TMPDIR")
    assert said.pop("PATH").startswith(f"{host.venv}/bin:")
    assert said == {"DEBUG": "True", "LANG": "C", "VIRTUAL_ENV": str(host.venv)}


def test_commands_run_with_a_utf8_locale(host: Host) -> None:
    host.run(host.script("open('said', 'w').write(os.environ['LANG'])"))
    assert (host.code / "said").read_text() == "C.UTF-8"


def test_commands_have_a_temporary_home(host: Host) -> None:
    host.run(host.script("open(os.environ['HOME'] + '/x', 'w'); open('said', 'w').write(os.environ['HOME'])"))
    home = Path((host.code / "said").read_text())
    assert home.is_absolute() and not home.exists()


def test_no_shell_is_used(host: Host) -> None:
    host.run(host.script("open('said', 'w').write(repr(sys.argv[1:]))") + " '$HOME *' '>' x")
    assert (host.code / "said").read_text() == "['$HOME *', '>', 'x']"


def test_a_failed_command_is_reported_with_the_end_of_its_output_and_stops_the_rest(host: Host) -> None:
    command = host.script("print(*range(30), sep='\\n', flush=True); sys.exit('went wrong')")
    with pytest.raises(Failed) as failure:
        host.run(command, "touch next")
    first, *said = str(failure.value).splitlines()
    assert first == "the command 'python script.py' of the build failed with status 1; its output ends with:"
    assert said == [*map(str, range(11, 30)), "went wrong"]
    assert not (host.code / "next").exists()


def test_invalid_utf8_output_is_shown(host: Host) -> None:
    with pytest.raises(Failed, match=r"failed with status 3; its output ends with:\n\ufffdx$"):
        host.run(host.script("sys.stdout.buffer.write(b'\\xffx'); sys.exit(3)"))


def test_no_file_stays_open(host: Host) -> None:
    (host.code / "static").mkdir()
    before = os.listdir("/proc/self/fd")
    host.run("true")
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("nosuch --now", "the command 'nosuch --now' of the build cannot be started: .*'nosuch'"),
        ("./script.py", "the command './script.py' of the build cannot be started: .*Permission"),
        ("echo 'x", "of the build cannot be parsed: No closing quotation"),
        (" ", "a command of the build is empty"),
    ],
)
def test_an_invalid_command_is_named(host: Host, command: str, reason: str) -> None:
    host.script("")
    with pytest.raises(Failed, match=reason):
        host.run(command)


def test_commands_read_from_dev_null(host: Host) -> None:
    host.run("cat")
    assert host.stdin[0] == subprocess.DEVNULL


def test_background_processes_are_killed_and_not_waited_for(host: Host) -> None:
    command = host.script(
        "import time\nchild = os.fork()\nif child == 0: time.sleep(60)\nopen('said', 'w').write(str(child))"
    )
    begun = time.monotonic()
    host.run(command)
    assert time.monotonic() - begun < 30
    status = Path("/proc", (host.code / "said").read_text(), "stat")
    for _ in range(100):
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("the child of the command is still alive")


# How a command leaves something running that is no longer in its process group.
LEAVING = {
    "session": "if not os.fork(): os.setsid(); stay()",
    "double fork": "if not os.fork(): os.setsid(); os.fork() and os._exit(0); stay()",
    "family": "if not os.fork(): os.setsid(); os.fork(); stay()",
    "family of sessions": "if not os.fork(): os.setsid(); os.fork() or os.setsid(); stay()",
    "group": "if not os.fork(): os.setpgid(0, 0); stay()",
    "fork": "if not os.fork(): stay()",
}
STAY = """
import signal, time
def stay():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
    with open('said', 'a') as said: said.write(f'{os.getpid()} ')
    time.sleep(60)
    os._exit(0)
def wait(many):
    while not os.path.exists('said') or len(open('said').read().split()) < many: time.sleep(0.01)
"""


@pytest.mark.parametrize("how", LEAVING)
@pytest.mark.parametrize("status", [0, 1])
def test_every_background_process_is_killed_before_the_code_returns_to_its_owner(
    host: Host, monkeypatch: pytest.MonkeyPatch, how: str, status: int
) -> None:
    alive: list[str] = []
    taken: list[int] = []
    take = unit._take

    def left() -> list[str]:
        return [pid for pid in (host.code / "said").read_text().split() if Path("/proc", pid).exists()]

    def look(directory: int, *who: int) -> None:
        taken.append(directory)
        alive.extend(left())
        take(directory, *who)

    monkeypatch.setattr(unit, "_take", look)
    many = 2 if "family" in how else 1
    command = host.script(f"{STAY}\n{LEAVING[how]}\nwait({many})\nsys.exit({status})")
    try:
        host.run(command)
    except Failed:
        assert status
    assert len((host.code / "said").read_text().split()) == many
    try:
        assert taken and alive == left() == []
    finally:
        for pid in left():
            os.kill(int(pid), signal.SIGKILL)


def test_a_background_process_still_runs_for_the_next_command(host: Host) -> None:
    command = host.script(f"{STAY}\n{LEAVING['double fork']}\nwait(1)")
    (host.code / "next.py").write_text("import os; os.kill(int(open('said').read()), 0)")
    host.run(command, "python next.py")


def test_this_process_is_no_subreaper_afterwards(host: Host) -> None:
    host.run("true")
    said = ctypes.c_int(-1)
    assert ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(said), 0, 0, 0) == 0
    assert said.value == 0


def test_child_processes_with_any_name_are_found(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "import time; time.sleep(60)"]) as child:
        try:
            assert child.pid in unit._children(os.getuid())
            assert child.pid not in unit._children(os.getuid() + 1)
            assert os.getpid() not in unit._children(os.getuid())
        finally:
            child.kill()


def test_the_code_belongs_to_the_build_user_only_while_commands_run(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host.code / "static").mkdir()
    files: list[tuple[Any, ...]] = []
    followed: list[bool] = []

    def chown(name: str, *who: int, follow_symlinks: bool = True, **_: Any) -> None:
        files.append((name, *who))
        followed.append(follow_symlinks)

    monkeypatch.setattr(unit, "ensure", lambda: user(4711, 4712))
    monkeypatch.setattr(os, "fchown", host.fchown)
    monkeypatch.setattr(os, "chown", chown)
    (host.code / "main.py").touch()
    host.run("true")
    own = (os.getuid(), os.getgid())
    assert host.owners == [(4711, 4712), (4711, 4712), own, own]
    # Its owner is noted and not changed, so afterwards it belongs to another user and is left alone.
    assert files[0] == ("main.py", 4711, 4712)
    assert files[1][1:] == (4711, 4712) and Path(files[1][0]).is_absolute()
    assert followed == [False, True]


def test_very_deeply_nested_directories_are_refused_and_can_be_removed(host: Host) -> None:
    command = host.script("for _ in range(1500): os.mkdir('d'); os.chdir('d')")
    with pytest.raises(Failed, match="nested more than 100 levels deep"):
        host.run(command)
    remove_tree(host.code)
    assert not host.code.exists()


@pytest.mark.parametrize("failing", [False, True])
def test_files_from_commands_are_readable_and_not_writable_by_others(host: Host, failing: bool) -> None:
    command = host.script(
        "os.umask(0); os.mkdir('open', 0o777); os.mkdir('open/closed', 0o700)\n"
        "open('open/closed/file', 'w'); os.chmod('open/closed/file', 0o600)\n"
        "open('program', 'w'); os.chmod('program', 0o6777); os.mkfifo('pipe')\n"
        f"sys.exit({int(failing)})"
    )
    try:
        host.run(command)
    except Failed:
        assert failing
    modes = {name: oct(host.mode(name)) for name in ("open", "open/closed", "open/closed/file", "program", "pipe")}
    assert modes == {
        "open": "0o755",
        "open/closed": "0o755",
        "open/closed/file": "0o644",
        "program": "0o755",
        "pipe": "0o644",
    }


def test_files_from_commands_are_readable_with_any_umask_of_this_process(host: Host) -> None:
    before = os.umask(0o077)
    try:
        host.run(host.script("open('said', 'w').write(oct(os.umask(0)))"))
    finally:
        os.umask(before)
    assert (host.code / "said").read_text() == "0o22"


def test_no_link_is_followed(host: Host, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "private/file").touch(0o600)
    host.run(host.script("os.symlink('../secret', 'link'); os.symlink('../private', 'directory')"))
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("secret", "private", "private/file")] == [
        0o600,
        0o700,
        0o600,
    ]
    assert os.readlink(host.code / "link") == "../secret"


def test_a_link_in_place_of_the_code_is_refused(host: Host, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(host.code)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        Commands(["true"], {}).run(link, host.venv)


def test_hard_linked_files_of_other_users_are_left_alone(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (host.code / "file").touch()
    (host.code / "file").chmod(0o600)
    with unit._opened(host.code) as directory:
        unit._take(directory, os.getuid() + 1, os.getuid(), os.getgid())
    assert host.mode("file") == 0o600


def test_a_socket_that_a_command_leaves_does_no_harm(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(host.code)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind("socket")
        host.run("true")
    assert host.mode("socket") == 0o755
