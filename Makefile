# Commands for development. They write only to .venv and var/.

PYTHON ?= python3
BIN = .venv/bin
PANEL = $(wildcard panel)
DEVELOPMENT = $(if $(PANEL),panel/requirements-dev.txt,requirements-dev.txt)
LOCKED = requirements-uv requirements requirements-dev \
  $(if $(PANEL),panel/requirements panel/requirements-dev)
# Install only wheels, with the hashes in the lock files. On a platform without wheels, run:
# make WHEELS= run
WHEELS = --only-binary :all:
INSTALL = install --quiet --require-hashes $(WHEELS) -r
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# The longest first.
SUITES = test-portal test-apps $(if $(PANEL),test-panel) test-portal-postgresql \
  $(if $(PANEL),test-panel-postgresql)

.PHONY: run finding expire panel test $(SUITES) cover lint image image-test bench bench-large lock audit sbom

# ARGS=--no-samples starts without a policy and sample findings.
run: .venv/runtime
	@scripts/run $(ARGS)

# Send a sample finding to the portal of `make run`. ARGS: see `manage.py samplefinding --help`.
finding: .venv/runtime
	@DOTENV_PATH=var/.env $(BIN)/python manage.py samplefinding $(ARGS)

# Let the license of `make run` expire, and print a key that fixes it.
expire: .venv/runtime
	@DOTENV_PATH=var/.env $(BIN)/python scripts/expire-license

# Run the vendor's panel. Customers do not have the folder panel/, and do not need it.
panel: .venv/panel
	@scripts/panel

# docs/testing.md lists what runs on which database. All suites get ARGS: ARGS=--randomly-seed=7
# Two suites run at a time: in many tests, the processor waits for a server or a browser.
test: .venv/development
	scripts/install-test-tools
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target $(SUITES)

$(SUITES): export PYTHONDONTWRITEBYTECODE =# all workers use the bytecode that the first pytest compiled
test-portal:
	$(BIN)/pytest tests $(ARGS)
test-apps:
	$(BIN)/pytest --ignore-glob='tests/*' $(ARGS)
test-portal-postgresql:
	$(BIN)/python -m tests.postgresql $(BIN)/pytest -m every_database $(ARGS)
test-panel:
	$(BIN)/pytest -c panel/pyproject.toml panel $(ARGS)
test-panel-postgresql:
	$(BIN)/python -m tests.postgresql $(BIN)/pytest -c panel/pyproject.toml -m every_database panel $(ARGS)

lint: .venv/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	SECRET_KEY=- $(BIN)/mypy  # the Django plugin of mypy reads the settings
	git ls-files -z '*.html' | xargs -0 $(BIN)/djade --target-version 5.2 --check
	$(BIN)/lint-imports
	$(BIN)/cfn-lint deploy/*.yaml
	scripts/check-deployment
	scripts/check-migrations
	$(if $(PANEL),SECRET_KEY=- $(BIN)/mypy --config-file panel/pyproject.toml panel)
	$(if $(PANEL),$(BIN)/lint-imports --config panel/pyproject.toml)
	$(if $(PANEL),scripts/check-panel-deployment)

# Build the image of the portal: docs/deployment.md. ARGS=panel builds that of the panel.
image:
	@scripts/image $(ARGS)

# Build both images, and run web, worker and release out of them, with an upgrade under load.
image-test: .venv/development
	scripts/install-test-tools postgresql
	scripts/install-image-tools
	$(BIN)/pytest tests/image.py -n0 -p no:randomly $(ARGS)

bench: .venv/development
	scripts/install-test-tools
	$(BIN)/python -m benchmarks
	$(BIN)/python -m tests.postgresql $(BIN)/python -m benchmarks

# Measure the pages with 10 million findings on PostgreSQL, and with one million on SQLite. By the sizes
# of smaller runs, it takes an hour or more and 18 GB. ARGS="--rows 1000000" measures with fewer.
bench-large: .venv/development
	scripts/install-test-tools postgresql
	$(BIN)/python -m benchmarks.large $(ARGS)
	$(BIN)/python -m tests.postgresql $(BIN)/python -m benchmarks.large $(ARGS)

# Measure the branch coverage of the portal's tests on SQLite.
cover: .venv/development
	scripts/install-test-tools
	$(BIN)/pytest --cov --cov-report=
	@for app in license findings actions; do \
	  $(BIN)/coverage report --include "$$app/*" --fail-under 95 || failed=1; \
	done; exit $${failed:-0}

# Fail on a known vulnerability, or without vulnerability data (not with ARGS=--allow-no-data).
audit: .venv/development
	@$(BIN)/python scripts/audit $(ARGS)

# Write a software bill of materials (CycloneDX).
sbom: .venv/development
	@scripts/sbom var/sbom.json
	@echo Wrote var/sbom.json

# Lock the requirements after a change of an .in file. ARGS=--upgrade upgrades unpinned dependencies.
lock: .venv/development
	for file in $(LOCKED); do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 $(ARGS) \
	    $$file.in -o $$file.txt || exit 1; \
	done

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is required: make PYTHON=python3.12 run' >&2; exit 1; }
	@$(PYTHON) -m venv .venv \
	  || { echo 'The Python module venv is missing. On Debian: apt-get install python3-venv' >&2; exit 1; }

.venv/runtime: requirements.txt | .venv/bin/python
	$(BIN)/pip $(INSTALL) requirements.txt
	@touch $@

.venv/panel: .venv/runtime panel/requirements.txt
	$(BIN)/pip $(INSTALL) panel/requirements.txt
	@touch $@

# These contain the requirements of the runtime. uv installs them several times as fast as pip.
.venv/development: requirements-uv.txt requirements.txt $(DEVELOPMENT) | .venv/bin/python
	$(BIN)/pip $(INSTALL) requirements-uv.txt
	$(BIN)/uv pip $(INSTALL) $(DEVELOPMENT) --python $(BIN)/python
	@touch .venv/runtime $@
