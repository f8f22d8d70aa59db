# `make demo` and `make test` on a machine with Python 3.11-3.13 and nothing else; PYTHON=python3.12 chooses another one.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -qq

.DEFAULT_GOAL := help
.PHONY: help demo test check fix bench clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(VENV)/.core  ## install the core (no PyTorch) and enlarge the pictures of examples/
	@$(BIN)/clearvision upscale $(wildcard examples/*.png examples/*.jpg examples/*.tif) -o demo_output
	@echo "Done: the enlarged pictures are in $(CURDIR)/demo_output"

test: $(VENV)/.dev  ## install what the tests need and run them; ARGS='-k tiling' is handed to pytest
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev  ## formatting, lint, types, floors, spelling; all of them, then the verdict
	@verdict=0; for tool in 'ruff format --check' 'ruff check' 'pyright --pythonpath $(BIN)/python' lint-imports codespell; do \
	  echo "$$tool"; $(BIN)/$$tool || verdict=1; done; exit $$verdict

fix: $(VENV)/.dev  ## format, and mend what the linter can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/.dev  ## measure speed and memory on this machine
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/memory.py

clean:  ## remove the virtual environment and what the commands made
	rm -rf $(VENV) demo_output build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("ClearVision needs Python 3.11 to 3.13; $(PYTHON) is %d.%d. Choose another: make PYTHON=python3.12 ..." % v)'
	@$(PYTHON) -m venv $(VENV)

# The stamps say which dependencies the environment holds; the package itself is an editable install, so code needs no stamp.
$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing ClearVision into $(VENV) (350 MB, without PyTorch): a minute or two ..."
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing ClearVision with PyTorch and the test tools into $(VENV); a few minutes ..."
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.core $@
