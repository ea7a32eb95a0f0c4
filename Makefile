# Everything a developer types; `make help` lists it. Needs Python 3.11 or newer with pip, and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:

PYTHON ?= python3
PIP_TOOLS := pip-tools==7.6.2
VENV := .venv
BIN := $(VENV)/bin
ENGINE ?= docker
WORKERS ?= auto
IMAGE ?= seawall:latest
EXTRAS := --extra htpasswd --extra jwt --extra redis --extra schema
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

##@ The two that a newcomer needs

run: $(VENV)/.runtime ## An ordinary application with Seawall in front, and what to try (EXAMPLE=legacy, PORT=8080)
	@$(BIN)/python examples/run.py $(EXAMPLE) $(if $(PORT),--port $(PORT)) $(if $(APP_PORT),--app-port $(APP_PORT)) \
	  $(if $(STATUS_PORT),--status-port $(STATUS_PORT)) $(if $(ADMIN_PORT),--admin-port $(ADMIN_PORT))

test: $(VENV)/.dev ## All tests, on all cores (ARGS="tests/config -k units" for some, WORKERS=0 for one after the other)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

##@ Before a push

check: format-check lint types contracts test ## What CI runs

fmt: $(VENV)/.dev ## Format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

format-check: $(VENV)/.dev ## Is everything formatted
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev ## ruff
	$(BIN)/ruff check .

types: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy

contracts: $(VENV)/.dev ## Who may import whom
	$(BIN)/lint-imports

coverage: $(VENV)/.dev ## What each source file's own tests cover of it (ARGS="proxy/config" for some)
	$(BIN)/python -m tests.own_coverage $(ARGS)

##@ From time to time

docs: $(VENV)/.runtime ## Write docs/policies/*.md, docs/openapi.json and the JSON Schema from the sources
	$(BIN)/seawall docs
	$(BIN)/seawall schema > policies/seawall.schema.json.new
	mv policies/seawall.schema.json.new policies/seawall.schema.json
	$(BIN)/python -c 'from proxy.admin.openapi import text; print(text(), end="")' > docs/openapi.json.new
	mv docs/openapi.json.new docs/openapi.json

node: ## Packages of senders that exist for Node alone, for tests that are skipped without them
	cd tests/node && npm ci --no-audit --no-fund --ignore-scripts

image: ## Build the image (ENGINE=podman, BASE=python:3.13-slim@sha256:..., IMAGE=seawall:latest, BUILD="more options")
	$(ENGINE) build $(if $(findstring podman,$(ENGINE)),--format docker) $(if $(BASE),--build-arg BASE=$(BASE)) \
	  --build-arg SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct)" --build-arg REVISION="$$(git rev-parse HEAD)" \
	  $(BUILD) --tag $(IMAGE) .

image-test: $(VENV)/.dev image ## Build the image, run it and look what it does (the same; on Linux)
	ENGINE=$(ENGINE) SEAWALL_IMAGE=$(IMAGE) $(BIN)/python -m pytest tests/machinery/test_image.py tests/machinery/test_image_pod.py $(ARGS)

bench: $(VENV)/.runtime ## CPU of each request, beside other proxies (ARGS=--quick, ARGS=--help)
	$(BIN)/python -m bench $(ARGS)

lock: ## Pin the newest releases that pyproject.toml allows (run it with the oldest Python that we support)
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python -m pip --quiet install '$(PIP_TOOLS)'
	$(call compile,requirements.lock,$(EXTRAS) pyproject.toml)
	$(call compile,requirements-dev.lock,--extra dev $(EXTRAS) --constraint requirements.lock pyproject.toml)
	$(call compile,requirements-bench.lock,--no-annotate bench/requirements.in)

clean: ## Remove the virtual environment and the caches
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Nothing of the machine that locks may show in a lock file: no index, no path.
compile = build/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options -o $(1) $(2)

# The stamps make an installation follow the lock files, and nothing else, again.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Seawall needs Python 3.11 or newer. Name one: make PYTHON=python3.13 run" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
	  echo "This Python cannot make a virtual environment; Debian and Ubuntu have that in python3-venv." >&2; exit 1; }
	@touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml $(VENV)/.made
	@echo "Installing Seawall into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: run test check fmt format-check lint types contracts coverage docs node image image-test bench lock clean help
