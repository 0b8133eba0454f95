# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The steps of a run, a module for each: `ARGUMENTS`, and `plan`, which looks at the host and changes nothing."""
