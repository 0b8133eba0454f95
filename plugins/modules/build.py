#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: build
short_description: Builds the code and virtual environment of applications
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Copies the source of each application to the host, and installs its dependencies into a virtual environment. Creates
    the system user of the application if it does not exist.
  - A build is immutable. Its name is a digest of everything that went into it. A build that exists is not made again.
  - Packages are installed with uv, or with pip if the index does not offer uv.
options:
  apps:
    description: The applications, with the settings that the role C(python_app) documents.
    type: list
    elements: dict
    required: true
  secrets:
    description:
      - The environment of the build commands. The action plugin takes it from O(apps); do not set it.
    type: str
    default: "{}"
  wheels:
    description:
      - The wheels to install from, by the name of the application, as M(wsgi.production.wheels) returns them. Nothing
        is then fetched from an index.
    type: dict
    default: {}
  wheel_archives:
    description: The path of each archive of wheels on the host. The action plugin copies them; do not set it.
    type: dict
    default: {}
extends_documentation_fragment:
  - wsgi.production.index
  - wsgi.production.python_mirror
  - wsgi.production.on_failure
  - wsgi.production.sources
  - wsgi.production.step
"""

EXAMPLES = """
- name: Build the application
  wsgi.production.build:
    apps:
      - name: hello
        source: app
"""

RETURN = """
builds:
  description:
    - The directory of each build, by the name of the application, with the code in C(app) and the packages in C(venv).
  returned: success
  type: dict
  sample: {hello: /srv/hello/builds/3f9c2a1b7d40}
folders:
  description: The directory of the wheels that a build was installed from, by the name of the application.
  returned: success
  type: dict
  sample: {hello: /var/cache/wsgi/wheels/0f3a5b7c9d1e}
broken:
  description: Why an application could not be built, by its name, with O(on_failure=continue).
  returned: success
  type: dict
"""
