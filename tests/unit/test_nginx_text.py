"""What the host promises to read from the text of NGINX's configuration."""

from __future__ import annotations

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import nginx_text
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed


def block(name: str, *lines: str) -> str:
    """Return the block of a site in a configuration."""
    inner = "".join(f"        {line}\n" for line in (f"uwsgi_pass {name};", *lines))
    return f"\n    # site {name}\n    server {{\n{inner}    }}\n    # end of site {name}\n"


def whole(*blocks: str, first: str = "http {\n    # from nginx_snippet\n") -> str:
    """Return a configuration with these blocks."""
    return first + "".join(blocks) + "}\n"


HELLO, WORLD, AWAY = block("hello"), block("world"), block("away")
DEFAULT = "listen 80 default_server;"
SHARED, QUIC = block("_", "listen 443 quic reuseport default_server;"), block("hello", "listen 443 quic;")


def merge(live: str, wanted: str, *described: str) -> str:
    return nginx_text.carry_over(nginx_text.left_over(live, described), live, wanted)


def test_each_site_is_found_by_its_name_byte_for_byte() -> None:
    odd = block("a_b-2", "# site hello", "# end of site a_b-2", "", "\t# end of site a_b-2 ")
    found = nginx_text.blocks(whole(HELLO, odd, WORLD))
    assert found == {"hello": HELLO, "a_b-2": odd, "world": WORLD}
    assert list(found) == ["hello", "a_b-2", "world"]
    stray = whole(HELLO, WORLD, "    # end of site hello\n", first="http {\n        # site hello\n")
    assert nginx_text.blocks(stray) == {"hello": HELLO, "world": WORLD}


@pytest.mark.parametrize(
    "text",
    ["", "distribution", HELLO.replace("# end of site hello", "# end of site hell"), HELLO.replace("    ", "  ")],
)
def test_a_site_needs_both_marks(text: str) -> None:
    assert nginx_text.blocks(text) == {}


def test_a_site_is_left_over_if_its_name_is_not_described() -> None:
    live = whole(SHARED, HELLO, WORLD, AWAY)
    assert nginx_text.left_over(live, ["world"]) == {"hello": HELLO, "away": AWAY}
    assert list(nginx_text.left_over(live, [])) == ["hello", "world", "away"]
    assert nginx_text.left_over(live, ["away", "world", "hello", "more"]) == {}


def test_left_over_sites_stay_unchanged_after_described_sites() -> None:
    live = whole(HELLO, WORLD, AWAY, first="before {\n")
    assert merge(live, whole(block("world", "new")), "world") == whole(block("world", "new"), HELLO, AWAY)
    assert merge(live, whole(), "world") == whole(HELLO, AWAY)
    assert merge(live, whole(WORLD), "hello", "world", "away") == whole(WORLD)
    assert merge("", whole(WORLD), "world") == whole(WORLD)


@pytest.mark.parametrize("live", [whole(HELLO, WORLD, AWAY), whole(SHARED, WORLD, QUIC), whole(SHARED, QUIC)])
@pytest.mark.parametrize("wanted", [whole(WORLD), whole(), whole(SHARED, block("world", "listen 443 quic;"))])
def test_left_over_sites_keep_their_text_in_the_next_run(live: str, wanted: str) -> None:
    once = merge(live, wanted, "world")
    assert once != wanted
    assert merge(once, wanted, "world") == once


