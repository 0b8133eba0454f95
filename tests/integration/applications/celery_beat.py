"""django-celery-beat: periodic tasks that are managed in the admin of Django. A scheduler that must run only once."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from tests.integration.applications.browser import Browser
from tests.integration.applications.entry import HERE, shell

NAME = "beat"
SITE = "beat.example.com"
USER, PASSWORD = "ann", "correct horse, battery"


def entry() -> dict[str, Any]:
    """Return the entry of the description."""
    admin = "django-admin createsuperuser --noinput --username ann --email ann@example.com"
    return {
        "name": NAME,
        "build": {
            "source": str(HERE / "sites/celery_beat"),
            "commands": ["django-admin collectstatic --noinput"],
            "env": {"SECRET_KEY": "of the build"},
        },
        "run": {
            "callable": "main:application",
            "env": {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": "."},
            "secrets": {"SECRET_KEY": "0f8e4b2a6c" * 5, "DJANGO_SUPERUSER_PASSWORD": PASSWORD},
            "migrate": ["django-admin migrate --noinput", shell(f"{admin} || true")],
            "workers": [
                {"name": "celery", "command": "celery --app tasks worker --concurrency 1"},
                {
                    "name": "beat",
                    "command": "celery --app tasks beat --pidfile=",
                    "exclusive": True,
                    "every_host": False,
                },
            ],
            "probe": {"path": "/admin/login/", "text": "Django administration"},
        },
        "serve": {"server_names": [SITE], "static": [{"path": "/static/", "directory": "collected"}]},
    }


def scenario(ann: Browser) -> None:
    """Let a task run every second, wait until it has run twice, and stop it."""
    mark = uuid.uuid4().hex[:8]
    form = ann.get("/admin/login/")
    token = form.field("csrfmiddlewaretoken")
    index = ann.post("/admin/login/", csrfmiddlewaretoken=token, username=USER, password=PASSWORD, next="/admin/")
    assert index.url == f"{ann.base}/admin/", index.text[:500]

    place = "/admin/django_celery_beat"
    token = ann.get(f"{place}/intervalschedule/add/").field("csrfmiddlewaretoken")
    tasks = {f"periodictask_set-{key}_FORMS": "0" for key in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    ann.post(f"{place}/intervalschedule/add/", csrfmiddlewaretoken=token, every="1", period="seconds", **tasks)
    add = ann.get(f"{place}/periodictask/add/")
    interval = add.find(r'<option value="(\d+)"[^>]*>every second</option>')
    task = {
        **{"name": mark, "regtask": "", "task": "greet", "enabled": "on", "interval": interval},
        **{"args": f'["{mark}"]', "kwargs": "{}", "headers": "{}", "description": ""},
    }
    made = ann.post(f"{place}/periodictask/add/", csrfmiddlewaretoken=token, **task)
    assert made.url == f"{ann.base}{place}/periodictask/", made.text[:3000]
    number = made.find(rf'href="{place}/periodictask/(\d+)/change/[^"]*">{mark}')

    deadline = time.monotonic() + 60
    while (times := results(ann, mark)) < 2:
        assert time.monotonic() < deadline, ann.get("/admin/django_celery_results/taskresult/").text
        time.sleep(1)
    assert times < 60
    gone = f"{place}/periodictask/{number}/delete/"
    ann.post(gone, csrfmiddlewaretoken=ann.get(gone).field("csrfmiddlewaretoken"), post="yes")


def results(ann: Browser, mark: str) -> int:
    """Return how often the task has run, by the admin."""
    page = ann.get(f"/admin/django_celery_results/taskresult/?q={mark}&status__exact=SUCCESS")
    return len(set(re.findall(r"/taskresult/(\d+)/change/", page.text)))
