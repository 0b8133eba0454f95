"""What the description of the applications promises."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import sections
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.probe import Probe
from ansible_collections.wsgi.production.plugins.plugin_utils import checks, role_inputs, specification
from tests.unit.fakes import certify
from tests.unit.repositories import git

HERE = "wsgi_apps[0] (hello): "
PROJECT = '[project]\nname = "hello"\nversion = "1"\n[project.optional-dependencies]\npostgres = ["psycopg==3.2.1"]\n'


@pytest.fixture
def entry(tmp_path: Path) -> dict[str, Any]:
    """Return a complete entry with nothing in it that could be left out."""
    source = tmp_path / "app"
    source.mkdir()
    (source / "requirements.txt").touch()
    return {
        "name": "hello",
        "build": {"source": str(source)},
        "run": {"callable": "main:application"},
        "serve": {"server_names": ["hello.example.org"]},
    }


def changed(entry: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return `entry` with another value for `key`, such as `run.harakiri`."""
    other = deepcopy(entry)
    *sections, last = key.split(".")
    where = other
    for section in sections:
        where = where[section]
    where[last] = value
    return other


def without(entry: dict[str, Any], key: str) -> dict[str, Any]:
    """Return `entry` without `key`."""
    other = deepcopy(entry)
    *sections, last = key.split(".")
    where = other
    for section in sections:
        where = where[section]
    del where[last]
    return other


def nested(key: str, value: Any) -> tuple[str, Any]:
    """Return the section that `key`, such as `run.probe.path`, lies in, and what to set it to."""
    section, _, last = key.rpartition(".")
    return section, {last: value}


def files(setting: str, **changes: Any) -> tuple[str, Any]:
    """Return the key of files that NGINX serves, and one directory of them with `changes`."""
    return f"serve.{setting}", [{"path": f"/{setting}/", "directory": setting, **changes}]


def parts(setting: str, **changes: Any) -> tuple[str, Any]:
    """Return the key of workers or timers, and one of them with `changes`."""
    when = {"on_calendar": "daily"} if setting == "timers" else {}
    return f"run.{setting}", [{"name": "one", "command": "python -m one", **when, **changes}]


