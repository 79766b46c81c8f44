# What a developer runs. `make dev` and `make test` need Python 3.11 or newer and this file, nothing else.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# For the caller to fill in: make test PYTEST_ARGS="-k lease", make dev DEV_ARGS="--db postgres".
PYTEST_ARGS ?=
# Processes that share the tests; more than two want more than two cores.
WORKERS ?= 2
DEV_ARGS ?=
SEEDS ?= 500

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
TOOLS := .venv-tools
RUNTIME := .dev/runtime
COMPILE := $(TOOLS)/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header \
  --universal --python-version 3.11

.PHONY: help venv dev test check browser checker pictures lint soak soak-simulation refusals bench fmt lock licences sbom audit release clean

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST))

venv: $(STAMP) ## make the virtual environment in .venv

# The stamp is younger than the requirements exactly when the environment holds them.
$(STAMP): requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and no python3 on the PATH is: install it, or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "making the virtual environment in $(VENV) (the first time this takes a minute)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make virtual environments: install its venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

dev: $(STAMP) ## start everything on this machine and print one URL
	@exec $(BIN)/python -m dev $(DEV_ARGS)

test: check ## every check and every test

check: $(STAMP) lint browser checker ## style, types, import directions, tests
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadscope $(PYTEST_ARGS)

browser: $(STAMP) # for the tests of the page: found, or installed where that is possible
	@$(BIN)/python -m tests.web.chromium

checker: $(STAMP) # of the database functions: found, or installed where that is possible; else its tests are left out
	@$(BIN)/python -m tests.platform.checked_postgres

pictures: $(STAMP) browser # make the pictures of the README anew
	$(BIN)/python -m tests.web.pictures

lint: $(STAMP) ## the checks that run no test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: soak-simulation ## 300 messages on each wire while processes die, connections break and the database restarts
	$(BIN)/python -m tests.soak --messages 300 --wire responses
	$(BIN)/python -m tests.soak --messages 300 --wire assistants
	$(BIN)/python -m tests.security.patterns
	$(BIN)/python -m tests.security.guards

soak-simulation: $(STAMP) # thousands of seeds on a virtual clock, and every single crash, freeze and lost answer
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)
	$(BIN)/python -m tests.simulation.crashes
	$(BIN)/python -m tests.simulation.deletions

refusals: $(STAMP) ## print the table of bad requests and what the function answers to each
	@$(BIN)/python -m tests.security

bench: $(STAMP) ## measure latency, memory and cold start, beside the baselines
	$(BIN)/python -m bench

fmt: $(STAMP) ## write the code the way the checks want it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(TOOLS)/.installed ## solve the requirements anew and write the files with hashes
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --group dev --output-file requirements-dev.txt
	$(COMPILE) --group tools --output-file requirements-tools.txt

licences: $(TOOLS)/.installed $(RUNTIME)/.installed ## list the licences of what runs; fails at one that was not agreed to
	$(TOOLS)/bin/pip-licenses --python $(RUNTIME)/bin/python

sbom: $(TOOLS)/.installed $(RUNTIME)/.installed ## write the bill of materials of what runs to .dev/sbom.json
	$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file .dev/sbom.json $(RUNTIME)/bin/python

audit: $(STAMP) $(TOOLS)/.installed ## look for known vulnerabilities of what runs; says so where no advisory database can be reached
	@$(BIN)/python -m dev.audit $(TOOLS)/bin/pip-audit requirements.txt

$(TOOLS)/.installed: requirements-tools.txt
	@test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --requirement $<
	@touch $@

$(RUNTIME)/.installed: requirements.txt
	@rm -rf $(RUNTIME) && $(PYTHON) -m venv $(RUNTIME)
	@$(RUNTIME)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --requirement $<
	@touch $@

release: $(STAMP) ## write the checksums of the migrations: from then on no test lets a released one change
	$(BIN)/python -m dev.release

clean: ## remove what the other targets made
	rm -rf $(VENV) $(TOOLS) .dev build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name node_modules -type d -prune -exec rm -rf {} +
