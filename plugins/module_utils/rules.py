# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""Rules for values beyond their types; each rule returns an objection, or None."""

from __future__ import annotations

import ast
import ipaddress
import re
import shlex
from pathlib import PurePath, PurePosixPath
from typing import Any, TypeGuard

# Users and groups that every Debian system has, and those of common services. An application with such a name would run
# with the rights of that user.
RESERVED = frozenset(
    """
    _apt adm audio backup bin cdrom crontab daemon dbus dialout dip disk docker fax floppy games gnats
    input irc kmem kvm list lock log lp mail man messagebus mount mysql netdev network news nginx nobody
    nogroup ntp operator plugdev postfix postgres postgresql proxy redis render root sasl sgx shadow src
    sshd ssl-cert staff sudo sync sys syslog systemd tape tty udev user users utmp uucp uuidd uwsgi
    video voice wsgi wsgi-build www-data
    """.split()  # noqa: SIM905 (a name a line would fill two screens)
)


# What a shell takes literally, and what else has a meaning to it: operators, redirections, variables, substitutions.
QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""")
SHELL = re.compile(r"(?:^|\s)(?:[&|;]|[0-9]*[<>])\S*|;(?=\s|$)|\S*(?:\$[A-Za-z_{(]|`)\S*")


# A part of a path that needs no escaping, and does not begin with a dot, which NGINX hides.
SEGMENT = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*"


def name(value: str) -> str | None:
    """Reject a name that no system user can have, or that is reserved."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", value):
        return "this is not a valid name for a system user; use up to 31 of a-z, 0-9, - and _, beginning with a letter"
    if value in RESERVED or value.startswith(("systemd-", "wsgi-")):
        return "the system uses this name; choose another"
    if value.endswith(("-http", "-uwsgi")):
        return "names with this ending are reserved for the ports of applications; choose another"
    return None


def callable_name(value: str) -> str | None:
    """Reject anything but the path of a callable in a module or file, or a call of one with literal arguments."""
    place, _colon, name = value.partition(":")
    module = re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", place, re.ASCII)
    file = place.endswith(".py") and below(place) is None
    if not file and not (module and name):
        return "write a module, a colon and a name, such as main:application, or a file such as wsgi.py"
    try:
        called = ast.parse(name or "application", mode="eval").body
        if isinstance(called, ast.Call):
            for argument in [*called.args, *(keyword.value for keyword in called.keywords)]:
                ast.literal_eval(argument)
            if not all(keyword.arg for keyword in called.keywords):
                raise ValueError(name)
            called = called.func
        while isinstance(called, ast.Attribute):
            called = called.value
    except (MemoryError, RecursionError, SyntaxError, TypeError, ValueError):
        called = None
    if not isinstance(called, ast.Name) or "\n" in name:
        return "after the colon, write a name, or a call with literal values, such as create_app(debug=False)"
    return None


def command(value: str) -> str | None:
    """Reject a command that cannot run without a shell."""
    try:
        words = shlex.split(value)
    except ValueError as wrong:
        return f"{str(wrong).lower()}; a command is split into words like in a shell"
    if not words or re.search(r"[^ -~\u00a0-\U0010ffff]", value):
        return "write a command in one line, such as python manage.py migrate"
    if not re.fullmatch(r"[A-Za-z0-9_./][A-Za-z0-9_./+-]*", words[0]) or words[0].split("/")[-1] in ("", ".", ".."):
        return f"{words[0]!r} is not the name of a program; for shell syntax, write sh -c '...'"
    shell = SHELL.search(QUOTED.sub("_", value))
    if shell:
        return (
            f"{shell.group().strip()!r} is shell syntax, but no shell runs this command; quote it, or write sh -c '...'"
        )
    return None


def part_name(value: str) -> str | None:
    """Reject a name that no worker or timer can have."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", value) or value in PARTS:
        return "use up to 31 of a-z, 0-9 and -, beginning with a letter, but neither of " + " and ".join(PARTS)
    return None


def secret_files(value: dict[Any, Any]) -> str | None:
    """Reject names that the file of a secret cannot have, and values that are not text."""
    for key, text in value.items():
        if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", key):
            return f"{key!r} is not a valid file name; use letters, digits, . _ and -"
        if not isinstance(text, str):
            return f"{key} is {kind(text)}; write it as text, in quotes"
    return None


def interpreter(value: str) -> str | None:
    """Reject anything but a version that uv can install, and the name or path of an interpreter."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)*", value):
        known = re.fullmatch(r"3\.(9|[1-9][0-9])(\.[0-9]+)?", value)
        return None if known else "write a version from 3.9 on, in quotes, such as '3.13' or '3.13.5'"
    if not re.fullmatch(r"(/[A-Za-z0-9_./+-]+/)?(python|pypy)(3(\.[0-9]+)?)?", value):
        return "write the name of an interpreter on the host, such as python3.12, its path, or a version such as '3.13'"
    return hidden(PurePosixPath(value))


