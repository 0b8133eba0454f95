"""What the configuration of NGINX promises."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jinja2 import UndefinedError

from ansible_collections.wsgi.production.plugins.plugin_utils import nginx_config
from ansible_collections.wsgi.production.plugins.plugin_utils.description import input_spec, with_defaults

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


SETTINGS: dict[str, Any] = {"headers": {}, "trusted_proxies": [], "status": "", "snippet": ""}


def render(sites: list[dict[str, Any]], **settings: Any) -> str:
    """Return the configuration of `sites`, each completed as the role completes them."""
    complete = [with_defaults(site, input_spec("nginx")) for site in sites]
    return nginx_config.render({**SETTINGS, "sites": complete, **settings})


def site_of(config: str) -> str:
    """Return the server block of the only site."""
    (found,) = [server for server in blocks(config, "server") if "default_server" not in server]
    return found


def blocks(config: str, kind: str) -> list[str]:
    """Return the blocks of `kind` within `http`."""
    return re.findall(rf"^    {kind}\b.*?^    \}}$", config, re.MULTILINE | re.DOTALL)


def directives(block: str, name: str) -> list[str]:
    return re.findall(rf"^\s*{name} (.*);$", block, re.MULTILINE)


@pytest.mark.parametrize("sites", [[], [LOCAL], [LOCAL, REMOTE]])
def test_a_host_name_that_no_site_has_gets_no_answer(sites: list[dict[str, Any]]) -> None:
    defaults = [server for server in blocks(render(sites), "server") if "default_server" in server]
    tls, plain = defaults
    assert directives(plain, "listen") == ["80 default_server", "[::]:80 default_server"]
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


def test_a_uwsgi_site_is_passed_on_by_the_uwsgi_protocol() -> None:
    server = site_of(render([LOCAL]))
    assert directives(server, "uwsgi_pass") == ["hello"]
    assert directives(server, "uwsgi_read_timeout") == ["65s"]
    assert "proxy_pass" not in server


def test_an_http_site_is_passed_on_by_http() -> None:
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
def test_an_application_hears_from_nginx_alone_who_asked_and_for_what(header: str, value: str) -> None:
    assert f"{header} {value}" in directives(site_of(render([REMOTE])), "proxy_set_header")
    parameter = f"HTTP_{header.upper().replace('-', '_')}"
    unless_empty = " if_not_empty" if value == '""' else ""
    assert f"{parameter} {value}{unless_empty}" in directives(site_of(render([LOCAL])), "uwsgi_param")


@pytest.mark.parametrize("site", [LOCAL, REMOTE])
def test_each_server_is_used_and_the_idlest_first(site: dict[str, Any]) -> None:
    (upstream,) = blocks(render([site]), "upstream")
    assert directives(upstream, "server") == site["servers"]
    assert upstream.splitlines()[1].strip() == "least_conn;"


def test_every_block_is_closed() -> None:
    config = render([LOCAL, REMOTE])
    assert config.count("{") == config.count("}")
    assert config.endswith("}\n")


def test_the_same_sites_are_the_same_text() -> None:
    assert render([LOCAL, REMOTE]) == render([dict(LOCAL), dict(REMOTE)])


@pytest.mark.parametrize("key", sorted(input_spec("nginx")))
def test_a_site_that_is_not_complete_is_never_rendered(key: str) -> None:
    site = with_defaults({**REMOTE, "requests_per_second": 1, "connections": 1}, input_spec("nginx"))
    incomplete = {word: value for word, value in site.items() if word != key}
    with pytest.raises((UndefinedError, KeyError)):
        nginx_config.render({**SETTINGS, "sites": [incomplete]})


def test_what_an_operator_adds_by_hand_stands_where_an_error_is_traced_to_it() -> None:
    config = render([{**LOCAL, "snippet": "one 1;\ntwo 2;\n"}, REMOTE], snippet="three 3;\nfour 4;")
    assert site_of(render([{**LOCAL, "snippet": "one 1;\ntwo 2;\n"}])).endswith(
        "        # from hello: snippet\n        one 1;\n        two 2;\n    }"
    )
    assert "    # from nginx_snippet\n    three 3;\n    four 4;\n\n    # from hello\n" in config
    assert config.count("snippet") == 2


def test_a_default_site_answers_to_names_that_no_site_has() -> None:
    config = render([{**LOCAL, "default": True}, REMOTE])
    defaults = [server for server in blocks(config, "server") if "80 default_server" in server]
    assert [directives(server, "uwsgi_pass") for server in defaults] == [["hello"]]


def test_an_alias_leads_to_the_main_name() -> None:
    config = render([{**LOCAL, "aliases": ["old.example.org", "older.example.org"]}])
    (alias,) = [server for server in blocks(config, "server") if "old.example.org" in server]
    assert directives(alias, "server_name") == ["old.example.org older.example.org"]
    assert directives(alias, "return") == ["308 $visitor_scheme://hello.example.org$visitor_port$request_uri"]


def maps(config: str) -> dict[str, tuple[str, list[str]]]:
    """Return of each map the variable that it reads, and its lines."""
    found = re.findall(r"^    map (\S+|\".*\") \$(\w+) \{\n(.*?)^    \}", config, re.MULTILINE | re.DOTALL)
    return {name: (source, [line.strip(" ;") for line in body.splitlines()]) for source, name, body in found}


def test_a_header_is_added_where_the_application_does_not_say_it_itself() -> None:
    site = {**LOCAL, "headers": {"X-Frame-Options": "DENY", "X-Odd": 'a "b" \\c', "Referrer-Policy": ""}}
    common = {"X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}
    config = render([{**site, "content_security_policy": "default-src 'self'"}], headers=common)
    added = dict(line.removesuffix(" always").split(" $") for line in directives(site_of(config), "add_header"))
    known = maps(config)
    values = {name: known[variable] for name, variable in added.items() if name != "X-Request-Id"}
    assert values == {
        "X-Frame-Options": ("$upstream_http_x_frame_options", ['default ""', '"" "DENY"']),
        "X-Content-Type-Options": ("$upstream_http_x_content_type_options", ['default ""', '"" "nosniff"']),
        "X-Odd": ("$upstream_http_x_odd", ['default ""', r'"" "a \"b\" \\c"']),
        "Content-Security-Policy": (
            "$upstream_http_content_security_policy",
            ['default ""', '"" "default-src \'self\'"'],
        ),
    }


def test_limits_are_for_each_client_and_not_for_the_health_path() -> None:
    site = {**LOCAL, "requests_per_second": 5, "burst": 7, "connections": 3, "health": "/health"}
    config = render([site])
    assert directives(config, "limit_req_zone") == ["$visitor zone=hello_requests:10m rate=5r/s"]
    assert directives(config, "limit_conn_zone") == ["$visitor zone=hello_connections:10m"]
    health, rest = re.findall(r"location (.*?) \{(.*?)\n        \}", site_of(config), re.DOTALL)
    assert (health[0], directives(health[1], "limit_req"), directives(health[1], "limit_conn")) == ("= /health", [], [])
    assert directives(rest[1], "limit_req") == ["zone=hello_requests burst=7 nodelay"]
    assert directives(rest[1], "limit_conn") == ["hello_connections 3"]


def test_only_allowed_networks_see_a_site() -> None:
    config = render([{**LOCAL, "name": "a-b", "allowed_networks": ["10.0.0.0/8"]}])
    assert "geo $site_a_b_known {\n        default 0;\n        10.0.0.0/8 1;\n    }" in config
    assert maps(config)["site_a_b_refused"] == ("$verifies$site_a_b_known", ["default 0", "00 1"])
    assert "if ($site_a_b_refused) {\n            return 403;" in site_of(config)


def test_a_proxy_is_believed_where_it_is_known() -> None:
    config = render([LOCAL], trusted_proxies=["192.0.2.0/24", "2001:db8::/32"])
    assert directives(config, "set_real_ip_from") == ["192.0.2.0/24", "2001:db8::/32"]
    assert "geo $realip_remote_addr $behind_proxy {\n        default 0;\n        192.0.2.0/24 1;" in config


def test_the_number_of_connections_is_told_where_it_is_asked_for() -> None:
    assert "stub_status" not in render([LOCAL])
    assert "listen 127.0.0.1:8099;" in render([LOCAL], status="127.0.0.1:8099")
