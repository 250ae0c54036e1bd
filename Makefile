# `make demo` and `make test` need nothing but a Python 3.11 or later; see CONTRIBUTING.md.

SHELL := bash
PYTHON ?=
JOBS ?= 2
SEEDS ?= 1000
HOURS ?= 8
FOLDER ?= sim-soak
BIN := .venv/bin
STAMP := .venv/stamp
PEERS := .venv/stamp-bench
MILLIONS ?= 0.1 1 10
WORKLOAD ?= fillrandom
PARTS := ruff-format ruff-check mypy

# Run a command and say how long it took.
timed = @TIMEFORMAT="== $(1): %R s"; time $(2)

.DEFAULT_GOAL := help
.PHONY: help venv pythons compiled demo test test-slow sim-soak planted corpus explore bench-sim bench bench-quick bench-scale bench-parts profile realfs check format clean $(PARTS)

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

$(PEERS): requirements-bench.txt $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-bench.txt
	@touch $(PEERS)

# Worker processes import all of this again: where Python is told to write no byte code
# (PYTHONDONTWRITEBYTECODE), each compiled it again, for 0.2 s, beside what was being measured.
compiled: $(STAMP)
	@$(BIN)/python -m compileall -q io_backends journal tempest sim benchmarks

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

test: check compiled pythons ## everything a change must pass, in minutes
	$(call timed,pytest,$(BIN)/python -m pytest -n $(JOBS) $(ARGS))
	$(call timed,simulation,$(BIN)/python -m sim run --seeds 0:$(SEEDS) --jobs $(JOBS))

test-slow: $(STAMP) ## the long sweeps: every crash point, every fault, 200 kills
	$(call timed,pytest -m slow,$(BIN)/python -m pytest -n $(JOBS) -m slow $(ARGS))

sim-soak: $(STAMP) ## fresh seeds for HOURS on every core; what fails is kept in FOLDER
	@$(BIN)/python -m sim soak --hours $(HOURS) --folder $(FOLDER) $(ARGS)

planted: $(STAMP) ## plant every bug in the engine, and see each one found, five times
	$(call timed,planted,$(BIN)/python -m sim planted --jobs $(JOBS) $(ARGS))

corpus: $(STAMP) ## published bugs of other engines: who has one fails, Tempest does not
	$(call timed,corpus,$(BIN)/python -m sim corpus --jobs $(JOBS) $(ARGS))

explore: $(STAMP) ## everything that can happen to small programs, counted
	$(call timed,explore,$(BIN)/python -m sim explore --jobs $(JOBS) $(ARGS))

bench-sim: $(STAMP) ## how fast the simulator is, against its goals
	@$(BIN)/python benchmarks/simulator.py $(ARGS)

bench: $(PEERS) compiled ## every row against LevelDB, RocksDB, LMDB, LSM1 and SQLite: table, JSON, picture
	@$(BIN)/python -m benchmarks.peers $(ARGS)

bench-quick: $(PEERS) compiled ## the same at a tenth of the size, once
	@$(BIN)/python -m benchmarks.peers --n 20000 --reps 1 --seconds 2 $(ARGS)

bench-scale: $(PEERS) compiled ## 0.1, 1 and 10 million entries against RocksDB: what grows how
	@$(BIN)/python -m benchmarks.peers.scale --millions $(MILLIONS) $(ARGS)

bench-parts: compiled ## what reads, snapshots, upkeep, opening and memory cost, beside each other
	@$(BIN)/python -m benchmarks.parts $(ARGS)

profile: $(STAMP) ## where one workload's time goes: make profile WORKLOAD=ycsb_a
	@$(BIN)/python -m benchmarks.peers.profiling $(WORKLOAD) $(ARGS)

realfs: $(STAMP) ## cut the power of a real ext4 (root, loop devices), at least 900 times
	$(call timed,realfs,$(BIN)/python -m pytest -m realfs -s tests/realfs $(ARGS))

format: $(STAMP) ## let ruff rewrite what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove .venv and every cache
	@rm -rf .venv .pythons .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