def hidden(program: PurePath) -> str | None:
    """Reject a program that no application can see."""
    if any(program.is_relative_to(place) for place in HIDDEN):
        return "applications cannot access this directory; use an interpreter in /usr, /usr/local or /opt"
    return None


def revision(value: str) -> str | None:
    """Reject anything but a single word."""
    return None if re.fullmatch(r"[\w.-]{0,64}", value, re.ASCII) else "write a word or a number, such as 2"


def site_name(value: str) -> str | None:
    """Reject anything but a host name, or a wildcard for all names one level below one."""
    return server_name(value.removeprefix("*."))


def server_name(value: str) -> str | None:
    """Reject anything but a host name."""
    label = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
    if len(value) > 253 or not re.fullmatch(rf"{label}(\.{label})*", value):
        return "this is not a host name; write it in lower case, without scheme, port or path"
    return None


def split_address(value: str) -> tuple[str, int]:
    """Split `127.0.0.1:9000` or `[::1]:9000` into address and port.

    :raises ValueError: if it is neither.
    """
    host, _colon, port = value.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(_without_zone(host[1:-1])))
    else:
        host = str(ipaddress.IPv4Address(host))
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(value)
    return host, int(port)


def http_address(value: str) -> str | None:
    """Reject anything but an IP address and a port."""
    try:
        split_address(value)
    except ValueError:
        return "write an IP address and a port, such as 0.0.0.0:9000 or [::1]:9000"
    return None


def is_loopback(address: str) -> bool:
    """Return whether an address with a port is a loopback address."""
    return ipaddress.ip_address(split_address(address)[0]).is_loopback


def group(value: str) -> str | None:
    """Reject a name that no group can have."""
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", value):
        return "write the name of a group on the host, such as www-data"
    return None


def uwsgi_address(value: str) -> str | None:
    """Reject anything but a Unix socket, or an address that no other host can reach.

    Anyone who can send a uwsgi packet can choose the file that is run: uWSGI 2.0 honours `UWSGI_FILE` in a request
    (plugins/python/wsgi_subhandler.c).
    """
    if value.startswith("/"):
        fits = value.startswith("/run/") and below(value.removeprefix("/run/")) is None
        return None if fits else "write a path below /run, such as /run/hello-web.socket"
    if http_address(value):
        return "write a path below /run, such as /run/hello-web.socket, or a loopback address, such as 127.0.0.1:9000"
    if not is_loopback(value):
        return (
            "anyone who reaches a uwsgi port can run code, so it must be a loopback address; use a "
            "Unix socket such as /run/hello-web.socket, or listen_http for other hosts"
        )
    return None


def processes(value: Any) -> str | None:
    """Reject anything but a number of processes, or a minimum below a maximum."""
    if isinstance(value, dict):
        low, high = value.get("min"), value.get("max")
        if set(value) == {"min", "max"} and _count(low) and _count(high) and low < high:
            return None
    elif _count(value):
        return None
    return "write a number, such as 4, or a minimum and a larger maximum, such as {min: 2, max: 8}"


def env(value: Any) -> str | None:
    """Reject names that an environment cannot have, and values whose text is ambiguous."""
    if not isinstance(value, dict):
        return f"write a dictionary, not {kind(value)}"
    for key, item in value.items():
        if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            return f"{key!r} is not the name of an environment variable"
        if isinstance(item, bool) or not isinstance(item, (str, int, float)):
            return f"the value of {key} is {kind(item)}; write it as text, in quotes"
        if "\0" in str(item):
            return f"the value of {key} contains a null character, which is not possible in an environment"
    return None


def run_env(value: Any) -> str | None:
    """Reject what `env` rejects, and variables that systemd sets itself or uWSGI reads as options."""
    own = {"CREDENTIALS_DIRECTORY", "DATA_DIRECTORY", "RUNTIME_DIRECTORY", "WSGI_COMMIT", "WSGI_RELEASE"}
    objection = env(value) or next((f"{key} is set by the role; remove it" for key in value if key in own), None)
    # uWSGI uses each such variable as the option of that name.
    option = next((key for key in value if key.startswith("UWSGI_")), None) if objection is None else None
    return f"{option} is an option of uWSGI; write it in options" if option else objection


