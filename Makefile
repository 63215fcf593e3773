# One entry for people and for continuous integration. `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo run migrate real check test format lint types browser bench api-check hammer deliveries drill mutants ray screenshots goldens clean product developer

PYTHON := .venv/bin/python
PORT ?= 8501
WORKERS ?= 2
export PORT

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: product ## start a lively demo company on 127.0.0.1:8501 (PORT=… for another port); Ctrl-C stops it, data stays
	@DEV_IDENTITY=1 $(PYTHON) -m tools.start --demo

run: product ## start the product on the database of DATABASE_URL, without demo data
	@$(PYTHON) -m tools.start

migrate: product ## bring the database of DATABASE_URL to the newest version
	@$(PYTHON) -m service.cli migrate

real: product ## import a folder of real usage: make real DATA=folder (into var/real.sqlite, or DATABASE_URL)
	@test -n "$(DATA)" || { echo "Say which folder: make real DATA=path/to/folder" >&2; exit 2; }
	@DATABASE_URL="$${DATABASE_URL:-sqlite:///$(CURDIR)/var/real.sqlite}" $(PYTHON) -m service.cli import-real "$(DATA)"

check: developer browser ## everything that continuous integration runs: format, lint, types, all tests on both databases
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal --durations=10

test: developer ## all tests; ARGS="-k burn" picks some
	$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

format: developer ## rewrite the code in the house format
	$(PYTHON) -m ruff check --fix --exit-zero --quiet .
	$(PYTHON) -m ruff format .

lint: developer ## look for mistakes and untidiness
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

types: developer ## check the types; strict in ledger/ and analytics/
	$(PYTHON) -m mypy

browser: developer ## find a Chromium for the browser tests, install one where that is possible
	@$(PYTHON) -m tools.ensure_browser

bench: developer ## measure the speeds that docs/benchmarks.md reports
	$(PYTHON) -m pytest -m bench -s $(ARGS)

api-check: developer ## schemathesis calls the HTTP API for five minutes in every way its document allows
	API_SECONDS=300 $(PYTHON) -m pytest tests/service/test_api_schema.py $(ARGS)

hammer: developer ## many processes, kill -9 of them and of PostgreSQL, lost answers; then proves the books (ARGS="--seconds 300")
	$(PYTHON) -m tools.hammer $(ARGS)

deliveries: developer ## 20,000 messages of a provider, doubled and shuffled, over processes killed at random, on both databases
	DELIVERIES=20000 $(PYTHON) -m pytest tests/service/test_deliveries.py $(ARGS)

drill: developer ## back up under load, restore elsewhere, prove that it is the same, on both databases
	$(PYTHON) -m tools.drill

mutants: developer ## change the ledger in small ways, count what no test notices (ARGS="ledger.operations.refunds --share 0.2")
	$(PYTHON) -m tools.mutants $(ARGS)

ray: product ## forecasts on a local Ray cluster, one of two workers killed, same as without: make ray DATA=folder
	@test -n "$(DATA)" || { echo "Say which folder: make ray DATA=path/to/folder" >&2; exit 2; }
	@tools/ray_environment.sh
	var/ray/bin/python -m tools.ray_proof "$(DATA)" $(ARGS)

screenshots: developer browser ## photograph every page in both themes into screenshots/ (of URL=…, else of a demo); ARGS=--readme renews its picture
	$(PYTHON) -m tools.screenshots $(URL) $(ARGS)

goldens: developer ## write the mails and the report that tests compare with anew; read the difference before committing it
	UPDATE_GOLDENS=1 $(PYTHON) -m pytest -q tests/mail/test_letters.py tests/analytics/test_report.py

clean: ## remove caches and screenshots; the environment and the data stay
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis screenshots
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

product: ## make .venv with the pinned product, if it is not there yet
	@tools/environment.sh product

developer: ## the same with the developer tools
	@tools/environment.sh developer
