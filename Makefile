.DEFAULT_GOAL := help
.PHONY: help demo render bench faults test test-all test-template test-quick test-suites jobs lint lock clean

# Answers to the template's questions, as in ANSWERS="auth_mode=password"; defaults for the rest.
# make exports it, as it does all that is set on its command line.
ANSWERS ?=
export DEST ?= build/service
PYTHON := .venv/bin/python
SOURCES := scripts tests proof template

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Render a service and run it with all it needs, until Ctrl-C [PORT, SEED_PASSWORD, ANSWERS]
	@scripts/bootstrap && DEMO_PARENT=$$PPID exec $(PYTHON) scripts/demo.py $(ANSWERS)

render: ## Render the working tree [DEST=build/service, ANSWERS]
	@scripts/bootstrap && exec $(PYTHON) scripts/render.py "$$DEST" $(ANSWERS)

bench: ## Measure a render beside two floors, in seven minutes [QUICK=1: roughly, in two; ANSWERS]
	@scripts/bootstrap && exec $(PYTHON) scripts/bench.py $(if $(QUICK),--plan quick) $(ANSWERS)

faults: ## Break what a render runs on, under load, in two to three minutes [ONLY=postgresql, ANSWERS]
	@scripts/bootstrap && exec $(PYTHON) scripts/faults.py --only "$(ONLY)" $(ANSWERS)

# What one of the three has run, the next takes from there.
test test-all: export RECORDED := yes
test: export THIN := yes
test: lint test-template test-suites ## Every combination: twelve suites whole, of the others what can differ [ANSWERS]

test-all: lint test-template test-suites ## Every combination whole, and all that `test` does in turn [ANSWERS]

# The serial ones by name: what mostly waits for clocks is then beside what works, not left over at the end.
test-template: ## Those of the template: what it asks, writes and updates, and the demo [ANSWERS]
	@scripts/bootstrap
	@$(PYTHON) -m pytest -n 2 --dist worksteal -m "not serial"
	@$(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m serial --ignore=tests/test_suites.py

test-quick: export MATRIX := pairs
test-quick: export SUITE := -m "not slow"
test-quick: export SPREAD := 6
test-quick: lint ## The same for a covering array of pairs that shares suites out, without slow tests
	@$(PYTHON) -m pytest -n 2 -m "not serial and not slow"
	@$(PYTHON) -m pytest -m "serial and not slow"

test-suites: ## The suites of what it renders [ANSWERS, SUITE=tests/routes]
	@scripts/bootstrap && exec $(PYTHON) -m pytest tests/test_suites.py

jobs: ## The jobs that share the suites out, as JSON, for the workflow
	@scripts/bootstrap && exec env PYTHONPATH=scripts $(PYTHON) tests/matrix.py

lint: ## ruff on the template and the tests, types of the tests
	@scripts/bootstrap
	@$(PYTHON) -m ruff check $(SOURCES)
	@$(PYTHON) -m ruff format --check $(SOURCES)
	@$(PYTHON) -m mypy

lock: ## Write requirements.lock from pyproject.toml [UPGRADE=1: newest releases]
	@scripts/bootstrap && PATH="$$PATH:$$PWD/.uv/bin" exec uv pip compile --quiet --universal --python-version 3.12 --generate-hashes \
		--no-emit-index-url --no-header --group service --group service-dev --group template \
		$(if $(UPGRADE),--upgrade) --output-file requirements.lock

clean: ## Remove what was rendered, and caches; stop demos first
	@rm -rf build .mypy_cache .ruff_cache .pytest_cache
