"""Requests a second and p99 through NGINX, side by side on one host, in rounds that take turns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median

from benchmarks.first_deploy import answer, tutorial
from benchmarks.servers import deploy, server
from tests.rig.server import CA_BUNDLE, Server

ROUNDS = 9
SECONDS = 3
CONNECTIONS = (32, 256)
SITES = {"ours": "hello.example.com", "tutorial": "tutorial.example.com", "gunicorn": "gunicorn.example.com"}

# Each of the two others has an NGINX of its own, as Debian configures it but for the port and the pid.
OTHERS = """\
set -eu
export PIP_CERT={ca_bundle} DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq wrk >/dev/null
/srv/tutorial/venv/bin/pip install --quiet gunicorn
cp -r /etc/nginx /etc/nginx-others
cd /etc/nginx-others
cat > sites-available/gunicorn <<'END'
upstream gunicorn {{
    server 127.0.0.1:8000;
}}

server {{
    listen 80;
    server_name gunicorn.example.com;

    location / {{
        proxy_set_header Host $host;
        proxy_pass http://gunicorn;
    }}
}}
END
ln -s /etc/nginx-others/sites-available/gunicorn sites-enabled/gunicorn
sed -i 's/listen 80/listen 8080/; s/listen \\[::\\]:80/listen [::]:8080/' sites-available/*
sed -i 's#/etc/nginx/#/etc/nginx-others/#; s#/run/nginx.pid#/run/nginx-others.pid#' nginx.conf
rm sites-enabled/default sites-enabled/tutorial
ln -s /etc/nginx-others/sites-available/tutorial sites-enabled/tutorial
systemd-run --quiet --unit gunicorn --uid www-data --working-directory /srv/tutorial \
    /srv/tutorial/venv/bin/gunicorn --workers 5 --threads 4 --bind 127.0.0.1:8000 main:application
"""


@dataclass
class Round:
    """What wrk said."""

    rate: float
    p99: float
    errors: int


def load(host: Server, name: str, connections: int) -> Round:
    """Put load on a site for a few seconds, from the same host."""
    port = 80 if name == SITES["ours"] else 8080
    said = host.shell(
        f"wrk --latency --threads 1 --connections {connections} --duration {SECONDS}s"
        f" --header 'Host: {name}' http://127.0.0.1:{port}/"
    )
    errors = [int(number) for number in re.findall(r"(?:Non-2xx or 3xx responses|connect|read|write): (\d+)", said)]
    return Round(
        rate=float(_first(r"Requests/sec:\s+([\d.]+)", said)[0]),
        p99=_milliseconds(*_first(r"99%\s+([\d.]+)(us|ms|s|m)", said)),
        errors=sum(errors) + sum(int(number) for number in re.findall(r"timeout (\d+)", said)),
    )


def main() -> None:
    """Print requests a second, p99 and errors of each, and the ratios."""
    with server("serving") as (host, inventory):
        tutorial(host)
        host.shell(OTHERS.format(ca_bundle=CA_BUNDLE))
        host.shell("systemctl stop nginx")
        deploy(inventory)
        host.shell("systemd-run --quiet --unit nginx-others nginx -c /etc/nginx-others/nginx.conf -g 'daemon off;'")
        answer(host, SITES["ours"])
        for connections in CONNECTIONS:
            rounds: dict[str, list[Round]] = {site: [] for site in SITES}
            for _ in range(ROUNDS):
                for site, name in SITES.items():
                    rounds[site].append(load(host, name, connections))
            _report(connections, rounds)


def _report(connections: int, rounds: dict[str, list[Round]]) -> None:
    rates = {site: median(one.rate for one in done) for site, done in rounds.items()}
    slowest = {site: median(one.p99 for one in done) for site, done in rounds.items()}
    print(f"serving with {connections} connections:")
    for site, done in rounds.items():
        errors = sum(one.errors for one in done)
        print(
            f"  {site:9}{rates[site]:8.0f}/s   p99 {slowest[site]:8.1f} ms   {errors:6} errors"
            f"   ours: {rates['ours'] / rates[site]:.2f} times the rate, p99 a {slowest[site] / slowest['ours']:.1f}th"
        )


def _first(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    assert match, text
    return match.groups()


def _milliseconds(number: str, unit: str) -> float:
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]
