PYTHON ?= python3
BIN := .venv/bin
# Where it is set, as in many containers, each process would compile TensorFlow's modules again: 6 of its 9 seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check test-lowest lint docs bench apps corpus faults clean

# The first target that needs it makes the environment, and what tests and benchmarks need is added when they do.
.venv/.package: setup.py pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --no-compile -e .[onnx,plots]
	touch $@

.venv/.installed: .venv/.package
	$(BIN)/pip install -q --no-compile -e .[dev,int4]
	$(BIN)/python -m pytest -q --collect-only > /dev/null  # Compiles what tests import: not in each of their processes.
	touch $@

demo: .venv/.package
	$(BIN)/python tools/demo.py --out=demo

test: lint
	$(BIN)/python -m pytest -q -n 3 --dist=worksteal --durations=15

# With the oldest TensorFlow, Keras, Pillow and safetensors that requirements-inference.txt allows, in an environment of
# its own. Resolved by uv: pip found no releases that fit together within half an hour.
.venv-lowest/.installed: setup.py requirements-inference.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install -q uv
	sed -nE 's/^([a-z]+)>=([0-9.]+).*/\1==\2.*/p' requirements-inference.txt > .venv-lowest/floors.txt
	.venv-lowest/bin/uv pip install -q --python .venv-lowest/bin/python -e .[dev,int4] --constraint .venv-lowest/floors.txt
	touch $@

test-lowest: .venv-lowest/.installed
	.venv-lowest/bin/python -m pytest -q -n 3 --dist=worksteal

# For every change: the tests that do not train, export or start a process, and the linters.
check: lint
	$(BIN)/python -m pytest -q -n 2 --dist=worksteal -m "not slow"

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, into site/. Fails for dead links and for missing references.
docs: .venv/.package
	$(BIN)/pip install -q --no-compile -e .[docs]
	$(BIN)/mkdocs build --strict --clean

# All suites, or one: make bench SUITE=latency. More options: make bench BENCH_FLAGS="--rounds=9 --json=results.json"
.venv/.bench: .venv/.installed
	$(BIN)/pip install -q --no-compile -e .[bench]
	touch $@

SUITE ?= all
bench: .venv/.bench
	$(BIN)/python -m tools.bench --suite=$(SUITE) $(BENCH_FLAGS)

# Every program of export/apps over the same images; needs Node, a C compiler and, to install what is missing, root.
apps: .venv/.installed
	$(BIN)/python tools/apps.py --out=apps

# The large versions of two tests: damaged image files, and a fault at every write, rename and removal.
corpus: .venv/.installed
	$(BIN)/python tools/hostile_corpus.py --count=1500

faults: .venv/.installed
	$(BIN)/python tools/inject_faults.py

clean:
	rm -rf .venv .venv-lowest build dist demo apps site *.egg-info export/apps/*/node_modules
	$(MAKE) -C export/apps/c clean
	$(MAKE) -C export/apps/litert_c clean
