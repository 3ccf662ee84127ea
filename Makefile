# make demo, make test: each makes .venv once, installs into it once, then needs no network.
# ARGS go to the command: make demo ARGS=--seed=1, make test ARGS="-k storage",
# make bench-photos ARGS="--photos imagenette-val.tar".

PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
TSC := $(shell tsc --version 2>/dev/null | grep -q 'Version [5-9]' && echo tsc)
ARGS :=

.PHONY: demo test test-slow test-spark lint types-js format bench docs docs-pictures site licences clean venv dev

demo: venv
	@$(BIN)/shoal demo $(ARGS)

test: dev
	@$(BIN)/python -m pytest -q -n 2 $(ARGS)

test-slow: dev
	@$(BIN)/python -m pytest -q -m slow $(ARGS)

# With PySpark, which is too large to be part of every test environment; needs Java 17.
test-spark: dev
	@$(call install,spark)
	@$(BIN)/python -m pytest -q -k spark tests/engines $(ARGS)

lint: dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(if $(TSC),$(TSC) -p jsconfig.json,echo "The types of the page are not checked: there is no tsc 5 here.")

types-js:
	@test -n "$(TSC)" || { echo "There is no tsc 5 here: npm install --global typescript, or" \
	    "make types-js TSC='npx --yes --package typescript@5.9 tsc'"; exit 1; }
	@$(TSC) -p jsconfig.json

format: dev
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: dev
	@$(call install,bench)
	@$(BIN)/python -m benchmarks $(ARGS)

# These two run peers, too.
bench-peers bench-quality: bench-%: dev
	@$(call install,bench)
	@$(BIN)/python -m benchmarks $* $(ARGS)

# Not in .PHONY, for which make tries no pattern; `dev` is, so that this always runs.
bench-%: dev
	@$(BIN)/python -m benchmarks $* $(ARGS)

docs: dev
	@$(BIN)/python docs/build.py $(ARGS)

# The pages as a site, in build/site; a link that leads nowhere is an error.
site: dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict $(ARGS)

# The licence of each package that Shoal needs; an error where one binds its users.
licences: dev
	@$(BIN)/python docs/licences.py

# Pictures of how it works, and of the explorer's most telling states (in build/states).
docs-pictures: dev
	@$(BIN)/python docs/draw_how_it_works.py
	@$(BIN)/python docs/take_pictures.py $(ARGS)

clean:
	rm -rf .venv build dist

# Installs .[extra] when pyproject.toml is not the one installed before; a copy of it tells.
install = cmp -s pyproject.toml .venv/.installed-$(1) || { \
  echo "Installing Shoal$(if $(filter-out base,$(1)), and what '$(1)' needs) into .venv: once, some minutes."; \
  $(BIN)/python -m pip install --quiet --disable-pip-version-check \
    --editable ".$(if $(filter-out base,$(1)),[$(1)])" && cp pyproject.toml .venv/.installed-$(1); }

venv: .venv/.made
	@cmp -s pyproject.toml .venv/.installed-dev || { $(call install,base); }

dev: .venv/.made
	@$(call install,dev)

.venv/.made:
	@test -n "$(PYTHON)" || { \
	  echo "Shoal needs Python 3.11 or newer, and python3 here is:" \
	    "$$(python3 --version 2>&1 | head -1). Name one: make demo PYTHON=/path/to/python3.12"; \
	  exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Shoal needs Python 3.11 or newer, and $(PYTHON) is not."; exit 1; }
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; \
	  echo "$(PYTHON) cannot make a virtual environment." \
	    "On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@touch $@
