# The two commands: `make demo` plays the whole story, `make test` runs the whole suite. Each installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test fuzz check docs locks bench bench-decisions bench-latency soak explore clean

demo: $(VENV)/.runtime
	$(BIN)/gate demo

test: $(VENV)/.servers
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# The laws of the suite on fresh random examples; what one finds becomes an example of its test. LAWS=tests/… for some.
fuzz: $(VENV)/.dev
	LOCKGATE_EXAMPLES=fresh $(BIN)/python -m pytest -n 2 -m hypothesis $(LAWS)

check: $(VENV)/.dev docs
	$(BIN)/ruff check src tests metrics docs
	$(BIN)/ruff format --check src tests metrics docs
	$(BIN)/mypy
	$(BIN)/gate check gates/*.yaml
	$(BIN)/zizmor --offline --quiet action.yml .github/workflows
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

# The pages as a site in .site, of files alone. A link that leads nowhere, or anything that a page would fetch, is an
# error (with --quiet none would be).
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

bench: $(VENV)/.dev
	for file in tests/bench/bench_*.py; do $(BIN)/python $$file || exit 1; done

$(VENV)/.base: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "lockgate needs Python 3.11 or newer; call make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	touch $@

$(VENV)/.runtime: $(VENV)/.base pyproject.toml
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet -c constraints.txt --group dev
	touch $@

$(VENV)/.docs: $(VENV)/.base pyproject.toml
	$(BIN)/python -m pip install --quiet -c constraints.txt --group docs
	touch $@

# Servers and other programs that tests start for real, each in an environment of its own.
$(VENV)/.servers: $(VENV)/.dev $(wildcard tests/environments/*)
	$(BIN)/python tests/environments/build.py
	touch $@

# Seeded simulations of the gate's decisions, their tables and bars (docs/internals/decisions.md); SIMS=n for fewer or more.
bench-decisions: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m bench.decisions

# The same of the latency gate (docs/gates/latency.md).
bench-latency: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m bench.latency

# Promotions and rollbacks by eight processes that are killed and whose answers get lost (docs/internals/faults.md); at most ten
# minutes on each backend, half of them with aliases and half with stages. SOAK_PROMOTIONS=n or SOAK_MINUTES=n for fewer.
soak: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m bench.soak

# What action.yml installs, with the hashes of every file that an index may offer for it.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c constraints.txt
locks: $(VENV)/.dev
	$(LOCK) locks/uv.in -o locks/uv.txt
	$(LOCK) locks/decide.in -o locks/decide.txt
	$(LOCK) pyproject.toml locks/run.in -o locks/run.txt
	for extra in azure gcs mysql postgresql s3; do \
	  $(BIN)/python -c 'import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")' $$extra \
	  | $(LOCK) -c locks/run.txt - -o locks/$$extra.txt || exit 1; done

# Every interleaving of a few commands and faults, within bounds that it prints (docs/internals/killed.md). EXPLORE=quick is what
# the suite explores, EXPLORE_SECONDS=n how long each scenario may take.
explore: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m explore

clean:
	rm -rf $(VENV) .site .servers .demo .gate .pytest_cache .mypy_cache .ruff_cache
