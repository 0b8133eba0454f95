"""Written by wsgi.production: runs uWSGI inside the interpreter of the virtual environment that starts this file."""

from pyuwsgi import run

run()
