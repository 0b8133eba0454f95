"""What the collection reads from a requirements file, and what it refuses."""

from __future__ import annotations

import pytest

from ansible_collections.wsgi.production.plugins.plugin_utils.requirements_file import Line, lines, objections

PINNED = """\
# what we need
-r base.txt
flask==3.1.2 \\
    --hash=sha256:00 \\
    --hash=sha256:11
    # via -r requirements.in
-e ./lib[extra]
requests[socks] >= 2 ; python_version > "3.8"  # a comment
git+https://git.example.com/a.git@v1#egg=a_b
--pre
-fwheels
"""


def test_lines_are_joined_and_comments_left_out() -> None:
    assert list(lines(PINNED)) == [
        Line(2, "-r", "base.txt"),
        Line(3, "", "flask==3.1.2"),
        Line(7, "-e", "./lib[extra]"),
        Line(8, "", 'requests[socks] >= 2 ; python_version > "3.8"'),
        Line(9, "", "git+https://git.example.com/a.git@v1#egg=a_b"),
        Line(10, "--pre", ""),
        Line(11, "-f", "wheels"),
    ]
    assert [line.package for line in lines(PINNED)] == ["", "flask", "", "requests", "a-b", "", ""]
    assert objections("r.txt", PINNED) == []


@pytest.mark.parametrize(
    "line",
    [
        "flask",
        "Flask==3.1.2",
        "flask~=3.0,!=3.0.1",
        "flask @ https://example.com/flask-3.0-py3-none-any.whl",
        "https://example.com/flask-3.0-py3-none-any.whl#sha256=00",
        "./flask-3.0-py3-none-any.whl",
        "wheels/flask-3.0-py3-none-any.whl",
        "flask-3.0-py3-none-any.whl",
        ".",
        "lib/inner",
        "file:lib",
        "-e .",
        "a @ git+https://git.example.com/a.git@0123",
        "-i https://pypi.org/simple",
        "--index-url=https://pypi.example.org/simple",
        "--extra-index-url https://pypi.example.org/simple",
        "--no-index",
        "--pre",
        "--require-hashes",
        "--no-binary :all:",
        "--only-binary=flask",
        "-c constraints.txt",
        "# --trusted-host",
        "",
    ],
)
def test_supported_lines_pass(line: str) -> None:
    assert objections("requirements.txt", f"{line}\n") == []


@pytest.mark.parametrize(
    ("line", "option", "reason"),
    [
        ("--trusted-host pypi.example.org", "--trusted-host", "python_app_ca_bundle"),
        ("--prefer-binary", "--prefer-binary", "--only-binary"),
        ("--use-feature=fast-deps", "--use-feature", "remove it"),
        ("--global-option=x", "--global-option", "name its file"),
        ("flask --config-settings=a=b", "flask --config-settings=a=b", "name its file"),
        ("flask --editable", "flask --editable", "not supported here"),
        ("-c https://example.com/c.txt", "-c", "download the file"),
        ("-r https://example.com/r.txt", "-r", "download the file"),
        ("-i https://u:${TOKEN}@pypi.example.org", "-i", "${TOKEN} is not replaced"),
        ("git+https://${TOKEN}@git.example.com/a.git", "git+https://***@git.example.com/a.git", "python_app_index_url"),
        ("-r my file.txt", "-r", "cannot contain spaces"),
        ("-r", "-r", "its value is missing"),
        ("--pre flask", "--pre", "on its own line"),
        ("-e git+https://git.example.com/a.git#egg=a", "-e", "remove -e"),
        ("a @ hg+https://hg.example.com/a", "a @ hg+https://hg.example.com/a", "uv does not support hg"),
        ("--nonsense", "--nonsense", "there is no such option"),
        ("-x", "-x", "there is no such option"),
        ("flask=3.0", "flask=3.0", "this is not a requirement"),
        ("flask 3.0", "flask 3.0", "this is not a requirement"),
        ("numpy @ file:///home/conda/numpy", "numpy @ file:///home/conda/numpy", "on another machine"),
        ("/opt/lib", "/opt/lib", "on another machine"),
        ("-e /opt/lib", "-e", "on another machine"),
        ("-r /opt/base.txt", "-r", "on another machine"),
        ("uwsgi==2.0.30", "uwsgi==2.0.30", "the collection installs its own uWSGI; remove it"),
        ("uWSGI", "uWSGI", "the collection installs its own uWSGI; remove it"),
        ("pyuwsgi>=2", "pyuwsgi>=2", "the collection installs its own uWSGI; remove it"),
    ],
)
def test_an_unsupported_line_is_refused_with_its_number(line: str, option: str, reason: str) -> None:
    (sentence,) = objections("requirements.txt", f"flask\n{line}\n")
    assert sentence.startswith(f"requirements.txt, line 2: {option}: ")
    assert reason in sentence


@pytest.mark.parametrize("text", ["\ufeffflask\n", "f\0l\0a\0s\0k\0"])
def test_a_file_in_a_windows_encoding_is_refused(text: str) -> None:
    (sentence,) = objections("requirements.txt", text)
    assert sentence.startswith("requirements.txt is not UTF-8 text, or has a byte order mark, as PowerShell writes it")


def test_all_errors_are_reported_at_once() -> None:
    assert len(objections("requirements.txt", "uwsgi\n--trusted-host x\n-x\n")) == 3
