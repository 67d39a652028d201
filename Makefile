# Everything starts from Python >= 3.11, pip and make: the first target that needs it builds .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# torch goes first and by its exact version, so that pip takes the pinned build
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
export PYTHONWARNINGS ?=
NO_COMPILER := The tests need a C++ compiler ($(CXX) was not found): Annoy, which they try too, is built \
when it is installed. Install one, or set CXX. make demo needs none.

.PHONY: demo test fuzz kills lint types docs check test-lowest release-check clean

demo: $(VENV)/.demo
	$(BIN)/python -m embrec.demo $(if $(DATA),--data "$(DATA)")

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --doctest-modules

# damaged and hostile input, as docs/reliability.md tells: SECONDS or INPUTS for each of TARGETS (all)
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz $(TARGETS) $(if $(INPUTS),--inputs $(INPUTS),--seconds $(or $(SECONDS),60))

# processes that are killed at random moments, KILLS of each of TARGETS (all)
kills: $(VENV)/.dev
	$(BIN)/python -m tests.kills $(TARGETS) --kills $(or $(KILLS),200)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

check: lint types test docs

# the lowest versions that pyproject.toml declares, in an environment of their own
test-lowest:
	PYTHON=$(PYTHON) scripts/check_lowest.sh

# what a release would upload, built, installed and used outside of the checkout
release-check:
	PYTHON=$(PYTHON) scripts/check_release.sh

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt $(TORCH)
	$(PIP) install --quiet -c constraints.txt -e ".[parquet]"
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@command -v $(firstword $(CXX)) > /dev/null || command -v c++ > /dev/null || { echo "$(NO_COMPILER)"; exit 1; }
	$(PIP) install --quiet -c constraints.txt $(TORCH)
	$(PIP) install --quiet -c constraints.txt -e ".[dev]"
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build dist docs/_build .pytest_cache .mypy_cache .ruff_cache
