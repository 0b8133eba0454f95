"""A notebook of marimo as an application, as its documentation mounts one in ASGI."""

import marimo

application = marimo.create_asgi_app(include_code=False).with_app(path="", root="notebook.py").build()
