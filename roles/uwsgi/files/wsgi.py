"""Written by wsgi.production: runs a command in the live release of an application, in this terminal.

The command has the user, directory, environment, secrets, limits and sandbox of the release.
"""

import os
import re
import secrets
import sys

USAGE = """\
usage: wsgi APPLICATION COMMAND [ARGUMENT ...]

Runs a command in the live release of an application on this host, such as

    sudo wsgi shop python manage.py shell
"""


def properties(text, name):
    """Return the properties that a command shares with the service of a release: all from its user on."""
    _before, account, after = text.partition(f"\nUser={name}\n")
    lines = (account + after).partition("\n[Install]")[0].splitlines()
    return [line for line in lines if re.match(r"\w+=", line)]


def program(word, shared):
    """Return the path of the program that `word` names: one of the release, of the host, or in its directory."""
    known = dict(line.split("=", 1) for line in shared)
    if "/" in word:
        return os.path.join(known["WorkingDirectory"], word)
    places = (os.path.join(place, word) for place in known["ExecSearchPath"].split(":"))
    return next((place for place in places if os.access(place, os.X_OK)), None)


def main():
    """Replace this process by systemd-run, which waits for the command and ends with its status."""
    if len(sys.argv) < 3:
        sys.exit(USAGE)
    name, word, *arguments = sys.argv[1:]
    current = f"/srv/{name}/current"
    if os.geteuid() != 0:
        sys.exit("wsgi: only root may run commands in releases; begin with sudo")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not os.path.islink(current):
        sys.exit(f"wsgi: {name} has no live release on this host")
    with open(f"{current}/instance.service", encoding="utf-8") as file:
        shared = properties(file.read(), name)
    found = program(word, shared)
    if found is None:
        sys.exit(f"wsgi: {word}: neither the release nor this host has this program")
    unit = f"{name}-command-{secrets.token_hex(4)}"
    # systemd-run neither fills in the directory of the secrets, nor takes a search path with several directories.
    given = [line.replace("%d/", f"/run/credentials/{unit}.service/") for line in shared]
    given = [re.sub("^ExecSearchPath=", "Environment=PATH=", line) for line in given]
    terminal = ["--pty", "--setenv=TERM"] if sys.stdin.isatty() else ["--pipe"]
    options = ["--quiet", "--wait", "--collect", "--service-type=exec", f"--unit={unit}", *terminal]
    words = [option for line in given for option in ("--property", line)]
    os.execv("/usr/bin/systemd-run", ["systemd-run", *options, *words, "--", found, *arguments])


if __name__ == "__main__":
    main()