def second(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry that can stand beside `entry`."""
    other = changed(entry, "name", "world")
    return changed(other, "serve.server_names", ["world.example.org"])


def only(apps: Any) -> str:
    """Return the one objection to `apps`."""
    found = checks.objections(apps)
    assert len(found) == 1, found
    return found[0]


def test_a_complete_entry_is_accepted(entry: dict[str, Any]) -> None:
    assert checks.objections([entry]) == []


@pytest.mark.parametrize(("address", "fits"), [("127.0.0.1:9000", False), ("/run/hello-web.socket", True), ("", True)])
def test_a_port_for_the_uwsgi_protocol_is_refused_beside_other_entries(
    entry: dict[str, Any], address: str, fits: bool
) -> None:
    entry["run"]["listen_uwsgi"] = address
    assert checks.objections([entry]) == []
    other = {**entry, "name": "other", "run": {"callable": "main:application"}, "serve": {"server_names": ["b.org"]}}
    said = (
        []
        if fits
        else [
            f"wsgi_apps ({entry['name']}): run.listen_uwsgi: other could run code through a TCP port; write a Unix "
            f"socket, such as /run/{entry['name']}-web.socket"
        ]
    )
    for apps in ([entry, other], [other, entry]):
        assert checks.objections(apps) == said
    assert checks.objections([entry, {"name": "other", "state": "absent"}]) == []


def test_an_entry_with_all_build_settings_is_accepted(entry: dict[str, Any]) -> None:
    (Path(entry["build"]["source"]) / "pyproject.toml").write_text(PROJECT)
    entry["build"].update(
        dependencies="pyproject.toml",
        extras=["postgres"],
        python="python3.12",
        commands=["python manage.py collectstatic --noinput", "sh -c 'npm ci && npm run build'"],
        env={"NODE_ENV": "production", "JOBS": 2},
        run_env=False,
        revision=2,
        include=["requirements.txt"],
    )
    assert set(entry["build"]) == set(specification.section_spec("build"))
    assert checks.objections([entry]) == []


LIVE = {"name": "live", "command": "uvicorn --fd 3 live:app", "listen": True}


def test_an_entry_with_all_run_settings_is_accepted(entry: dict[str, Any]) -> None:
    entry.update(state="present", remove_data=False)
    entry["run"].update(
        processes={"min": 2, "max": 8},
        threads=2,
        directory="src",
        harakiri=30,
        start_timeout=10,
        env={"DEBUG": "no", "NUMBER": 8},
        secrets={"SECRET": "hunter2", "PIN": 1},
        secret_files={"key.pem": "hunter2\nhunter2\n"},
        files={"app.cfg": "a = 1\n"},
        paths={"APP_KEY": "key.pem", "APP_CONFIG": "app.cfg"},
        migrate=["python manage.py migrate --noinput", "python manage.py check --deploy"],
        migrate_timeout=60,
        irreversible="drops the column email",
        after_switch=["python manage.py warm"],
        workers=[
            {
                **LIVE,
                "probe": {"path": "/up", "status": [200, 404]},
                "stop_timeout": 60,
                "exclusive": False,
                "every_host": True,
            },
            {"name": "celery", "command": "celery --app hello worker", "exclusive": True},
        ],
        timers=[
            {"name": "clear", "command": "python -m clear", "on_calendar": "Mon *-*-* 03:00", "every_host": True},
        ],
        listen_uwsgi="127.0.0.1:9001",
        listen_http="0.0.0.0:9000",
        listen_networks=["10.0.0.0/8"],
        listen_group="caddy",
        package="uwsgi",
        probe={
            "path": "/health?deep=1",
            "host": "hello.example.org:8080",
            "scheme": "https",
            "prefix": "/shop",
            "status": [200, 204],
            "text": "fine",
            "timeout": 2,
            "tries": 3,
            "interval": 4,
        },
        keep=2,
        options={"max-requests": 5000, "lazy-apps": True, "route": ["a", "b"]},
        memory_max="512M",
        cpu_quota="150%",
        tasks_max=64,
        cpu_affinity="0-3",
        nice=10,
        hardening={
            "memory_deny_write_execute": True,
            "address_families": ["AF_UNIX", "AF_INET"],
            "networks": ["10.0.0.0/8", "192.0.2.10"],
            "writable_paths": ["/mnt/shared"],
            "groups": ["redis"],
            "system_calls": ["@resources", "bpf"],
        },
    )
    assert set(entry["run"]) == set(specification.section_spec("run"))
    for key in ("probe", "hardening"):
        assert set(entry["run"][key]) == set(specification.section_spec("run")[key]["options"])
    for key in ("workers", "timers"):
        assert set(entry["run"][key][0]) == set(specification.section_spec("run")[key]["options"])
    assert checks.objections([entry]) == []


def test_an_entry_with_all_serve_settings_is_accepted(entry: dict[str, Any]) -> None:
    pem = certify("hello.example.org", "old.example.org")
    entry["serve"].update(
        path="/",
        aliases=["old.example.org"],
        default=True,
        max_body_size="2G",
        headers={"X-Y": "z", "X-Frame-Options": ""},
        content_security_policy="default-src 'self'",
        requests_per_second=5,
        burst=7,
        connections=3,
        allowed_networks=["10.0.0.0/8"],
        tls={"source": "own", **pem._asdict(), "redirect": False, "hsts": 0, "http3": True},
        static=[
            {
                "path": "/static/",
                "directory": "/srv/new",
                "previous": "/srv/old",
                "immutable": True,
                "fallback": "index.html",
            }
        ],
        uploads=[
            {"path": "/media/", "directory": "media/photos", "private": True},
            {"path": "/a/b/", "directory": "/srv/shared"},
        ],
        cache_seconds=30,
        basic_auth={"alice": "hunter2hunter2"},
        maintenance={"retry_after": 60, "bypass": ["192.0.2.10"]},
        routes=[
            {
                **{"path": "/live/", "worker": "live", "read_timeout": 60, "servers": []},
                **{"max_body_size": "1G", "buffering": True, "requests_per_second": 1, "burst": 2, "connections": 3},
                **{"allowed_networks": ["10.0.0.0/8"], "cache_seconds": 0, "basic_auth": {"bob": "hunter2hunter2"}},
            }
        ],
        snippet="",
    )
    entry["run"]["workers"] = [LIVE]
    spec = specification.section_spec("serve")
    assert set(entry["serve"]) == set(spec)
    for key in ("tls", "maintenance"):
        assert set(entry["serve"][key]) == set(spec[key]["options"])
    for key in ("static", "uploads", "routes"):
        assert set(entry["serve"][key][0]) == set(spec[key]["options"])
    assert checks.objections([entry]) == []


ROOT = {"path": "/", "worker": "live"}


def routed(entry: dict[str, Any], *routes: dict[str, Any], **run: Any) -> dict[str, Any]:
    """Return an entry with routes, whose section `run` has other settings; None removes one."""
    kept = {key: value for key, value in {**entry["run"], "workers": [LIVE], **run}.items() if value is not None}
    return {**entry, "run": kept, "serve": {**entry["serve"], "routes": list(routes)}}


def test_a_worker_with_a_socket_can_take_the_place_of_a_callable(entry: dict[str, Any]) -> None:
    assert checks.objections([routed(entry, ROOT, callable=None)]) == []
    (site,) = role_inputs.sites([routed(entry, ROOT, callable=None)], "app1", ["app1"], HOSTS)
    assert (site["protocol"], site["servers"]) == ("http", ["unix:/srv/hello/current/http"])
    assert site["routes"] == [{"path": "/"}]


def test_a_route_leads_to_the_socket_of_its_worker(entry: dict[str, Any]) -> None:
    (site,) = role_inputs.sites([routed(entry, {"path": "/ws", "worker": "live"})], "app1", ["app1"], HOSTS)
    assert site["protocol"] == "uwsgi"
    assert site["routes"] == [{"path": "/ws", "servers": ["unix:/srv/hello/current/worker-live"]}]


@pytest.mark.parametrize(
    ("routes", "run", "sentence"),
    [
        (
            [{"path": "/ws/", "worker": "liv"}],
            {},
            "serve.routes: /ws/: worker 'liv': write the name of a worker of run",
        ),
        ([{"path": "/"}], {}, "serve.routes: /: the application answers all other paths anyway; remove it, or name"),
        ([{"path": "/a", "max_body_size": "big"}], {}, "serve.routes[0].max_body_size: 'big': write "),
        (
            [{"path": "/a", "burst": 2}],
            {},
            "serve.routes: /a: burst: without requests_per_second, the limit of the site",
        ),
        (
            [{"path": "/a", "worker": "live", "cache_seconds": 2}],
            {},
            "serve.routes: /a: cache_seconds: only responses of the application are cached; remove it",
        ),
        (
            [{"path": "/ws/", "worker": "live"}],
            {"workers": [{"name": "live", "command": "a"}]},
            "serve.routes: /ws/: worker 'live': the worker has no socket; add listen: true to it",
        ),
        ([ROOT], {}, "serve.routes: /: with it, no request would reach run.callable; remove one of the two"),
        ([], {"callable": None}, "run.callable is missing; add it, or let a route of serve for / lead to a worker"),
        ([ROOT], {"callable": None, "processes": 2}, "run.processes: without a callable there is no uWSGI to use it"),
        ([ROOT], {"callable": None, "package": "uwsgi"}, "run.package: without a callable there is no uWSGI to use it"),
        (
            [ROOT],
            {"callable": None, "workers": [{"name": "live", "command": "a", "listen": True, "probe": {"path": "/x"}}]},
            "run.workers (live): probe: this worker serves the site itself; write it as run.probe",
        ),
        (
            [{"path": "/ws/", "worker": "live"}],
            {"workers": [{"name": "live", "command": "a", "listen": True, "every_host": False}]},
            "run.workers (live): every_host: NGINX on each host needs a worker with listen; remove one of the two",
        ),
        (
            [{"path": "/ws/", "worker": "live"}],
            {"workers": [{"name": "live", "command": "a", "listen": True, "exclusive": True}]},
            "run.workers (live): exclusive: a worker with listen must run beside that of the release before",
        ),
        ([{"path": "ws", "worker": "live"}], {}, "serve.routes[0].path: 'ws': write a path such as /ws/"),
        ([{"path": "/w s/", "worker": "live"}], {}, "serve.routes[0].path: '/w s/': write a path such as /ws/"),
        ([{"path": "/a;b", "worker": "live"}], {}, "serve.routes[0].path: '/a;b': write a path such as /ws/"),
        ([{"path": "/a", "worker": "live", "read_timeout": 0}], {}, "serve.routes[0].read_timeout: 0: write a number"),
        (
            [{"path": "/a", "worker": "live", "servers": ["unix:/run/x"]}],
            {},
            "serve.routes: /a: worker and servers are given; remove one",
        ),
        (
            [{"path": "/a", "worker": "live"}, {"path": "/a", "worker": "live"}],
            {},
            "serve.static, uploads and routes: two have the path /a; change one",
        ),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(
    entry: dict[str, Any], routes: list[dict[str, Any]], run: dict[str, Any], sentence: str
) -> None:
    assert only([routed(entry, *routes, **run)]).startswith(f"{HERE}{sentence}")


@pytest.mark.parametrize(
    ("section", "given", "sentence"),
    [
        ("run", {"paths": {"KEY": "kye"}}, "run.paths: KEY: there is no file 'kye'; add it to files or secret_files"),
        (
            "run",
            {"files": {"a": "x"}, "secret_files": {"a": "hunter2"}},
            "run.files and secret_files: both have a; change one",
        ),
        (
            "run",
            {"files": {"a": "x"}, "paths": {"KEY": "a"}, "env": {"KEY": "b"}},
            "run.env and paths: both have KEY; change one",
        ),
        ("run", {"files": {"a/b": "x"}}, "run.files: {'a/b': 'x'}: 'a/b' is not a valid file name"),
        (
            "serve",
            {"static": [{"path": "/", "directory": "/srv/dist"}]},
            "serve.static: /: no request would reach the application; add its paths to routes",
        ),
        (
            "serve",
            {"static": [{"path": "/a/", "directory": "/srv/dist", "fallback": "../x"}]},
            "serve.static[0]: fallback '../x': write a file in the directory",
        ),
        (
            "serve",
            {"server_names": ["*.example.org"]},
            "serve.server_names: *.example.org: the first name is the main one, which must not be a wildcard",
        ),
        (
            "serve",
            {"server_names": ["example.org", "*.example.org"], "tls": {"source": "acme"}},
            "serve.tls.source: an ACME server gives no certificate for *.example.org this way",
        ),
        ("serve", {"server_names": ["a.example.org", "a.*.org"]}, "serve.server_names: 'a.*.org': this is not a host"),
    ],
)
def test_settings_that_lead_nowhere_are_refused(
    entry: dict[str, Any], section: str, given: dict[str, Any], sentence: str
) -> None:
    assert only([{**entry, section: {**entry[section], **given}}]).startswith(f"{HERE}{sentence}")


def test_a_load_balancer_that_is_not_an_app_server_reaches_no_worker(entry: dict[str, Any]) -> None:
    app = routed(entry, {"path": "/ws/", "worker": "live"}, listen_http="0.0.0.0:9000")
    (sentence,) = checks.unreachable([app], "lb1", ["app1"])
    assert sentence.startswith("wsgi_apps (hello): serve.routes: /ws/: the load balancer lb1 is not an app server")
    assert checks.unreachable([app], "app1", ["app1"]) == []
    front = routed(entry, ROOT, callable=None, listen_http="0.0.0.0:9000")
    assert checks.unreachable([front], "lb1", ["app1"]) == []


def test_a_load_balancer_that_is_not_an_app_server_serves_no_path(entry: dict[str, Any]) -> None:
    app = changed(changed(entry, "serve.path", "/shop/"), "run.listen_http", "0.0.0.0:9000")
    (sentence,) = checks.unreachable([app], "lb1", ["app1"])
    assert sentence.startswith("wsgi_apps (hello): serve.path: the load balancer lb1 is not an app server, and cannot")
    assert checks.unreachable([app], "app1", ["app1"]) == []


def test_entries_can_share_a_host_name_but_no_path(entry: dict[str, Any]) -> None:
    shop = {**changed(entry, "serve.path", "/shop/"), "name": "shop"}
    assert checks.objections([entry, shop]) == []
    name = entry["serve"]["server_names"][0]
    assert only([shop, {**shop, "name": "wiki"}]) == (
        f"wsgi_apps: two entries, shop and wiki, have the host name and path {name}/shop; change one"
    )
    other = changed(shop, "serve.server_names", [name, "other.example.org"])
    assert only([entry, other]) == (
        f"wsgi_apps: hello and shop share {name}, so they need the same server_names; change one"
    )


def test_an_application_does_not_need_nginx(entry: dict[str, Any]) -> None:
    assert checks.objections([without(entry, "serve")]) == []


def test_an_empty_list_is_accepted() -> None:
    assert checks.objections([]) == []


def test_two_applications_are_accepted(entry: dict[str, Any]) -> None:
    assert checks.objections([entry, second(entry)]) == []


@pytest.mark.parametrize(
    ("apps", "kind"), [({"hello": {}}, "a dictionary"), ("hello", "text"), (None, "nothing"), (5, "a number")]
)
def test_only_a_list_is_accepted(apps: Any, kind: str) -> None:
    assert only(apps) == f"wsgi_apps is {kind}; write a list with an entry for each application"


@pytest.mark.parametrize(("app", "kind"), [("hello", "text"), (None, "nothing"), (["hello"], "a list")])
def test_an_entry_that_is_not_a_dictionary_is_refused(entry: dict[str, Any], app: Any, kind: str) -> None:
    wrong = f"that is {kind}; write a dictionary with name, build, run and serve"
    assert only([entry, app]) == f"wsgi_apps[1]: {wrong}"


@pytest.mark.parametrize("key", ["name", "build", "run", "build.source", "run.callable", "serve.server_names"])
def test_missing_keys_are_named(entry: dict[str, Any], key: str) -> None:
    assert f": {key} is missing; add it" in only([without(entry, key)])


@pytest.mark.parametrize("key", ["name", "build", "run", "build.source", "run.callable", "serve.server_names"])
@pytest.mark.parametrize("value", [None, ""])
def test_keys_without_a_value_are_named(
    entry: dict[str, Any], key: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(entry["build"]["source"])
    assert f": {key}" in only([changed(entry, key, value)])


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("serv", "did you mean serve?"),
        ("hosts", "known keys are name, state, remove_data, build, run, serve"),
        ("build.sources", "did you mean source?"),
        ("run.harakirri", "did you mean harakiri?"),
        ("run.processors", "did you mean processes?"),
        ("run.zzz", "known keys are callable, directory, processes, threads"),
        ("run.memory", "did you mean memory_max?"),
        ("serve.server_name", "did you mean server_names?"),
        # These belong to the input of a role, and the playbook gives them.
        ("run.build", "known keys are callable"),
        ("run.wheels", "known keys are callable"),
        ("run.public_data", "known keys are callable"),
        ("states", "did you mean state?"),
        ("remove-data", "did you mean remove_data?"),
        ("run.secret", "did you mean secrets?"),
        ("run.worker", "did you mean workers?"),
        ("build.command", "did you mean commands?"),
        ("serve.read_timeout", "known keys are server_names"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(entry: dict[str, Any], key: str, advice: str) -> None:
    assert only([changed(entry, key, "x")]).startswith(f"{HERE}{key}: unknown key; {advice}")


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("run.probe.paht", "did you mean path?"),
        ("run.probe.trys", "did you mean tries?"),
        ("run.probe.zzz", "known keys are path, host, scheme, prefix, status, text, timeout, tries, interval"),
        ("run.hardening.network", "did you mean networks?"),
        ("run.hardening.memory_deny_write", "did you mean memory_deny_write_execute?"),
        ("run.hardening.zzz", f"known keys are {', '.join(specification.section_spec('run')['hardening']['options'])}"),
        ("serve.tls.sorce", "did you mean source?"),
        ("serve.tls.zzz", "known keys are source, certificate, key, redirect, hsts, http3"),
        ("serve.maintenance.bypas", "did you mean bypass?"),
    ],
)
def test_an_unknown_key_of_a_nested_section_is_refused_too(entry: dict[str, Any], key: str, advice: str) -> None:
    sentence = only([changed(entry, *nested(key, "x"))])
    assert sentence == f"{HERE}{key}: unknown key; {advice}"


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        ("run.probe.path", "health", "write a path that begins with /"),
        ("run.probe.host", "https://hello.example.org", "this is not a host name"),
        ("run.probe.status", [200, 700], "700 is not an HTTP status"),
        ("run.probe.text", "two\nlines", "write it on one line"),
        ("run.probe.timeout", 0, "write a number above zero"),
        ("run.probe.timeout", "soon", "write a whole number"),
        ("run.probe.tries", -1, "write a number above zero"),
        ("run.probe.interval", 0.5, "write a whole number"),
        ("run.hardening.memory_deny_write_execute", "perhaps", "write true or false"),
        ("run.hardening.address_families", ["inet"], "write for example AF_INET"),
        ("run.hardening.address_families", ["AF_INET"], "AF_UNIX is missing"),
        ("run.hardening.networks", ["everywhere"], "write for example 10.0.0.0/8"),
        ("serve.tls.source", "letsencrypt", "write none or own or host or acme or self_signed"),
        ("serve.tls.redirect", "perhaps", "write true or false"),
        ("serve.tls.hsts", -1, "write a number above zero, or 0 for none"),
        ("serve.tls.http3", 3, "write true or false"),
        ("serve.maintenance.retry_after", 0, "write a number above zero"),
        ("serve.maintenance.bypass", ["office"], "'office' is not a network"),
    ],
)
def test_an_invalid_value_in_a_nested_section_is_refused_with_advice(
    entry: dict[str, Any], key: str, value: Any, advice: str
) -> None:
    sentence = only([changed(entry, *nested(key, value))])
    assert sentence.startswith(f"{HERE}{key}: {value!r}: ")
    assert advice in sentence


@pytest.mark.parametrize(
    ("key", "item", "advice"),
    [
        ("writable_paths", "mnt", "write an absolute path"),
        ("writable_paths", "/", "write an absolute path"),
        ("writable_paths", "/mnt/../etc", "write an absolute path"),
        ("writable_paths", "/mnt/a b", "write an absolute path"),
        ("groups", "a b", "write the name of a group"),
        ("system_calls", "~bpf", "write a system call or a group"),
    ],
)
def test_what_the_sandbox_cannot_open_is_refused(entry: dict[str, Any], key: str, item: str, advice: str) -> None:
    sentence = only([changed(entry, "run.hardening", {key: [item]})])
    assert sentence.startswith(f"{HERE}run.hardening.{key}: {item!r}: {advice}")


@pytest.mark.parametrize("key", ["run.probe", "run.hardening", "serve.tls", "serve.maintenance"])
@pytest.mark.parametrize("value", [None, "x", 5, True, ["path"]])
def test_a_nested_section_is_a_dictionary(entry: dict[str, Any], key: str, value: Any) -> None:
    assert only([changed(entry, key, value)]).startswith(f"{HERE}{key}: write a dictionary of ")


@pytest.mark.parametrize("section", ["run", "serve"])
@pytest.mark.parametrize("value", [None, "hunter2", ["hunter2"], [{"env": "hunter2"}]])
def test_a_section_of_another_type_is_refused_and_not_shown(entry: dict[str, Any], section: str, value: Any) -> None:
    assert only([changed(entry, section, value)]).startswith(f"{HERE}{section}: write a dictionary of ")


@pytest.mark.parametrize("setting", ["static", "uploads"])
@pytest.mark.parametrize("missing", ["path", "directory"])
def test_files_need_a_path_and_a_directory(entry: dict[str, Any], setting: str, missing: str) -> None:
    key, listed = files(setting)
    listed.append({"path": "/good/", "directory": "good"})
    del listed[0][missing]
    assert only([changed(entry, key, listed)]) == f"{HERE}{key}[0].{missing} is missing; add it"


@pytest.mark.parametrize(
    ("setting", "changes", "advice"),
    [
        ("static", {"pth": "/static/"}, ".pth: unknown key; did you mean path?"),
        ("uploads", {"immutable": True}, ".immutable: unknown key; known keys are path, directory"),
        ("static", {"immutable": "perhaps"}, ".immutable: 'perhaps': write true or false"),
        ("static", {"path": "static"}, ": path 'static': write a path that begins and ends with /, such as /static/"),
        ("uploads", {"directory": "../.."}, ": directory '../..': write a directory such as media or media/photos"),
        ("uploads", {"directory": ""}, ": directory '': write a directory such as media or media/photos"),
        ("static", {"directory": "/s", "previous": "/a b"}, ": previous '/a b': write a directory such as media"),
        (
            "static",
            {"previous": "/srv/old"},
            ": previous of static: the role knows it for a directory of the application",
        ),
    ],
)
def test_files_that_nginx_cannot_serve_are_refused(
    entry: dict[str, Any], setting: str, changes: dict[str, Any], advice: str
) -> None:
    sentence = only([changed(entry, *files(setting, **changes))])
    assert sentence.startswith(f"{HERE}serve.{setting}[0]{advice}")


@pytest.mark.parametrize("directory", ["media", "media/", "a.b/c-d", "a//b", "./a", ".", "", "a/../b", "a b"])
def test_host_and_controller_agree_on_upload_directories(entry: dict[str, Any], directory: str) -> None:
    entry = changed(entry, *files("uploads", directory=directory))
    serve = specification.with_defaults(entry["serve"], specification.section_spec("serve"))
    on_the_host = sections.objections(sections.RUN, {"public_data": role_inputs.public_data(serve)})
    assert bool(on_the_host) is bool(checks.objections([entry]))


@pytest.mark.parametrize("paths", [("/a/", "/b/", "/a/b/"), ("/a/", "/b/", "/b/"), ("/b/", "/a/", "/b/")])
def test_two_directories_cannot_share_a_path(entry: dict[str, Any], paths: tuple[str, str, str]) -> None:
    listed = [{"path": path, "directory": f"d{number}"} for number, path in enumerate(paths)]
    entry["serve"].update(static=listed[:2], uploads=listed[2:])
    entry["build"]["commands"] = ["create files"]
    wrong = [f"{HERE}serve.static, uploads and routes: two have the path /b/; change one"]
    assert checks.objections([entry]) == (wrong if paths.count("/b/") > 1 else [])


@pytest.mark.parametrize("setting", ["static", "uploads"])
@pytest.mark.parametrize("value", ["x", 5, {"path": "/a/", "directory": "a"}])
def test_files_are_a_list_of_directories(entry: dict[str, Any], setting: str, value: Any) -> None:
    assert only([changed(entry, f"serve.{setting}", value)]) == (
        f"{HERE}serve.{setting}: write a list of dictionaries, each with a - before it"
    )


@pytest.mark.parametrize("setting", ["workers", "timers"])
@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"nam": "x"}, " (one).nam: unknown key; did you mean name?"),
        ({"name": "One"}, " (One).name: 'One': use up to 31 of a-z, 0-9 and -"),
        ({"name": "migrate"}, " (migrate).name: 'migrate': use up to 31 of a-z, 0-9 and -, beginning with a letter"),
        ({"command": ""}, " (one).command: '': write a command in one line"),
        ({"command": "a\nb"}, " (one).command: 'a\\nb': write a command in one line"),
        ({"command": "| a"}, " (one).command: '| a': '|' is not the name of a program"),
    ],
)
def test_invalid_workers_and_timers_are_refused(
    entry: dict[str, Any], setting: str, changes: dict[str, Any], advice: str
) -> None:
    key, listed = parts(setting, **changes)
    good = {**parts(setting)[1][0], "name": "good"}
    assert only([changed(entry, key, [good, *listed])]).startswith(f"{HERE}run.{setting}[1]{advice}")


@pytest.mark.parametrize(
    ("setting", "missing"),
    [("workers", "name"), ("workers", "command"), ("timers", "name"), ("timers", "command"), ("timers", "on_calendar")],
)
def test_incomplete_workers_and_timers_are_refused(entry: dict[str, Any], setting: str, missing: str) -> None:
    key, listed = parts(setting)
    listed.append({**listed[0], "name": "two"})
    del listed[0 if missing == "name" else 1][missing]
    called = "[0]" if missing == "name" else "[1] (two)"
    assert only([changed(entry, key, listed)]) == f"{HERE}{key}{called}.{missing} is missing; add it"


@pytest.mark.parametrize(
    ("setting", "changes", "advice"),
    [
        ("workers", {"stop_timeout": 0}, "stop_timeout: 0: write a number above zero"),
        ("workers", {"stop_timeout": "soon"}, "stop_timeout: 'soon': write a whole number"),
        ("workers", {"on_calendar": "daily"}, "on_calendar: unknown key"),
        ("timers", {"on_calendar": "0 3 * * *"}, "on_calendar: '0 3 * * *': write a time as in systemd's OnCalendar"),
        ("timers", {"on_calendar": None}, "on_calendar: '': write a time as in systemd's OnCalendar"),
        ("timers", {"every_host": "perhaps"}, "every_host: 'perhaps': write true or false"),
        ("timers", {"stop_timeout": 5}, "stop_timeout: unknown key"),
    ],
)
def test_workers_and_timers_have_their_own_settings(
    entry: dict[str, Any], setting: str, changes: dict[str, Any], advice: str
) -> None:
    sentence = only([changed(entry, *parts(setting, **changes))])
    assert sentence.startswith(f"{HERE}run.{setting}[0] (one).{advice}")


@pytest.mark.parametrize("setting", ["workers", "timers"])
def test_two_of_a_kind_cannot_share_a_name(entry: dict[str, Any], setting: str) -> None:
    key, listed = parts(setting)
    sentence = only([changed(entry, key, [*listed, {**listed[0], "name": "two"}, {**listed[0]}])])
    assert sentence == f"{HERE}{key}: two have the name one; change one"


def test_a_worker_and_a_timer_cannot_share_a_name(entry: dict[str, Any]) -> None:
    (_, workers), (_, timers) = parts("workers"), parts("timers")
    entry["run"].update(workers=workers, timers=[{**timers[0], "name": "two"}, *timers])
    assert only([entry]) == f"{HERE}run.workers and timers: both have one; change one"
    entry["run"]["timers"].pop()
    assert checks.objections([entry]) == []


def test_env_and_secrets_share_no_variable(entry: dict[str, Any]) -> None:
    entry["run"].update(
        env={"B": "hunter2", "A": "x", "C": "x"}, secrets={"A": "hunter2", "B": "hunter2", "D": "hunter2"}
    )
    assert checks.objections([entry]) == [
        f"{HERE}run.env and secrets: both have A; change one",
        f"{HERE}run.env and secrets: both have B; change one",
    ]


@pytest.mark.parametrize("key", ["env", "secrets"])
@pytest.mark.parametrize("name", ["DATA_DIRECTORY", "CREDENTIALS_DIRECTORY"])
def test_an_application_cannot_set_variables_of_systemd(entry: dict[str, Any], key: str, name: str) -> None:
    sentence = only([changed(entry, f"run.{key}", {"A": "hunter2", name: "hunter2"})])
    assert sentence == f"{HERE}run.{key}: {name} is set by the role; remove it"
    assert checks.objections([changed(entry, "build.env", {name: "x"})]) == []


def test_a_secret_file_and_a_variable_may_share_a_name(entry: dict[str, Any]) -> None:
    entry["run"].update(env={"A": "x"}, secret_files={"A": "hunter2"})
    assert checks.objections([entry]) == []


def test_a_build_has_its_own_variables(entry: dict[str, Any]) -> None:
    entry["build"]["env"] = {"A": "x"}
    entry["run"].update(secrets={"A": "hunter2"})
    assert checks.objections([entry]) == []


def test_a_certificate_for_other_names_is_refused(entry: dict[str, Any]) -> None:
    pem = certify("other.example.org")
    assert only([changed(entry, "serve.tls", {"source": "own", **pem._asdict()})]) == (
        f"{HERE}serve.tls.certificate: it is for other.example.org, not for hello.example.org"
    )


def test_each_error_in_a_nested_section_has_its_own_message(entry: dict[str, Any]) -> None:
    entry["run"].update(probe={"path": "health", "tries": 0, "paht": 1}, hardening={"networks": ["x"]})
    found = checks.objections([entry])
    assert sorted(sentence.split(": ")[1] for sentence in found) == [
        "run.hardening.networks",
        "run.probe.paht",
        "run.probe.path",
        "run.probe.tries",
    ]


COMMANDS = ("build.commands", "run.migrate", "run.after_switch")
PARTS = ("workers", "timers")


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        ("build", "app", "write a dictionary of source"),
        ("build.source", "/no/such/directory", "is not a directory on the controller"),
        ("build.python", "ruby", "write the name of an interpreter on the host, such as python3.12"),
        ("build.commands", ["make", "| b"], "'|' is not the name of a program"),
        ("build.commands", ["make", "a | b"], "'|' is shell syntax, but no shell runs this command; quote it"),
        ("build.commands", ["A=1 make"], "'A=1' is not the name of a program"),
        ("run.migrate", ["python 'manage.py"], "no closing quotation"),
        ("run.migrate_timeout", 0, "write a number above zero"),
        ("run.irreversible", "a\nb", "write it on one line"),
        ("run.after_switch", [">log"], "'>log' is not the name of a program"),
        ("run.callable", "main", "such as main:application"),
        ("run.callable", "main.application", "such as main:application"),
        ("run.harakiri", 0, "write a number above zero"),
        ("run.harakiri", -5, "write a number above zero"),
        ("run.harakiri", "soon", "write a whole number"),
        ("run.harakiri", [60], "write a whole number"),
        ("run.harakiri", True, "number"),
        ("run.start_timeout", 0, "write a number above zero"),
        ("run.processes", {"min": 4, "max": 2}, "a minimum and a larger maximum, such as {min: 2, max: 8}"),
        ("run.processes", 0, "write a number, such as 4"),
        (
            "run.listen_uwsgi",
            "0.0.0.0:9000",
            "must be a loopback address; use a Unix socket such as /run/hello-web.socket, or listen_http",
        ),
        (
            "run.listen_uwsgi",
            "[::]:9000",
            "must be a loopback address; use a Unix socket such as /run/hello-web.socket, or listen_http",
        ),
        (
            "run.listen_uwsgi",
            "192.0.2.1:9000",
            "must be a loopback address; use a Unix socket such as /run/hello-web.socket, or listen_http",
        ),
        ("run.listen_http", "9000", "such as 0.0.0.0:9000"),
        ("run.listen_http", "localhost:9000", "such as 0.0.0.0:9000"),
        ("run.package", "gunicorn", "write pyuwsgi or uwsgi"),
        ("run.keep", 1, "write 2 or more"),
        ("run.keep", "all", "write a whole number"),
        ("run.options", {"harakiri": 5}, "use the setting of that name"),
        ("run.memory_max", "much", "write an amount such as 512M"),
        ("run.cpu_quota", 1.5, "write a share of one processor"),
        ("run.tasks_max", 0, "write a number above zero"),
        ("run.cpu_affinity", "all", "write numbers or ranges of processors"),
        ("run.nice", 20, "write a number from 0 to 19"),
        ("run.nice", -1, "write a number from 0 to 19"),
        ("serve.server_names", [], "write at least one host name"),
        ("serve.max_body_size", "16 MB", "write an amount such as 16M"),
        ("serve.headers", {"X Y": "z"}, "'X Y' is not the name of a header"),
        ("serve.headers", {"X-Y": "$z"}, "the value of X-Y: write one line"),
        ("serve.headers", {"X-Request-Id": "1"}, "X-Request-Id is set by the role; every response has it"),
        ("serve.content_security_policy", "sandbox $x", "write one line of ASCII text without $"),
        ("serve.requests_per_second", -1, "write a number above zero, or 0 for none"),
        ("serve.burst", 0, "write a number above zero"),
        ("serve.connections", -5, "write a number above zero, or 0 for none"),
        ("serve.allowed_networks", ["office"], "'office' is not a network"),
        ("serve.headers", {"Cache-Control": "no-store"}, "the application sets it, and the role sets it for files"),
        ("serve.headers", {"Strict-Transport-Security": "x"}, "use tls.hsts"),
        ("serve.cache_seconds", -1, "write a number above zero, or 0 for none"),
    ],
)
def test_an_invalid_value_is_refused_with_advice(entry: dict[str, Any], key: str, value: Any, advice: str) -> None:
    sentence = only([changed(entry, key, value)])
    assert sentence.startswith(f"{HERE}{key}: ")
    # Of a list, the wrong item.
    assert (repr(value[-1]) if key in COMMANDS else repr(value).strip("'")) in sentence
    assert advice in sentence


A_DICTIONARY = "write a dictionary, such as {name: value}"
A_LIST = "write a list, such as [one, two]"
DICTIONARIES = "write a list of dictionaries, each with a - before it"


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        ("build.commands", "create hunter2, install", A_LIST),
        ("build.extras", {"a": "hunter2"}, A_LIST),
        ("build.env", "A=hunter2", A_DICTIONARY),
        ("build.env", ["hunter2"], A_DICTIONARY),
        ("run.env", "A=hunter2", A_DICTIONARY),
        ("run.env", '{"A": "hunter2"}', A_DICTIONARY),
        ("run.secrets", "A=hunter2", A_DICTIONARY),
        ("run.options", ["hunter2"], A_DICTIONARY),
        ("run.options", "a=hunter2", A_DICTIONARY),
        ("run.migrate", "python manage.py migrate --only a,hunter2", A_LIST),
        ("run.workers", {"name": "hunter2"}, DICTIONARIES),
        ("run.timers", "hunter2, b", DICTIONARIES),
        ("run.probe.status", "hunter2", "write a list of whole numbers"),
        ("run.probe.status", ["hunter2"], "write a list of whole numbers"),
        ("run.probe.status", "200,404", "write a list of whole numbers"),
        ("run.hardening.networks", {"a": "hunter2"}, A_LIST),
        ("run.hardening.networks", "10.0.0.0/8,192.0.2.10", A_LIST),
        ("serve.server_names", {"a": "hunter2"}, A_LIST),
        ("serve.server_names", "hello.example.org,world.example.org", A_LIST),
        ("serve.headers", "X-Y=hunter2", A_DICTIONARY),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_the_right_form_and_not_shown(
    entry: dict[str, Any], key: str, value: Any, advice: str
) -> None:
    section, _, last = key.rpartition(".")
    given = (key, value) if section in entry else (section, {last: value})
    assert only([changed(entry, *given)]) == f"{HERE}{key}: {advice}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("build.commands", "python manage.py compilemessages"),
        ("build.commands", ["python -c 'print(1, 2)'"]),
        ("run.env", {"A": "a=b, c=d"}),
        ("run.options", {}),
        ("run.migrate", "python manage.py migrate"),
        ("run.workers", []),
        ("run.probe", {"status": 200}),
        ("run.probe", {"status": ["200", 404], "tries": "3"}),
        ("run.hardening", {"networks": "10.0.0.0/8", "memory_deny_write_execute": "yes"}),
        ("run.harakiri", "30"),
    ],
)
def test_a_convertible_value_is_accepted(entry: dict[str, Any], key: str, value: Any) -> None:
    assert checks.objections([changed(entry, key, value)]) == []


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("build.commands", A_LIST),
        ("run.env", A_DICTIONARY),
        ("run.workers", DICTIONARIES),
        ("run.harakiri", "None: write a whole number"),
        ("run.package", "None: write pyuwsgi or uwsgi"),
        ("run.probe.status", "write a list of whole numbers"),
        ("serve.default", "None: write true or false"),
        ("serve.tls.redirect", "None: write true or false"),
        ("serve.basic_auth", A_DICTIONARY),
    ],
)
def test_the_error_for_an_empty_key_says_to_remove_it(entry: dict[str, Any], key: str, advice: str) -> None:
    section, _, last = key.rpartition(".")
    given = (key, None) if section in entry else (section, {last: None})
    assert only([changed(entry, *given)]) == f"{HERE}{key}: {advice}, or remove it"


def test_every_type_of_a_setting_has_a_description() -> None:
    for section in specification.SECTIONS:
        options = list(specification.section_spec(section).values())
        options += [inner for option in options for inner in option.get("options", {}).values()]
        assert {option["type"] for option in options} - {"raw"} <= set(specification.WRITTEN)
        several = {option["elements"] for option in options if "elements" in option} - {"str"}
        assert [kind for kind in several if not specification.WRITTEN[kind][1]] == []


KEYS = ["name", "state", "remove_data", "build", *(f"build.{key}" for key in specification.section_spec("build"))]
KEYS += ["run", *(f"run.{key}" for key in specification.section_spec("run"))]
KEYS += ["serve", *(f"serve.{key}" for key in specification.section_spec("serve"))]
INNER = [
    f"run.{section}.{key}"
    for section in ("probe", "hardening")
    for key in specification.section_spec("run")[section]["options"]
]
INNER += [
    f"serve.{section}.{key}"
    for section in ("tls", "maintenance")
    for key in specification.section_spec("serve")[section]["options"]
]
OF_FILES = [
    (setting, key)
    for setting in ("static", "uploads")
    for key in specification.section_spec("serve")[setting]["options"]
]
OF_PARTS = [(setting, key) for setting in PARTS for key in specification.section_spec("run")[setting]["options"]]
VALUES: list[Any] = [None, "", "x", 0, 5, 1.5, True, [], [[]], [{}], [None], {}, {"a": []}, {1: 2}]


def places(value: Any) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Yield, for each place of a value, how a sentence about it begins, and what to set in an entry."""
    for key in KEYS:
        yield "wsgi_apps", (key, value)
    for key in INNER:
        yield f"{HERE}{key}", nested(key, value)
    for setting, key in OF_FILES:
        yield f"{HERE}serve.{setting}", files(setting, **{key: value})
    for setting, key in OF_PARTS:
        yield f"{HERE}run.{setting}", parts(setting, **{key: value})
    for source, key in product(("own", "host"), ("certificate", "key")):
        given = {"source": source, "certificate": "/none.crt", "key": "/none.key", key: value}
        yield f"{HERE}serve.tls", ("serve.tls", given)


@pytest.mark.parametrize("value", VALUES)
def test_no_value_anywhere_breaks_the_check(entry: dict[str, Any], value: Any) -> None:
    for beginning, change in places(value):
        found = checks.objections([changed(entry, *change)])
        assert [sentence for sentence in found if not sentence.startswith(beginning)] == [], change


@pytest.mark.parametrize("one", ["env", "secrets"])
@pytest.mark.parametrize("value", [*VALUES, {1: 2, "a": "b"}])
def test_no_pair_of_compared_values_breaks_the_check(entry: dict[str, Any], one: str, value: Any) -> None:
    entry["run"].update({"env": {1: 2, "a": "b"}, "secrets": {1: 2, "a": "b"}, one: value})
    found = checks.objections([entry])
    assert found
    assert [sentence for sentence in found if not sentence.startswith(f"{HERE}run.")] == []


@pytest.mark.parametrize("name", ["Hello", "2hello", "a b", "x" * 32, 42, "ä", ["hello"]])
def test_a_name_that_no_system_user_can_have_is_refused(entry: dict[str, Any], name: Any) -> None:
    sentence = only([changed(entry, "name", name)])
    assert f": name: {name!r}: this is not a valid name for a system user; use up to 31" in sentence


@pytest.mark.parametrize("name", ["root", "www-data", "systemd-resolve"])
def test_a_name_that_belongs_to_the_system_is_refused(entry: dict[str, Any], name: str) -> None:
    sentence = only([changed(entry, "name", name)])
    assert sentence == f"wsgi_apps[0] ({name}): name: {name!r}: the system uses this name; choose another"


@pytest.mark.parametrize("name", ["https://hello.example.org", "hello.example.org:80", "Hello.example.org", ""])
def test_an_invalid_host_name_is_refused(entry: dict[str, Any], name: str) -> None:
    sentence = only([changed(entry, "serve.server_names", ["hello.example.org", name])])
    assert sentence.startswith(f"{HERE}serve.server_names: {name!r}: ")
    assert "host name" in sentence


@pytest.mark.parametrize(("path", "health"), [("/", None), ("/health", "/health")])
def test_nginx_knows_the_path_of_the_probe(entry: dict[str, Any], path: str, health: str | None) -> None:
    (site,) = role_inputs.sites([changed(entry, "run.probe", {"path": path})], "app1", ["app1"], HOSTS)
    assert site.get("health") == health


def test_one_host_name_needs_no_list(entry: dict[str, Any]) -> None:
    assert checks.objections([changed(entry, "serve.server_names", "hello.example.org")]) == []


def test_an_empty_source_is_refused(entry: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sentence = only([changed(entry, "build.source", str(tmp_path / "empty"))])
    assert sentence == f"{HERE}build.source: '{tmp_path}/empty' has nothing to deploy: it is empty"


def test_a_source_without_a_dependency_file_is_refused(entry: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/main.py").touch()
    sentence = only([changed(entry, "build.source", str(tmp_path / "code"))])
    assert sentence.startswith(f"{HERE}build.source: '{tmp_path}/code' ")
    assert "requirements.txt" in sentence


@pytest.mark.parametrize(
    ("changes", "key", "advice"),
    [
        ({"dependencies": "prod.txt"}, "dependencies", "has no prod.txt: write a path relative to build.source"),
        ({"extras": ["postgres"]}, "extras", "requirements.txt has no extras; remove them"),
        ({"source": "hello==1.0", "extras": ["postgres"]}, "extras", "remove them; write them in brackets"),
        ({"source": "/no/such/hello-1.0-py3-none-any.whl"}, "source", "is not a file on the controller"),
        ({"source": "git+https://"}, "source", "git"),
        ({"source": "git@git.example.com:hello.git"}, "source", "such as git+https://git.example.com/hello.git@v1.2"),
        ({"source": "no-such-hello"}, "source", "to install a package, add its version, such as hello==1.2"),
    ],
)
def test_a_source_is_checked_with_the_other_build_settings(
    entry: dict[str, Any], changes: dict[str, Any], key: str, advice: str
) -> None:
    entry["build"].update(changes)
    sentence = only([entry])
    assert sentence.startswith(f"{HERE}build.{key}: ")
    assert advice in sentence


def test_a_variable_whose_text_is_ambiguous_is_refused(entry: dict[str, Any]) -> None:
    sentence = only([changed(entry, "run.env", {"DEBUG": True})])
    assert sentence.startswith(f"{HERE}run.env: ")
    assert sentence.endswith("the value of DEBUG is true or false; write it as text, in quotes")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run.env", {"SECRET": "hunter2", "DEBUG": True}),
        ("run.env", {"SECRET": "hunter2", "NO-NAME": "x"}),
        ("run.env", ["SECRET", "hunter2"]),
        ("run.envs", {"SECRET": "hunter2"}),
        ("build.env", {"SECRET": "hunter2", "DEBUG": True}),
        ("build.env", {"SECRET": "hunter2", "NO-NAME": "x"}),
        ("run.secrets", {"SECRET": "hunter2", "DEBUG": True}),
        ("run.secrets", {"SECRET": "hunter2", "NO-NAME": "x"}),
        ("run.secrets", {"SECRET": ["hunter2"]}),
        ("run.secrets", ["SECRET", "hunter2"]),
        ("run.secrets", "hunter2"),
        ("run.secret_files", {"key": "hunter2", "a/b": "hunter2"}),
        ("run.secret_files", {"key": "hunter2", "..": "hunter2"}),
        ("run.secret_files", {"key": ["hunter2"]}),
        ("run.secret_files", ["hunter2"]),
        ("run.secret_files", "hunter2"),
        ("run.secret", {"SECRET": "hunter2"}),
        ("env", {"SECRET": "hunter2"}),
    ],
)
def test_an_error_never_shows_the_value_of_a_variable(entry: dict[str, Any], key: str, value: Any) -> None:
    sentence = only([changed(entry, key, value)])
    assert sentence.startswith(f"{HERE}{key}: ")
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"alice": "hunter2"}, "the password of alice is too short"),
        ({"alice": "hunter2\nhunter2"}, "the password of alice is too short, too long, or not a string"),
        ({"alice": "hunter2" * 20}, "the password of alice is too short, too long, or not a string"),
        ({"al:ice": "hunter2hunter2"}, "'al:ice' is not the name of a user"),
        ({"alice": ["hunter2"]}, "the password of alice is too short, too long, or not a string"),
        (["hunter2"], "write a dictionary, such as {name: value}"),
        ("alice: hunter2", "write a dictionary, such as {name: value}"),
    ],
)
def test_an_error_never_shows_a_password(entry: dict[str, Any], value: Any, why: str) -> None:
    sentence = only([changed(entry, "serve.basic_auth", value)])
    assert sentence.startswith(f"{HERE}serve.basic_auth: ")
    assert why in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize("value", [{"alice": "hunter2hunter2"}, "alice: hunter2hunter2"])
