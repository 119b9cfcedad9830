# make demo   sets everything up and analyses a synthetic scan
# make test   sets everything up and runs the tests
# make check  lint, types, import contracts, tests: what CI runs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check lint types contracts slow benchmarks clean

$(STAMP): pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else 'voxelrock needs Python 3.11 to 3.13')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/voxelrock demo --out demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist worksteal -q

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

check: lint types contracts test

slow: $(STAMP)
	VOXELROCK_HYPOTHESIS=exhaustive $(BIN)/python -m pytest -n auto -q -m slow

benchmarks: $(STAMP)
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	$(BIN)/python -m benchmarks --out benchmarks/RESULTS.md

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