def positive(value: int) -> str | None:
    """Reject zero and less."""
    return None if _count(value) else "write a number above zero"


def keep(value: int) -> str | None:
    """Reject a number of releases that is too small to roll back."""
    return None if _count(value) and value > 1 else "write 2 or more: the live release and one to roll back to"


def path(value: str) -> str | None:
    """Reject a path that cannot be in the first line of a request."""
    if not re.fullmatch(r"/[!-~]*", value):
        return "write a path that begins with / and has no spaces, such as /health"
    return None


def site_path(value: str) -> str | None:
    """Reject anything but a path that begins and ends with a slash."""
    if not re.fullmatch(rf"/({SEGMENT}/)*", value):
        return "write a path that begins and ends with /, such as /shop/"
    return None


def prefix(value: str) -> str | None:
    """Reject anything but the path of a site without the slash at its end."""
    return site_path(f"{value}/") and "write a path that begins but does not end with /, such as /shop"


def host_header(value: str) -> str | None:
    """Reject anything but a host name with or without a port."""
    name, colon, port = value.partition(":")
    if server_name(name) or (colon and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536)):
        return "this is not a host name with or without a port; write it in lower case, such as hello.example.com"
    return None


def scheme(value: str) -> str | None:
    """Reject anything but `http` and `https`."""
    return None if value in ("http", "https") else "write http or https"


def statuses(value: list[int]) -> str | None:
    """Reject numbers that are not HTTP statuses."""
    wrong = [status for status in value if not 100 <= status <= 599]
    return f"{wrong[0]} is not an HTTP status; write numbers from 100 to 599" if wrong else None


def line(value: str) -> str | None:
    """Reject text that does not fit on one line."""
    return "write it on one line" if re.search(r"[\0\r\n]", value) else None


def calendar(value: str) -> str | None:
    """Reject text that is no time, or a time in cron's format; only a host can tell if systemd understands it."""
    # The days of the week, the date, the time, and the zone (systemd.time(7), "Calendar events").
    if line(value) or not 0 < len(value.split()) < 5 or re.fullmatch(r"@.*|[0-9]+", value.strip()):
        return 'write a time as in systemd\'s OnCalendar, such as daily, or "*-*-* 03:00" for every night at three'
    return None


def size(value: str) -> str | None:
    """Reject an amount of memory that systemd does not understand."""
    if not re.fullmatch(r"[1-9][0-9]*(\.[0-9]+)?[KMGT]?|[1-9][0-9]?%|100%", value):
        return "write an amount such as 512M or 2G, or a share of the host's memory such as 50%"
    return None


def quota(value: str) -> str | None:
    """Reject anything but a share of one processor."""
    if not re.fullmatch(r"[1-9][0-9]*%", value):
        return "write a share of one processor, such as 50%, or 200% for two processors"
    return None


def families(value: list[str]) -> str | None:
    """Reject anything but a list of address families that includes the one that a release needs."""
    wrong = [item for item in value if not re.fullmatch(r"AF_[A-Z0-9]+", item)]
    if wrong:
        return f"{wrong[0]!r} is not an address family; write for example AF_INET"
    return (
        None
        if "AF_UNIX" in value
        else "AF_UNIX is missing, but NGINX reaches the application over a Unix socket; add it"
    )


def processors(value: str) -> str | None:
    """Reject anything but numbers and ranges of processors."""
    if not re.fullmatch(r"[0-9]+(-[0-9]+)?([ ,][0-9]+(-[0-9]+)?)*", value):
        return "write numbers or ranges of processors, such as 0-3 or 0 2"
    return None


def niceness(value: int) -> str | None:
    """Reject anything but a number by which a process can stand back."""
    return None if 0 <= value <= 19 else "write a number from 0 to 19"


def writable(value: str) -> str | None:
    """Reject anything but an absolute path that is not the whole host."""
    if not value.startswith("/") or below(value.strip("/")):
        return "write an absolute path, such as /mnt/shared; only letters, digits, . _ + and - are allowed, and no .."
    return None


def system_call(value: str) -> str | None:
    """Reject anything but the name of a system call, or of a group of them."""
    return None if re.fullmatch(r"@?[a-z0-9_-]+", value) else "write a system call or a group, such as @resources"


def networks(value: list[str]) -> str | None:
    """Reject anything but networks and addresses."""
    for item in value:
        try:
            ipaddress.ip_network(_without_zone(item))
        except ValueError:
            return f"{item!r} is not a network; write for example 10.0.0.0/8 or 192.0.2.10"
    return None


