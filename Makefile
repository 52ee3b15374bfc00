# What a person or a machine runs in a fresh checkout: the demo, the tests, the benchmarks and the R references.
# Needs Python 3.11 or later, git and make; everything else goes into .venv in this folder.

SHELL := /bin/bash
# A Python of 3.11 or later; empty: the best of this machine (.ci/venv).
PYTHON ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

# Commands and services start often in the demo and the tests: what Python compiled is kept, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo demo-heart demo-survival demo-weights hospitals chaos test lint docs bench references mutations fuzz differences image clean

demo: .venv/.demo
	$(BIN)/gagyo demo --out demo-out/breast
	@echo "Reports: demo-out/breast/report.en.html, report.ko.html, report.zh.html"

demo-heart: .venv/.demo
	$(BIN)/gagyo demo heart --out demo-out/heart
	@echo "Reports: demo-out/heart/report.en.html, report.ko.html, report.zh.html"

demo-survival: .venv/.demo
	$(BIN)/gagyo demo survival --out demo-out/survival
	@echo "Reports: demo-out/survival/report.en.html, report.ko.html, report.zh.html"

demo-weights: .venv/.demo
	$(BIN)/gagyo demo weights --out demo-out/weights
	@echo "Reports: demo-out/weights/report.en.html, report.ko.html, report.zh.html"

# The same study at hospitals on machines of their own: two hubs and four services on loopback, over TLS.
hospitals: .venv/.demo
	rm -rf demo-out/hospitals
	$(BIN)/gagyo demo hospitals --out demo-out/hospitals

# The linters run beside the tests, and say what they found in one piece; each must pass.
test: .venv/.test .venv/.system
	@said="$$(mktemp)"; \
	{ $(MAKE) --no-print-directory lint >"$$said" 2>&1; found=$$?; cat "$$said"; rm -f "$$said"; exit $$found; } & \
	TMPDIR="$$(.ci/scratch)" OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -n "$$(.ci/workers)" --dist loadfile --no-loadscope-reorder; tested=$$?; \
	wait $$!; linted=$$?; [ $$linted = 0 ] || echo "the linters found faults: make lint" >&2; exit $$((tested | linted))

lint: .venv/.test
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

# Pages that are made from the code, and the line numbers that SECURITY.md links to.
docs: .venv/.test
	$(BIN)/python docs/generate.py

# Runs with a random kill, halt or cut in each; N runs, from seed SEED on (a failure prints its seed).
chaos: .venv/.test
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos $(or $(N),200) $(SEED)

# Ten minutes of coverage-guided fuzzing of the decoders, or SECONDS= of it.
fuzz: .venv/.test
	$(PIP) install --no-compile --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),600)

# Break each line that keeps a promise, and see which test notices.
mutations: .venv/.test
	$(BIN)/python tests/mutations.py

bench: .venv/.bench
	$(BIN)/python benchmarks/run.py

# How far each method is from its reference, behind doors, gate and ring, on this machine, as a table in the docs.
differences: .venv/.test
	GAGYO_BEHIND_DOORS=yes OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python docs/differences.py

# Every reference that the tests compare with, computed again in R (with clubSandwich, cmprsk, geepack, glmnet,
# Hmisc, jsonlite, lmerTest, MASS, metafor, mice, mvtnorm, nnet, numDeriv, ordinal, pROC, psych, pwr, rms, rpact,
# sandwich, survey, survival).
references:
	for script in tests/golden/r/*.R; do echo "$$script"; Rscript "$$script" || exit 1; done

# The container image of hubs and hospitals, by Docker or Podman. BUILD= holds more for the build: a mirror, a proxy.
image:
	@deploy/image $(BUILD)

clean:
	rm -rf .venv demo-out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# Stamps: made again when pyproject.toml changes, so that a second run installs nothing. What is never imported is not
# compiled: that takes as long as the rest of the installation.

.venv/.made:
	@.ci/venv "$(PYTHON)"
	@touch $@

.venv/.demo: .venv/.made pyproject.toml
	$(PIP) install --no-compile --editable '.[demo]'
	@touch $@

.venv/.test: .venv/.made pyproject.toml
	$(PIP) install --no-compile --editable '.[test]'
	@touch $@ .venv/.demo

.venv/.bench: .venv/.made pyproject.toml
	$(PIP) install --no-compile --editable '.[bench]'
	@touch $@ .venv/.demo

# The browser and the fonts with which tests look at the reports.
.venv/.system: .venv/.made
	@.ci/system
	@touch $@
