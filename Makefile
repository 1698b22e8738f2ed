# Everything a newcomer types: `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CONSTRAINTS ?= constraints/pins.txt
# Test files side by side; each takes a core.
JOBS ?= 2
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: help
help:  ## This list
	@grep -hE '^[a-z-]+:.*  ## ' $(firstword $(MAKEFILE_LIST)) | awk -F ':.*  ## ' '{printf "make %-14s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(READY)  ## Install everything into .venv; the second call installs nothing

$(READY): pyproject.toml $(CONSTRAINTS)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes on the first call) ..."
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	test -x "$$uv" || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
	[ -n "$$UV_FIND_LINKS" ] || unset UV_FIND_LINKS; \
	"$$uv" pip install --quiet --python $(BIN)/python --compile-bytecode \
	  --constraint $(CONSTRAINTS) --editable '.[train,dev]'
	@touch $@

.PHONY: demo
demo: $(READY)  ## From sample dialogues to a report with tiny stand-in models (minutes, CPU)
	@$(MAKE) --no-print-directory -j2 -f demo.mk VENV=$(VENV)

.PHONY: data
data: $(READY)  ## Transcribe corpora into MI rows: SOURCES=FORMAT:PATH MODEL=NAME; see data.mk
	@$(MAKE) --no-print-directory -f data.mk VENV=$(VENV)

.PHONY: miti
miti: $(READY)  ## From sessions to MITI tables and a report: TRANSCRIPTS=FILES RATERS="R1 R2"; see miti.mk
	@$(MAKE) --no-print-directory -f miti.mk VENV=$(VENV)

.PHONY: doctor
doctor: $(READY)  ## What is installed, GPU, hub, disk: a line each, with the remedy
	@$(BIN)/python -m mi_llm doctor --pins $(CONSTRAINTS)

.PHONY: train
train: $(READY)  ## Look at all that RECIPE=configs/NAME.yaml needs, then train or predict with it
	@test -n "$(RECIPE)" || { echo "usage: make train RECIPE=configs/glm4_lora.yaml [ARGS='key=value ...']" >&2; exit 2; }
	$(BIN)/python -m mi_llm preflight $(RECIPE) $(ARGS)
	$(BIN)/llamafactory-cli train $(RECIPE) $(ARGS)
	$(BIN)/python -m mi_llm stamp $(RECIPE) $(ARGS)

.PHONY: export
export: $(READY)  ## Merge an adapter, RECIPE=configs/export/NAME.yaml, and write the model card
	@test -n "$(RECIPE)" || { echo "usage: make export RECIPE=configs/export/glm4_lora.yaml [ARGS='key=value ...']" >&2; exit 2; }
	$(BIN)/python -m mi_llm preflight $(RECIPE) $(ARGS)
	$(BIN)/llamafactory-cli export $(RECIPE) $(ARGS)
	$(BIN)/python -m mi_llm card $(RECIPE) $(ARGS)

.PHONY: check
check: $(READY)  ## Lint, types and layers; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: style
style: $(READY)  ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: test
test: $(READY)  ## The tests, with one real train + predict (under 10 minutes on 2 cores)
	$(BIN)/python -m pytest -m "not slow and not alone" -n $(JOBS) --dist loadfile
	$(BIN)/python -m pytest -m "not slow and alone"

.PHONY: test-all
test-all: $(READY)  ## What `make test` leaves out: the long real runs
	$(BIN)/python -m pytest -m "slow and not alone" -n $(JOBS) --dist loadfile
	$(BIN)/python -m pytest -m "slow and alone"

.PHONY: bench-convert
bench-convert: $(READY)  ## CPU and memory of converting 55,000 files, against parsing them alone
	$(BIN)/python benchmarks/convert.py $(ARGS)

.PHONY: bench-score
bench-score: $(READY)  ## CPU time of scoring, against the loop of LLaMA-Factory's own script
	$(BIN)/python benchmarks/score.py $(ARGS)

.PHONY: bench-llm
bench-llm: $(READY)  ## Requests to a model at once, against one after another
	$(BIN)/python benchmarks/llm.py $(ARGS)

.PHONY: bench-train
bench-train: $(READY)  ## Training speed and memory at full size, random weights; needs a GPU
	$(BIN)/python benchmarks/train.py $(ARGS)

.PHONY: clean
clean:  ## Remove what `make demo` made; .venv, data and saves of your own stay
	rm -rf saves/demo reports/demo data/demo data/mi_sample_{train,test}.json{,.stamp.json}
