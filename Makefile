# Needs Python >= 3.11 and make. `make PYTHON=/path/to/python demo` picks the interpreter.
.DEFAULT_GOAL := help
VENV ?= .venv
# A name on PATH need not run (a pyenv shim that is not activated): each is tried.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
  $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
  && { echo $$p; break; }; done)
BIN := $(VENV)/bin

.PHONY: help demo test lint nist bench clean

help:
	@echo "make demo   fit NIST's Thurber data, write fit.png and fit.json"
	@echo "make test   run the test suite (make test ARGS='-k nist' for a part)"
	@echo "make nist   digits of agreement with NIST's certified values, beside SciPy's"
	@echo "make bench  timings beside SciPy's"
	@echo "make lint   ruff, the layer contracts and the types of the public calls"

demo: $(VENV)/.with-plot
	$(BIN)/nlsq fit examples/thurber.yaml

test: $(VENV)/.with-test
	@echo "All tests take some thirteen minutes on two cores; make test ARGS='-k nist' runs a part."
	$(BIN)/python -m pytest $(ARGS)

nist: $(VENV)/.with-test
	$(BIN)/python -m benchmarks.nist $(ARGS)

bench: $(VENV)/.with-test
	$(BIN)/python -m benchmarks.small $(ARGS)

lint: $(VENV)/.with-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build *.egg-info

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Error: no Python >= 3.11 with venv found; install one, or make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Making the environment $(VENV) with $$($(PYTHON) -V)."
	@$(PYTHON) -m venv $(VENV)

# Stamps: reinstall only when the requirements change. The install is editable.
$(VENV)/.with-%: pyproject.toml | $(BIN)/python
	@echo "Installing nlsq and what it needs into $(VENV): a minute or two."
	@$(BIN)/python -m pip install --disable-pip-version-check --editable '.[$*]'
	@touch $@
.PRECIOUS: $(VENV)/.with-%
