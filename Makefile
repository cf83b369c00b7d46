# `make demo` and `make test` work on a fresh machine with Python >= 3.10; the rest is for developers.
PYTHON ?= python3
# Where torch comes from; empty for the Python registry, whose builds for Linux need CUDA's packages.
# TORCH_INDEX=https://download.pytorch.org/whl/cpu has builds for processors, some gigabytes smaller.
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
# An environment that an older Python or an interrupted run left is made anew.
CHECK_PYTHON := "import sys; sys.version_info >= (3, 10) or sys.exit('Python 3.10 or newer is needed, \
and this is %d.%d. Name another: make PYTHON=python3.12' % sys.version_info[:2])"
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-serving test-methods test-models test-rest lint types check docs site bench bench-load bench-bulk headline soak container-test clean
.PHONY: test-slow test-slow-servers test-slow-methods test-slow-rest
.DELETE_ON_ERROR:

demo: $(VENV)/demo-installed
	$(BIN)/python demo.py

# Two processes at a time: explanations of servers give way to all other work, so with more of them
# they would stand still on two cores.
TWO := $(MAKE) -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync)
test: $(VENV)/dev-installed
	$(TWO) test-serving test-rest test-methods test-models

test-serving:
	$(BIN)/python -m pytest -m "not slow" tests/serving

METHODS := tests/unit/attribution tests/unit/engine
test-methods:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" $(METHODS)

MODELS := $(addprefix tests/unit/,archive benchmarks motion zoo)
test-models:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" $(MODELS)

test-rest:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" \
		$(addprefix --ignore ,tests/serving $(METHODS) $(MODELS))

test-slow: $(VENV)/dev-installed
	$(TWO) test-slow-servers test-slow-methods test-slow-rest

SERVERS := tests/serving tests/browser $(addprefix tests/unit/,bulk client)
test-slow-servers:
	$(BIN)/python -m pytest -m slow $(SERVERS)

test-slow-methods:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow $(METHODS)

test-slow-rest:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow $(addprefix --ignore ,$(SERVERS) $(METHODS))

lint: $(VENV)/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint Dockerfile

types: $(VENV)/dev-installed
	$(BIN)/mypy

check: lint types

$(VENV)/demo-installed: pyproject.toml constraints.txt
	@$(PYTHON) -c $(CHECK_PYTHON)
	@$(BIN)/python -c $(CHECK_PYTHON) 2>/dev/null && $(BIN)/python -m pip --version >/dev/null 2>&1 \
		|| $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
	$(if $(TORCH_INDEX),$(PIP) --no-deps --index-url $(TORCH_INDEX) torch)
	@echo "installing (torch is large; this takes a minute or two the first time)"
	$(PIP) -e '.[server]'
	$(BIN)/python -c "from videovisual_client.java import find_java; find_java()" \
		2>/dev/null || $(PIP) -e '.[java]'
	touch $@

$(VENV)/dev-installed: $(VENV)/demo-installed
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/site-installed: $(VENV)/demo-installed
	$(PIP) -e '.[docs]'
	touch $@

docs: $(VENV)/dev-installed
	$(BIN)/python docs/models.py
	$(BIN)/python docs/which_method.py
	$(BIN)/python -m docs.openapi
	$(BIN)/python -m docs.rooms

# The documents and the Python API as a website in site/, which loads nothing from elsewhere.
site: $(VENV)/site-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Half an hour on two cores; ARGS="--models r3d-motion" measures one model and keeps the other rows.
bench: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.speed $(ARGS)

# At most twelve minutes on two idle cores; fails where a figure fell by more than its spread.
# ARGS="--keep" keeps the figures to compare with; ARGS="--quick" tries it with small models.
headline: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.headline $(ARGS)

# Half an hour on two cores; ARGS="--quick" is a rehearsal of a few minutes.
bench-load: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.load $(ARGS)

# Some minutes on two cores, as root on Linux, for nodes of Ray in a network namespace of their own;
# ARGS="--quick" takes few clips.
bench-bulk: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.bulk $(ARGS)

# Half an hour on two cores; ARGS="--minutes 3 --seed 7" is a short one with other inputs, and
# ARGS="--resume" goes on where a stopped one ended. Fails where anything was wrong.
soak: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.soak $(ARGS)

# Takes minutes. Builds and runs the image with the machine's Docker engine or, as root on Debian,
# with one that it starts.
container-test: $(VENV)/dev-installed
	$(BIN)/python -m tests.container $(ARGS)

clean:
	rm -rf $(VENV) model_store/*.mar demo_output site dist .mypy_cache .ruff_cache .pytest_cache
