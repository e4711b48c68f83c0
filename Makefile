# Two commands: `make demo` shows Kinscape, `make test` checks it. Both set up what they need.
# `make docs` builds the documentation as a site, in site/.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test docs browser

demo: .venv/installed
	$(BIN)/kinscape demo

test: .venv/installed-for-tests browser
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest

docs: .venv/bin/mkdocs
	$(BIN)/mkdocs build --strict

.venv/bin/mkdocs: | .venv/installed
	$(BIN)/python -m pip install --editable '.[docs]'

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Kinscape needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --editable .
	touch $@

.venv/installed-for-tests: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --editable '.[test]'
	touch $@ .venv/installed

# The browser tests drive Debian's Chromium, those of the queue a Redis server.
browser:
	@{ command -v chromium && command -v redis-server; } >/dev/null || \
		{ $(AS_ROOT) apt-get update && \
		$(AS_ROOT) apt-get install --yes --no-install-recommends chromium redis-server; } || \
		{ echo "The tests need the packages chromium and redis-server: install them, then run make test again"; exit 1; }

AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
