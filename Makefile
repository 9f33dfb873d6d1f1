# `make demo` and `make test` are all that a newcomer needs; each sets up what is missing first.
PYTHON ?= python3
RUNS ?= 2000
# Each worker starts servers of its own, because services are told apart on Kafka by their names alone. 0: no worker, one after the other.
# Three also on two processors: many tests wait. In the order of the folders, so that the few long ones (faults, fuzz) come early.
WORKERS ?= $(if $(filter external,$(SEATKEEPER_TEST_SERVERS)),0,3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.seatkeeper-set-up
MICROSOFT := $(VENV)/.seatkeeper-microsoft-client
.DEFAULT_GOAL := help
.PHONY: help setup demo up test check fuzz bench clean generate requirements format

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv and bring Kafka's files (quick when it is there already)

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing packages (about 400 MB the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar on --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "Bringing Kafka"
	@$(BIN)/python -c 'import sys; from deploy.embedded.fetch import main; sys.exit(main())'
	@touch $(STAMP)

demo: setup ## Watch the whole tutorial run, on real servers, in under 90 seconds
	@$(BIN)/seatkeeper demo

up: setup ## Run everything on this machine, with simulators, until Ctrl-C
	@$(BIN)/seatkeeper up --simulators

$(MICROSOFT): requirements/conformance.txt $(STAMP)
	@echo "Installing Microsoft's own client, which one module of tests runs (about 40 MB, 400 MB unpacked)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/conformance.txt
	@touch $(MICROSOFT)

test: setup $(MICROSOFT) ## Run every test (SEATKEEPER_TEST_SERVERS=embedded|containers|external)
	@$(BIN)/pytest -n $(WORKERS) --no-loadscope-reorder

check: setup ## Lint, types, dependency rule, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m shared.contracts.documents --check docs/events
	@$(BIN)/python -m deploy.environment --check .env.example
	@$(BIN)/python -m shared.schema.expressions.documentation --check docs/expressions.md
	@$(BIN)/yamllint --strict docker-compose.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/hadolint deploy/docker/Dockerfile

fuzz: setup ## Drive the assignment-watcher through RUNS random histories (2000), with crashes and faults, and hold the oracles
	@SEATKEEPER_TEST_FUZZ_RUNS=$(RUNS) $(BIN)/pytest tests/fuzz --timeout=0 -s

bench: setup ## Print what it does per second, and where the time goes (some minutes)
	@$(BIN)/python -m benchmarks.end_to_end

generate: setup ## Write docs/events, docs/expressions.md and .env.example anew
	@$(BIN)/python -m shared.contracts.documents docs/events
	@$(BIN)/python -m deploy.environment .env.example
	@$(BIN)/python -m shared.schema.expressions.documentation docs/expressions.md

format: setup ## Format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

requirements: setup ## Resolve requirements/*.txt anew from pyproject.toml
	@$(BIN)/python -m deploy.requirements

clean: ## Remove .venv and caches (data folders are left alone)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
