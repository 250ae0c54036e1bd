# `make demo` and `make test` need nothing but a Python 3.11 or later; see CONTRIBUTING.md.

SHELL := bash
PYTHON ?=
JOBS ?= 2
SEEDS ?= 500
BIN := .venv/bin
STAMP := .venv/stamp
PARTS := ruff-format ruff-check mypy

# Run a command and say how long it took.
timed = @TIMEFORMAT="== $(1): %R s"; time $(2)

.DEFAULT_GOAL := help
.PHONY: help venv pythons demo test test-slow check format clean $(PARTS)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

venv: $(STAMP) ## make .venv from the locked versions (again only when the lock changes)

$(STAMP): requirements-dev.txt pyproject.toml
	@set -eu; \
	if ! .ci/find-python $(BIN)/python >/dev/null 2>&1; then \
		python=$$(.ci/find-python $(PYTHON)); \
		echo "== .venv from $$python"; \
		"$$python" -m venv --clear .venv; \
	fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

pythons: $(STAMP) ## make .pythons/X.Y of every further Python here, to compare digests
	@.ci/every-python

demo: $(STAMP) ## load a real tree, kill the loader again and again, check every write
	@$(BIN)/tempest demo $(ARGS)

check: $(PARTS) ## format, lint and types

ruff-format: $(STAMP)
	$(call timed,ruff format,$(BIN)/ruff format --check --quiet .)

ruff-check: $(STAMP)
	$(call timed,ruff check,$(BIN)/ruff check --quiet .)

mypy: $(STAMP)
	$(call timed,mypy,$(BIN)/mypy)

test: check pythons ## everything a change must pass, in minutes
	$(call timed,pytest,$(BIN)/python -m pytest -n $(JOBS) $(ARGS))
	$(call timed,simulation,$(BIN)/python -m sim run --seeds 0:$(SEEDS) --jobs $(JOBS))

test-slow: $(STAMP) ## the long sweeps: every crash point, every fault, 200 kills
	$(call timed,pytest -m slow,$(BIN)/python -m pytest -n $(JOBS) -m slow $(ARGS))

format: $(STAMP) ## let ruff rewrite what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove .venv and every cache
	@rm -rf .venv .pythons .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
