# One command each; `make` alone lists them.
PYTHON ?= python3
PY := .venv/bin/python
# Ports of `make demo`, to change as in `make demo PORT=8001`.
PORT ?= 8000
VLLM_PORT ?= 8100
BROKER_PORT ?= 6390
PYTEST_ARGS ?=
export PORT VLLM_PORT BROKER_PORT
# No model hub is asked for anything unless the user says otherwise.
export HF_HUB_OFFLINE ?= 1

.PHONY: help demo demo-check test bench-data bench-pathologies bench-rating bench-train lint format lock setup clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: setup  ## the product on this machine: sets up, trains the demo world's base, prints the address and log-ins
	@$(PY) -m tooling.demo

demo-check: setup  ## the whole loop without a person; writes var/demo/report.json
	@$(PY) -m tooling.demo --check

test: setup  ## all tests, browser and vLLM included
	@$(PY) -m tooling.test $(PYTEST_ARGS)

bench-pathologies: setup  ## what goes wrong with each method on the demo world, and whether alarms say so (half an hour)
	@$(PY) -m bench.pathologies $(ARGS)

bench-data: setup  ## the data report, cleaning, import and browser: what is found, what it pays, how fast (ARGS="--only noise")
	@$(PY) -m bench.data $(ARGS)

bench-rating: setup  ## blind rating: under load, blind to a crawler, and its statistics (ARGS="--only raters")
	@$(PY) -m bench.rating $(ARGS)

bench-train: setup  ## training beside TRL: speed, memory, share of the machine's peak (25 minutes; ARGS='--only dpo')
	@$(PY) -m bench.train $(ARGS)

lint: setup  ## ruff, djlint, mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m djlint --quiet --lint templates
	@DEBUG=true ALIGNAPP_HOME=var/lint $(PY) -m mypy

format: setup  ## let ruff rewrite what it can
	@$(PY) -m ruff check --fix-only .
	@$(PY) -m ruff format .

lock: setup  ## resolve requirements*.in into requirements*.lock
	@$(PY) -m tooling.lock

setup:  ## the virtual environment, from requirements.lock
	@$(PYTHON) -m tooling.setup

clean:  ## remove the environment, the demo's data and every cache
	rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache .hypothesis
