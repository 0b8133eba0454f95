"""The paths of Wagtail."""

from django.http import HttpResponse
from django.urls import include, path
from wagtail import urls as pages
from wagtail.admin import urls as admin
from wagtail.documents import urls as documents

urlpatterns = [
    path("health", lambda _request: HttpResponse("fine")),
    path("admin/", include(admin)),
    path("documents/", include(documents)),
    path("", include(pages)),
]
