# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The real MLflow, which reads the traces that we write, in an environment of its own.
MLFLOW := $(VENV)-mlflow
# Which versions are installed: constraints/py3.12.txt and its like, or `newest`.
SET ?= py
MLFLOW_SET = $(if $(filter newest,$(SET)),newest,mlflow-)
PIP := -m pip install --quiet --disable-pip-version-check

# Else each of the many processes that the tests start would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test suite newest lowest packaging constraints check format matrix coexistence transparency packaged soak bench record clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## run examples/chat.py from its cassette and show its traces: no key, no network
	@$(BIN)/tracetape run --show --cassette cassettes/examples/chat.yaml examples/chat.py

test: check ## everything that is checked: formatting, lint, types, import layers, phrases, tests
	@$(MAKE) --no-print-directory suite TESTS=dev

# The tests only. TESTS names the dependency group that brings what they need.
TESTS ?= test
suite: $(VENV)/.$(TESTS) $(MLFLOW)/.mlflow
	TRACETAPE_MLFLOW_PYTHON=$(abspath $(MLFLOW)/bin/python) $(BIN)/python -m pytest -n 2

newest: ## the tests with the newest versions of everything, in .venv-newest
	@rm -f .venv-newest/.test .venv-newest-mlflow/.mlflow
	@$(MAKE) --no-print-directory suite VENV=.venv-newest SET=newest

lowest: ## the tests with the oldest versions that pyproject.toml allows, in .venv-lowest
	@$(MAKE) --no-print-directory suite VENV=.venv-lowest SET=lowest-

packaging: ## each extra and dependency group alone, in an environment of its own
	$(PYTHON) scripts/packaging.py $(ONLY)

constraints: .venv-uv/bin/uv ## choose the versions that are installed together (see CONTRIBUTING.md)
	.venv-uv/bin/python scripts/constraints.py

check: $(VENV)/.dev ## formatting, lint, types, import layers and phrases only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/plain_english.py

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

soak: $(VENV)/.dev ## long trials: kill -9 at any moment, 16 × 50,000 spans, 1,000,000 spans at full speed, a tape of 10,000
	TRACETAPE_SOAK=1 $(BIN)/python -m pytest tests/soak tests/recorder/test_memory.py -v --durations 0

bench: ## what a span costs, beside OpenTelemetry and MLflow, each in an environment of its own
	$(PYTHON) benchmarks/run.py

record: $(VENV)/.record ## record the cassettes anew, from a real model server on this machine
	$(BIN)/python scripts/record.py

clean: ## remove what these targets made
	rm -rf $(VENV) $(MLFLOW) .venv-* .bench .packaging .matrix .coexistence .transparency .packaged .record .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# One stamp for each group of dependencies in pyproject.toml.
$(VENV)/.%: pyproject.toml scripts/install.py $(wildcard constraints/*.txt) | $(VENV)
	@echo "installing the '$*' dependencies into $(VENV) …"
	@$(BIN)/python scripts/install.py --project $(SET) $*
	@touch $@

$(MLFLOW)/.mlflow: pyproject.toml scripts/install.py $(wildcard constraints/mlflow-*.txt)
	@echo "installing mlflow-skinny into $(MLFLOW) …"
	@$(PYTHON) -m venv $(MLFLOW)
	@$(MLFLOW)/bin/python scripts/install.py $(MLFLOW_SET) mlflow
	@touch $@

$(VENV):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if v >= (3, 10) else "tracetape needs Python 3.10 or newer, and this is %d.%d: make PYTHON=python3.12 …" % v)'
	@$(PYTHON) -m venv $(VENV)

.venv-uv/bin/uv:
	@$(PYTHON) -m venv .venv-uv
	@.venv-uv/bin/python $(PIP) uv
