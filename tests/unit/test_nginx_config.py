"""What the configuration of NGINX promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import nginx_text
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.layout import CACHES
from ansible_collections.wsgi.production.plugins.module_utils.nginx import MaintenanceFlag
from ansible_collections.wsgi.production.plugins.plugin_utils import certificates, nginx_config
from ansible_collections.wsgi.production.plugins.plugin_utils.specification import input_spec, with_defaults
from tests.unit.fakes import certify

LOCAL: dict[str, Any] = {
    "name": "hello",
    "server_names": ["hello.example.org", "www.hello.example.org"],
    "servers": ["unix:/srv/hello/current/socket"],
    "protocol": "uwsgi",
    "read_timeout": 65,
}
REMOTE: dict[str, Any] = {
    "name": "world",
    "server_names": ["world.example.org"],
    "servers": ["192.0.2.1:9000", "192.0.2.2:9000"],
    "protocol": "http",
    "read_timeout": 35,
}


HOST = {"source": "host", "certificate": "/etc/ssl/hello.crt", "key": "/etc/ssl/hello.key"}
SECURE: dict[str, Any] = {**LOCAL, "tls": HOST}
PLAIN = ["80", "[::]:80"]
CLOSED: dict[str, Any] = {"allowed_networks": ["10.0.0.0/8"], "basic_auth": {"alice": "hunter2hunter2"}}

SETTINGS: dict[str, Any] = {
    "headers": {},
    "trusted_proxies": [],
    "tls_profile": "intermediate",
    "acme_directory": "https://acme.example.org/directory",
    "acme_email": "",
    "status": "",
    "snippet": "",
}


def texts(sites: list[dict[str, Any]], **settings: Any) -> dict[str, str]:
    """Return the configurations of `sites`, each completed as the role completes them."""
    complete = [with_defaults(site, input_spec("nginx")) for site in sites]
    return nginx_config.render({**SETTINGS, "sites": complete, **settings})


def render(sites: list[dict[str, Any]], **settings: Any) -> str:
    """Return the configuration of `sites` for the newest NGINX."""
    return texts(sites, **settings)[nginx_config.HTTP2_ON]


def site_of(config: str) -> str:
    """Return the server block of the only site."""
    (found,) = [server for server in blocks(config, "server") if "_pass " in server]
    return found


def blocks(config: str, kind: str) -> list[str]:
    """Return the blocks of `kind` within `http`."""
    return re.findall(rf"^    {kind}\b.*?^    \}}$", config, re.MULTILINE | re.DOTALL)


def locations(server: str) -> dict[str, str]:
    """Return what is in each location of a server block."""
    return dict(re.findall(r"^        location (.*?) \{\n(.*?)^        \}", server, re.MULTILINE | re.DOTALL))


def directives(block: str, name: str) -> list[str]:
    return re.findall(rf"^\s*{name} (.*);$", block, re.MULTILINE)


@pytest.mark.parametrize("sites", [[], [LOCAL], [LOCAL, REMOTE]])
def test_an_unknown_host_name_gets_no_response(sites: list[dict[str, Any]]) -> None:
    config = render(sites)
    # If no server of a port is marked as the default, the first one is.
    tls, plain = blocks(config, "server")[:2]
    assert directives(plain, "listen") == PLAIN
    assert "80 default_server" not in config
    assert directives(plain, "return") == ["444"]
    assert directives(tls, "listen") == ["443 ssl default_server", "[::]:443 ssl default_server"]
    assert directives(tls, "ssl_reject_handshake") == ["on"]


def test_each_site_has_a_server_and_an_upstream() -> None:
    config = render([LOCAL, REMOTE])
    assert len(blocks(config, "server")) == 4
    assert [block.split()[1] for block in blocks(config, "upstream")] == ["hello", "world"]


def test_a_site_answers_to_all_of_its_host_names() -> None:
    server = site_of(render([LOCAL]))
    assert directives(server, "server_name") == ["hello.example.org www.hello.example.org"]


def test_a_uwsgi_site_uses_the_uwsgi_protocol() -> None:
    server = site_of(render([LOCAL]))
    assert directives(server, "uwsgi_pass") == ["hello"]
    assert directives(server, "uwsgi_read_timeout") == ["65s"]
    assert "proxy_pass" not in server


def test_an_http_site_uses_http() -> None:
    server = site_of(render([REMOTE]))
    assert directives(server, "proxy_pass") == ["http://world"]
    assert directives(server, "proxy_read_timeout") == ["35s"]
    assert "uwsgi_pass" not in server


PASSED = {
    "Host": "$host$visitor_port",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Proto": "$visitor_scheme",
    "X-Request-Id": "$visitor_request_id",
    "Proxy": '""',
    "X-Forwarded-Host": '""',
    "X-Wsgi-Verify": '""',
}


@pytest.mark.parametrize(("header", "value"), PASSED.items())
def test_only_nginx_sets_the_headers_about_a_request(header: str, value: str) -> None:
    assert f"{header} {value}" in directives(render([]), "proxy_set_header")
    parameter = f"HTTP_{header.upper().replace('-', '_')}"
    assert f"{parameter} {value} if_not_empty" in directives(render([]), "uwsgi_param")


@pytest.mark.parametrize("site", [LOCAL, REMOTE])
def test_no_site_sets_request_headers_of_its_own(site: dict[str, Any]) -> None:
    # NGINX drops all common directives for a site that has one of its own.
    assert not re.search("uwsgi_param|proxy_set_header", site_of(render([site])))


def test_identity_headers_are_believed_only_from_a_known_proxy() -> None:
    config = render([])
    for header in nginx_config.BELIEVED:
        name = header.lower().replace("-", "_")
        assert f'    map $behind_proxy $believed_{name} {{ default ""; 1 $http_{name}; }}\n' in config
        assert f"{header} $believed_{name}" in directives(config, "proxy_set_header")


@pytest.mark.parametrize(("users", "has"), [({}, 0), ({"alice": "hunter2hunter2"}, 1)])
def test_the_password_for_a_site_does_not_reach_its_application(users: dict[str, str], has: int) -> None:
    config = render([{**LOCAL, "basic_auth": users}])
    assert f"$has_passwords {has}" in directives(site_of(config), "set")
    assert maps(config)["passed_authorization"] == ("$has_passwords", ["default $http_authorization", '1 ""'])
    assert "Authorization $passed_authorization" in directives(config, "proxy_set_header")


@pytest.mark.parametrize("site", [LOCAL, REMOTE])
def test_each_server_is_used_the_least_busy_first(site: dict[str, Any]) -> None:
    (upstream,) = blocks(render([site]), "upstream")
    assert directives(upstream, "server") == site["servers"]
    assert upstream.splitlines()[1].strip() == "least_conn;"


def test_every_block_is_closed() -> None:
    config = render([LOCAL, REMOTE])
    assert config.count("{") == config.count("}")
    assert config.endswith("}\n")


def test_same_sites_give_the_same_text() -> None:
    assert render([LOCAL, REMOTE]) == render([dict(LOCAL), dict(REMOTE)])


# A site without a path answers for the whole of its host names.
@pytest.mark.parametrize("key", sorted({*input_spec("nginx")} - {"path"}))
def test_an_incomplete_site_is_never_rendered(key: str) -> None:
    site = with_defaults({**REMOTE, "requests_per_second": 1, "connections": 1}, input_spec("nginx"))
    incomplete = {word: value for word, value in site.items() if word != key}
    with pytest.raises((Failed, KeyError)):
        nginx_config.render({**SETTINGS, "sites": [incomplete]})


def test_snippets_are_marked_so_that_errors_can_be_traced_to_them() -> None:
    config = render([{**LOCAL, "snippet": "one 1;\ntwo 2;\n"}, REMOTE], snippet="three 3;\nfour 4;")
    assert site_of(render([{**LOCAL, "snippet": "one 1;\ntwo 2;\n"}])).endswith(
        "        # from hello: snippet\n        one 1;\n        two 2;\n    }"
    )
    assert "    # from nginx_snippet\n    three 3;\n    four 4;\n\n    # site hello\n    # from hello\n" in config
    assert config.count("snippet") == 2


def test_a_default_site_answers_to_names_that_no_site_has() -> None:
    config = render([{**LOCAL, "default": True}, REMOTE])
    defaults = [server for server in blocks(config, "server") if "80 default_server" in server]
    assert [directives(server, "uwsgi_pass") for server in defaults] == [["hello"]]


ALIASES = ["old.example.org", "older.example.org"]


def alias_of(config: str) -> str:
    """Return the server block of the only aliases."""
    (found,) = [server for server in blocks(config, "server") if "old.example.org" in server]
    return found


def test_an_alias_redirects_to_the_main_name() -> None:
    alias = alias_of(render([{**LOCAL, "aliases": ALIASES}]))
    assert directives(alias, "server_name") == [" ".join(ALIASES)]
    assert directives(alias, "listen") == PLAIN
    assert directives(alias, "return") == ["308 $visitor_scheme://hello.example.org$visitor_port$request_uri"]


@pytest.mark.parametrize(
    ("redirect", "target"),
    [
        (True, "https://hello.example.org$request_uri"),
        (False, "$visitor_scheme://hello.example.org$visitor_port$request_uri"),
    ],
)
def test_an_alias_over_https_leads_to_the_main_name_in_one_step(redirect: bool, target: str) -> None:
    alias = alias_of(render([{**SECURE, "aliases": ALIASES, "tls": {**HOST, "redirect": redirect}}]))
    assert directives(alias, "listen") == [*PLAIN, "443 ssl", "[::]:443 ssl"]
    assert directives(alias, "ssl_certificate") == ["/etc/ssl/hello.crt"]
    assert directives(alias, "ssl_certificate_key") == ["/etc/ssl/hello.key"]
    assert directives(alias, "return") == [f"308 {target}"]


def test_an_alias_is_no_default_site() -> None:
    config = render([{**SECURE, "aliases": ALIASES, "default": True}])
    assert "default_server" not in alias_of(config)
    assert directives(config, "listen").count("80 default_server") == 1


def maps(config: str) -> dict[str, tuple[str, list[str]]]:
    """Return of each map the variable that it reads, and its lines."""
    found = re.findall(r"^    map (\S+|\"[^\n]*\") \$(\w+) \{\n(.*?)^    \}", config, re.MULTILINE | re.DOTALL)
    return {name: (source, [line.strip(" ;") for line in body.splitlines()]) for source, name, body in found}


def test_a_header_is_added_if_the_application_does_not_set_it() -> None:
    site = {**LOCAL, "headers": {"X-Frame-Options": "DENY", "X-Odd": 'a "b" \\c', "Referrer-Policy": ""}}
    common = {"X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}
    config = render([site], headers=common)
    headers = dict(line.removesuffix(" always").split(" $") for line in directives(site_of(config), "add_header"))
    known = maps(config)
    values = {name: known[variable] for name, variable in headers.items() if variable.startswith("site_")}
    assert values == {
        "X-Frame-Options": ("$upstream_http_x_frame_options", ['default ""', '"" "DENY"']),
        "X-Content-Type-Options": ("$upstream_http_x_content_type_options", ['default ""', '"" "nosniff"']),
        "X-Odd": ("$upstream_http_x_odd", ['default ""', r'"" "a \"b\" \\c"']),
    }
    for setting, header in (("nginx_headers", "x_content_type_options"), ("hello: headers", "x_frame_options")):
        assert f"    # from {setting}\n    map $upstream_http_{header} $site_hello_{header} {{\n" in config


@pytest.mark.parametrize("name", ["X-Frame-Options", "x-frame-options"])
def test_a_header_is_set_once_in_any_spelling(name: str) -> None:
    config = render([{**LOCAL, "headers": {name: "DENY"}}], headers={"X-Frame-Options": "SAMEORIGIN"})
    said = [line for line in directives(site_of(config), "add_header") if "x_frame_options" in line]
    assert said == [f"{name} $site_hello_x_frame_options always"]
    assert "SAMEORIGIN" not in config


def added(config: str, name: str, variable: str) -> tuple[str, list[str]]:
    """Return when the header `name` is added, for which NGINX looks into `variable`, and its values."""
    assert f"{name} ${variable} always" in directives(site_of(config), "add_header")
    return maps(config)[variable]


def test_the_content_security_policy_of_a_site_covers_the_application_and_its_files() -> None:
    config = render([{**LOCAL, "content_security_policy": "default-src 'self'"}])
    assert added(config, "Content-Security-Policy", "site_hello_content_security_policy") == (
        "$served$upstream_http_content_security_policy",
        ['default ""', *(f"{case} \"default-src 'self'\"" for case in ('""', "changing", "fallback", "immutable"))],
    )
    assert "    # from hello: content_security_policy\n    map $served$upstream_http_" in config


@pytest.mark.parametrize("site", [LOCAL, {**LOCAL, "content_security_policy": "default-src 'self'"}])
def test_files_that_nginx_serves_have_their_own_content_security_policy(site: dict[str, Any]) -> None:
    source, lines = added(render([site]), "Content-Security-Policy", "served_policy")
    assert source == "$served"
    values = dict(line.split(" ", 1) for line in lines)
    assert values.keys() == {"default", "uploads", "page"}
    # No script of a visitor runs with the rights of the site.
    assert "script-src" not in values["uploads"] and values["uploads"].endswith(' sandbox"')
    assert all(values[kind].startswith("\"default-src 'none'; ") for kind in ("uploads", "page"))


def test_limits_apply_to_each_client_but_not_to_the_health_path() -> None:
    site = {**LOCAL, "requests_per_second": 5, "burst": 7, "connections": 3, "health": "/health"}
    config = render([site])
    assert directives(config, "limit_req_zone") == ["$visitor zone=hello_requests:10m rate=5r/s"]
    assert directives(config, "limit_conn_zone") == ["$visitor zone=hello_connections:10m"]
    known = locations(site_of(config))
    limits = {path: (directives(body, "limit_req"), directives(body, "limit_conn")) for path, body in known.items()}
    assert limits == {
        "@hello.page": ([], []),
        "= /health": ([], []),
        "^~ /.challenge/": ([], []),
        "/": (["zone=hello_requests burst=7 nodelay"], ["hello_connections 3"]),
    }
    assert directives(known["= /health"], "uwsgi_pass") == ["hello"]


def test_only_allowed_networks_see_a_site() -> None:
    config = render([{**LOCAL, "name": "a-b", "allowed_networks": ["10.0.0.0/8"]}])
    assert "geo $site_a_b_known {\n        default 0;\n        10.0.0.0/8 1;\n    }" in config
    assert maps(config)["site_a_b_refused"] == ("$verifies$site_a_b_known", ["default 0", "00 1"])
    assert "set $refused $site_a_b_refused;" in site_of(config)
    assert "if ($refused) {\n            return 403;" in site_of(config)
    assert "set $refused 0;" in site_of(render([LOCAL]))


def test_only_a_known_proxy_is_believed() -> None:
    config = render([LOCAL], trusted_proxies=["192.0.2.0/24", "2001:db8::/32"])
    assert directives(config, "set_real_ip_from") == ["192.0.2.0/24", "2001:db8::/32"]
    # Of several proxies in a row, the first that is not known is the client.
    assert directives(config, "real_ip_recursive") == ["on"]
    assert "geo $realip_remote_addr $behind_proxy {\n        default 0;\n        192.0.2.0/24 1;" in config


def test_the_version_is_hidden_and_session_tickets_are_off() -> None:
    config = render([SECURE])
    assert directives(config, "server_tokens") == ["off"]
    assert set(directives(config, "ssl_session_tickets")) == {"off"}


def test_the_number_of_connections_is_reported_at_the_status_address() -> None:
    assert "stub_status" not in render([LOCAL])
    assert "listen 127.0.0.1:8099;" in render([LOCAL], status="127.0.0.1:8099")


# TLS


def test_a_site_without_a_certificate_is_served_only_over_http() -> None:
    server = site_of(render([LOCAL]))
    assert directives(server, "listen") == PLAIN
    assert "ssl" not in server
    assert "$insecure" not in server
    assert "Strict-Transport-Security" not in server


def test_a_site_with_a_certificate_is_served_over_https() -> None:
    server = site_of(render([SECURE]))
    assert directives(server, "listen") == [*PLAIN, "443 ssl", "[::]:443 ssl"]
    assert directives(server, "ssl_certificate") == ["/etc/ssl/hello.crt"]
    assert directives(server, "ssl_certificate_key") == ["/etc/ssl/hello.key"]


@pytest.mark.parametrize("line", ["listen 443 ssl;", "ssl_certificate /", "return 308 https"])
def test_an_error_about_tls_is_traced_to_the_setting(line: str) -> None:
    before = render([SECURE]).partition(f"        {line}")[0]
    assert re.findall(r"# from (.*)", before)[-1] == "hello: tls"


def test_a_default_site_over_https_answers_only_to_its_own_names() -> None:
    listen = directives(site_of(render([{**SECURE, "default": True}])), "listen")
    assert listen == ["80 default_server", "[::]:80 default_server", "443 ssl", "[::]:443 ssl"]


@pytest.mark.parametrize("source", ["acme", "self_signed"])
def test_a_site_uses_the_certificate_that_the_host_places(source: str) -> None:
    site = with_defaults({**LOCAL, "tls": {"source": source}}, input_spec("nginx"))
    found = certificates.pair(site, SETTINGS["acme_directory"])
    assert found
    server = site_of(render([site]))
    assert [directives(server, f"ssl_certificate{key}") for key in ("", "_key")] == [[found[0]], [found[1]]]


def test_http_2_is_written_for_each_version_of_nginx() -> None:
    known = texts([SECURE])
    assert list(known) == ["0", "1.25.1"]
    old, new = known.values()
    assert directives(site_of(old), "listen") == [*PLAIN, "443 ssl http2", "[::]:443 ssl http2"]
    assert "http2 on" not in old
    assert directives(site_of(new), "listen") == [*PLAIN, "443 ssl", "[::]:443 ssl"]
    assert directives(site_of(new), "http2") == ["on"]
    assert old.replace(" ssl http2;", " ssl;") == new.replace("        http2 on;\n", "")


@pytest.mark.parametrize("config", texts([LOCAL]).values())
def test_without_a_certificate_there_is_no_http_2(config: str) -> None:
    assert "http2" not in config


def test_http_3_is_offered_if_it_is_set() -> None:
    assert "quic" not in render([SECURE])
    assert "Alt-Svc" not in render([SECURE])
    config = render([{**SECURE, "tls": {**HOST, "http3": True}}])
    assert directives(site_of(config), "listen") == [*PLAIN, "443 ssl", "[::]:443 ssl", "443 quic", "[::]:443 quic"]
    assert "Alt-Svc 'h3=\":443\"; ma=86400' always" in directives(site_of(config), "add_header")
    # The port is opened once, by the server that refuses unknown names.
    assert [line for line in directives(config, "listen") if "reuseport" in line] == [
        "443 quic reuseport default_server",
        "[::]:443 quic reuseport default_server",
    ]


def test_http_3_of_one_site_is_not_offered_by_another() -> None:
    config = render([{**SECURE, "tls": {**HOST, "http3": True}}, {**REMOTE, "tls": HOST}])
    (other,) = [server for server in blocks(config, "server") if "world.example.org" in server]
    assert "quic" not in other
    assert "Alt-Svc" not in other


@pytest.mark.parametrize(
    ("profile", "protocols", "ciphers"),
    [("modern", "TLSv1.3", []), ("intermediate", "TLSv1.2 TLSv1.3", [":".join(nginx_config.INTERMEDIATE)])],
)
def test_the_profile_sets_protocols_and_ciphers(profile: str, protocols: str, ciphers: list[str]) -> None:
    config = render([SECURE], tls_profile=profile)
    assert directives(config, "ssl_protocols") == [protocols]
    assert directives(config, "ssl_ciphers") == ciphers


def test_only_ciphers_with_forward_secrecy_are_offered() -> None:
    good = re.compile(r"ECDHE-(ECDSA|RSA)-(AES\d+-GCM-SHA\d+|CHACHA20-POLY1305)")
    assert len(nginx_config.INTERMEDIATE) == 6
    assert [one for one in nginx_config.INTERMEDIATE if not good.fullmatch(one)] == []


def test_http_redirects_to_https() -> None:
    config = render([{**SECURE, "allowed_networks": ["10.0.0.0/8"]}])
    server = site_of(config)
    # Requests of a run that verifies a change are answered over HTTP too.
    assert "$insecure $verifies$visitor_scheme" in directives(server, "set")
    assert "        if ($insecure = 0http) {\n            return 308 https://$host$request_uri;\n        }\n" in server
    # Before anything else is answered, so that nobody types a password over HTTP.
    assert server.index("$insecure") < min(server.index(word) for word in ("_refused", "$closed", "location /"))


def test_the_redirect_to_https_can_be_turned_off() -> None:
    assert "$insecure" not in render([{**SECURE, "tls": {**HOST, "redirect": False}}])


@pytest.mark.parametrize("redirect", [True, False])
def test_hsts_is_sent_only_over_https(redirect: bool) -> None:
    config = render([{**SECURE, "tls": {**HOST, "redirect": redirect, "hsts": 300}}])
    assert added(config, "Strict-Transport-Security", "site_hello_strict_transport_security") == (
        "$visitor_scheme$upstream_http_strict_transport_security",
        ['default ""', 'https "max-age=300"'],
    )
    assert "    # from hello: tls\n    map $visitor_scheme$upstream" in config


@pytest.mark.parametrize("tls", [{**HOST, "hsts": 0}, {"source": "self_signed"}, {"source": "none"}])
def test_hsts_is_not_sent_if_https_could_fail(tls: dict[str, Any]) -> None:
    assert "Strict-Transport-Security" not in render([{**LOCAL, "tls": tls}])


@pytest.mark.parametrize("tls", [HOST, {"source": "acme"}])
def test_hsts_is_two_years_by_default(tls: dict[str, Any]) -> None:
    config = render([{**LOCAL, "tls": tls}])
    assert 'https "max-age=63072000"' in maps(config)["site_hello_strict_transport_security"][1]


@pytest.mark.parametrize("tls", [{"source": "none"}, HOST, {"source": "acme"}])
def test_acme_challenges_are_answered_for_any_name_even_on_closed_sites(tls: dict[str, Any]) -> None:
    config = render([{**LOCAL, **CLOSED, "aliases": ALIASES, "default": True, "tls": tls}])
    servers = [
        server for server in blocks(config, "server") if {"80", "80 default_server"} & {*directives(server, "listen")}
    ]
    assert len(servers) == 3
    for server in servers:
        found = (
            "        if (-f /var/lib/wsgi/acme$uri) {\n"
            '            rewrite "^(/\\.well-known/acme-challenge/[\\w-]+)$" /.challenge$1 last;\n'
            "        }\n"
        )
        assert found in server
        others = [server.index(word) for word in ("return ", "if ($") if word in server]
        assert server.index(found) < min(others)
        challenge = locations(server)["^~ /.challenge/"]
        assert "            internal;\n            auth_basic off;\n" in challenge
        assert directives(challenge, "alias") == ["/var/lib/wsgi/acme/"]
        assert directives(challenge, "default_type") == ["text/plain"]


# Sites that are left over


def site_block(config: str, name: str) -> str:
    """Return all that the configuration has of a site."""
    return nginx_text.blocks(config)[name]


ALL: dict[str, Any] = {
    **LOCAL,
    **CLOSED,
    "aliases": ALIASES,
    "default": True,
    "headers": {"X-Odd": "one"},
    "content_security_policy": "default-src 'self'",
    "requests_per_second": 5,
    "connections": 3,
    "health": "/health",
    "static": [{"path": "/static/", "directory": "/srv/static", "previous": "/srv/before"}],
    "uploads": [{"path": "/media/", "directory": "/srv/media"}],
    "routes": [{"path": "/ws/", "servers": ["unix:/run/ws"]}, {"path": "/"}],
    "cache_seconds": 30,
    "maintenance": {"bypass": ["192.0.2.10"]},
    "snippet": "# end of site hello\n    # end of site hello\n    one 1;",
}
COMMON = {"X-Frame-Options": "SAMEORIGIN"}


def rest_of(config: str) -> str:
    """Return what the configuration has for no site."""
    return nginx_text.without(config, nginx_text.blocks(config))


@pytest.mark.parametrize("tls", [{"source": "none"}, {**HOST, "http3": True}, {"source": "acme"}])
def test_a_site_is_one_block_and_nothing_else_depends_on_it(tls: dict[str, Any]) -> None:
    sites = [{**ALL, "tls": tls}, REMOTE]
    alone, both, none = (texts(some, headers=COMMON) for some in (sites[:1], sites, []))
    for version, config in both.items():
        assert [name for name in nginx_text.blocks(config) if name != "_"] == ["hello", "world"]
        assert site_block(config, "hello") == site_block(alone[version], "hello")
        assert rest_of(config) == rest_of(alone[version]) == none[version] == texts([])[version]


def test_variables_of_a_site_with_the_longest_name_fit() -> None:
    name, header = "a" * 31, f"X-{'b' * 150}"
    config = render([{**ALL, "name": name, "headers": {header: "one"}}])
    (room,) = directives(config, "variables_hash_bucket_size")
    # NGINX adds two pointers and two bytes, and rounds up to a multiple of 8.
    assert max(map(len, re.findall(r"\$(\w+)", config))) + 2 + 8 + 16 <= int(room)


def test_without_sites_all_variables_that_nginx_reads_are_set() -> None:
    config = render([])
    # NGINX refuses a map of a variable that is never set, even if the map is not used.
    assert [variable for variable in ("served", "retry_after", "closed") if f"${variable}" in config] == ["served"]
    assert directives(config, "set") == ['$served ""', '$routed ""', "$has_passwords 0", '$script_name ""']


def test_no_snippet_ends_a_block() -> None:
    assert "            one 1;\n    }\n    # end of site hello\n" in site_block(render([ALL]), "hello")


# Files


STATIC = {"path": "/static/", "directory": "/srv/hello/current/build/app/static"}


def test_nginx_serves_static_files_itself() -> None:
    server = site_of(render([{**LOCAL, "static": [STATIC]}]))
    files = locations(server)["^~ /static/"]
    assert directives(files, "alias") == [f"{STATIC['directory']}/"]
    assert directives(files, "try_files") == ["$uri =404"]
    assert directives(files, "set") == ["$served changing"]
    assert directives(files, "gzip_static") == ["on"]
    assert "uwsgi_pass" not in files
    assert "        # from hello: static\n        location ^~ /static/ {" in server
    assert [path for path in locations(server) if path.startswith("@hello.static")] == []


def test_a_trailing_slash_makes_no_difference() -> None:
    slash = {**STATIC, "directory": f"{STATIC['directory']}/"}
    assert render([{**LOCAL, "static": [slash]}]) == render([{**LOCAL, "static": [STATIC]}])


def test_files_missing_in_a_directory_come_from_the_previous_one() -> None:
    previous = {**STATIC, "previous": "/srv/hello/previous/build/app/static"}
    server = site_of(render([{**LOCAL, "static": [{**STATIC, "path": "/other/"}, previous]}]))
    assert directives(locations(server)["^~ /other/"], "try_files") == ["$uri =404"]
    assert directives(locations(server)["^~ /static/"], "try_files") == ["$uri @hello.static.1"]
    fallback = locations(server)["@hello.static.1"]
    assert directives(fallback, "rewrite") == ["^/static/(.*)$ /$1 break"]
    assert directives(fallback, "root") == [previous["previous"]]
    assert directives(fallback, "try_files") == ["$uri =404"]


@pytest.mark.parametrize(
    ("setting", "more", "served"),
    [
        ("static", {}, "changing"),
        ("static", {"previous": "/srv/hello/previous"}, "changing"),
        ("static", {"immutable": True}, "immutable"),
        ("uploads", {}, "uploads"),
    ],
)
def test_hidden_files_and_links_of_the_application_are_not_served(
    setting: str, more: dict[str, Any], served: str
) -> None:
    config = render([{**LOCAL, setting: [{**STATIC, **more}]}])
    known = {path: body for path, body in locations(site_of(config)).items() if "static" in path}
    files = known["^~ /static/"]
    assert directives(files, "set") == [f"$served {served}"]
    assert "            if ($hidden) {\n                return 404;\n" in files
    assert maps(config)["hidden"] == ("$uri", ["default 0", r'"~^/\.well-known/(?!.*/\.)" 0', r'"~/\." 1'])
    assert len(known) == (2 if "previous" in more else 1)
    # Links in a source directory are not followed; links in uploads may lead only to files of the same owner.
    links = "if_not_owner" if setting == "uploads" else "on from=/srv/hello/current/build"
    assert directives(files, "disable_symlinks") == [links]


def test_no_link_in_a_previous_directory_is_followed_either() -> None:
    place = "/srv/hello/previous/build/app/static"
    server = site_of(render([{**LOCAL, "static": [{**STATIC, "previous": place}]}]))
    (fallback,) = [body for path, body in locations(server).items() if path.startswith("@hello.static")]
    assert directives(fallback, "disable_symlinks") == ["on from=/srv/hello/previous/build"]
    assert directives(fallback, "root") == [place]


def test_the_only_link_followed_above_a_source_directory_is_that_of_the_release() -> None:
    place = "/srv/hello/current/build/app/web/static"
    server = site_of(render([{**LOCAL, "static": [{**STATIC, "directory": place}]}]))
    files = locations(server)["^~ /static/"]
    assert directives(files, "disable_symlinks") == ["on from=/srv/hello/current/build"]


def test_uploads_are_served_beside_static_files() -> None:
    uploads = {"path": "/media/", "directory": "/srv/hello/data/media"}
    server = site_of(render([{**LOCAL, "static": [STATIC], "uploads": [uploads]}]))
    assert directives(locations(server)["^~ /media/"], "alias") == ["/srv/hello/data/media/"]
    assert directives(locations(server)["^~ /media/"], "set") == ["$served uploads"]
    assert directives(locations(server)["^~ /static/"], "set") == ["$served changing"]
    assert "        # from hello: uploads\n        location ^~ /media/ {" in server


def cache_control(served: str, uri: str) -> str:
    """Return what NGINX says of the file `uri`, reading the map as NGINX does."""
    source, lines = maps(render([LOCAL]))["served_cache_control"]
    assert source == "$served:$uri"
    for pattern, value in re.findall(r'^"?(.+?)"? ("[^"]*"|[\w-]+)$', "\n".join(lines), re.MULTILINE):
        if pattern.startswith("~") and re.search(pattern[1:], f"{served}:{uri}"):
            return str(value.strip('"'))
    return ""


YEAR = "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("served", "uri", "said"),
    [
        ("changing", "/static/app.3f9c2a17.css", YEAR),
        ("changing", "/static/js/main.chunk-0123456789abcdef.js", YEAR),
        ("changing", "/static/js/main-0123456789abcdef.chunk.js", YEAR),
        ("changing", "/static/app.css", "no-cache"),
        ("changing", "/static/app.3f9c2a1.css", "no-cache"),
        ("fallback", "/people/7", "no-cache"),
        # A word of the letters a to f is no hash, and neither is a date.
        ("changing", "/static/app.defacedfaced.css", "no-cache"),
        ("changing", "/static/app-20261124.css", "no-cache"),
        ("changing", "/static/3f9c2a17/app.css", "no-cache"),
        ("changing", "/static/app.3f9c2a17.css/index", "no-cache"),
        ("immutable", "/static/app.css", YEAR),
        ("uploads", "/media/me.3f9c2a17.png", "no-cache"),
        ("page", "/static/app.3f9c2a17.css", ""),
        ("", "/app.3f9c2a17.css", ""),
        ("", "/immutable:/app.3f9c2a17.css", ""),
    ],
)
def test_browsers_cache_only_files_that_cannot_change(served: str, uri: str, said: str) -> None:
    assert cache_control(served, uri) == said


def test_an_error_is_not_cached_like_a_file() -> None:
    assert "Cache-Control $served_cache_control" in directives(site_of(render([LOCAL])), "add_header")


# Cache


CACHED = [
    ("{}_cache", ["hello_cache"]),
    (
        "{}_cache_key",
        ['"$visitor_scheme $server_port $host$visitor_port $request_uri $http_accept $http_accept_language"'],
    ),
    ("{}_cache_valid", ["200 301 302 308 404 30s"]),
    ("{}_cache_use_stale", ["error timeout updating http_500 http_503"]),
    ("{}_cache_background_update", ["on"]),
    ("{}_cache_lock", ["on"]),
    ("{}_pass_request_headers", ["off"]),
    ("{}_pass_request_body", ["off"]),
]


@pytest.mark.parametrize(("protocol", "module"), [("uwsgi", "uwsgi"), ("http", "proxy")])
def test_responses_are_cached_if_that_is_set(protocol: str, module: str) -> None:
    config = render([{**LOCAL, "protocol": protocol, "cache_seconds": 30}])
    passed = locations(site_of(config))["@hello.cached"]
    assert [(name, directives(passed, name.format(module))) for name, _ in CACHED] == CACHED
    assert f"{module}_cache_path {CACHES}/cache-hello levels=1:2 keys_zone=hello_cache:10m\n" in config
    assert f"    # from hello: cache_seconds\n    {module}_cache_path" in config


def test_responses_are_not_cached_by_default() -> None:
    assert not re.search("_cache_path|_cache_key|cached;", render([LOCAL]))
    config = render([LOCAL, {**REMOTE, "cache_seconds": 30}])
    servers = {name: server for server in blocks(config, "server") for name in directives(server, "server_name")}
    assert "_cache_key" in servers["world.example.org"]
    assert "_cache_key" not in servers["hello.example.org www.hello.example.org"]


def test_a_personal_response_is_not_cached_for_others() -> None:
    known = maps(render([{**LOCAL, "cache_seconds": 30}]))
    asks, cases = known["uncached"]
    assert asks.startswith('"$request_method $verifies$http_') and cases == ["default 1", '"GET 0" 0', '"HEAD 0" 0']
    for header in ("cookie", "authorization", "content_length", "transfer_encoding", "origin", "x_requested_with"):
        assert re.search(rf"\$http_{header}[$\"]", asks)


@pytest.mark.parametrize("protocol", ["uwsgi", "http"])
def test_a_cached_application_sees_only_what_its_cache_key_contains(protocol: str) -> None:
    passed = locations(site_of(render([{**LOCAL, "protocol": protocol, "cache_seconds": 30}])))["@hello.cached"]
    (key,) = re.findall(r"_cache_key \"(.*)\";", passed)
    said = [words.split()[1] for name in ("uwsgi_param", "proxy_set_header") for words in directives(passed, name)]
    variables = {variable for value in said for variable in re.findall(r"\$\w+", value)}
    # Values from the site and the address of the request, and the request id.
    known = {*re.findall(r"\$\w+", key), "$server_name", "$query_string", "$visitor_request_id"}
    # Both follow from the URI.
    known |= {"$path_info", "$script_name"}
    assert variables <= known


# Passwords


def test_a_site_can_require_a_password() -> None:
    config = render([{**LOCAL, "name": "a-b", "basic_auth": {"alice": "hunter2hunter2"}}])
    server = site_of(config)
    assert directives(server, "auth_basic") == ["off", "$site_a_b_realm"]
    assert directives(server, "auth_basic_user_file") == ["/etc/nginx/passwords/a-b"]
    # Requests that verify a change need no password.
    assert maps(config)["site_a_b_realm"] == ("$verifies", ["default off", "0 a-b"])
    assert "    # from a-b: basic_auth\n    map $verifies" in config
    assert "        # from a-b: basic_auth\n        auth_basic " in config


def test_the_configuration_has_no_passwords_or_keys() -> None:
    pem = certify("hello.example.org", "www.hello.example.org")
    tls = {"source": "own", **pem._asdict()}
    for config in texts([{**LOCAL, "tls": tls, "basic_auth": {"alice": "hunter2hunter2"}}]).values():
        assert "auth_basic " in config and "ssl_certificate_key" in config
        assert "hunter2" not in config
        assert "PRIVATE KEY" not in config
        assert pem.key.splitlines()[1] not in config


def test_everyone_may_see_a_site_without_passwords() -> None:
    assert "auth_basic $" not in render([LOCAL])
    assert "realm" not in render([LOCAL])


# Maintenance and error pages


def closed_to(config: str, verifies: int, bypass: int) -> bool:
    """Tell whether a site whose flag is set is closed to a visitor with these values of the variables."""
    server = site_of(config)
    (closed,) = re.findall(r"set \$site_hello_closed (closed\S*);", server)
    (refused,) = re.findall(r'if \(\$closed ~ "(\S+)"\)', server)
    values = {"$verifies": str(verifies), "$site_hello_bypass": str(bypass)}
    return bool(re.search(refused, "closed" + "".join(values[name] for name in re.findall(r"\$\w+", closed))))


def test_a_site_with_its_flag_set_is_closed() -> None:
    config = render([LOCAL])
    assert (
        "        if (-f /etc/nginx/maintenance/hello) {\n            set $site_hello_closed closed$verifies;\n"
        in config
    )
    assert "set $closed $site_hello_closed;\n        set $reopens 300;" in config
    assert "            set $retry_after $reopens;\n            return 503;\n" in config
    assert closed_to(config, verifies=0, bypass=0)
    assert not closed_to(config, verifies=1, bypass=0)


@pytest.mark.parametrize(("verifies", "bypass", "closed"), [(0, 0, True), (0, 1, False), (1, 0, False), (1, 1, False)])
def test_networks_with_a_bypass_reach_a_closed_site(verifies: int, bypass: int, closed: bool) -> None:
    config = render([{**LOCAL, "maintenance": {"retry_after": 60, "bypass": ["192.0.2.10", "10.0.0.0/8"]}}])
    assert closed_to(config, verifies, bypass) is closed
    assert "geo $site_hello_bypass {\n        default 0;\n        192.0.2.10 1;\n        10.0.0.0/8 1;\n    }" in config
    assert "set $reopens 60;" in config


def test_only_a_closed_site_says_when_to_come_back() -> None:
    server = site_of(render([LOCAL]))
    assert "Retry-After $retry_after always" in directives(server, "add_header")
    assert server.index('set $retry_after "";') < server.index("set $retry_after $reopens;")


def test_the_flag_of_a_site_is_where_nginx_looks(tmp_path: Path) -> None:
    live = tmp_path / "nginx.conf"
    live.write_text(render([LOCAL, REMOTE]))
    for name in ("hello", "world"):
        assert MaintenanceFlag(name, live).path == Path("/etc/nginx/maintenance", name)
    with pytest.raises(Failed):
        MaintenanceFlag("hell", live)


def test_an_error_page_replaces_a_missing_response() -> None:
    server = site_of(render([LOCAL]))
    assert directives(server, "error_page") == ["502 503 504 @hello.page"]
    page = locations(server)["@hello.page"]
    assert directives(page, "set") == ["$served page"]
    assert directives(page, "default_type") == ['"text/html; charset=utf-8"']
    assert directives(page, "return") == ["200 $page"]


@pytest.mark.parametrize(
    ("status", "title", "text"),
    [
        ("502", "This site is not answering", "Something went wrong on our side."),
        ("503", "We will be back soon", "This site is closed for maintenance."),
        ("504", "This took too long", "The answer did not come in time."),
    ],
)
def test_a_page_says_what_has_happened(status: str, title: str, text: str) -> None:
    known = maps(render([LOCAL]))
    said = {}
    for name in ("page_title", "page_text"):
        source, lines = known[name]
        assert source == "$status"
        values = dict(line.split(" ", 1) for line in lines)
        said[name] = values.get(status, values["default"]).strip('"')
    assert said["page_title"] == title
    assert said["page_text"].startswith(text)


def test_a_page_shows_the_request_id_and_loads_nothing() -> None:
    config = render([LOCAL])
    (page,) = re.findall(r"map \$status \$page \{\n        default (\".*?\");\n    \}", config, re.DOTALL)
    assert set(re.findall(r"\$\w+", page)) == {"$page_title", "$page_text", "$visitor_request_id"}
    assert not re.search(r"src=|href=|url\(|<script|@import", page)
    # The page is one word of the configuration.
    assert len(re.findall(r'(?<!\\)"', page)) == 2


@pytest.mark.parametrize("module", ["uwsgi", "proxy"])
def test_headers_that_reveal_the_software_are_removed(module: str) -> None:
    assert "X-Powered-By" in directives(render([]), f"{module}_hide_header")


# Templates of an operator


def own(directory: Path, name: str, text: str) -> dict[str, Any]:
    (directory / name).write_text(text)
    return {"templates": str(directory)}


def test_a_block_of_a_site_can_be_replaced(tmp_path: Path) -> None:
    text = "{% extends 'wsgi.production/site.conf.j2' %}\n{% block more %}\n        etag off;\n{% endblock %}\n"
    plain, changed = render([LOCAL]), render([LOCAL], **own(tmp_path, "site.conf.j2", text))
    assert changed.replace("        etag off;\n", "") == plain
    assert changed.count("        etag off;\n") == 1


def test_a_block_of_the_configuration_can_be_extended(tmp_path: Path) -> None:
    block = "{% block gzip %}\n{{ super() }}    gzip_disable x;\n{% endblock %}\n"
    settings = own(tmp_path, "nginx.conf.j2", "{% extends 'wsgi.production/nginx.conf.j2' %}\n" + block)
    assert render([LOCAL], **settings).replace("    gzip_disable x;\n", "") == render([LOCAL])


@pytest.mark.parametrize(
    ("template", "text", "line"),
    [
        ("nginx.conf.j2", "http {}\n", "begins with"),
        ("site.conf.j2", "    # site {{ site.name }}\n    # end of site {{ site.name }}\n", "upstream hello {"),
        ("site.conf.j2", "server {}\n", "# site hello"),
    ],
)
def test_a_template_without_lines_that_the_host_needs_is_refused(
    tmp_path: Path, template: str, text: str, line: str
) -> None:
    with pytest.raises(Failed, match=f"^nginx_templates: nginx.conf no longer .*{line}.*"):
        render([LOCAL], **own(tmp_path, template, text))


def test_a_directive_can_be_added_to_the_units(tmp_path: Path) -> None:
    block = "{% block sandbox %}\n{{ super() }}MemoryMax=1G\n{% endblock %}\n"
    text = "{% extends 'wsgi.production/nginx.service.j2' %}\n" + block
    socket, service = nginx_config.units()
    (tmp_path / "nginx.service.j2").write_text(text)
    assert nginx_config.units(str(tmp_path)) == [socket, f"{service}MemoryMax=1G\n"]


@pytest.mark.parametrize(
    ("template", "text", "line"),
    [
        ("nginx.socket.j2", "[Socket]\nListenStream=80\n", "@listens@"),
        ("nginx.service.j2", "[Service]\nType=exec\n", "Sockets=nginx.socket"),
    ],
)
def test_a_unit_without_lines_that_nginx_needs_is_refused(tmp_path: Path, template: str, text: str, line: str) -> None:
    (tmp_path / template).write_text(text)
    with pytest.raises(Failed, match=f"^nginx_templates: {template} no longer has the line '{line}'"):
        nginx_config.units(str(tmp_path))


# Routes


def test_a_single_page_application_falls_back_to_its_page_and_the_application_has_its_own_paths() -> None:
    static = [{"path": "/", "directory": "/srv/dist", "previous": "/srv/before", "fallback": "index.html"}]
    routes = [{"path": "/api/", "max_body_size": "1G", "read_timeout": 300}]
    site = blocks(render([{**LOCAL, "static": static, "routes": routes}]), "server")[-1]
    found = locations(site)
    assert "try_files $uri @hello.static.0;" in found["^~ /"]
    assert "try_files $uri @hello.static.0.page;" in found["@hello.static.0"]
    assert (
        "root /srv/dist;" in found["@hello.static.0.page"]
        and "try_files /index.html =404;" in found["@hello.static.0.page"]
    )
    assert directives(found["^~ /api/"], "client_max_body_size") == ["1G"]
    assert directives(found["^~ /api/"], "uwsgi_read_timeout") == ["300s"]
    assert directives(found["^~ /api/"], "uwsgi_pass") == ["hello"]
    assert "/" not in found and "proxy" not in found["^~ /api/"] and "routed" not in found["^~ /api/"]


def test_a_route_of_a_site_below_a_path_is_below_it_too() -> None:
    shop = {**REMOTE, "server_names": LOCAL["server_names"], "path": "/shop/"}
    shop["routes"] = [{"path": "/ws/", "servers": ["unix:/run/ws"]}]
    found = locations(blocks(render([LOCAL, shop]), "server")[-1])
    assert directives(found["^~ /shop/ws/"], "proxy_pass") == ["http://world.route.0"]
    assert directives(found["= /shop/ws"], "proxy_pass") == ["http://world"]
    assert directives(found["^~ /shop/"], "proxy_pass") == ["http://world"]
    assert directives(found["/"], "uwsgi_pass") == ["hello"]
    # It inherits nothing of the site at the root.
    assert directives(found["^~ /shop/"], "client_max_body_size") == ["16M"]
    assert directives(found["^~ /shop/"], "error_page") == ["502 503 504 @world.page"]


USERS = {"alice": "hunter2hunter2"}
EVERYTHING: dict[str, Any] = {
    **{"requests_per_second": 5, "connections": 5, "cache_seconds": 5, "max_body_size": "1M", "basic_auth": USERS},
    **{"allowed_networks": ["10.0.0.0/8"], "read_timeout": 5},
}


# NGINX refuses them.
@pytest.mark.parametrize("path", ["/", "/shop/"])
@pytest.mark.parametrize("of_site", [{}, EVERYTHING])
@pytest.mark.parametrize("of_route", [{}, EVERYTHING, {"basic_auth": {}, "cache_seconds": 0, "buffering": False}])
def test_no_location_says_anything_twice(path: str, of_site: dict[str, Any], of_route: dict[str, Any]) -> None:
    routes = [{"path": "/a/", **of_route}, {"path": "/b", **of_route}]
    more = {key: value for key, value in of_route.items() if key != "cache_seconds"}
    routes.append({"path": "/ws/", "servers": ["unix:/run/ws"], **more})
    static = [{"path": "/s/", "directory": "/srv/s", "previous": "/srv/p"}, {"path": "/f.txt", "directory": "/srv/s"}]
    static.append({"path": "/spa/", "directory": "/srv/s", "fallback": "index.html"})
    shop = {**LOCAL, "name": "shop", "path": path, "health": "/health", "routes": routes, "static": static, **of_site}
    sites = [shop] if path == "/" else [{**LOCAL, **EVERYTHING}, shop]
    server = blocks(render(sites), "server")[-1]
    found = locations(server)
    assert len(found) >= 12
    for name, body in found.items():
        words = [line.split()[0] for line in body.splitlines() if line.strip().endswith(";")]
        often = {word for word in words if words.count(word) > 1}
        assert often <= {"add_header", "set", "error_page", "return", "uwsgi_param"}, (name, body)
        if path != "/":
            # Whatever the site at the root needs, this one decides for itself.
            own = words.count("auth_basic") == 1 or not name.startswith(("@shop", "= /shop", "^~ /shop"))
            assert own, (name, body)


def test_a_route_that_omits_a_setting_has_that_of_the_site() -> None:
    routes = [{"path": "/a"}, {"path": "/b", "requests_per_second": 0, "connections": 9, "cache_seconds": 0}]
    more = {"requests_per_second": 3, "burst": 4, "connections": 2, "cache_seconds": 30}
    found = locations(site_of(render([{**LOCAL, **more, "routes": routes}])))
    assert directives(found["= /a"], "limit_req") == ["zone=hello_requests burst=4 nodelay"]
    assert directives(found["= /a"], "limit_conn") == ["hello_connections 2"]
    assert directives(found["@hello.route.0.cached"], "uwsgi_cache_valid") == ["200 301 302 308 404 30s"]
    assert directives(found["= /b"], "limit_req") == []
    assert directives(found["= /b"], "limit_conn") == ["hello.route.1_connections 9"]
    assert "418" not in found["= /b"] and "@hello.route.1.cached" not in found


def test_the_longest_of_several_paths_decides_who_is_refused() -> None:
    routes = [{"path": "/a.b/c", "allowed_networks": []}, {"path": "/a.b/", "allowed_networks": ["10.0.0.0/8"]}]
    server = site_of(render([{**LOCAL, "routes": routes}]))
    texts = [
        'if ($uri ~ "^/a\\.b/") {\n            set $refused $site_hello_route_1_refused;',
        'if ($uri = "/a.b/c") {\n            set $refused 0;',
        "if ($refused) {",
    ]
    places = [server.index(text) for text in texts]
    assert places == sorted(places)


def test_a_route_to_another_server_passes_websockets_on_without_a_buffer() -> None:
    routes = [{"path": "/ws/", "servers": ["unix:/run/ws"]}, {"path": "/sse", "buffering": False}]
    config = render([{**LOCAL, "routes": routes}])
    found = locations(blocks(config, "server")[-1])
    assert directives(found["^~ /ws/"], "proxy_pass") == ["http://hello.route.0"]
    assert directives(found["^~ /ws/"], "proxy_read_timeout") == ["3600s"]
    assert directives(found["^~ /ws/"], "proxy_buffering") == ["off"]
    assert directives(found["^~ /ws/"], "set") == ["$routed 1", "$answers hello"]
    # Without it, NGINX would redirect.
    assert directives(found["= /ws"], "uwsgi_pass") == ["hello"]
    assert directives(found["= /sse"], "uwsgi_buffering") == ["off"]
    assert directives(found["= /sse"], "uwsgi_read_timeout") == ["65s"]
    assert nginx_text.slowest(config) == 65
