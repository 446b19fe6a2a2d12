# One virtual environment, two stages: reading needs the "book" extra alone; running adds PyTorch and the rest.
PY ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8000

# What pip installs as PyTorch. On Linux the plain wheel brings CUDA, several GB, so a machine on which no NVIDIA GPU
# answers also looks among the CPU builds, which pip prefers. Your own choice wins: make test TORCH=torch==2.13.0
TORCH ?= $(shell if [ "$$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1; \
	then echo torch==2.13.0 --extra-index-url https://download.pytorch.org/whl/cpu; else echo torch; fi)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help book pdf run test data lab serve bench weights classroom colab-check clean

help:  ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

book: $(VENV)/.book  ## Build the pages from the stored outputs (a minute or two the first time, no PyTorch needed)
	@# --all: a page that was built with a warning must warn again, not hide in the cache
	$(BIN)/jupyter-book build . --all -W --keep-going -n
	@printf '\nThe book is ready. Open this address in a browser:\n  file://%s/_build/html/book/index.html\n' "$(CURDIR)"

pdf: $(VENV)/.test  ## Print the whole book as one PDF, by Chromium (half a minute)
	$(MAKE) book
	$(BIN)/python tools/pdf.py

run: data  ## Execute every chapter again from a clean kernel and store its outputs
	$(BIN)/python tools/notebooks.py run
	$(BIN)/python tools/result_picture.py
	$(BIN)/python tools/back_matter.py write

test: data  ## Check everything: sources, style, pages in a browser, unit tests, every chapter's outputs
	$(BIN)/python tools/notebooks.py check
	$(BIN)/ruff check .
	$(MAKE) book
	$(BIN)/pytest --nbval tests book

data: $(VENV)/.test  ## Download the public stacks that chapters run on, unless they are here already
	$(BIN)/python -m data_download mouse_embryo_fluorescence \
		|| echo "Going on without them: the chapters run on simulated stacks instead."

lab: $(VENV)/.test  ## Open the chapters in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=book

serve:  ## Serve the built pages on this machine only, at port 8000 (PORT=...)
	$(PY) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

bench: $(VENV)/.test  ## Measure the fast parts against plain versions and write results/bench.json
	$(BIN)/python -m bfs_tutorial.bench

weights: $(VENV)/.test  ## Train the small networks that the package ships (about five minutes)
	$(BIN)/python tools/weights.py

classroom: book $(VENV)/.test  ## Write class.zip to hand out: student notebooks, pages, data and package
	$(BIN)/python -m tools.classroom pack class.zip --force

colab-check: $(VENV)/.test  ## Run light chapters with the very versions that Google Colab ships (minutes)
	$(BIN)/python tools/colab.py --torch '$(TORCH)'

clean:  ## Remove built pages and caches; the environment stays (to remove it too: rm -r .venv)
	rm -rf _build build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find book bfs_tutorial data_download tests tools -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/pip:
	@$(PY) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] \
		+ ". Name another one: make PY=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PY) -m venv $(VENV)

$(VENV)/.book: pyproject.toml | $(BIN)/pip
	@echo "Installing what reading the book needs into $(VENV) (about a minute) ..."
	$(BIN)/python tools/environment.py requirements book >$@.txt
	$(BIN)/pip install --quiet --requirement $@.txt
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/pip
	@echo "Installing what running and testing need into $(VENV) (a few minutes) ..."
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --editable '.[book,lab,test]'
	@touch $@
