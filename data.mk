# From counselling corpora to the rows that the recipes train on: `make data`.
#
#   sources -> dialogues -> transcribed -> review books (people) -> kept -> split -> rows
#
#   make data SOURCES="cpsycound:data/raw/cpsycound" MODEL=NAME BASE_URL=http://127.0.0.1:8000/v1
#
# The first call ends at the review books, $(WORK)/CORPUS/review. Have them filled in (Excel, WPS,
# LibreOffice), put what comes back into $(WORK)/CORPUS/returned, call it again. Books are asked for by
# what is in them: the same transcriptions leave them as they are, others are refused.
# Transcribing goes on where it was stopped. `make -n data SOURCES=...` prints the commands.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := data
.DELETE_ON_ERROR:
.SECONDARY:

VENV ?= .venv
PY := $(VENV)/bin/python
# FORMAT:PATH of each corpus, blanks between; formats: python -m converters convert --help
SOURCES ?=
# Who transcribes, and further options of `converters transcribe`: --allow-host HOST --budget 20 ...
MODEL ?=
BASE_URL ?= http://127.0.0.1:8000/v1
LLM ?=
# Further options of `converters convert`, `review`, `review --apply` and `alpaca`: --skip-bad;
# --reviewer NAME, --overwrite (new books; filled ones are moved aside); --partial; --fit
# TOKENIZER:TEMPLATE ...
CONVERT ?=
REVIEW ?=
APPLY ?=
ROWS ?=
# Dialogues in the test set, the paper's number, and the seed of every draw.
TEST ?= 40
SEED ?= 42
# The rows go here, what leads to them to WORK.
DATA ?= data
WORK ?= $(DATA)/mi

NAMES := $(foreach source,$(SOURCES),$(firstword $(subst :, ,$(source))))
path = $(patsubst $(1):%,%,$(filter $(1):%,$(SOURCES)))

define corpus_rules
$(WORK)/$(1)/dialogues.jsonl: $$(wildcard $$(call path,$(1)))
	$(PY) -m converters convert $(1) $$(call path,$(1)) -o $$@ $(CONVERT) --overwrite
endef
$(foreach name,$(NAMES),$(eval $(call corpus_rules,$(name))))

# Exit code 1: some were set aside, with their reasons in transcribed.jsonl.aside.jsonl.
$(WORK)/%/transcribed.jsonl: $(WORK)/%/dialogues.jsonl
	$(PY) -m converters transcribe $< -o $@ --model "$(MODEL)" --base-url $(BASE_URL) $(LLM) --overwrite || test $$? -eq 1

# People's work is asked for at each call, and never deleted.
.PHONY: FORCE
.PRECIOUS: $(WORK)/%/review/plan.json

$(WORK)/%/review/plan.json: $(WORK)/%/transcribed.jsonl FORCE
	$(PY) -m converters review $< --sources $(WORK)/$*/dialogues.jsonl -o $(@D) --seed $(SEED) $(REVIEW)
	@mkdir -p $(WORK)/$*/returned

$(WORK)/%/kept.jsonl: $(WORK)/%/review/plan.json FORCE
	$(PY) -m converters review --apply $(WORK)/$*/returned $(<D) --folder $(<D) -o $@ $(APPLY) --overwrite || { echo "Have the books in $(<D) filled in, put what comes back into $(WORK)/$*/returned, then run the same command again; APPLY=--partial goes on with what is there." >&2; exit 1; }

$(WORK)/train.jsonl: $(NAMES:%=$(WORK)/%/kept.jsonl)
	$(PY) -m converters split $^ -o $(WORK) --test $(TEST) --seed $(SEED) --overwrite

$(WORK)/test.jsonl: $(WORK)/train.jsonl

# LLaMA-Factory asks no stamp: rows of another split's test set must not stand beside new ones to
# train on, not even after a kill.
$(DATA)/mi_train.json: $(WORK)/train.jsonl
	rm -f $(DATA)/mi_test_rounds.json $(DATA)/mi_test_rounds.json.stamp.json
	$(PY) -m converters alpaca $< -o $@ $(ROWS) --overwrite

$(DATA)/mi_test_rounds.json: $(WORK)/test.jsonl $(DATA)/mi_train.json
	$(PY) -m converters alpaca $< -o $@ $(ROWS) --overwrite

.PHONY: data
data: $(if $(NAMES),$(DATA)/mi_train.json $(DATA)/mi_test_rounds.json,usage)
	@$(PY) -m converters check $(DATA)/mi_train.json $(DATA)/mi_test_rounds.json

.PHONY: usage
usage:
	@sed -n '1,/^SHELL/{/^SHELL/!p}' data.mk >&2; exit 2
