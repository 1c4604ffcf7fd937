# The first Python of at least 3.11 that runs here; 3.13 is the functions' own.
PYTHON := $(firstword $(foreach name,python3.13 python3.12 python3.11 python3 python,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $(name))))
BIN := .venv/bin

.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/installed ## Make .venv with everything pinned and hashed

.venv/installed: requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found"; exit 1; }
	@echo "installing into .venv with $(PYTHON) (once, about a minute) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## Run the main job end to end and show what was sent (DATA=register.csv FROM=YYYY-MM-DD)
	@$(BIN)/nolapse demo $(if $(DATA),--data '$(DATA)') $(if $(FROM),--from $(FROM)) $(ARGS)

up: install ## Run the stack on http://127.0.0.1:8000 until Ctrl-C
	@$(BIN)/nolapse migrate --yes
	@$(BIN)/nolapse up $(ARGS)

test: install ## Run all tests (ARGS=… for pytest)
	@$(BIN)/pytest $(ARGS)

simulate: install ## Live through seeds of faults and count who was lost or told twice (SEEDS=100 FROM=first)
	@$(BIN)/python -m tests.simulation $(or $(SEEDS),100) $(or $(FROM),0)

mutations: install ## Take each guard out of a copy of the tree and see its test fail
	@$(BIN)/python -m tests.mutations

build: install ## What is deployed: functions and layers, compiled
	$(BIN)/sam build
	@# A layer is read-only where it runs: what is not compiled yet would be compiled at every cold start.
	$(BIN)/python -m compileall -q --invalidation-mode unchecked-hash .aws-sam/build/DependenciesLayer .aws-sam/build/NolapseLayer

check: install ## Lint, types, import contracts, template, build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sam validate --lint
	@$(MAKE) --no-print-directory build

bench: install ## Print the figures of a benchmark (NAME=planning, delivery, api)
	@$(BIN)/python -m bench.$(NAME)

templates: install ## Compile the MJML of the messages
	@$(BIN)/python -m local.compile_messages

openapi: install ## Write docs/openapi.json and docs/api.md from the routes
	@$(BIN)/nolapse openapi

lock: install ## Resolve and hash the requirements again
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header --upgrade --output-file requirements-dev.txt --quiet
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --constraint requirements-dev.txt --output-file layers/dependencies/requirements.txt --quiet

clean: ## Remove what the local stack and the builds made
	rm -rf .nolapse .aws-sam

.PHONY: help install build demo up test simulate mutations check bench templates openapi lock clean
