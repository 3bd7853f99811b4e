# Every target sets up what it needs; `make` alone lists them.
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
TOOLS := $(VENV)/.tools-installed
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard translations/*/LC_MESSAGES/*.po))
CHECKS := check-lint check-format check-types check-imports check-templates check-translations check-schema

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test soak mutate replay bench check $(CHECKS) requirements assets clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | while IFS='	' read -r name text; do \
		printf '  make %-14s%s\n' "$$name" "$$text"; done

demo: $(RUNTIME) $(CATALOGUES) ## Run everything on this machine: PORT=8000, VERBOSE=1 for all log lines
	@$(BIN)/python run.py assets
	@exec $(BIN)/python run.py demo $(if $(VERBOSE),--verbose)

test: $(TOOLS) $(CATALOGUES) ## Run the whole suite: ARGS="-k login -n0"
	@$(BIN)/python run.py assets
	@$(BIN)/python -m pytest $(ARGS)

soak: $(TOOLS) $(CATALOGUES) ## Run the long forms of races, simulations, fuzzing and kills
	@$(BIN)/python run.py assets
	@$(BIN)/python -m pytest -m soak $(ARGS)

mutate: $(TOOLS) $(CATALOGUES) ## See which small faults in the rules and services no test would notice, in hours: ARGS="money --sample 20"; writes mutate.json
	@$(BIN)/python run.py assets
	@$(BIN)/python -m mutate $(ARGS)

replay: $(RUNTIME) $(CATALOGUES) ## Tell a simulated history once more, line by line: SEED=1 DAYS=30
	@$(BIN)/python run.py simulate --seed $(or $(SEED),1) --days $(or $(DAYS),30) --verbose

bench: $(RUNTIME) $(CATALOGUES) ## Measure every kind of request beside its floor, in some ten minutes: ARGS="reads --tiny"; writes bench.json
	@$(BIN)/python run.py assets
	@$(BIN)/python -m bench $(ARGS)

check: $(TOOLS) ## Lint, format, types, import contracts, templates, translations, migrations
	@$(MAKE) --no-print-directory -k -j2 $(if $(filter output-sync,$(.FEATURES)),-Otarget) $(CHECKS)
	@echo "All checks passed."

check-lint: $(TOOLS)
	@echo "-- lint" && $(BIN)/python -m ruff check --quiet

check-format: $(TOOLS)
	@echo "-- format" && $(BIN)/python -m ruff format --check --quiet

check-types: $(TOOLS)
	@echo "-- types" && $(BIN)/python -m mypy

check-imports: $(TOOLS)
	@echo "-- import contracts" && $(BIN)/python -c 'import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())'

check-templates: $(TOOLS)
	@echo "-- templates" && $(BIN)/python -m djlint app --lint --quiet

check-translations: $(TOOLS)
	@echo "-- translations" && $(BIN)/python run.py translations check

check-schema: $(TOOLS)
	@echo "-- migrations" && $(BIN)/python run.py schema

requirements: $(TOOLS) ## Compile requirements*.in into the pinned requirements*.txt (ARGS=--upgrade)
	@for name in requirements requirements-dev; do \
		$(BIN)/python -m uv pip compile --quiet --python-version 3.11 --no-emit-index-url $(ARGS) \
			--custom-compile-command "make requirements" $$name.in -o $$name.txt || exit 1; done

assets: $(RUNTIME) ## Build the front-end's files
	@$(BIN)/python run.py assets

clean: ## Remove what can be made again; the demo's data in var/ stays
	rm -rf $(VENV) node_modules app/static/dist var/test var/test-* .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache
	find . -name '__pycache__' -not -path './.git/*' -prune -exec rm -rf {} +
	rm -f translations/*/LC_MESSAGES/*.mo

# -- Set-up: a stamp stands for an installation of the file it is younger than -------------------------------------------

$(RUNTIME): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@echo "Installing the Python packages (once, about half a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet $$(grep '^uv==' requirements-dev.txt)
	@$(call install,-r requirements.txt)
	@touch $@

$(TOOLS): requirements-dev.txt $(RUNTIME)
	@echo "Installing the tools for tests and checks ..."
	@$(call install,-r requirements.txt -r requirements-dev.txt)
	@touch $@

# uv is quicker; where it cannot reach the packages (an index only pip is configured for), pip installs them.
install = $(BIN)/python -m uv pip install --quiet --python $(BIN)/python $(1) || $(BIN)/python -m pip install --quiet $(1)

$(CATALOGUES): %.mo: %.po | $(RUNTIME)
	@$(BIN)/python run.py translations compile
