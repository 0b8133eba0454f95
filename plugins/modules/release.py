#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: release
short_description: Creates releases of applications from a build and its settings
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Writes C(uwsgi.ini), the environment and the units of each release, and installs uWSGI for it.
  - A release is immutable. Its name is a digest of its build and configuration. This module starts nothing.
options:
  apps:
    description: The applications, with the settings that the role C(uwsgi) documents.
    type: list
    elements: dict
    required: true
  first:
    description: Whether this host runs the timers that do not run on every host.
    type: bool
    default: true
  libraries:
    description: Packages of the distribution to build uWSGI with. Other packages make another uWSGI.
    type: list
    elements: str
    default: []
  templates:
    description: A directory on the controller with templates that override those of the role C(uwsgi).
    type: str
    default: ""
  files:
    description: The files of each release. The action plugin renders them; do not set it.
    type: str
  secrets:
    description:
      - The environment and the secret files of each application. The action plugin takes them from O(apps); do not set
        it.
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
  description: The name of each release, by the name of the application.
  returned: success
  type: dict
  sample: {hello: 81d0e77c2b6f}
broken:
  description:
    - Why the release of an application could not be created, by the name of the application, with
      O(on_failure=continue).
  returned: success
  type: dict
"""