def options(value: dict[Any, Any]) -> str | None:
    """Reject options of uWSGI that the collection sets itself, and values that do not fit on one line."""
    for key, item in value.items():
        if not isinstance(key, str) or not re.fullmatch(r"[a-z0-9][a-z0-9-]*", key):
            return f"{key!r} is not the name of an option of uWSGI"
        is_server = key.startswith(SERVERS)
        if key in OWN_OPTIONS or "socket" in key or is_server:
            sockets = "systemd holds the sockets, and anyone who reaches another one can run code"
            why = OWN_OPTIONS.get(key, _SERVER if is_server else sockets)
            return f"{key} is set by the role; {why}"
        for one in item if isinstance(item, list) else [item]:
            if not isinstance(one, (str, int, float)) or line(str(one)):
                return f"the value of {key} does not fit on one line; write text, a number, true, or a list of them"
    return None


def body_size(value: str) -> str | None:
    """Reject a size of a body that NGINX does not understand."""
    if not re.fullmatch(r"[1-9][0-9]*[kKmMgG]?", value):
        return "write an amount such as 16M or 512k"
    return None


def not_negative(value: int) -> str | None:
    """Reject numbers below zero."""
    return None if value == 0 or _count(value) else "write a number above zero, or 0 for none"


def health(value: str) -> str | None:
    """Reject anything but a path without a query."""
    return path(value) or ("write the path without a query" if "?" in value else None)


def header_value(value: Any) -> str | None:
    """Reject a value that no header can have, or that has another meaning to NGINX."""
    if not isinstance(value, str) or re.search(r"[^ -~]|\$", value):
        return "write one line of ASCII text without $, which begins a variable in NGINX"
    return None


def headers(value: dict[Any, Any]) -> str | None:
    """Reject names and values that no header can have, and headers that the role sets."""
    for name, text in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
            return f"{name!r} is not the name of a header"
        if name.lower() in OWN_HEADERS:
            return f"{name} is set by the role; {OWN_HEADERS[name.lower()]}"
        objection = header_value(text)
        if objection:
            return f"the value of {name}: {objection}"
    return None


def directory(value: dict[str, Any]) -> str | None:
    """Reject a directory of files that NGINX could not serve, or that leads out of its place."""
    if value["path"] == "/":
        return "path '/': this is the whole site, which the application serves; write a part of it, such as /static/"
    if not re.fullmatch(rf"/(\.well-known/|{SEGMENT}/)({SEGMENT}/)*", value["path"]):
        return f"path {value['path']!r}: write a path that begins and ends with /, such as /static/"
    relative = not value["directory"].startswith("/")
    if relative and value.get("previous"):
        return f"previous of {value['directory']}: the role knows it for a directory of the application; remove it"
    for key in ("directory", "previous"):
        name = value.get(key) or value["directory"]
        objection = below(name.rstrip("/").removeprefix("" if relative else "/"))
        if objection:
            return f"{key} {name!r}: {objection}"
    return None


def static_directory(value: dict[str, Any]) -> str | None:
    """Reject what `directory` rejects, except the whole site and single files, and a fallback outside the directory."""
    single = re.fullmatch(rf"/(\.well-known/)?({SEGMENT}/)*{SEGMENT}", value["path"])
    objection = directory({**value, "path": "/static/"} if single or value["path"] == "/" else value)
    if single and objection is None and (value.get("fallback") or value.get("immutable")):
        return f"path {value['path']!r}: this is a single file, which has neither fallback nor immutable; remove them"
    if objection is None and value.get("fallback") and below(value["fallback"]):
        return f"fallback {value['fallback']!r}: write a file in the directory, such as index.html"
    return objection


def route_path(value: str) -> str | None:
    """Reject a path that NGINX could not route."""
    if not re.fullmatch(rf"/|(/{SEGMENT})+/?", value):
        return "write a path such as /ws/, which stands for all below it, or /ws"
    return None


def below(value: str) -> str | None:
    """Reject anything but a directory below another."""
    if not re.fullmatch(r"[A-Za-z0-9.+_-]+(/[A-Za-z0-9.+_-]+)*", value) or {".", ".."} & set(value.split("/")):
        return (
            "write a directory such as media or media/photos; only letters, digits, . _ + and - are allowed, and no .."
        )
    return None


def included(value: str) -> str | None:
    """Reject anything but a file or directory below another directory; a slash at its end is allowed."""
    return below(value.removesuffix("/"))


