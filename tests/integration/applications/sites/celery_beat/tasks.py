"""The application of Celery, and its only task."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
app = Celery("tasks")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="greet")
def greet(name):
    """Greet somebody."""
    return f"Hello, {name}"
