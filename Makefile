# The two commands: `make demo` and `make test`. Each sets up what it needs.
SHELL := /bin/bash
PORT ?= 7071
PYTHON ?= $(shell local/find_python.sh)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo run test check bench format clean

demo: $(READY)
	$(BIN)/python -m local.demo $(SAMPLES)

run: $(READY)
	PORT=$(PORT) $(BIN)/python -m local.run --data .local

test: $(READY)
	$(BIN)/python -m local.run_tests

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m shared.adapters.plan_files plans
	$(BIN)/python -m shared.adapters.runbook_files runbooks plans
	$(BIN)/python -m local.check_secrets plans
	$(BIN)/python -m local.check_bicep infra
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/test_layout.py

bench: $(READY)
	$(BIN)/python -m bench.run

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $(READY)

clean:
	rm -rf .venv .venv-* .local
