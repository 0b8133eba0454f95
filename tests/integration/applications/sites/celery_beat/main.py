"""The project as a WSGI application, which knows the application of Celery."""

import tasks  # noqa: F401
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