def test_an_error_never_shows_passwords_under_a_misspelt_name(entry: dict[str, Any], value: Any) -> None:
    assert only([changed(entry, "serve.basic_aut", value)]) == (
        f"{HERE}serve.basic_aut: unknown key; did you mean basic_auth?"
    )


@pytest.mark.parametrize(
    ("tls", "where"),
    [
        ({"source": "own"}, "serve.tls.certificate is missing"),
        ({"source": "none"}, "serve.tls.key: none has its own"),
        (
            {"source": "own", "certificate": "/no/such/file.crt"},
            "serve.tls: the controller cannot read /no/such/file.crt",
        ),
        ({"source": "own", "certificate": certify("other.example.org").certificate}, "serve.tls.key: the key does not"),
    ],
)
def test_an_error_never_shows_a_key(entry: dict[str, Any], tls: dict[str, Any], where: str) -> None:
    key = certify("hello.example.org").key
    sentence = only([changed(entry, "serve.tls", {**tls, "key": key})])
    assert sentence.startswith(f"{HERE}{where}")
    assert not [line for line in key.splitlines()[1:] if line in sentence]


PEM = certify("hello.example.org")
OWN = {"source": "own", **PEM._asdict()}


@pytest.mark.parametrize(
    "tls",
    [
        PEM.key,
        [OWN],
        {**OWN, "key": {"a": PEM.key}},
        {**OWN, "key": [PEM.key]},
        {**OWN, "key": PEM.key.partition("\n")[2]},
        {**OWN, "certificate": PEM.key, "key": "/no/such/file.crt"},
        {**OWN, "source": "host"},
        {**OWN, "source": "host", "certificate": PEM.key, "key": "/etc/ssl/hello.key"},
    ],
    ids=["text", "list", "dict in key", "list in key", "no first line", "certificate", "host", "certificate of host"],
)
def test_an_error_never_shows_a_key_in_a_wrong_place(entry: dict[str, Any], tls: Any) -> None:
    found = checks.objections([changed(entry, "serve.tls", tls)])
    assert found
    assert not [line for line in PEM.key.splitlines()[1:] if line in "".join(found)]


