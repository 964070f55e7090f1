# The only commands a newcomer needs. They work in .venv and var/, and change nothing else.

PYTHON ?= python3
BIN = .venv/bin
PANEL = $(wildcard panel)

.PHONY: run panel test lint bench

# With ARGS=--no-samples the portal starts empty.
run: .venv/runtime
	@scripts/run $(ARGS)

# The vendor's own site. Only the vendor has the folder; nothing else here needs it.
panel: .venv/panel
	@scripts/panel

test: .venv/development
	scripts/install-test-tools
	$(BIN)/pytest
	$(BIN)/python -m tests.postgresql $(BIN)/pytest
	$(if $(PANEL),$(BIN)/pytest -c panel/pyproject.toml panel)
	$(if $(PANEL),$(BIN)/python -m tests.postgresql $(BIN)/pytest -c panel/pyproject.toml panel)

lint: .venv/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	SECRET_KEY=- $(BIN)/mypy .  # its Django plugin reads the settings
	git ls-files -z '*.html' | xargs -0 $(BIN)/djade --target-version 5.2 --check
	$(BIN)/lint-imports
	scripts/check-deployment
	$(if $(PANEL),SECRET_KEY=- $(BIN)/mypy --config-file panel/pyproject.toml panel)
	$(if $(PANEL),$(BIN)/lint-imports --config panel/pyproject.toml)
	$(if $(PANEL),scripts/check-panel-deployment)

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

.venv/panel: .venv/runtime panel/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r panel/requirements.txt
	@touch $@

.venv/development: .venv/runtime requirements-dev.txt $(wildcard panel/requirements*.txt)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt \
	  $(if $(PANEL),-r panel/requirements-dev.txt)
	@touch $@
