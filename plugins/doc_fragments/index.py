# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)
"""The options for the package index, shared by the modules that install Python packages."""

from __future__ import annotations


class ModuleDocFragment:
    """The options in `installer.INDEX_OPTIONS` and `installer.PINS_OPTION`."""

    DOCUMENTATION = """
options:
  index_url:
    description: The package index, as in PEP 503. Empty for the default of the installer.
    type: str
    default: ""
  ca_bundle:
    description: A file on the host with the certificates to trust. It is ignored if it does not exist.
    type: str
    default: ""
  proxy:
    description: The URL of a proxy for the installer. Empty for none.
    type: str
    default: ""
  pins:
    description:
      - The locked requirements of the programs that the collection itself installs. The action plugin fills it in; do
        not set it.
    type: dict
    default: {}
"""