@pytest.mark.parametrize("value", ["hunter2hunter2", PEM.key], ids=["word", "pem"])
def test_an_error_never_shows_a_key_under_a_misspelt_name(entry: dict[str, Any], value: str) -> None:
    assert only([changed(entry, "serve.tls", {"kee": value})]) == (
        f"{HERE}serve.tls.kee: unknown key; did you mean key?"
    )


@pytest.mark.parametrize("name", ["serve.tls.private_key", "serve.secret", "run.token", "zzz"])
def test_an_error_never_shows_a_key_under_an_unknown_name(entry: dict[str, Any], name: str) -> None:
    entry["serve"]["tls"] = {}
    assert only([changed(entry, name, PEM.key)]).startswith(f"{HERE}{name}: unknown key; known keys are ")


def test_each_error_has_its_own_message(entry: dict[str, Any]) -> None:
    wrong = changed(changed(entry, "run.harakiri", 0), "serve.server_names", ["a b", "c d"])
    found = checks.objections([wrong, changed(second(entry), "run.callable", "main")])
    assert [sentence.split(": ")[:2] for sentence in found] == [
        ["wsgi_apps[0] (hello)", "run.harakiri"],
        ["wsgi_apps[0] (hello)", "serve.server_names"],
        ["wsgi_apps[0] (hello)", "serve.server_names"],
        ["wsgi_apps[1] (world)", "run.callable"],
    ]


