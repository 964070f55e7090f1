# The only commands a newcomer needs. They work in .venv and var/, and change nothing else.

PYTHON ?= python3
BIN = .venv/bin

.PHONY: run test lint bench

run: .venv/runtime
	@scripts/run

test: .venv/development
	scripts/install-test-tools
	$(BIN)/pytest
	$(BIN)/python -m tests.postgresql $(BIN)/pytest

lint: .venv/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	SECRET_KEY=- $(BIN)/mypy .  # its Django plugin reads the settings
	git ls-files -z '*.html' | xargs -0 $(BIN)/djade --target-version 5.2 --check
	$(BIN)/lint-imports
	scripts/check-deployment

bench: .venv/development
	scripts/install-test-tools
	$(BIN)/python -m benchmarks
	$(BIN)/python -m tests.postgresql $(BIN)/python -m benchmarks

.venv/runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 run' >&2; exit 1; }
	@$(PYTHON) -m venv .venv \
	  || { echo 'Python lacks venv. On Debian: apt-get install python3-venv' >&2; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/development: .venv/runtime requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
