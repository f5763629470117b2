# The one entry for people and for CI. Each target works from a clean clone.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: venv browser demo test campaigns interop lint format bench clean

venv: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

# A Chromium for the tests of the pages: the one that is there, or Debian's.
browser:
	sh tests/browser.sh

demo: venv
	$(BIN)/vog demo --out demo

test: venv browser
	$(BIN)/pytest

# What `make test` has a sample of, whole: mutated files, flipped bits, kills. About half an hour.
campaigns: venv
	$(BIN)/pytest tests/campaigns --override-ini 'addopts=-ra --strict-markers --strict-config' --durations 10

# The exports, read by the tools that they are for. Some 180 packages, 2.4 GB.
interop: .venv-interop/installed
	.venv-interop/bin/pytest tests/interop

.venv-interop/installed: pyproject.toml constraints-interop.txt
	$(PYTHON) -m venv .venv-interop
	.venv-interop/bin/pip install --quiet --disable-pip-version-check --constraint constraints-interop.txt --editable '.[interop]'
	touch $@

lint: venv
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports

format: venv
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	mkdir -p .benchmarks
	$(BIN)/pytest benchmarks --benchmark-only --override-ini addopts= --override-ini filterwarnings=default -rs --benchmark-json .benchmarks/results.json
	$(BIN)/python benchmarks/tables.py .benchmarks/results.json

clean:
	rm -rf .venv .venv-interop demo
