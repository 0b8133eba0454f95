"""A Django application that is for HTTPS alone, as the documentation of Django wants it in production."""

import hashlib
import os

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    SECRET_KEY="of no account",
    ALLOWED_HOSTS=os.environ["ALLOWED_HOSTS"].split(),
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    SECURE_SSL_REDIRECT=True,
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)
django.setup()


def health(request: HttpRequest) -> HttpResponse:
    """Be as healthy as the environment says."""
    if os.environ.get("MOOD") == "sick":
        raise RuntimeError("sick")
    return HttpResponse("fine")


@csrf_exempt
def echo(request: HttpRequest) -> JsonResponse:
    """Say what has arrived, as an application reads it."""
    files = {name: hashlib.sha256(file.read()).hexdigest() for name, file in request.FILES.items()}
    body = "" if files else hashlib.sha256(request.body).hexdigest()
    return JsonResponse({"form": request.POST.dict(), "files": files, "body": body})


urlpatterns = [path("health", health), path("echo", echo)]
application = WSGIHandler()
