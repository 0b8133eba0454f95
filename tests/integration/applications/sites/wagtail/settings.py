"""Settings of Wagtail as in its documentation, with documents that NGINX sends."""

import os
from pathlib import Path

CODE, DATA = Path(__file__).parent, Path(os.environ.get("DATA_DIRECTORY", "/nowhere"))
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["wagtail.example.com"]
ROOT_URLCONF = "urls"
WSGI_APPLICATION = "main.application"
WAGTAIL_SITE_NAME = "The archive"
WAGTAILADMIN_BASE_URL = "http://wagtail.example.com"
INSTALLED_APPS = [
    *(f"wagtail.{name}" for name in ("documents", "images", "users", "snippets", "search", "sites", "admin")),
    *("wagtail.contrib.forms", "wagtail.contrib.redirects", "wagtail.embeds", "wagtail", "taggit", "modelcluster"),
    *("django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"),
    *("django.contrib.messages", "django.contrib.staticfiles"),
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "wagtail.contrib.redirects.middleware.RedirectMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "db.sqlite3"}}
WAGTAILSEARCH_BACKENDS = {"default": {"BACKEND": "wagtail.search.backends.database"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL, STATIC_ROOT = "/static/", CODE / "collected"
MEDIA_URL, MEDIA_ROOT = "/media/", DATA / "media"
# NGINX may read what the application has checked and completed.
FILE_UPLOAD_PERMISSIONS = 0o640
SENDFILE_BACKEND = "django_sendfile.backends.nginx"
SENDFILE_ROOT, SENDFILE_URL = str(MEDIA_ROOT), "/media"
