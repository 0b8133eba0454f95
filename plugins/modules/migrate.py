#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: migrate
short_description: Runs the migrations of releases before they start
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Runs the commands C(migrate) of each release with its code, packages, environment, user and sandbox, while the
    release before it keeps serving. If a command fails, the error contains the end of its output.
  - A migration that completed is not repeated for the same release. systemd runs it, so it continues if the run is
    killed. The next run waits for it to end, or reports that it did not complete, and runs it again.
options:
  releases:
    description: The release of each application, by the name of the application.
    type: dict
    required: true
  asked:
    description:
      - The names of the applications that have a migration. Check mode needs them, because the release does not exist
        yet.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - wsgi.production.on_failure
  - wsgi.production.step
"""

EXAMPLES = """
- name: Migrate once for all hosts
  wsgi.production.migrate:
    releases: {hello: 81d0e77c2b6f}
  run_once: true
"""

RETURN = """
broken:
  description: Why the migration of an application failed, by the name of the application, with O(on_failure=continue).
  returned: success
  type: dict
"""