def test_two_applications_cannot_share_a_name(entry: dict[str, Any]) -> None:
    other = changed(second(entry), "name", "hello")
    assert only([entry, other]) == "wsgi_apps: two entries, hello and hello, have the name hello; change one"


def test_two_applications_cannot_share_a_host_name(entry: dict[str, Any]) -> None:
    other = changed(second(entry), "serve.server_names", ["world.example.org", "hello.example.org"])
    sentence = "wsgi_apps: two entries, hello and world, have the host name hello.example.org; change one"
    assert only([entry, other]) == sentence


def test_an_alias_cannot_be_a_host_name_of_another_app(entry: dict[str, Any]) -> None:
    other = changed(second(entry), "serve.aliases", ["hello.example.org"])
    sentence = "wsgi_apps: two entries, hello and world, have the host name hello.example.org; change one"
    assert only([entry, other]) == sentence


def test_at_most_one_application_is_the_default(entry: dict[str, Any]) -> None:
    entry = changed(entry, "serve.default", True)
    sentence = "wsgi_apps: two entries, hello and world, have the role of default; change one"
    assert only([entry, changed(second(entry), "serve.default", True)]) == sentence
    assert checks.objections([entry, changed(second(entry), "serve.default", False)]) == []


def test_names_that_collide_in_the_configuration_are_refused(entry: dict[str, Any]) -> None:
    names = [changed(entry, "name", "a-b"), changed(second(entry), "name", "a_b")]
    assert only(names) == "wsgi_apps: two entries, a-b and a_b, have the name a_b; change one"


