.PHONY: demo demo-down lint unit part test test-all test-long docs picture changelog bench lock

demo: .venv/.installed
	@.venv/bin/python -m tests.rig.demo up

demo-down: .venv/.installed
	@.venv/bin/python -m tests.rig.demo down

lint: .venv/.installed
	@.venv/bin/python -m tests.run ruff mypy yamllint ansible-lint changelog workflows docs

unit: .venv/.installed
	@.venv/bin/python -m tests.run unit

# One part of the whole test, such as: make part NAME="molecule nginx"
part: .venv/.installed
	@.venv/bin/python -m tests.run "$(NAME)"

test: .venv/.installed
	@.venv/bin/python -m tests.run

test-all: .venv/.installed
	@.venv/bin/python -m tests.run --all

test-long: .venv/.installed
	@.venv/bin/python -m tests.run --long

# Draws docs/deploy.svg from a real deploy.
picture: .venv/.installed
	@.venv/bin/python -m tests.rig.picture

docs: .venv/.installed
	@.venv/bin/python -m tests.rig.artefact docs

# Writes CHANGELOG.md and changelogs/changelog.yaml from the fragments of the version in galaxy.yml.
changelog: .venv/.installed
	@PATH="$(CURDIR)/.venv/bin:$$PATH" antsibull-changelog release --update-existing --refresh --reload-plugins

bench: .venv/.installed
	@.venv/bin/python -m benchmarks

lock: .venv/.installed
	@tests/rig/lock

.venv/.installed: requirements/dev.txt plugins/plugin_utils/pins/uv.txt
	@tests/rig/setup
