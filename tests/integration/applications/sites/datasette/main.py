"""Datasette, as its documentation has it served by any ASGI server."""

import os

from datasette.app import Datasette

application = Datasette([f"{os.environ['DATA_DIRECTORY']}/shop.db"], metadata={"title": "The shop"}).app()
