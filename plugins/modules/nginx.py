#!/usr/bin/python
# Copyright (c) 2026 The wsgi.production authors
# GNU General Public License v3.0 or later (see LICENSE)

DOCUMENTATION = """
module: nginx
short_description: Configures NGINX to serve sites
version_added: 0.1.0
author: The wsgi.production authors (@wsgi-production)
description:
  - Writes the whole configuration of NGINX beside the live one, checks it there with C(nginx -t), and only then puts it
    in place.
  - Reloads NGINX only if the configuration differs, and checks that new worker processes start. If they do not, the
    previous configuration is restored. Starts NGINX if it is not running. When it takes over an NGINX that the
    distribution started, it restarts it once to let systemd hold the ports. From then on, connections wait during a
    restart instead of being refused.
  - Installs the certificates of the sites, and gets them from an ACME server, whose challenges NGINX answers for any
    name.
  - Refuses a host whose NGINX serves something that this collection did not configure, unless O(take_over=true).
  - Keeps a live site that is not described, and warns about it, if O(described) is set.
  - In check mode it shows the configuration before and after, and does not run C(nginx -t).
options:
  sites:
    description: The sites to serve, with all settings that the role C(nginx) documents.
    type: list
    elements: dict
    required: true
  described:
    description:
      - The names of all applications that may have a site here. A live site of any other is kept, with a warning. If
        omitted, a site that is not in O(sites) is removed.
    type: list
    elements: str
  kept:
    description: The names of live sites to keep as they are, without a warning.
    type: list
    elements: str
    default: []
  headers:
    description: Headers that each site adds to its responses.
    type: dict
    default: {}
  trusted_proxies:
    description: Networks of trusted proxies in front of this host.
    type: list
    elements: str
    default: []
  tls_profile:
    description: Which protocols and ciphers to offer, as the role C(nginx) documents.
    type: str
    choices: [intermediate, modern]
    default: intermediate
  acme_directory:
    description: The URL of the directory of the ACME server.
    type: str
    default: https://acme-v02.api.letsencrypt.org/directory
  acme_email:
    description: The address to which the ACME server may send mail. Empty for none.
    type: str
    default: ""
  status:
    description: The loopback address on which NGINX reports its number of connections. Empty for none.
    type: str
    default: ""
  snippet:
    description: Directives to add to the C(http) block, unchanged.
    type: str
    default: ""
  take_over:
    description:
      - Whether to take over an NGINX that serves something which this collection did not configure. Its C(nginx.conf)
        is kept as C(nginx.conf.original).
    type: bool
    default: false
  templates:
    description: A directory on the controller with templates that override those of the role C(nginx).
    type: str
    default: ""
  at_switch:
    description:
      - Whether to only prepare the configuration. M(wsgi.production.switch) then loads it at the moment in which the
        applications change.
    type: bool
    default: false
  config:
    description:
      - The text of C(/etc/nginx/nginx.conf) as JSON, by the version of NGINX since which it applies. The action plugin
        renders it; do not set it.
    type: str
  units:
    description: The units of NGINX. The action plugin renders them; do not set it.
    type: list
    elements: str
  certificates:
    description: The certificates of the sites. The action plugin reads them; do not set it.
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
        description: The host names of the certificate.
        type: list
        elements: str
        required: true
      file:
        description: The file of the certificate on the host.
        type: str
        required: true
      key_file:
        description: The file of the key on the host.
        type: str
        required: true
      certificate:
        description: The text of the certificate, if it comes from the controller.
        type: str
        default: ""
  secrets:
    description:
      - The passwords of users and the keys from the controller as JSON, by site. The action plugin writes it; do not
        set it.
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
