# Every target works from a bare checkout: it makes .venv and installs what it needs, once.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OLDEST := .venv-oldest/bin
AUDIT  := .venv-audit/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
          --constraint requirements/constraints.txt

# Two OpenMP threads that spin while they wait stall each other on a busy machine.
QUIET_THREADS := OMP_WAIT_POLICY=PASSIVE
TEST_ENV      := env -u KERAS_BACKEND $(QUIET_THREADS) OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: demo test test-gpu docs lint bench fuzz hunt audit-pins oldest test-python clean help

help:  ## Say what the targets do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.demo-installed  ## Choose a schedule for a classifier of real reviews (minutes, CPU)
	@rm -rf results/reviews
	@$(QUIET_THREADS) $(BIN)/ratewise choose examples/embeddings.py:task --total 312 \
		--out results/reviews

test: lint  ## Run the linters, the type checker, every test and every snippet of the docs
	@$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The environment needs a build of PyTorch for the card.
GPU_REPORT := results/gpu.jsonl

test-gpu: $(VENV)/.test-installed  ## Run what needs a card with CUDA, and write down what held
	@mkdir -p $(dir $(GPU_REPORT)) && rm -f $(GPU_REPORT)
	@$(TEST_ENV) RATEWISE_GPU_REPORT=$(GPU_REPORT) $(BIN)/python -m pytest -rs tests/gpu; \
		held=$$?; \
		test ! -e $(GPU_REPORT) || $(BIN)/python docs/make_gpu.py $(GPU_REPORT); \
		exit $$held
	@$(TEST_ENV) $(BIN)/python benchmarks/gpu.py

lint: $(VENV)/.test-installed  ## Run the linters and the type checker alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: $(VENV)/.docs-installed  ## Build the site of the documentation into build/docs, warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "Open build/docs/index.html"

bench: $(VENV)/.test-installed  ## Run the benchmarks; each prints the ratio it is about
	@for script in benchmarks/[!_]*.py; do \
		[ -e "$$script" ] || { echo "no benchmarks yet"; break; }; \
		echo "== $$script"; \
		$(TEST_ENV) $(BIN)/python "$$script" || exit 1; \
	done

# So many cases of each kind: with this number it is a million in all.
FUZZ        ?= 145000
FUZZ_REPORT := results/fuzz.jsonl

fuzz: $(VENV)/.test-installed  ## Attack every reader and writer a million times (FUZZ=N for another number)
	@mkdir -p $(dir $(FUZZ_REPORT)) && rm -f $(FUZZ_REPORT)
	@$(TEST_ENV) RATEWISE_FUZZ=$(FUZZ) RATEWISE_FUZZ_REPORT=$(FUZZ_REPORT) \
		$(BIN)/python -m pytest -n 2 --dist loadfile tests/fuzz
	@$(BIN)/python docs/make_security.py $(FUZZ_REPORT)

hunt: $(VENV)/.test-installed  ## Try the properties on examples that no run has seen (TESTS=tests/schedule)
	@$(TEST_ENV) RATEWISE_HUNT=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

audit-pins:  ## Hold the pinned versions against the databases of known vulnerabilities (network)
	@test -x $(AUDIT)/pip || $(PYTHON) -m venv .venv-audit
	@$(AUDIT)/pip install --quiet --disable-pip-version-check pip-audit
	@$(AUDIT)/pip-audit --strict --no-deps --disable-pip -r requirements/constraints.txt

# Transformers 4 would ask for an older Keras where TensorFlow is installed too: USE_TF=0.
oldest:  ## Run the tests of the adapters with the oldest versions that are supported
	@test -x $(OLDEST)/pip || $(PYTHON) -m venv .venv-oldest
	@$(OLDEST)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(OLDEST)/python -m pip install --quiet --disable-pip-version-check --editable . \
		--requirement requirements/oldest.txt pytest pytest-xdist hypothesis pyyaml \
		schedulefree prodigyopt scikit-learn
	@$(TEST_ENV) USE_TF=0 $(OLDEST)/python -m pytest -n 2 --dist loadfile tests/guarantees \
		tests/testing tests/feedback tests/torch tests/transformers tests/lightning tests/optax \
		tests/keras

# Each package as far as it has a wheel for that Python. antlr4 has none for any: without it
# pip takes OmegaConf and Hydra of 2019, which need no antlr4.
# A shorter list is WITH="jax optax". Where PyTorch has no build without a GPU for that Python, it
# is one with, of 5 GB, which runs as well.
PY    ?= 3.13
WITH  ?= torch jax optax keras tensorflow-cpu transformers accelerate lightning ray optuna \
         scipy scikit-learn matplotlib fsspec flax omegaconf hydra-core datasets peft skorch \
         pytorch-ignite
TESTS ?= tests
OTHER := .venv-$(PY)

test-python:  ## Run what can be run of the tests with another Python, PY=3.13
	@for python in python$(PY) "$$(uv python find $(PY) 2>/dev/null)" \
			"$$(pyenv root 2>/dev/null)"/versions/$(PY).*/bin/python; do \
		"$$python" --version >/dev/null 2>&1 && found=$$python && break; \
	done; \
	test -n "$$found" || { echo "There is no Python $(PY) here. Install it, for example with" \
		"\`uv python install $(PY)\` or \`pyenv install $(PY)\`, and run this again."; exit 1; }; \
	test -x $(OTHER)/bin/pip || "$$found" -m venv $(OTHER)
	@$(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check --editable . \
		pytest pytest-xdist hypothesis pyyaml
	@for package in $(WITH); do \
		$(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check \
			--only-binary :all: --no-binary antlr4-python3-runtime \
			$$package || echo "no $$package for Python $(PY): left out"; \
	done
	@$(OTHER)/bin/python --version
	@files=$$($(OTHER)/bin/python .ci/runnable.py | grep "^$(TESTS)") && \
		$(TEST_ENV) $(OTHER)/bin/python -m pytest -n 2 --dist loadfile $$files

clean:  ## Remove the environment and everything that was built
	rm -rf $(VENV) .venv-* build dist .pytest_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@touch $@

# torch goes first, so that nothing installed later chooses its version.
$(VENV)/.demo-installed: pyproject.toml requirements/constraints.txt requirements/demo.txt \
                         requirements/demo-nodeps.txt | $(VENV)/.made
	@echo "Installing what the demo needs (once; a few minutes) ..."
	@$(PIP) torch
	@$(PIP) --editable . --requirement requirements/demo.txt
	@$(PIP) --no-deps --requirement requirements/demo-nodeps.txt
	@touch $@

$(VENV)/.docs-installed: requirements/constraints.txt requirements/docs.txt | $(VENV)/.made
	@echo "Installing what builds the documentation (once) ..."
	@$(PIP) --requirement requirements/docs.txt
	@touch $@

$(VENV)/.test-installed: pyproject.toml requirements/constraints.txt requirements/demo.txt \
                         requirements/demo-nodeps.txt requirements/docs.txt \
                         requirements/test.txt requirements/nodeps.txt | $(VENV)/.made
	@echo "Installing every framework the tests use (once; several minutes, about 4 GB) ..."
	@$(PIP) torch
	@$(PIP) --editable . --requirement requirements/test.txt
	@$(PIP) --no-deps --requirement requirements/nodeps.txt
	@touch $@