def users(value: dict[Any, Any]) -> str | None:
    """Reject user names that no browser can send, and invalid passwords."""
    for user, password in value.items():
        if not isinstance(user, str) or not re.fullmatch(r"[A-Za-z0-9._@+-]{1,64}", user):
            return f"{user!r} is not the name of a user; use letters, digits and . _ @ + -"
        # openssl, which hashes it on the host, would cut it off after 256 bytes.
        fits = isinstance(password, str) and len(password) >= 8 and len(password.encode()) <= 128
        if not fits or re.search(r"[\0\r\n]", password):
            return f"the password of {user} is too short, too long, or not a string; write 8 to 128 bytes on one line"
    return None


def url(value: str) -> str | None:
    """Reject anything but an HTTPS address."""
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?", value):
        return "write an address that begins with https://"
    return None


def email(value: str) -> str | None:
    """Reject anything but an email address."""
    return None if re.fullmatch(r"[^@\s,]+@[^@\s,]+", value) else "write one address, such as ops@example.com"


def status_address(value: str) -> str | None:
    """Reject an address that another host could reach, because NGINX's status is only for this host."""
    objection = http_address(value)
    if objection:
        return objection.replace("0.0.0.0", "127.0.0.1")
    if not is_loopback(value):
        return "this must be a loopback address; write for example 127.0.0.1:8099"
    return None


def _without_zone(address: str) -> str:
    """Return `address`, unless it has a percent sign, after which Python accepts any text as an interface name.

    :raises ValueError: if it has one.
    """
    if "%" in address:
        raise ValueError(address)
    return address


def kind(value: Any) -> str:
    """Return what YAML calls a value."""
    kinds: dict[Any, str] = {
        type(None): "nothing",
        bool: "true or false",
        dict: "a dictionary",
        list: "a list",
        str: "text",
        (int, float): "a number",
    }
    return next(
        (called for types, called in kinds.items() if isinstance(value, types)),
        "not a string (a date, for example, is not)",
    )


def _count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


# Directories that look empty in the sandbox of an application.
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")

# Options of uWSGI that the guarantees of a release depend on, and what to do instead.
_SETTING = "use the setting of that name"
_PROMISE = "deploys without failed requests depend on it"
_SERVER = (
    "a new release starts while the previous one still holds the address. The statistics of "
    "each release are in /run/<app>/<release>/stats; run a server of your own as a worker "
    "with listen: true, or with exclusive: true if it holds a port"
)
OWN_OPTIONS = {
    **dict.fromkeys(["callable", "env", "harakiri", "processes", "threads"], _SETTING),
    **dict.fromkeys(["http", "https", "http-router", "fastrouter", "listen"], "use listen_http"),
    **dict.fromkeys(["protocol", "http-to", "emperor"], "systemd holds the sockets"),
    **dict.fromkeys(["config", "include", "inherit", "ini", "json", "xml", "yaml"], "write the options here"),
    **dict.fromkeys(
        ["gid", "uid", "chown-socket", "chmod-socket"], "systemd sets the user and the access to the sockets"
    ),
    **dict.fromkeys(["chdir", "home", "module", "pyhome", "venv", "virtualenv", "wsgi", "wsgi-file"], "see callable"),
    **dict.fromkeys(["daemonize", "daemonize2", "die-on-term", "exit-on-reload", "pidfile", "pidfile2"], _PROMISE),
    **dict.fromkeys(
        ["safe-pidfile", "safe-pidfile2", "hook-master-start", "master", "need-app", "strict", "worker-reload-mercy"],
        _PROMISE,
    ),
    **dict.fromkeys(["workers", "cheaper", "cheaper-initial", "cheaper-algo"], "use processes"),
    **dict.fromkeys(["stats", "stats-http", "stats-server"], _SERVER),
    **dict.fromkeys(["smart-attach-daemon", "smart-attach-daemon2"], "use workers"),
}

# The prefixes of options that open their own address, or a file that only one release can have.
SERVERS = (
    *("emperor-", "fastrouter", "forkpty", "http-", "https-", "legion", "rawrouter", "snmp"),
    *("sslrouter", "subscription-server", "tuntap", "udp", "zerg"),
)

# The names of the oneshots that run around a switch.
PARTS = ("migrate", "after-switch")

# Headers that have their own setting, or that a copy in the configuration would break.
OWN_HEADERS = {
    "cache-control": "the application sets it, and the role sets it for files",
    "content-security-policy": "use content_security_policy",
    "strict-transport-security": "use tls.hsts",
    "x-request-id": "every response has it",
    **dict.fromkeys(
        ["connection", "content-length", "content-type", "date", "server", "set-cookie", "vary"], "leave it"
    ),
}