@pytest.fixture
def gone(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry to remove, whose source is already gone."""
    return changed({**entry, "state": "absent"}, "build.source", "/no/such/directory")


def test_an_application_to_remove_needs_no_source(gone: dict[str, Any]) -> None:
    assert checks.objections([gone]) == []
    assert checks.objections([{**gone, "remove_data": True}]) == []


def test_an_application_to_remove_needs_only_its_name() -> None:
    assert checks.objections([{"name": "hello", "state": "absent"}]) == []
    assert only([{"state": "absent"}]) == "wsgi_apps[0]: name is missing; add it"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("name", "Hello", "wsgi_apps[0] (Hello): name: 'Hello': this is not a valid name for a system user"),
        ("name", "root", "wsgi_apps[0] (root): name: 'root': the system uses this name"),
        ("remove_date", True, f"{HERE}remove_date: unknown key; did you mean remove_data?"),
    ],
)
def test_an_absent_application_is_still_checked(gone: dict[str, Any], key: str, value: Any, sentence: str) -> None:
    assert only([changed(gone, key, value)]).startswith(sentence)


@pytest.mark.parametrize("state", ["gone", "Absent", None, "", True, ["absent"], {"absent": 1}])
def test_an_unknown_state_is_refused(entry: dict[str, Any], state: Any) -> None:
    assert only([{**entry, "state": state}]) == f"{HERE}state: {state!r}: write present or absent"


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("value", ["yes", None, 0, 1, [True]])
def test_remove_data_must_be_true_or_false(entry: dict[str, Any], state: str, value: Any) -> None:
    sentence = f"{HERE}remove_data: {value!r}: write true or false"
    assert only([{**entry, "state": state, "remove_data": value}]) == sentence


@pytest.mark.parametrize("state", [{}, {"state": "present"}])
def test_data_of_a_present_application_is_never_removed(entry: dict[str, Any], state: dict[str, str]) -> None:
    assert checks.objections([{**entry, **state, "remove_data": False}]) == []
    assert only([{**entry, **state, "remove_data": True}]) == (
        f"{HERE}remove_data: the application is not absent; add state: absent, or remove this key"
    )


def test_an_application_to_remove_frees_its_host_names_and_ports(entry: dict[str, Any], gone: dict[str, Any]) -> None:
    other = changed(changed(entry, "name", "world"), "run.listen_http", "127.0.0.1:9000")
    old = changed(gone, "run.listen_http", "127.0.0.1:9000")
    assert checks.objections([old, other]) == []


def test_no_application_is_present_and_absent(entry: dict[str, Any], gone: dict[str, Any]) -> None:
    assert only([entry, gone]) == "wsgi_apps: two entries, hello and hello, have the name hello; change one"


def test_an_application_is_present_unless_its_state_is_absent(entry: dict[str, Any], gone: dict[str, Any]) -> None:
    there = {**second(entry), "state": "present"}
    assert role_inputs.present([entry, {**gone, "name": "gone"}, there]) == [entry, there]
    assert role_inputs.absent([entry, {**gone, "name": "gone"}, there]) == [{"name": "gone", "remove_data": False}]
    assert role_inputs.present([]) == role_inputs.absent([]) == []


@pytest.mark.parametrize("remove_data", [True, False])
def test_remove_data_of_an_absent_application_is_passed_on(gone: dict[str, Any], remove_data: bool) -> None:
    found = role_inputs.absent([{**gone, "remove_data": remove_data}])
    assert found == [{"name": "hello", "remove_data": remove_data}]


SITE: dict[str, Any] = {"name": "hello", "server_names": ["hello.example.org"], "servers": ["127.0.0.1:8001"]}
STATIC = {"path": "/static/", "directory": "static/files", "immutable": True}
SHARED = {"path": "/shared/", "directory": "/srv/shared"}
UPLOADS = {"path": "/media/", "directory": "media"}
SETTINGS: dict[str, Any] = {
    "headers": {},
    "trusted_proxies": [],
    "tls_profile": "intermediate",
    "acme_directory": "https://acme.example.org/directory",
    "acme_email": "",
    "status": "",
    "snippet": "",
}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, None),
        ({"status": "[::1]:8099", "trusted_proxies": ["10.0.0.0/8"], "headers": {"X-Y": "z"}}, None),
        ({"status": "0.0.0.0:8099"}, "nginx_status: '0.0.0.0:8099': this must be a loopback address; "),
        ({"status": "8099"}, "nginx_status: '8099': write an IP address and a port, such as 127.0.0.1:9000"),
        ({"trusted_proxies": ["cdn"]}, "nginx_trusted_proxies: ['cdn']: 'cdn' is not a network"),
        ({"headers": {"Server": "x"}}, "nginx_headers: {'Server': 'x'}: Server is set by the role; leave it"),
        ({"sites": [{**SITE, "max_body_size": "x"}]}, "nginx_sites (hello): max_body_size: 'x': write an amount"),
        ({"sites": [SITE, {**SITE, "name": "world"}]}, "nginx_sites: two sites, hello and world, have the host name"),
        (
            {"sites": [SITE, {**SITE, "server_names": ["b.org"]}]},
            "nginx_sites: two sites, hello and hello, have the name",
        ),
        ({"acme_email": "ops@example.org"}, None),
        ({"acme_email": "ops"}, "nginx_acme_email: 'ops': write one address, such as ops@example.com"),
        ({"acme_directory": "http://acme"}, "nginx_acme_directory: 'http://acme': write an address that begins with"),
        ({"acme_directory": ""}, "nginx_acme_directory: '': write an address that begins with https://"),
        ({"sites": [{**SITE, "tls": {"source": "acme"}}]}, None),
        (
            {"sites": [{**SITE, "tls": {"source": "acme", "key": "/a"}}]},
            "nginx_sites (hello): tls.key: acme has its own",
        ),
        ({"sites": [{**SITE, "static": [{"path": "/static/", "directory": "/srv/static"}]}]}, None),
        (
            {"sites": [{**SITE, "static": [{"path": "/static/", "directory": "static"}]}]},
            "nginx_sites (hello): static: 'static': write an absolute path",
        ),
        (
            {"sites": [{**SITE, "static": [{"path": "/static/", "directory": "/srv/new", "previous": "old"}]}]},
            "nginx_sites (hello): static: 'old': write an absolute path",
        ),
        (
            {"sites": [{**SITE, "static": [SHARED, {"path": "static", "directory": "/srv/static"}]}]},
            "nginx_sites (hello): static[1]: path 'static': write a path that begins and ends with /",
        ),
        (
            {"sites": [{**SITE, "static": [SHARED], "uploads": [SHARED]}]},
            "nginx_sites (hello): static, uploads and routes: two have the path /shared/; change one",
        ),
        (
            {"sites": [{**SITE, "tls": {"http3": True}}]},
            "nginx_sites (hello): tls.http3: this needs a certificate",
        ),
        (
            {"sites": [{**SITE, "uploads": [{"path": "/media/", "directory": "media"}]}]},
            "nginx_sites (hello): uploads: 'media': write an absolute path",
        ),
        (
            {"sites": [{**SITE, "basic_auth": {"alice": "hunter2"}}]},
            "nginx_sites (hello): basic_auth: the password of alice is too short",
        ),
    ],
)
def test_input_of_the_nginx_role_is_checked_too(settings: dict[str, Any], sentence: str | None) -> None:
    given = {**SETTINGS, "sites": [SITE], **settings}
    complete = [specification.with_defaults(site, specification.input_spec("nginx")) for site in given["sites"]]
    found = checks.nginx_objections({**given, "sites": complete})
    assert [one[: len(sentence or "")] for one in found] == ([sentence] if sentence else [])


@pytest.mark.parametrize(
    ("key", "address", "other_key", "other_address"),
    [
        ("listen_http", "127.0.0.1:9000", "listen_http", "127.0.0.1:9000"),
        ("listen_http", "127.0.0.1:9000", "listen_http", "[::1]:9000"),
    ],
)
def test_two_applications_cannot_share_a_port(
    entry: dict[str, Any], key: str, address: str, other_key: str, other_address: str
) -> None:
    one = changed(entry, f"run.{key}", address)
    other = changed(second(entry), f"run.{other_key}", other_address)
    assert only([one, other]) == "wsgi_apps: two entries, hello and world, have the port 9000; change one"


def test_defaults_and_types_are_those_of_the_role() -> None:
    values = specification.with_defaults({"callable": "main:app", "harakiri": "30"}, specification.section_spec("run"))
    assert values["harakiri"] == 30
    assert values["start_timeout"] == 60
    assert values["package"] == "pyuwsgi"
    assert values["env"] == {}


def test_the_input_of_a_role_has_its_types_and_defaults() -> None:
    given: list[dict[str, Any]] = [
        {"name": "hello", "source": "app", "env": {"A": 1}},
        {"name": "world", "source": "b", "extras": "c"},
    ]
    before = deepcopy(given)
    shared = {"include": [], "dependencies": "", "python": "python3", "commands": [], "revision": "", "run_env": True}
    assert specification.inputs(given, "python_app") == [
        {"name": "hello", "source": "app", "env": {"A": 1}, "extras": [], **shared},
        {"name": "world", "source": "b", "env": {}, "extras": ["c"], **shared},
    ]
    assert given == before
    assert specification.inputs([], "python_app") == []


@pytest.mark.parametrize(
    ("app", "word"),
    [
        ({"name": "hello"}, "source"),
        ({"source": "app"}, "name"),
        ({"name": "hello", "source": "app", "commands": {"a": "b"}}, "commands"),
        ({"name": "hello", "source": "app", "sauce": "x"}, "sauce"),
        ({"name": "hello", "source": "app", 5: "x"}, "quote it"),
    ],
)
def test_invalid_input_of_a_role_is_an_error_that_names_the_key(app: dict[Any, Any], word: str) -> None:
    with pytest.raises(Failed, match=word):
        specification.inputs([app], "python_app")


def test_workers_and_timers_have_the_defaults_of_the_role() -> None:
    (_, workers), (_, timers) = parts("workers"), parts("timers")
    given = {"callable": "main:app", "workers": workers, "timers": timers}
    values = specification.with_defaults(given, specification.section_spec("run"))
    assert values["workers"] == [
        {
            "name": "one",
            "command": "python -m one",
            "stop_timeout": 300,
            "exclusive": False,
            "every_host": True,
            "listen": False,
            "probe": {"path": "/", "status": []},
        }
    ]
    assert values["timers"] == [
        {"name": "one", "command": "python -m one", "on_calendar": "daily", "every_host": False}
    ]


@pytest.mark.parametrize("given", [{}, {"probe": {}, "hardening": {}}])
def test_a_nested_section_has_all_its_defaults(given: dict[str, Any]) -> None:
    values = specification.with_defaults({"callable": "main:app", **given}, specification.section_spec("run"))
    assert values["probe"] == asdict(Probe())
    assert values["hardening"] == {
        "memory_deny_write_execute": False,
        "address_families": ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"],
        "networks": [],
        "writable_paths": [],
        "groups": [],
        "system_calls": [],
    }


def test_values_of_a_nested_section_are_merged_with_its_defaults() -> None:
    given = {"callable": "main:app", "probe": {"path": "/health", "tries": "9"}}
    values = specification.with_defaults(given, specification.section_spec("run"))
    assert values["probe"] == asdict(Probe("/health", tries=9))


def test_a_value_of_the_wrong_type_is_an_error_that_names_the_key() -> None:
    with pytest.raises(Failed, match="harakiri"):
        specification.with_defaults({"callable": "main:app", "harakiri": "soon"}, specification.section_spec("run"))


@pytest.mark.parametrize("listen_http", ["", None])
def test_a_load_balancer_needs_an_address_for_the_application(entry: dict[str, Any], listen_http: str | None) -> None:
    entry["run"]["listen_http"] = listen_http
    (sentence,) = checks.unreachable([entry], "lb", ["app1"])
    assert sentence.startswith("wsgi_apps (hello): run.listen_http is missing: the load balancer lb")
    assert "such as 0.0.0.0:9000" in sentence


@pytest.mark.parametrize("address", ["127.0.0.1:9000", "[::1]:9000"])
def test_a_load_balancer_cannot_reach_another_host_on_loopback(entry: dict[str, Any], address: str) -> None:
    (sentence,) = checks.unreachable([changed(entry, "run.listen_http", address)], "lb", ["app1"])
    assert "run.listen_http" in sentence
    assert address in sentence


def test_a_load_balancer_that_is_an_app_server_needs_no_address(entry: dict[str, Any]) -> None:
    assert checks.unreachable([entry], "app1", ["app1", "app2"]) == []


def test_a_load_balancer_reaches_an_application_at_its_address(entry: dict[str, Any]) -> None:
    assert checks.unreachable([changed(entry, "run.listen_http", "0.0.0.0:9000")], "lb", ["app1"]) == []


def test_a_load_balancer_need_not_reach_an_application_that_it_does_not_serve(entry: dict[str, Any]) -> None:
    assert checks.unreachable([without(entry, "serve")], "lb", ["app1"]) == []


def test_a_load_balancer_need_not_reach_an_absent_application(entry: dict[str, Any]) -> None:
    assert checks.unreachable([{**entry, "state": "absent"}], "lb", ["app1"]) == []


@pytest.mark.parametrize("host", ["app1", "lb"])
def test_an_absent_application_with_only_a_name_passes_on_every_host(host: str) -> None:
    assert checks.unreachable([{"name": "hello", "state": "absent"}], host, ["app1"]) == []


@pytest.mark.parametrize(
    ("distribution", "version"), [("Debian", "12"), ("Debian", "12.11"), ("Debian", "13.0"), ("Ubuntu", "24.04")]
)
def test_a_supported_operating_system_passes(distribution: str, version: str) -> None:
    assert checks.unsupported(distribution, version) is None


@pytest.mark.parametrize(
    ("distribution", "version"),
    [("Debian", "11"), ("Debian", "1"), ("Debian", "120"), ("Ubuntu", "22.04"), ("Ubuntu", "24.10"), ("Fedora", "42")],
)
def test_an_unsupported_system_is_refused_with_the_supported_ones(distribution: str, version: str) -> None:
    assert checks.unsupported(distribution, version) == (
        f"{distribution} {version} is not supported; use one of Debian 12, Debian 13, Ubuntu 24.04"
    )


HOSTS = {"app1": {"ansible_host": "192.0.2.1"}, "app2": {}, "lb": {"ansible_host": "192.0.2.9"}}


def test_a_load_balancer_that_is_an_app_server_uses_its_own_socket(entry: dict[str, Any]) -> None:
    assert role_inputs.sites([entry], "app1", ["app1", "app2"], HOSTS) == [
        {
            "name": "hello",
            "server_names": ["hello.example.org"],
            "protocol": "uwsgi",
            "servers": ["unix:/srv/hello/current/socket"],
            "read_timeout": 65,
            "static": [],
            "uploads": [],
        }
    ]


def test_files_are_served_from_the_live_and_the_previous_release(entry: dict[str, Any]) -> None:
    entry["serve"].update(static=[STATIC, SHARED], uploads=[SHARED, UPLOADS])
    (site,) = role_inputs.sites([entry], "app1", ["app1"], HOSTS)
    assert site["static"] == [
        {
            "path": "/static/",
            "directory": "/srv/hello/current/static/static",
            "previous": "/srv/hello/previous/static/static",
            "immutable": True,
        },
        SHARED,
    ]
    assert site["uploads"] == [SHARED, {"path": "/media/", "directory": "/srv/hello/data/media"}]
    assert entry["serve"]["static"] == [STATIC, SHARED]


def test_an_application_on_another_host_serves_its_own_files(entry: dict[str, Any]) -> None:
    entry["serve"].update(static=[STATIC, SHARED], uploads=[SHARED, UPLOADS])
    (site,) = role_inputs.sites([changed(entry, "run.listen_http", "0.0.0.0:9000")], "lb", ["app1"], HOSTS)
    assert (site["static"], site["uploads"]) == ([SHARED], [SHARED])


@pytest.mark.parametrize("setting", ["static", "uploads"])
def test_an_empty_list_of_files_is_accepted(entry: dict[str, Any], setting: str) -> None:
    (site,) = role_inputs.sites([changed(entry, f"serve.{setting}", None)], "app1", ["app1"], HOSTS)
    assert site[setting] == []


def test_a_site_has_the_settings_of_its_entry(entry: dict[str, Any]) -> None:
    more = {"tls": {"source": "acme"}, "cache_seconds": 30, "basic_auth": {"alice": "hunter2hunter2"}}
    entry["serve"].update(more)
    (site,) = role_inputs.sites([entry], "app1", ["app1"], HOSTS)
    assert {key: site[key] for key in more} == more


@pytest.mark.parametrize(
    ("serve", "public"),
    [
        ({}, []),
        ({"uploads": []}, []),
        ({"uploads": [UPLOADS, SHARED, {"path": "/b/", "directory": "a/b/"}]}, ["media", "a/b"]),
        ({"static": [STATIC]}, []),
    ],
)
def test_uploads_in_the_data_of_an_application_are_public(
    entry: dict[str, Any], serve: dict[str, Any], public: list[str]
) -> None:
    complete = specification.with_defaults({**entry["serve"], **serve}, specification.section_spec("serve"))
    assert role_inputs.public_data(complete) == public


def test_any_other_load_balancer_uses_http_to_all_app_servers(entry: dict[str, Any]) -> None:
    (site,) = role_inputs.sites([changed(entry, "run.listen_http", "0.0.0.0:9000")], "lb", ["app1", "app2"], HOSTS)
    assert (site["protocol"], site["servers"]) == ("http", ["192.0.2.1:9000", "app2:9000"])


def test_an_ipv6_address_of_an_app_server_is_in_brackets(entry: dict[str, Any]) -> None:
    hosts = {"app1": {"ansible_host": "2001:db8::1"}}
    (site,) = role_inputs.sites([changed(entry, "run.listen_http", "[::]:9000")], "lb", ["app1"], hosts)
    assert site["servers"] == ["[2001:db8::1]:9000"]


@pytest.mark.parametrize("harakiri", [1, 60, "120"])
def test_nginx_waits_longer_than_uwsgi(entry: dict[str, Any], harakiri: Any) -> None:
    (site,) = role_inputs.sites([changed(entry, "run.harakiri", harakiri)], "app1", ["app1"], HOSTS)
    assert site["read_timeout"] > int(harakiri)


def test_an_app_without_serve_has_no_site(entry: dict[str, Any]) -> None:
    assert role_inputs.sites([without(entry, "serve")], "app1", ["app1"], HOSTS) == []


HELLO, WORLD = {"host": "hello.example.org", "path": "/health"}, {"host": "world.example.org"}
GROUPS = {"app_servers": ["app1", "app2"], "load_balancers": ["lb"]}
TOGETHER = {"app_servers": ["app1", "app2"], "load_balancers": ["app1"]}


def switched(**probes: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of a host on which applications went live that have `probes`."""
    return {"uwsgi_switched": {"switched": [{"name": name, "probe": probe} for name, probe in probes.items()]}}


def test_a_load_balancer_asks_its_nginx_for_applications_that_went_live(entry: dict[str, Any]) -> None:
    hosts = {"app1": switched(hello=HELLO), "app2": switched(hello=HELLO), "lb": {}}
    with_port = changed(entry, "run.listen_http", "0.0.0.0:9000")
    assert role_inputs.fronts([with_port], "lb", GROUPS, hosts) == [
        {"name": "hello", "address": "127.0.0.1:80", "probe": HELLO}
    ]


@pytest.mark.parametrize(
    ("tls", "port"),
    [
        (None, 80),
        ({}, 80),
        ({"hsts": 0}, 80),
        ({"source": "none"}, 80),
        *(({"source": source}, 443) for source in ("own", "host", "acme", "self_signed")),
    ],
)
def test_a_load_balancer_asks_its_nginx_as_a_visitor_would(entry: dict[str, Any], tls: Any, port: int) -> None:
    hosts = {"app1": switched(hello=HELLO), "app2": {}, "lb": {}}
    (front,) = role_inputs.fronts([changed(entry, "serve.tls", tls)], "lb", GROUPS, hosts)
    assert front == {"name": "hello", "address": f"127.0.0.1:{port}", "probe": HELLO}


def test_a_site_below_a_path_is_asked_where_it_is_now(entry: dict[str, Any]) -> None:
    front = changed(entry, "serve.tls", {"source": "self_signed"})
    shop = {**changed(entry, "serve.path", "/shop/"), "name": "shop"}
    hosts = {"app1": switched(shop=HELLO), "app2": {}, "lb": {}}
    # Its release is from before it had a path; and another site says the certificate of the host name.
    assert role_inputs.fronts([front, shop], "lb", GROUPS, hosts) == [
        {"name": "shop", "address": "127.0.0.1:443", "probe": {**HELLO, "prefix": "/shop"}}
    ]
    hosts["app1"] = switched(hello={**HELLO, "prefix": "/shop"})
    (found,) = role_inputs.fronts([front, shop], "lb", GROUPS, hosts)
    assert found["probe"]["prefix"] == ""


def test_an_app_server_asks_its_port_over_http_even_if_nginx_uses_tls(
    entry: dict[str, Any],
) -> None:
    entry["serve"]["tls"] = {"source": "acme"}
    with_port = changed(entry, "run.listen_http", "0.0.0.0:9000")
    (front,) = role_inputs.fronts([with_port], "app1", GROUPS, {"app1": switched(hello=HELLO)})
    assert front["address"] == "0.0.0.0:9000"


def test_an_app_server_asks_its_own_port(entry: dict[str, Any]) -> None:
    hosts = {"app1": switched(hello=WORLD), "app2": switched(hello=HELLO), "lb": {}}
    with_port = changed(entry, "run.listen_http", "0.0.0.0:9000")
    assert role_inputs.fronts([with_port], "app2", GROUPS, hosts) == [
        {"name": "hello", "address": "0.0.0.0:9000", "probe": HELLO}
    ]


def test_a_load_balancer_that_is_an_app_server_asks_its_nginx(entry: dict[str, Any]) -> None:
    with_port = changed(entry, "run.listen_http", "0.0.0.0:9000")
    (front,) = role_inputs.fronts([with_port], "app1", TOGETHER, {"app1": switched(hello=HELLO)})
    assert front["address"] == "127.0.0.1:80"


def test_an_app_server_without_a_port_has_no_front_door(entry: dict[str, Any]) -> None:
    assert role_inputs.fronts([entry], "app2", TOGETHER, {"app2": switched(hello=HELLO)}) == []


def test_an_application_without_nginx_is_asked_at_its_port(entry: dict[str, Any]) -> None:
    alone = changed(without(entry, "serve"), "run.listen_http", "127.0.0.1:9000")
    hosts = {"app1": switched(hello=HELLO), "app2": {}, "lb": {}}
    (front,) = role_inputs.fronts([alone], "app1", TOGETHER, hosts)
    assert front["address"] == "127.0.0.1:9000"
    assert role_inputs.fronts([alone], "lb", GROUPS, hosts) == []


@pytest.mark.parametrize("variables", [switched(), switched(world=WORLD), {"uwsgi_switched": {"skipped": True}}])
def test_only_live_applications_are_asked(entry: dict[str, Any], variables: dict[str, Any]) -> None:
    assert role_inputs.fronts([entry], "app1", TOGETHER, {"app1": variables}) == []


def test_before_the_switch_the_probe_of_the_entry_is_used(entry: dict[str, Any]) -> None:
    entry["run"]["probe"] = {"path": "/health", "tries": "2"}
    (front,) = role_inputs.fronts([entry], "app1", TOGETHER, {"app1": {}})
    expected = {"host": "hello.example.org", "path": "/health", "tries": 2}
    assert {key: front["probe"][key] for key in expected} == expected


def test_each_app_gets_its_own_probe(entry: dict[str, Any]) -> None:
    hosts = {"app1": switched(world=WORLD, hello=HELLO)}
    found = role_inputs.fronts([entry, second(entry)], "app1", TOGETHER, hosts)
    assert [(front["name"], front["probe"]) for front in found] == [("hello", HELLO), ("world", WORLD)]


def test_a_load_balancer_asks_even_if_the_first_app_server_is_not_in_the_run(entry: dict[str, Any]) -> None:
    hosts = {"app1": {}, "app2": switched(hello=HELLO), "lb": {}}
    assert len(role_inputs.fronts([entry], "lb", GROUPS, hosts)) == 1


def test_a_static_directory_that_is_not_in_the_source_is_refused(entry: dict[str, Any]) -> None:
    source = Path(entry["build"]["source"])
    served = changed(entry, "serve.static", [{"path": "/static/", "directory": "web/dist/"}])
    place = f"{HERE}serve.static: 'web/dist': the build has no such directory: "
    assert only([served]) == f"{place}put it there, or create it with build.commands"
    (source / "web/dist").mkdir(parents=True)
    (source / "web/dist/app.js").touch()
    assert checks.objections([served]) == []
    (source / ".gitignore").write_text("dist\n")
    git(source, "init", "--quiet")
    assert only([served]) == f"{place}git ignores it; add it to build.include, or create it with build.commands"
    assert checks.objections([changed(served, "build.include", ["web/dist/"])]) == []


def test_a_static_directory_that_commands_may_create_is_not_checked(entry: dict[str, Any]) -> None:
    entry["build"]["commands"] = ["npm run build"]
    assert checks.objections([changed(entry, "serve.static", [{"path": "/static/", "directory": "dist"}])]) == []
