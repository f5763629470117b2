# The one entry for people and for CI. Each target works from a clean clone.
PYTHON ?= python3
BIN := .venv/bin
PLAIN := --override-ini 'addopts=-ra --strict-markers --strict-config'

.PHONY: venv browser demo test test-fast campaigns lowest interop interop-models interop-jax interop-keras interop-tensorflow lint format bench clean

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

# A process a core, each with one thread: two that share a core's threads wait for each other.
test: venv browser
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses logical --maxprocesses 8 --dist worksteal --durations 20

# What takes a second or less and needs neither browser nor processes, without the checks of shapes
# at run time, which take half of the time: a minute or two.
test-fast: venv
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PLAIN) --numprocesses logical --maxprocesses 8 --dist worksteal --durations 5 --hypothesis-profile fast -m "not browser and not process and not slow" --ignore tests/interop --ignore tests/interop_models --ignore tests/interop_jax --ignore tests/interop_keras --ignore tests/interop_tensorflow --ignore tests/campaigns --ignore tests/smoke

# What `make test` has a sample of, whole: mutated files, flipped bits, kills; and long trainings.
# About half an hour.
campaigns: venv
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/campaigns --numprocesses logical --maxprocesses 8 --dist worksteal $(PLAIN) --durations 10

# The exports, read by the tools that they are for. Some 180 packages, 2.4 GB.
interop: .venv-interop/installed
	.venv-interop/bin/pytest tests/interop

.venv-interop/installed: pyproject.toml constraints-interop.txt
	$(PYTHON) -m venv .venv-interop
	.venv-interop/bin/pip install --quiet --disable-pip-version-check --constraint constraints-interop.txt --editable '.[interop]'
	touch $@

# Models of other libraries against the plain way, and peers of some scores. Some 6 GB.
interop-models: .venv-interop-models/installed
	.venv-interop-models/bin/pytest tests/interop_models --table=docs/architectures.md

.venv-interop-models/installed: pyproject.toml constraints-interop-models.txt
	$(PYTHON) -m venv .venv-interop-models
	.venv-interop-models/bin/pip install --quiet --disable-pip-version-check --constraint constraints-interop-models.txt --editable '.[interop-models]'
	touch $@

# Networks of Flax and Equinox against the same networks in PyTorch, and the recipes of the docs.
interop-jax: .venv-interop-jax/installed
	OMP_NUM_THREADS=1 .venv-interop-jax/bin/pytest tests/interop_jax

.venv-interop-jax/installed: pyproject.toml constraints-interop-jax.txt
	$(PYTHON) -m venv .venv-interop-jax
	.venv-interop-jax/bin/pip install --quiet --disable-pip-version-check --constraint constraints-interop-jax.txt --editable '.[interop-jax]'
	touch $@

# Models of Keras on each of its backends against the same network in PyTorch. Some 3 GB.
interop-keras: .venv-interop-keras/installed
	for backend in torch jax tensorflow; do \
	    KERAS_BACKEND=$$backend OMP_NUM_THREADS=1 .venv-interop-keras/bin/pytest tests/interop_keras || exit 1; \
	done

.venv-interop-keras/installed: pyproject.toml constraints-interop-keras.txt
	$(PYTHON) -m venv .venv-interop-keras
	.venv-interop-keras/bin/pip install --quiet --disable-pip-version-check --constraint constraints-interop-keras.txt --editable '.[interop-keras]'
	touch $@

# Graphs of TensorFlow 1 and SavedModels against the same network in PyTorch. Some 3 GB.
interop-tensorflow: .venv-interop-tensorflow/installed
	OMP_NUM_THREADS=1 TF_ENABLE_ONEDNN_OPTS=0 .venv-interop-tensorflow/bin/pytest tests/interop_tensorflow

.venv-interop-tensorflow/installed: pyproject.toml constraints-interop-tensorflow.txt
	$(PYTHON) -m venv .venv-interop-tensorflow
	.venv-interop-tensorflow/bin/pip install --quiet --disable-pip-version-check --constraint constraints-interop-tensorflow.txt --editable '.[interop-tensorflow]'
	touch $@

# Every command once with the lowest versions that are allowed. `make lowest TORCH=` takes the
# lowest torch too, some gigabytes; as it is, torch is that of constraints.txt.
TORCH = torch
lowest: .venv-lowest/installed
	.venv-lowest/bin/pytest tests/smoke

.venv-lowest/installed: pyproject.toml constraints.txt tests/smoke/lowest.py
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check packaging
	.venv-lowest/bin/python tests/smoke/lowest.py pyproject.toml constraints.txt $(TORCH) > .venv-lowest/constraints.txt
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check --constraint .venv-lowest/constraints.txt --editable . pytest
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
	rm -rf .venv .venv-interop .venv-interop-models .venv-interop-jax .venv-interop-keras .venv-interop-tensorflow .venv-lowest demo
