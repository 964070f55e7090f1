# The only commands a newcomer needs. They work in .venv and var/, and change nothing else.

PYTHON ?= python3
BIN = .venv/bin
PANEL = $(wildcard panel)
DEVELOPMENT = $(if $(PANEL),panel/requirements-dev.txt,requirements-dev.txt)
LOCKED = requirements-uv requirements requirements-dev \
  $(if $(PANEL),panel/requirements panel/requirements-dev)
# Only files that the lock names by hash, and no package's build step. On a platform that lacks a wheel:
# make WHEELS= run
WHEELS = --only-binary :all:
INSTALL = install --quiet --require-hashes $(WHEELS) -r
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: run finding panel test cover lint bench lock audit sbom

# With ARGS=--no-samples the portal starts empty.
run: .venv/runtime
	@scripts/run $(ARGS)

# One sample finding, beside `make run`. ARGS: what `manage.py samplefinding --help` lists.
finding: .venv/runtime
	@DOTENV_PATH=var/.env $(BIN)/python manage.py samplefinding $(ARGS)

# The vendor's own site. Only the vendor has the folder; nothing else here needs it.
panel: .venv/panel
	@scripts/panel

# docs/testing.md says what runs where. ARGS go to each of the four: ARGS=--randomly-seed=7
test: export PYTHONDONTWRITEBYTECODE =# the workers of all four read what the first has compiled
test: .venv/development
	scripts/install-test-tools
	$(BIN)/pytest $(ARGS)
	$(BIN)/python -m tests.postgresql $(BIN)/pytest -m every_database $(ARGS)
	$(if $(PANEL),$(BIN)/pytest -c panel/pyproject.toml panel $(ARGS))
	$(if $(PANEL),$(BIN)/python -m tests.postgresql $(BIN)/pytest -c panel/pyproject.toml -m every_database panel $(ARGS))

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

# Branch coverage of the portal's tests on SQLite.
cover: .venv/development
	scripts/install-test-tools
	$(BIN)/pytest --cov --cov-report=
	@for app in license findings actions; do \
	  $(BIN)/coverage report --include "$$app/*" --fail-under 95 || failed=1; \
	done; exit $${failed:-0}

# Fails on a known vulnerability, and where there is no data to tell. With ARGS=--allow-no-data only on the first.
audit: .venv/development
	@$(BIN)/python scripts/audit $(ARGS)

# What the portal is made of, as CycloneDX.
sbom: .venv/development
	@scripts/sbom var/sbom.json
	@echo Wrote var/sbom.json

# After a change of an .in file. ARGS=--upgrade also takes the newest of what those files do not pin.
lock: .venv/development
	for file in $(LOCKED); do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 $(ARGS) \
	    $$file.in -o $$file.txt || exit 1; \
	done

.venv/runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 run' >&2; exit 1; }
	@$(PYTHON) -m venv .venv \
	  || { echo 'Python lacks venv. On Debian: apt-get install python3-venv' >&2; exit 1; }
	$(BIN)/pip $(INSTALL) requirements.txt
	@touch $@

.venv/panel: .venv/runtime panel/requirements.txt
	$(BIN)/pip $(INSTALL) panel/requirements.txt
	@touch $@

.venv/development: .venv/runtime requirements-uv.txt $(DEVELOPMENT)
	$(BIN)/pip $(INSTALL) requirements-uv.txt
	$(BIN)/uv pip $(INSTALL) $(DEVELOPMENT) --python $(BIN)/python
	@touch $@