def test_the_shared_http_3_block_stays_with_sites_that_use_it() -> None:
    live = whole(SHARED, WORLD, QUIC, AWAY)
    assert merge(live, whole(WORLD), "world", "away") == whole(WORLD, SHARED, QUIC)
    # The block is there once.
    assert merge(live, whole(SHARED, WORLD), "world", "away") == whole(SHARED, WORLD, QUIC)
    assert merge(live, whole(WORLD), "world") == whole(WORLD, SHARED, QUIC, AWAY)
    assert merge(live, whole(WORLD), "world", "hello") == whole(WORLD, AWAY)
    other = block("away", "# quic; or not")
    assert merge(whole(SHARED, WORLD, other), whole(WORLD), "world") == whole(WORLD, other)
    # A snippet may open a port of its own.
    assert merge(whole(QUIC), whole(WORLD), "world") == whole(WORLD, QUIC)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            block("hello", DEFAULT),
            block("world", DEFAULT),
            "world: default: hello, which is left over, is already the default site; remove the setting, or ",
        ),
        (
            block("hello-2"),
            block("hello_2"),
            "hello_2: hello-2, which is left over, has almost the same name; change the name, or ",
        ),
        (
            block("hello_2"),
            block("hello-2"),
            "hello-2: hello_2, which is left over, has almost the same name; change the name, or ",
        ),
        (block("hello", DEFAULT), WORLD, ""),
        (HELLO, block("world", DEFAULT), ""),
        (block("hello", DEFAULT), block("world", f"# {DEFAULT} or not"), ""),
    ],
)
def test_conflicts_with_left_over_sites_are_refused(old: str, new: str, said: str) -> None:
    (name,) = nginx_text.blocks(old)
    if not said:
        assert merge(whole(AWAY, old), whole(SHARED, new), "away") == whole(SHARED, new, old)
        return
    with pytest.raises(Failed) as failure:
        merge(whole(AWAY, old), whole(SHARED, new), "away")
    assert str(failure.value) == f"{said}add to wsgi_apps: - {{name: {name}, state: absent}}"


def test_only_the_given_sites_are_restored() -> None:
    before, after = whole(HELLO, WORLD), whole(block("hello", "new"), block("world", "new"), AWAY)
    assert nginx_text.put_back(after, before, ["hello"]) == whole(block("world", "new"), AWAY, HELLO)
    # A site that was not there before is removed.
    assert nginx_text.put_back(after, before, ["away", "hello"]) == whole(block("world", "new"), HELLO)
    assert nginx_text.put_back(whole(WORLD), before, ["hello"]) == before.replace(HELLO + WORLD, WORLD + HELLO)
    for others in ([], ["none"]):
        assert nginx_text.put_back(after, before, others) == after


def test_sites_can_be_removed_from_a_configuration() -> None:
    config = whole(SHARED, HELLO, WORLD)
    assert nginx_text.without(config, nginx_text.blocks(config)) == whole()
    assert nginx_text.without(config, ["hello"]) == whole(SHARED, WORLD)


def server(name: str, *parts: str, names: str = "all.example.org") -> str:
    """Return the block of a site with a server in which others have their paths."""
    inner = f"        server_name {names};\n{nginx_text.PLACE}{''.join(parts)}"
    return f"\n    # site {name}\n    server {{\n{inner}    }}\n    # end of site {name}\n"


def part(name: str, *lines: str, seconds: int = 65) -> str:
    """Return what a site has in the server of another."""
    inner = "".join(f"        {line}\n" for line in lines)
    return f"\n        # path of {name}, which answers within {seconds} s\n{inner}        # end of path of {name}\n"


SHOP, WIKI = part("shop", "old"), part("wiki", "old")
LIVE = whole(block("shop"), server("front", SHOP, WIKI), block("wiki"))


def test_the_block_of_a_site_has_nothing_of_those_below_it() -> None:
    assert nginx_text.blocks(LIVE) == {"shop": block("shop"), "front": server("front"), "wiki": block("wiki")}


def test_a_site_in_the_server_of_another_is_restored_or_removed_alone() -> None:
    new = [part("shop", "new"), part("wiki", "new")]
    after = whole(block("shop", "new"), server("front", *new, names="new"), block("wiki", "new"))
    back = nginx_text.put_back(after, LIVE, ["shop"])
    assert back == whole(server("front", SHOP, new[1], names="new"), block("wiki", "new"), block("shop"))
    back = nginx_text.put_back(after, LIVE, ["front"])
    assert back == whole(block("shop", "new"), block("wiki", "new"), server("front", *new))
    assert nginx_text.without(LIVE, ["shop"]) == whole(server("front", WIKI), block("wiki"))
    assert nginx_text.without(LIVE, ["shop", "front", "wiki"]) == whole()
    with pytest.raises(Failed, match="wiki: its path is in the server of front, which is no longer there; describe"):
        nginx_text.without(LIVE, ["shop", "front"])


def test_a_site_that_was_never_there_stays_if_another_is_in_its_server() -> None:
    after = whole(block("shop"), server("front", SHOP))
    assert nginx_text.put_back(after, whole(), ["front"]) == after
    assert nginx_text.put_back(after, whole(), ["front", "shop"]) == whole()


