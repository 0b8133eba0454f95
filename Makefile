.PHONY: demo demo-down test test-all test-long bench lock

demo: .venv/.installed
	@.venv/bin/python -m tests.rig.demo up

demo-down: .venv/.installed
	@.venv/bin/python -m tests.rig.demo down

test: .venv/.installed
	@.venv/bin/python -m tests.run

test-all: .venv/.installed
	@.venv/bin/python -m tests.run --all

test-long: .venv/.installed
	@.venv/bin/python -m tests.run --long

bench: .venv/.installed
	@.venv/bin/python -m benchmarks

lock: .venv/.installed
	@tests/rig/lock

.venv/.installed: requirements/dev.txt requirements/uv.txt
	@tests/rig/setup
