#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: release
short_description: Makes releases of applications, each one build plus one configuration
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Writes C(uwsgi.ini), the environment and the units of each release, and installs the uWSGI that it runs with.
  - A release is immutable and named by the digest of its build and configuration. Nothing is started here.
options:
  apps:
    description: The applications, as the role C(uwsgi) documents them, which also says what each setting means.
    type: list
    elements: dict
    required: true
  first:
    description: Whether this host is the one that runs the timers which do not run on every host.
    type: bool
    default: true
  libraries:
    description: Packages of the distribution that uWSGI from source is built with. Other ones make another uWSGI.
    type: list
    elements: str
    default: []
  templates:
    description: A directory on the controller with templates that come before those of the role C(uwsgi).
    type: str
    default: ""
  files:
    description: The files of each release. The action plugin of this module renders them; not to be given.
    type: str
  secrets:
    description:
      - The environment of each application and its secrets in files. The action plugin of this module takes them out of
        O(apps); not to be given.
    type: str
extends_documentation_fragment:
  - wsgi.production.index
  - wsgi.production.on_failure
  - wsgi.production.step
"""

EXAMPLES = """
- name: Make the release
  wsgi.production.release:
    apps:
      - name: hello
        build: /srv/hello/builds/3f9c2a1b7d40
        callable: main:application
"""

RETURN = """
releases:
  description: The digest that names the release of each application, by the application's name.
  returned: success
  type: dict
  sample: {hello: 81d0e77c2b6f}
broken:
  description: Why an application's release was not made, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""
