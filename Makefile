# Needs make and Debian's python3 (3.11 or newer) with python3-venv, which tests/machine installs where it may. Everything else is installed from
# locked, hashed pins.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
RECORDED ?= ../shared/recorded
FACTS ?= ../shared/facts
# A worker often waits for a browser or another process, so that two cores serve four workers.
WORKERS ?= 4
BIN := .venv/bin
RUN := .venv/.setup
DEV := .venv/.setup-dev
FUZZ := .venv/.setup-fuzz
AZ := .venv-az/.setup
# The oldest Python that README.md promises; another one: make oldest OLDEST=python3.12
OLDEST ?= python3.11
SITE := .venv-site/.setup
NODE := tests/output/node_modules/.package-lock.json
INSTALL := $(BIN)/python -m uv pip install --quiet --require-hashes --compile-bytecode
COMPILE := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url

.PHONY: help setup demo test test-all lint style format docs docs-check locale site machine bench real-input noise mutants same commands fuzz oldest zizmor wheel sbom lock release-check release-try owner clean

help:  ## What the targets do
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tests/machine python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Twolocks needs Python 3.11 or newer: apt-get install python3" >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(RUN): requirements.lock requirements-setup.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-setup.lock
	$(INSTALL) -r requirements.lock
	$(BIN)/python -m uv pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q scanner rules
	$(BIN)/python -c 'from scanner.report.html.rendering import compile_templates; compile_templates()'
	@touch $@

$(DEV): requirements-dev.lock $(RUN)
	$(INSTALL) -r requirements-dev.lock
	@touch $@

$(FUZZ): tests/fuzz/requirements.lock $(DEV)
	@$(INSTALL) -r tests/fuzz/requirements.lock || echo "atheris does not install here: hypothesis alone fuzzes" >&2
	@touch $@

$(AZ): tests/commands/requirements.lock $(RUN)
	@echo "Installing the Azure CLI into .venv-az, to parse commands: about 700 MB, once"
	$(BIN)/python -m uv venv --quiet --clear --python $(BIN)/python .venv-az
	$(BIN)/python -m uv pip install --quiet --python .venv-az --require-hashes -r tests/commands/requirements.lock
	@touch $@

$(SITE): docs/requirements.lock $(RUN)
	$(BIN)/python -m uv venv --quiet --clear --python $(BIN)/python .venv-site
	$(BIN)/python -m uv pip install --quiet --python .venv-site --require-hashes -r docs/requirements.lock
	@touch $@

$(NODE): tests/output/package-lock.json
	npm ci --prefix tests/output --ignore-scripts --no-audit --no-fund --loglevel error >/dev/null
	@chmod u+x tests/output/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool
	@touch $@

setup: $(RUN)  ## Virtual environment and locked dependencies

demo: $(RUN)  ## Scan the sample estate, served on this machine
	@$(BIN)/twolocks demo

lint: style  ## Format, lint with the borders, strict types
	$(BIN)/mypy

style: $(DEV)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/zizmor --offline --no-config --no-progress --quiet .github deploy
	$(BIN)/lint-imports --no-logo >.lint-imports.log || { cat .lint-imports.log >&2; exit 1; }

format: $(DEV)  ## Put files into shape
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .

docs: $(RUN)  ## Write the generated pages and the sample report, and the picture of the README where Chromium is installed
	$(BIN)/python -m docs.build
	@$(BIN)/python -m docs.rule_ids
	@$(BIN)/python -m docs.sample
	@$(BIN)/python -m docs.pictures

docs-check: $(RUN)
	$(BIN)/python -m docs.build --check
	@$(BIN)/python -m docs.sample --check
	@$(BIN)/python -m docs.translations --check

locale: $(RUN)  ## Update the catalogues of translations; list what is not translated
	$(BIN)/python -m docs.translations --list

site: $(SITE)  ## The pages as a web site with search, and a sample report, in build/site; works without a server
	$(BIN)/python -m docs.site
	NO_MKDOCS_2_WARNING=1 .venv-site/bin/python -m mkdocs build --quiet --clean -f docs/mkdocs.yml
	@echo "Open build/site/index.html"

