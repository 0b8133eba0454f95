"""Shows what Django makes of its place."""

import django.conf
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse

django.conf.settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of a test")


def page(_request):
    """Return the URL that leads here."""
    return HttpResponse(reverse("page"))


def away(_request):
    """Lead to the page."""
    return redirect("page")


urlpatterns = [path("page", page, name="page"), path("away", away)]
application = get_wsgi_application()
