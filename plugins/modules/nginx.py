#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: nginx
short_description: Makes NGINX serve sites
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Writes the whole configuration of NGINX beside the live one, checks it there with C(nginx -t), and only then puts
    it in place.
  - Reloads NGINX when the configuration really differs, and looks whether it has new workers then; if not, what was
    served before is put back. Starts it when it does not run. Restarts it once, when it takes an NGINX over that the
    distribution has started, to let systemd hold its ports; from then on, whoever comes while it restarts waits.
  - Puts the certificates of the sites in place, and gets them from an ACME server, for which NGINX answers for any
    name.
  - Refuses a host whose NGINX serves something that is not this collection's, unless O(take_over=true).
  - Leaves a site that is live but not described as it is, and warns of it, where O(described) says what is described.
  - In check mode it shows the configuration before and after, and does not ask C(nginx -t).
options:
  sites:
    description: The sites to serve, complete, as the role C(nginx) documents them.
    type: list
    elements: dict
    required: true
  described:
    description:
      - The names of all applications that may have a site here. A site of another one that is live is left as it is,
        and told of. Unset, a site that is not in O(sites) is gone.
    type: list
    elements: str
  kept:
    description: The names of sites that are left as they are, if they are live, and not told of.
    type: list
    elements: str
    default: []
  headers:
    description: Headers that each site adds to its answers.
    type: dict
    default: {}
  trusted_proxies:
    description: Networks of proxies in front of this host, which are believed.
    type: list
    elements: str
    default: []
  tls_profile:
    description: Which protocols and ciphers are offered, as the role C(nginx) documents it.
    type: str
    choices: [intermediate, modern]
    default: intermediate
  acme_directory:
    description: The address of the directory of the ACME server.
    type: str
    default: https://acme-v02.api.letsencrypt.org/directory
  acme_email:
    description: Where the ACME server may write to. Empty for nowhere.
    type: str
    default: ""
  status:
    description: The address on loopback where NGINX tells its number of connections. Empty for none.
    type: str
    default: ""
  snippet:
    description: Directives to add to the C(http) block, as they are.
    type: str
    default: ""
  take_over:
    description:
      - Whether NGINX is taken over where it serves something that is not this collection's. Its C(nginx.conf) is kept
        as C(nginx.conf.original).
    type: bool
    default: false
  templates:
    description: A directory on the controller with templates that come before those of the role C(nginx).
    type: str
    default: ""
  at_switch:
    description:
      - Whether the configuration is only made ready, for M(wsgi.production.switch) to let NGINX take it up at the
        moment in which applications change as well.
    type: bool
    default: false
  config:
    description:
      - The text of C(/etc/nginx/nginx.conf), by the version of NGINX from which on it is right, as JSON. The action
        plugin of this module writes it; not to be given.
    type: str
  units:
    description: The units of NGINX. The action plugin of this module renders them; not to be given.
    type: list
    elements: str
  certificates:
    description: The certificates of the sites. The action plugin of this module reads them; not to be given.
    type: list
    elements: dict
    suboptions:
      site:
        description: The name of the site.
        type: str
        required: true
      source:
        description: Where the certificate comes from.
        type: str
        required: true
      names:
        description: The host names that it is for.
        type: list
        elements: str
        required: true
      file:
        description: The file on the host.
        type: str
        required: true
      key_file:
        description: That of the key.
        type: str
        required: true
      certificate:
        description: Its text, where the controller has it.
        type: str
        default: ""
  secrets:
    description:
      - The passwords of users and the key that the controller has, by site, as JSON. The action plugin of this module
        writes it; not to be given.
    type: str
extends_documentation_fragment: wsgi.production.step
"""

EXAMPLES = """
- name: Serve the sites
  wsgi.production.nginx:
    sites:
      - name: hello
        server_names: [hello.example.com]
        servers: ["unix:/srv/hello/current/socket"]
        protocol: uwsgi
        read_timeout: 65
"""

RETURN = """# The module returns nothing of its own."""
