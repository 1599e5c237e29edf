# Everything runs from .venv, which the first target that needs it creates.
#   make PYTHON=python3.12 test      another interpreter for a fresh .venv
#   make WORKERS=8 test              more test processes

PYTHON ?= python3
WORKERS ?= 2

# torch goes in before the package. pip settles on 2.13.0+cpu, the CPU build, wherever it is
# configured to see one, and on the platform's default build of 2.13.0 elsewhere.
# The package itself accepts a range (pyproject.toml); this is the only place with a pin.
TORCH := torch==2.13.0

BIN := .venv/bin
INSTALLED := .venv/.installed
DOCS_INSTALLED := .venv/.installed-docs

.PHONY: help install demo test test-lowest test-python torture package gpu lint format docs clean

help:
	@echo "make demo     three jobs on real series, with rivals; draws into demo_output/"
	@echo "make test     the test suite and the doctests"
	@echo "make torture  kills, damaged files, full disks, threads: half an hour, one table"
	@echo "make gpu      a CUDA device beside the CPU: results, speed, memory, in ten minutes"
	@echo "make test-lowest  the quick tests with the lowest versions of all dependencies"
	@echo "make test-python  the quick tests in an environment of its own: PYTHON=python3.13"
	@echo "make package  wheel and source archive, installed into an empty environment and tried"
	@echo "make lint     ruff and mypy"
	@echo "make format   let ruff fix and format what it can"
	@echo "make docs     the documentation, into docs/_build/html, with its links looked up"
	@echo "make install  only create .venv and install into it"
	@echo "make clean    remove what the other targets wrote, except .venv"

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "'$(PYTHON)' was not found: name a Python >= 3.11 with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import platform, sys; sys.version_info >= (3, 11) or sys.exit("simmtm_sk needs Python 3.11 or newer, but $(PYTHON) is " + platform.python_version() + ": name a newer one with make PYTHON=...")'
	$(PYTHON) -m venv .venv

# The interpreter comes after the bar: its time stamp must not cause a second installation.
$(INSTALLED): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install "$(TORCH)"
	$(BIN)/python -m pip install -e ".[plot,progress,export,hub,dev]"
	@touch $@

$(DOCS_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install -e ".[docs]"
	@touch $@

install: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/python -m simmtm_sk demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --doctest-modules simmtm_sk tests

torture: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.reliability.torture --workers $(WORKERS)

gpu: $(INSTALLED)
	$(BIN)/python benchmarks/gpu.py

# An environment of its own, with every dependency at the lower bound that pyproject.toml names.
test-lowest: $(INSTALLED)
	$(BIN)/python -m venv --clear .venv-lowest
	$(BIN)/python tools/lowest_versions.py > .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install -r .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --no-deps -e .
	.venv-lowest/bin/python -m pytest -m "not slow" tests

# An environment of its own with another interpreter: make PYTHON=python3.13 test-python
test-python:
	$(PYTHON) -m venv --clear .venv-python
	.venv-python/bin/python -m pip install "$(TORCH)" -e ".[plot,progress,export,hub,dev]"
	.venv-python/bin/python -m pytest -m "not slow" tests

# Wheel and source archive, each installed into an empty environment, where it does its main job.
package: $(INSTALLED)
	rm -rf dist
	$(BIN)/python -m build
	for file in dist/*.whl dist/*.tar.gz; do \
	  $(PYTHON) -m venv --clear .venv-package && \
	  .venv-package/bin/python -m pip install "$(TORCH)" "$$file" && \
	  (cd .venv-package && bin/python ../tools/installed.py) || exit 1; \
	done

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(DOCS_INSTALLED)
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html
	$(BIN)/python tools/links.py docs/_build/html

clean:
	rm -rf build dist demo_output docs/_build docs/auto_examples docs/generated
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