def test_a_site_whose_server_has_gone_to_another_gets_it_back() -> None:
    alone = whole(server("shop", SHOP))
    after = whole(block("shop", "new"), server("front", part("shop", "new")), HELLO)
    assert nginx_text.put_back(after, alone, ["shop"]) == whole(HELLO, server("shop", SHOP))


def test_a_site_that_is_left_over_stays_in_the_server_of_another() -> None:
    wanted = whole(server("front", part("wiki", "new"), names="new"), block("wiki", "new"))
    kept = [server("front", SHOP, part("wiki", "new"), names="new"), block("wiki", "new"), block("shop")]
    assert merge(LIVE, wanted, "front", "wiki") == whole(*kept)
    assert merge(whole(*kept), wanted, "front", "wiki") == whole(*kept)
    assert merge(LIVE, whole(), "new") == LIVE


def test_a_server_that_is_left_over_and_a_new_one_of_the_same_name_are_refused() -> None:
    wanted = whole(block("wiki"), server("shop", part("shop", "new"), WIKI, names="old.example.org all.example.org"))
    with pytest.raises(Failed) as failure:
        merge(LIVE, wanted, "shop", "wiki")
    assert str(failure.value) == (
        "shop: path: front, which is left over, has the server of all.example.org; describe front again, or add to "
        "wsgi_apps: - {name: front, state: absent}"
    )


def test_the_slowest_site_may_be_in_the_server_of_another() -> None:
    assert (
        nginx_text.slowest(whole(server("front", part("shop", "uwsgi_read_timeout 3600s;", seconds=70)), block("shop")))
        == 70
    )


@pytest.mark.parametrize(
    ("sites", "seconds"),
    [
        ([], 0),
        ([block("hello")], 0),
        ([block("hello", "uwsgi_read_timeout 65s;", "uwsgi_read_timeout 3600s;")], 65),
        ([block("a", "proxy_read_timeout 5s;"), block("b", "proxy_read_timeout 90s;"), block("c")], 90),
    ],
)
def test_the_slowest_response_is_known_from_the_configuration(sites: list[str], seconds: int) -> None:
    assert nginx_text.slowest(whole(*sites)) == seconds


CONFIG = """\
http {
    # from hello
    server {
        listen 80;
        # from hello: tls
        ssl_certificate /etc/nginx/absent.pem;
        # from hello: snippet
        fooo bar;
        # zone by another name: one, $request_uri
        limit_req_zone $request_uri zone=one:1m rate=1r/s;
    }
}
"""


@pytest.mark.parametrize(
    ("said", "explained"),
    [
        (
            'nginx: [emerg] unknown directive "fooo" in /etc/nginx/nginx.conf.next:8\nnginx: test failed',
            'hello: snippet: unknown directive "fooo"; line 8 of the configuration is: fooo bar;',
        ),
        (
            'nginx: [emerg] cannot load certificate "/etc/nginx/absent.pem": BIO_new_file() failed',
            'hello: tls: cannot load certificate "/etc/nginx/absent.pem": BIO_new_file() failed; '
            "line 6 of the configuration is: ssl_certificate /etc/nginx/absent.pem;",
        ),
        (
            "nginx: [emerg] no port in /etc/nginx/nginx.conf:4",
            "hello: no port; line 4 of the configuration is: listen 80;",
        ),
        ("nginx: [emerg] no block in /etc/nginx/nginx.conf:1", "no block; line 1 of the configuration is: http {"),
        (
            '2026/11/24 04:00:00 [emerg] 7#7: limit_req "one" uses the "$request_uri" key and not "$uri"',
            'hello: snippet: limit_req "one" uses the "$request_uri" key and not "$uri"; '
            "line 10 of the configuration is: limit_req_zone $request_uri zone=one:1m rate=1r/s;",
        ),
        ('2026/11/24 04:00:00 [emerg] 7#7: zone "two" is gone', 'zone "two" is gone'),
        ("nginx: [emerg] odd in /etc/nginx/nginx.conf:99", "odd"),
        ("could not reload NGINX", "could not reload NGINX"),
    ],
)
def test_an_error_says_what_is_wrong_and_in_which_setting(said: str, explained: str) -> None:
    assert nginx_text.explain(said, CONFIG) == explained
