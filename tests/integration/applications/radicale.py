"""Radicale: calendars over CalDAV. WSGI without any framework, methods other than GET and POST, and files for data."""

from __future__ import annotations

import base64
import uuid
import xml.etree.ElementTree as ET
from typing import Any

from tests.integration.applications.browser import Browser, Page
from tests.integration.applications.entry import lock, shell

NAME = "radicale"
DATA = "/srv/radicale/data"
PASSWORD = "ünder the döormat"

CONFIG = f"{DATA}/.config/radicale/config"

# What it reads by itself in the home directory of its user, which is its data.
SETTINGS = "; ".join(
    f"echo '{line}'"
    for line in (
        "[auth]",
        "type = htpasswd",
        f"htpasswd_filename = {DATA}/users",
        "[storage]",
        f"filesystem_folder = {DATA}/collections",
    )
)
# In Python, because it brings the hashes that Radicale knows.
USERS = (
    'python -c "import os; from passlib.hash import sha512_crypt as crypt; '
    "[print(name, crypt.using(rounds=5000).hash(os.environ['PASSWORD']), sep=':') for name in ('ann', 'bob')]\""
    f" > {DATA}/users"
)

EVENT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//wsgi.production//tests//EN
BEGIN:VEVENT
UID:{uid}
DTSTAMP:20260101T000000Z
DTSTART:20260{month}15T100000Z
DTEND:20260{month}15T110000Z
SUMMARY:Kaffee & Kuchen №{month}
END:VEVENT
END:VCALENDAR
"""

MKCALENDAR = """\
<?xml version="1.0" encoding="utf-8"?>
<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop>
<D:displayname>Privé</D:displayname>
<C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>
</D:prop></D:set></C:mkcalendar>
"""

PROPFIND = """\
<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:"><D:prop><D:displayname/><D:getetag/></D:prop></D:propfind>
"""

REPORT = """\
<?xml version="1.0" encoding="utf-8"?>
<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
<D:prop><D:getetag/><C:calendar-data/></D:prop>
<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">
<C:time-range start="20260201T000000Z" end="20260301T000000Z"/>
</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>
"""


def entry() -> dict[str, Any]:
    """Return the entry of the description."""
    return {
        "name": NAME,
        "build": {"source": "radicale==3.9.0", "dependencies": str(lock(NAME))},
        "run": {
            "callable": "radicale:application",
            "secrets": {"PASSWORD": PASSWORD},
            "migrate": [f"mkdir -p {DATA}/.config/radicale", shell(f"{{ {SETTINGS}; }} > {CONFIG}"), shell(USERS)],
            "probe": {"path": "/.web/", "text": "Radicale Web Interface"},
        },
        "serve": {"server_names": ["radicale.example.com"], "max_body_size": "10m"},
    }


def scenario(visitor: Browser) -> None:
    """Keep a calendar, which nobody else sees."""
    mark = uuid.uuid4().hex[:8]
    calendar = f"/ann/{mark}/"
    refused = visitor.ask("PROPFIND", "/ann/")
    assert (refused.status, refused.headers["www-authenticate"].split()[0]) == (401, "Basic")
    assert Dav(visitor, "ann", "a guess").ask("PROPFIND", "/ann/").status == 401
    assert "calendar-access" in Dav(visitor, "ann").ask("OPTIONS", "/").headers["dav"]

    ann, bob = Dav(visitor, "ann"), Dav(visitor, "bob")
    assert ann.ask("PROPFIND", "/ann/", PROPFIND, Depth="0").status == 207
    assert ann.ask("MKCALENDAR", calendar, MKCALENDAR).status == 201
    assert ann.ask("MKCALENDAR", calendar, MKCALENDAR).status == 409
    tags = {}
    for month in (1, 2, 3):
        event = EVENT.format(uid=f"{mark}-{month}", month=month)
        put = ann.ask("PUT", f"{calendar}{month}.ics", event, Content_Type="text/calendar", If_None_Match="*")
        assert put.status == 201, put.text
        tags[f"{calendar}{month}.ics"] = put.headers["etag"]
    assert ann.ask("PUT", f"{calendar}4.ics", "no event", Content_Type="text/calendar").status == 400
    assert ann.ask("PUT", f"{calendar}1.ics", event, Content_Type="text/calendar", If_None_Match="*").status == 412

    found = properties(ann.ask("PROPFIND", calendar, PROPFIND, Depth="1"))
    assert found.pop(calendar)["displayname"] == "Privé"
    assert {path: one["getetag"] for path, one in found.items()} == tags
    february = properties(ann.ask("REPORT", calendar, REPORT, Depth="1"))
    assert list(february) == [f"{calendar}2.ics"]
    assert "SUMMARY:Kaffee & Kuchen №2" in february[f"{calendar}2.ics"]["calendar-data"]
    got = ann.ask("GET", f"{calendar}2.ics")
    assert (got.status, got.headers["etag"]) == (200, tags[f"{calendar}2.ics"])
    assert got.headers["content-type"].startswith("text/calendar")
    assert f"UID:{mark}-2" in got.text

    there = f"{visitor.base}{calendar}moved.ics"
    assert ann.ask("MOVE", f"{calendar}3.ics", Destination=there).status == 201
    assert ann.ask("GET", f"{calendar}3.ics").status == 404
    assert f"UID:{mark}-3" in ann.ask("GET", f"{calendar}moved.ics").text
    assert bob.ask("GET", f"{calendar}2.ics").status == 403
    assert bob.ask("PUT", f"{calendar}2.ics", EVENT.format(uid=mark, month=5)).status == 403
    assert ann.ask("DELETE", calendar).status == 200
    assert ann.ask("GET", f"{calendar}2.ics").status == 404


class Dav:
    """One who uses WebDAV under a name."""

    def __init__(self, visitor: Browser, user: str, password: str = PASSWORD) -> None:
        self.visitor = visitor
        self.login = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> Page:
        """Ask with any method."""
        if body:
            headers = {"Content_Type": "application/xml; charset=utf-8", **headers}
        sent = body.replace("\n", "\r\n").encode() if "BEGIN:" in body else body.encode()
        return self.visitor.ask(method, path, sent or None, Authorization=self.login, **headers)


def properties(page: Page) -> dict[str, dict[str, str]]:
    """Return the properties of each resource in an answer of WebDAV, by its path."""
    assert page.status == 207, page.text
    found = {}
    for response in ET.fromstring(page.body).iterfind("{DAV:}response"):
        values = response.iterfind("{DAV:}propstat/{DAV:}prop/*")
        path = response.findtext("{DAV:}href") or ""
        found[path] = {one.tag.partition("}")[2]: one.text or "" for one in values}
    return found
