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


def render(sites: list[dict[str, Any]], snippet: str = "") -> str:
    """Return the configuration of `sites`, each completed as the role completes them."""
    return nginx_config.render([with_defaults(site, input_spec("nginx")) for site in sites], snippet)


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


@pytest.mark.parametrize(
    "header", ["Host $host", 'Proxy ""', "X-Forwarded-For $remote_addr", "X-Forwarded-Proto $scheme"]
)
def test_an_application_behind_http_hears_who_asked_and_for_what(header: str) -> None:
    assert header in directives(site_of(render([REMOTE])), "proxy_set_header")


def test_a_visitor_cannot_choose_the_proxy_of_the_application() -> None:
    assert 'HTTP_PROXY ""' in directives(site_of(render([LOCAL])), "uwsgi_param")


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
    site = with_defaults(REMOTE, input_spec("nginx"))
    with pytest.raises(UndefinedError):
        nginx_config.render([{word: value for word, value in site.items() if word != key}])


def test_what_an_operator_adds_by_hand_stands_where_an_error_is_traced_to_it() -> None:
    config = render([{**LOCAL, "snippet": "one 1;\ntwo 2;\n"}, REMOTE], "three 3;\nfour 4;")
    assert site_of(render([{**LOCAL, "snippet": "one 1;\ntwo 2;\n"}])).endswith(
        "        # from hello: snippet\n        one 1;\n        two 2;\n    }"
    )
    assert "    # from nginx_snippet\n    three 3;\n    four 4;\n\n    # from hello\n" in config
    assert config.count("snippet") == 2
