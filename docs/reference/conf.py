"""How Sphinx makes the reference pages, which antsibull-docs writes from the specifications of roles and modules."""

project = "wsgi.production"
author = "The wsgi.production authors"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's own name
title = html_short_title = "wsgi.production"

extensions = ["sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_use_index = False
html_copy_source = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
nitpicky = True

# Pages of Ansible's own documentation, which the build does not fetch.
ELSEWHERE = (
    "action_plugins",
    "ansible_configuration_settings",
    "common_return_values",
    r"ansible_collections\.ansible\..*",
)
nitpick_ignore_regex = [("std:ref", name) for name in ELSEWHERE]