machine:
	@tests/machine

# Tests start hundreds of programs, which would compile their modules again each time. Types are checked beside them, on
# one core for half a minute.
test: export PYTHONDONTWRITEBYTECODE =
test: machine $(DEV) $(NODE)  ## All checks; the test runner's closing line comes last
	@$(MAKE) --jobs=2 --output-sync=target style docs-check
	@tested=0; $(BIN)/mypy >.mypy.log 2>&1 & types=$$!; \
	$(BIN)/python -m pytest -q -p tests.forks --forks $(WORKERS) --ignore tests/real_input || tested=$$?; \
	wait $$types || { cat .mypy.log >&2; exit 1; }; exit $$tested

test-all: export TWOLOCKS_TEST_ALL = 1
test-all: test  ## The same, with all of what `make test` tries a part of

# Databases, archives, processes and files: what differed from one version of Python to the next.
oldest: $(DEV)  ## What differs by version of Python, on the oldest one that is promised, where it is installed
	@if $(OLDEST) -c '' 2>/dev/null; then $(MAKE) .venv-oldest/$(OLDEST); else echo "$(OLDEST) is not installed: nothing was tried on it"; fi

.venv-oldest/%: requirements-dev.lock requirements.lock FORCE
	$(BIN)/python -m uv venv --quiet --clear --python "$$($* -c 'import sys; print(sys.executable)')" .venv-oldest
	$(BIN)/python -m uv pip install --quiet --python .venv-oldest --require-hashes -r requirements.lock -r requirements-dev.lock
	$(BIN)/python -m uv pip install --quiet --python .venv-oldest --no-deps --no-build-isolation --editable .
	.venv-oldest/bin/python -m scanner demo --quiet --dir .venv-oldest/demo --fail-on never || [ $$? -eq 3 ]
	.venv-oldest/bin/python -m pytest -q -p tests.forks --forks 2 tests/store tests/snapshot tests/document tests/history tests/config/test_settings.py tests/test_platforms.py

FORCE:

zizmor: $(DEV)  ## What is wrong with workflows and actions, by zizmor's defaults and without exceptions
	$(BIN)/zizmor --offline --no-config --no-progress .github deploy

SECONDS ?= 60
fuzz: $(FUZZ)  ## Every fuzz target in turn, with seeds: make fuzz SECONDS=600
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

wheel: $(DEV)  ## Wheel and sdist in dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

