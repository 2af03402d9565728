# Wormward's commands. Each sets up what it needs first and is quick when nothing changed.
#
#   make demo    assess the example outbreak            make test    the whole test suite
#   make quick   tests in under two minutes             make check   lint, types, layers, generated docs
#   make bench   speed, as ratios in one run            make docs    write the generated pages of docs/
#   make offline one folder that installs and runs without a network (out/offline)
#   make setup   only set up, for working on it         make lock    pin dependencies anew (asks PyPI)
#   make messages  bring the catalogues up to date with the code's sentences
#   make spark   set up the other engine too (a download of 430 MB; needs Java)

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test quick check bench offline setup spark docs messages picture lock system-demo system-test system-bench

# The first Python that is new enough; Debian's own before one of pyenv.
PYTHON ?= $(shell for p in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
WORKERS ?= $(shell nproc)

# A stamp is named after what it stands for, so that it says nothing about any other state of the locks.
digest = $(shell cat $(1) pyproject.toml | sha256sum | cut -c 1-16)
RUNTIME := .venv/.runtime-$(call digest,requirements/runtime.txt)
DEV := .venv/.dev-$(call digest,requirements/dev.txt)
SPARK := .venv/.spark-$(call digest,requirements/spark.txt)

help:
	@sed -n 's/^#  //p' Makefile

# An exit of 1 alone could also be a crash: the report must be there too.
demo: system-demo $(RUNTIME)
	@mkdir -p out && rm -f out/outbreak.html out/outbreak.json
	@echo '$(BIN)/wormward assess examples/outbreak --html out/outbreak.html --json out/outbreak.json'
	@code=0; $(BIN)/wormward assess examples/outbreak --html out/outbreak.html --json out/outbreak.json || code=$$?; \
	if [ $$code -eq 1 ] && [ -s out/outbreak.html ] && [ -s out/outbreak.json ]; then \
		echo; echo 'wormward ended with exit 1: infected hosts were found, as they should be in this example.'; \
		echo 'The report is in out/outbreak.html, the same for programs in out/outbreak.json.'; \
	else \
		echo "wormward ended with exit $$code and without its reports, or found nobody: this is not as it should be" >&2; \
		exit 1; \
	fi

test: system-test $(DEV)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

quick: system-demo $(DEV)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m 'not slow'

check: system-demo $(DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

bench: system-bench $(DEV)
	$(BIN)/python -m bench

offline: system-demo $(DEV)
	$(BIN)/python scripts/offline.py out/offline

setup: system-demo $(DEV)

spark: system-demo $(SPARK)

docs: system-demo $(DEV)
	$(BIN)/python docs/generate.py

messages: system-demo $(DEV)
	$(BIN)/python docs/messages.py

# The README's pictures, taken of the example's report as a browser shows it.
picture: demo system-test
	$(BIN)/wormward assess examples/outbreak --quiet --lang ja --html out/outbreak.ja.html; [ $$? -eq 1 ]
	for of in outbreak:report outbreak.ja:report.ja; do \
		chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1180,1100 \
			--screenshot=docs/$${of#*:}.png "file://$(CURDIR)/out/$${of%:*}.html" 2>/dev/null; \
	done

system-demo system-test:
	@PYTHON='$(PYTHON)' scripts/system.sh $(@:system-%=%)

# Without Suricata the rest of the bench still runs, and says what it could not compare.
system-bench:
	@PYTHON='$(PYTHON)' scripts/system.sh bench || [ $$? -eq 3 ]

# A .venv that is there is kept as long as its pip starts.
.venv/.made: | system-demo
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed; on Debian: apt-get install python3' >&2; exit 1; }
	@echo 'setting up .venv (once: some 200 MB of packages, less than a minute on a fast line)'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || '$(PYTHON)' -m venv --clear .venv
	@touch $@

# Only wheels, only with the hashes of the lock; then this checkout itself, without asking any index.
$(RUNTIME): | .venv/.made
	$(PIP) install --require-hashes --only-binary :all: -r requirements/runtime.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@rm -f .venv/.runtime-* && touch $@

$(DEV): | .venv/.made
	$(PIP) install --require-hashes --only-binary :all: -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@rm -f .venv/.dev-* .venv/.runtime-* && touch $@ $(RUNTIME)

# PySpark is published as source only. It is Java archives and Python: nothing is compiled, and its script runs with the
# setuptools of the lock.
$(SPARK): | $(DEV)
	$(PIP) install --require-hashes --only-binary :all: --no-binary pyspark --no-build-isolation -r requirements/spark.txt
	@rm -f .venv/.spark-* && touch $@

# From PyPI alone (not from a machine's own package folders), so that every machine makes the same lock.
COMPILE = PIP_CONFIG_FILE=$(or $(LOCK_PIP_CONFIG),/dev/null) PIP_FIND_LINKS= $(BIN)/pip-compile --quiet --generate-hashes \
	--no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --allow-unsafe \
	--build-deps-for editable
lock: | $(DEV)
	$(COMPILE) $(LOCK_FLAGS) -o requirements/runtime.txt pyproject.toml
	sed -i '1i # Made by `make lock` from pyproject.toml: what it takes to run. Every wheel of each version, by hash.' requirements/runtime.txt
	$(COMPILE) $(LOCK_FLAGS) --extra dev -c requirements/runtime.txt -o requirements/dev.txt pyproject.toml
	sed -i '1i # Made by `make lock` from pyproject.toml: what it takes to test and develop; the same versions as runtime.txt.' requirements/dev.txt
	$(COMPILE) $(LOCK_FLAGS) --extra spark -c requirements/dev.txt -o requirements/spark.txt pyproject.toml
	sed -i '1i # Made by `make lock` from pyproject.toml: what the other engine takes; the same versions as runtime.txt.' requirements/spark.txt
