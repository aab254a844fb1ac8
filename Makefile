# Everything that one does with a checkout. Needs Python 3.11 and either a Docker engine or Debian's packages.
PYTHON ?= python3
MODE ?= auto
CONSUMERS ?=
AUTH ?=
WORKERS ?= 2
# Tests of faults wait most of the time.
FAULT_WORKERS ?= 4
MINUTES ?= 10
VENV := .venv/bin/python
# Tests and services are many processes: none should compile anew what another has compiled, as this would have them do.
unexport PYTHONDONTWRITEBYTECODE
# The way of a row: taken, read and sent, given its effect, finished.
QUICK := tests/unit tests/integration/api_service/uploads/test_intake.py \
	tests/integration/producer_service/uploads/test_runner.py tests/integration/producer_service/uploads/test_upload_state.py \
	tests/integration/consumer_service/test_delivery.py tests/integration/consumer_service/test_ledger.py \
	tests/integration/consumer_service/test_same_end.py

.DEFAULT_GOAL := help
.PHONY: help up demo down clean backup restore test test-quick test-long test-faults soak mutants guide reference lint types bench sbom audit lock venv

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

up: ## Bring the system up; MODE=compose|local CONSUMERS=n AUTH=on|off (default: what this machine can, 2, as before)
	@$(PYTHON) -m deploy.up --mode $(MODE) $(addprefix --consumers=,$(CONSUMERS)) $(addprefix --auth=,$(AUTH))

demo: ## Bring it up, upload a sample with some bad rows, and show what became of each
	@$(PYTHON) -m deploy.demo --mode $(MODE) $(addprefix --consumers=,$(CONSUMERS)) $(addprefix --auth=,$(AUTH))

down: ## Stop it; the data stays
	@$(PYTHON) -m deploy.down

clean: ## Stop it and delete its data
	@$(PYTHON) -m deploy.down --drop-data

backup: ## Back up database and files into TO=folder (default: backups/<time>)
	@$(PYTHON) -m tools.backup backup --mode $(MODE) $(TO)

restore: ## Put a backup back, FROM=folder; the database of now is kept, and so are files that the backup lacks
	@$(PYTHON) -m tools.backup restore --mode $(MODE) $(FROM)

test: venv ## Run the tests on real servers, but for the long ones
	@echo "Running the tests, on a Postgres and a RabbitMQ of their own ..." >&2
	@$(VENV) -m pytest -n $(WORKERS) -m "not long" $(ARGS)

test-quick: venv ## Run the unit tests, and the integration tests of a row's way
	@echo "Running the unit tests and the heart of the integration tests ..." >&2
	@$(VENV) -m pytest -n $(WORKERS) -m "not long and not slow" $(QUICK) $(ARGS)

test-long: venv ## Run the tests that take minutes: a million rows, ten kills
	@$(VENV) -m pytest -m long $(ARGS)

test-faults: venv ## Run every row of the fault table, and write the result into docs/reliability.md
	@$(VENV) -m pytest -n $(FAULT_WORKERS) -m fault --record-faults $(ARGS)

soak: venv ## Upload for MINUTES=10 while faults strike everything, and hold every row to the reference
	@$(VENV) -m tests.soak --minutes $(MINUTES) $(ARGS)

mutants: venv ## Take out one safeguard at a time, and see that the tests notice
	@$(VENV) -m tests.mutants

guide: venv ## Build the documentation as a site, which the services serve at /guide
	@$(VENV) -m tools.guide

reference: venv ## Write the lists of docs/api.md and docs/command.md anew from the code
	@$(VENV) -m tools.reference
	@PYTHONPATH=client:. $(VENV) -m tools.command_reference

lint: venv ## Check style, layout and the layers between packages
	@$(VENV) -m ruff check .
	@$(VENV) -m ruff format --check .
	@PYTHONPATH=client .venv/bin/lint-imports --no-logo

types: venv ## Check the types
	@$(VENV) -m mypy

bench: venv ## Measure everything; ARGS=ingest or another part alone, ARGS=--help lists them
	@$(VENV) -m benchmarks $(ARGS)

sbom: ## List what is in each image, as CycloneDX, in build/sbom
	@$(PYTHON) -m tools.sbom

audit: ## Look the locked packages up among known vulnerabilities
	@$(PYTHON) -m tools.audit

lock: ## Compile requirements/*.txt anew from pyproject.toml; ARGS=--upgrade takes newer versions
	@$(PYTHON) -m tools.lock $(ARGS)

venv:
	@$(PYTHON) -m tools.virtualenv dev
