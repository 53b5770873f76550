# Every verb does all the set-up that it needs; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

RUN := .venv/bin
# pyright comes through npm at the version that the lock names; that there is a newer one is no news.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
DEMO_ARGS ?=
UP_ARGS ?=
TEST_ARGS ?=
LOCK_ARGS ?=

# Make 4 can keep the output of checks that run side by side apart.
SIDE_BY_SIDE := --jobs 2 --keep-going --no-print-directory $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: help install check test integration fault bench demo up lock browser archive \
	check-format check-lint check-mypy check-pyright check-imports check-deploy check-services

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*##/ { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.in-step ## Python environment in .venv, from the hashed lock; the compiled kernel
	@$(RUN)/python shared/reference/kernel/build.py --is-there || scripts/setup.sh

.venv/.in-step: requirements/all.lock requirements/uv.lock requirements/compiler.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh

check: install ## format, lint, types, import rules, deployment files, each service in an environment of its own
	@$(MAKE) $(SIDE_BY_SIDE) check-services check-mypy check-pyright check-format check-lint check-imports check-deploy
	@echo "check: all clean"

check-format:
	@$(RUN)/ruff format --check --quiet || { echo "ruff format: run it on the files above" >&2; exit 1; }
check-lint:
	@$(RUN)/ruff check --quiet
check-mypy:
	@$(RUN)/mypy --no-error-summary
check-pyright:
	@$(RUN)/pyright --warnings
check-imports:
	@$(RUN)/lint-imports --no-logo
check-deploy:
	@$(RUN)/python -m scripts.check_deploy
check-services:
	@$(RUN)/python -m scripts.check_services

# In the order of the folders: the long tests, which are few to a file, begin first.
test: install browser archive ## everything under tests/; TEST_ARGS="-k name" for a part
	@$(RUN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(TEST_ARGS)

integration: install archive ## tests on a real Kafka
	@$(RUN)/pytest tests/integration $(TEST_ARGS)

browser: # page tests need one; without it they are skipped and say so
	@scripts/browser.sh

archive: # each broker of the tests starts in half the time
	@$(RUN)/python -m cli.kafka.archive

fault: install archive ## brokers, disks and processes that fail, clients that do harm, at full length (about an hour)
	@FAULT=full $(RUN)/pytest tests/fault -s $(TEST_ARGS)

bench: install ## speed, printed
	@$(RUN)/python -m benchmarks

demo: install ## the whole loop on real flights; DEMO_ARGS="--exit --summary demo.json"
	@$(RUN)/driftline demo $(DEMO_ARGS)

up: install ## Kafka and the five services on this machine
	@$(RUN)/driftline up $(UP_ARGS)

lock: .cache/uv-venv/installed jgo.lock.toml ## renew the lock files; LOCK_ARGS=--upgrade takes the newest versions
	@scripts/lock.sh $(LOCK_ARGS)

# Only after a change of jgo.toml: it asks Maven's repositories.
jgo.lock.toml: jgo.toml
	@$(MAKE) --no-print-directory install
	@$(RUN)/python -m cli.kafka.relock

.cache/uv-venv/installed:
	@scripts/setup.sh
