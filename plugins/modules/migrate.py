#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: migrate
short_description: Runs the migrations of releases, before anything of them boots
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Runs the commands C(migrate) of each release, with its code, packages, environment, user and sandbox, while the
    release before it goes on serving. When one fails, the end of what it said is the error.
  - What was done to its end for a release is not run again for it. systemd runs it, so it goes on when the run that
    asked for it is killed; the next run waits for that end, or says that none was seen and runs it again.
options:
  releases:
    description: The release to migrate for of each application, by the application's name.
    type: dict
    required: true
  asked:
    description:
      - The names of the applications that have a migration, to tell of it in check mode, where the release is not
        there yet.
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
  description: Why an application's migration is not done, by its name, where O(on_failure=continue).
  returned: success
  type: dict
"""
