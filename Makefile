# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The real MLflow, which reads the traces that we write, in an environment of its own.
MLFLOW := $(VENV)-mlflow
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test check format matrix coexistence transparency packaged soak bench record clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## run examples/chat.py from its cassette and show its traces: no key, no network
	@$(BIN)/tracetape run --show --cassette cassettes/examples/chat.yaml examples/chat.py

test: check $(MLFLOW)/.mlflow ## everything that CI runs: formatting, lint, types, import layers, tests
	TRACETAPE_MLFLOW_PYTHON=$(abspath $(MLFLOW)/bin/python) $(BIN)/python -m pytest -n 2

check: $(VENV)/.dev ## formatting, lint, types and import layers only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## rewrite the code in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

matrix: ## the integrations with old and new SDKs (openai from 1.0, Databricks), on every Python there is
	$(PYTHON) scripts/matrix.py

coexistence: ## other instrumentations of OpenAI beside ours, each in an environment of its own
	$(PYTHON) scripts/coexistence.py

transparency: ## the SDKs' own test suites, without and with autolog(); PACKAGE="openai llm" chooses
	$(PYTHON) scripts/transparency.py $(PACKAGE)

packaged: ## a program made with PyInstaller, Nuitka, zipapp and shiv, and run; WAY="shiv" chooses
	$(PYTHON) scripts/packaged.py $(WAY)

soak: $(VENV)/.dev ## long trials: 200 times kill -9, 16 × 50,000 spans, 1,000,000 spans at full speed
	TRACETAPE_SOAK=1 $(BIN)/python -m pytest tests/soak -v --durations 0

bench: ## what a span costs, beside OpenTelemetry and MLflow, each in an environment of its own
	$(PYTHON) benchmarks/run.py

record: $(VENV)/.record ## record the cassettes anew, from a real model server on this machine
	$(BIN)/python scripts/record.py

clean: ## remove what these targets made
	rm -rf $(VENV) $(MLFLOW) .bench .matrix .coexistence .transparency .packaged .record .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# One stamp for each group of dependencies in pyproject.toml.
$(VENV)/.%: pyproject.toml | $(VENV)
	@echo "installing the '$*' dependencies into $(VENV) …"
	@$(PIP) --group $* --editable .
	@touch $@

$(MLFLOW)/.mlflow:
	@echo "installing mlflow-skinny into $(MLFLOW) …"
	@$(PYTHON) -m venv $(MLFLOW)
	@$(MLFLOW)/bin/python -m pip install --quiet --disable-pip-version-check 'mlflow-skinny>=3.5'
	@touch $@

$(VENV):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if v >= (3, 10) else "tracetape needs Python 3.10 or newer, and this is %d.%d: make PYTHON=python3.12 …" % v)'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade 'pip>=25.1' # the first that knows dependency groups
