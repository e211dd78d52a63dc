# make run    start the explorer        make test        format, lint, types, tests: yes or no
# make format rewrite files in style    make benchmarks  list the benchmarks
# make clean  remove what these built
#
# Needs python3 (3.11 or newer), make and git; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
STYLED := $(wildcard app.py) vae_core vae_explorer pages tests benchmarks
BIOME := $(BIN)/node node_modules/@biomejs/biome/bin/biome
CHROMIUM_PACKAGES := chromium fonts-dejavu-core

.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
.PHONY: run test format benchmarks clean chromium

run: $(VENV)/.installed
	@echo "run: starting the explorer; stop it with Ctrl-C"
	@$(BIN)/streamlit run app.py

test: $(VENV)/.installed-dev node_modules/.installed chromium
	@echo "test: format"
	@$(BIN)/ruff format --check --quiet $(STYLED) || { echo "test: the files above are not in style; run 'make format'"; exit 1; }
	@echo "test: lint"
	@$(BIN)/ruff check --quiet $(STYLED)
	@echo "test: JavaScript's format and lint"
	@$(BIOME) check --error-on-warnings || { echo "test: JavaScript is not in style; run 'make format', and mend by hand what it leaves"; exit 1; }
	@echo "test: types"
	@$(BIN)/mypy
	@echo "test: JavaScript without a page"
	@$(BIN)/node --test --test-reporter=dot "vae_explorer/**/*.test.js"
	@echo "test: tests"
	@$(BIN)/python -m pytest

format: $(VENV)/.installed-dev node_modules/.installed
	@echo "format: rewriting files in style"
	@$(BIN)/ruff check --quiet --fix-only $(STYLED)
	@$(BIN)/ruff format $(STYLED)
	@$(BIOME) check --write --error-on-warnings

benchmarks: $(VENV)/.installed-dev
	@echo "benchmarks: each prints one JSON object"
	@grep -l '__name__ == "__main__"' benchmarks/*.py | sort \
	  | sed -e '/chromium\.py$$/d' -e 's|^benchmarks/\(.*\)\.py$$|  $(BIN)/python -m benchmarks.\1 --json|'

clean:
	@echo "clean: removing .venv, node_modules and caches (runs/ and checkpoints/ stay)"
	@rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A browser for the tests: the system's, else Debian's, else Playwright's own.
chromium: $(VENV)/.installed-dev
	@find_chromium() { $(BIN)/python -m benchmarks.chromium >/dev/null 2>&1; }; \
	find_chromium && exit 0; \
	[ -z "$$CHROMIUM" ] || { $(BIN)/python -m benchmarks.chromium; exit 1; }; \
	root=; [ "$$(id -u)" != 0 ] || root=yes; \
	if [ -n "$$root" ] && command -v apt-get >/dev/null; then \
	  echo "chromium: installing Debian's package"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get update -qq && apt-get install -qq -y --no-install-recommends $(CHROMIUM_PACKAGES); } </dev/null >/dev/null \
	    || echo "chromium: Debian's package could not be installed"; \
	  find_chromium && exit 0; \
	fi; \
	echo "chromium: downloading Playwright's own"; \
	{ [ -n "$$root" ] && $(BIN)/python -m playwright install --with-deps chromium; } </dev/null >/dev/null 2>&1 \
	  || $(BIN)/python -m playwright install chromium </dev/null >/dev/null; \
	$(BIN)/python -m benchmarks.chromium >/dev/null

$(VENV)/.installed: requirements.txt | $(BIN)/python
	@echo "install: requirements.txt (torch is large; the first time takes minutes)"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "install: requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch $@

# What checks the JavaScript. node and npm come with requirements-dev.txt; the explorer itself needs neither.
node_modules/.installed: package.json package-lock.json .npmrc $(VENV)/.installed-dev
	@echo "install: package-lock.json"
	@$(BIN)/npm ci --loglevel=error </dev/null >/dev/null
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: '$(PYTHON)' is not a command here. Install Python 3.11 or newer, or run: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python is too old: '$(PYTHON)' is $$($(PYTHON) -V 2>&1), and the explorer needs 3.11 or newer. Try: make PYTHON=python3.11"; exit 1; }
	@echo "install: creating $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV) >/dev/null || { rm -rf $(VENV); echo "The virtual environment could not be created. On Debian and Ubuntu, install its package first: apt-get install python3-venv"; exit 1; }
