#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: build
short_description: Makes builds of applications, each code and virtual environment
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Takes the source of each application to the host, and installs the packages that it depends on into a virtual
    environment beside it. Makes the system user of an application where it is missing.
  - A build is immutable and named by the digest of what went into it. What is there already is not made again.
  - Packages are installed with uv, or with pip where the index does not have uv.
options:
  apps:
    description: The applications, as the role C(python_app) documents them, which also says what each setting means.
    type: list
    elements: dict
    required: true
  secrets:
    description:
      - The environment of each application's commands. The action plugin of this module takes it out of O(apps); not to
        be given.
    type: str
    default: "{}"
  wheels:
    description:
      - The wheels to install from, by the application's name, as M(wsgi.production.wheels) returns them. Nothing is
        fetched from an index then.
    type: dict
    default: {}
  wheel_archives:
    description: Where each archive of wheels lies on the host. The action plugin sends them; not to be given.
    type: dict
    default: {}
extends_documentation_fragment:
  - wsgi.production.index
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
    - The directory of the build of each application, by the application's name, with the code in C(app) and the
      packages in C(venv).
  returned: success
  type: dict
  sample: {hello: /srv/hello/builds/3f9c2a1b7d40}
folders:
  description: The directory of the wheels that each build was installed from, by the application's name.
  returned: success
  type: dict
  sample: {hello: /var/cache/wsgi/wheels/0f3a5b7c9d1e}
broken:
  description: Why an application could not be built, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""