sbom: $(DEV)  ## What an installed wheel is made of, as CycloneDX: dist/twolocks.cdx.json
	tests/sbom dist/*.whl dist/twolocks.cdx.json

paths: $(DEV)  ## Pin the paths that rules read and fixes write, as Azure's schema has them, where FACTS has it; list what a scan keeps
	TWOLOCKS_FACTS="$(abspath $(FACTS))" $(BIN)/python -m tests.rules.schema_paths
	TWOLOCKS_FACTS="$(abspath $(FACTS))" $(BIN)/python -m tests.rules.bicep_paths
	TWOLOCKS_FACTS="$(abspath $(FACTS))" $(BIN)/python -m tests.rulebook.actions
	$(BIN)/python -m tests.rules.kept

bench: $(DEV)  ## The figures of docs/dev/performance.md
	$(BIN)/python -m tests.benchmarks

real-input: $(DEV)  ## Recorded resources and exchanges: no crash, no error
	@test -d "$(RECORDED)" || { echo "No recorded input at $(RECORDED); name its folder: make real-input RECORDED=DIR" >&2; exit 1; }
	TWOLOCKS_RECORDED="$(abspath $(RECORDED))" TWOLOCKS_FACTS="$(abspath $(FACTS))" $(BIN)/python -m pytest -q tests/real_input

noise: $(DEV)  ## Each rule over the recorded resources: how often it fails and is inconclusive
	@test -d "$(RECORDED)" || { echo "No recorded input at $(RECORDED); name its folder: make noise RECORDED=DIR" >&2; exit 1; }
	@TWOLOCKS_RECORDED="$(abspath $(RECORDED))" $(BIN)/python -m tests.real_input.noise

mutants: $(DEV)  ## Exposure functions and reach with one thing wrong: each is caught by a test
	$(BIN)/python -m tests.mutants

same: $(DEV)  ## No verdict differs from an earlier commit: make same OLD=COMMIT [EVERY=10]
	@test -n "$(OLD)" || { echo "Name the commit to compare with: make same OLD=COMMIT" >&2; exit 1; }
	@$(BIN)/python -m tests.same "$(OLD)" --recorded "$(RECORDED)" $(if $(INPUTS),--inputs "$(INPUTS)") $(if $(EVERY),--every $(EVERY)) $(if $(ACCEPT),--accept-wording)

# What the judgment of commands depends on. A new .venv-az has not passed.
JUDGED := .venv-az/printed .venv-az/recorded scanner/azure/az_parser.py $(addprefix tests/commands/,recorded.py recorded_script.py recorded.json requirements.lock)

commands: $(AZ)  ## Every az command that we print, parsed by the real Azure CLI; fixes run against a stand-in
	@rm -rf .venv-az/demo && $(BIN)/twolocks demo --dir .venv-az/demo 2>.venv-az/demo.log || { cat .venv-az/demo.log >&2; exit 1; }
	@{ $(BIN)/python -m tests.commands.printed .venv-az/demo/findings.json; $(BIN)/python -m tests.deploy.commands; } >.venv-az/printed
	@$(BIN)/python -m tests.commands.recorded_cases >.venv-az/recorded
	@now=$$(sha256sum $(JUDGED)); \
	if [ "$$now" = "$$(cat .venv-az/passed 2>/dev/null)" ]; then echo "The same commands passed before, by the same Azure CLI"; exit; fi; \
	.venv-az/bin/python -W ignore scanner/azure/az_parser.py <.venv-az/printed; \
	.venv-az/bin/python -W ignore tests/commands/recorded.py <.venv-az/recorded; \
	$(BIN)/twolocks fix .venv-az/demo/findings.json --out .venv-az/fixes.sh 2>/dev/null; \
	.venv-az/bin/python -W ignore tests/commands/recorded_script.py .venv-az/fixes.sh .venv-az/demo/snapshot.jsonl .venv-az/demo/findings.json; \
	echo "$$now" >.venv-az/passed

lock: $(RUN)  ## Renew the pins
	$(COMPILE) pyproject.toml --extra postgres --extra fleet --extra parquet --extra log-analytics -o requirements.lock
	$(BIN)/python -m tests.azure.sdks | $(COMPILE) pyproject.toml - --extra postgres --extra fleet --extra parquet --extra log-analytics --group dev --constraint requirements.lock -o requirements-dev.lock
	$(COMPILE) --group setup -o requirements-setup.lock
	$(COMPILE) --group commands -o tests/commands/requirements.lock
	$(COMPILE) --group fuzz -o tests/fuzz/requirements.lock
	$(COMPILE) --group site -o docs/requirements.lock

release-check: test-all commands  ## What must hold before a release
	$(BIN)/python -m docs.translations --complete
	@$(MAKE) wheel sbom
	TWOLOCKS_NEWEST=1 $(BIN)/python -m pytest -q tests/test_packaging.py

release-try: $(DEV)  ## A release from the last commit, installed by name from an index on this machine, and verified
	$(BIN)/python -m tests.release

# The pattern of `git grep` names no placeholder itself, so that this file stays as it is.
owner:  ## Who hosts Twolocks, once, in all files: make owner NAME=...
	@[[ "$(NAME)" =~ ^[A-Za-z0-9][A-Za-z0-9-]*$$ ]] || { echo "Name the owner of the repository: make owner NAME=..." >&2; exit 1; }
	@git grep -lI 'OWNER[/]twolocks' | xargs sed -i 's|OWNER[/]twolocks|$(NAME)/twolocks|g'
	@git diff --stat

clean:
	rm -rf .fuzz .venv .venv-az .venv-oldest .venv-site dist build twolocks-demo .same
