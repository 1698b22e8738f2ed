# From sessions to MITI tables, as the paper's Table 6: `make miti`.
#
#   transcripts -> blind coding books -> raters -> codes -> measures -> report
#
#   make miti TRANSCRIPTS="saves/roleplay/transcripts.jsonl" RATERS="R1 R2"
#
# The first call ends at the coding books. Have the raters fill them in (Excel, WPS, LibreOffice),
# put them back, call it again. `make -n miti TRANSCRIPTS=...` prints the commands.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := miti
.DELETE_ON_ERROR:
.SECONDARY:

VENV ?= .venv
PY := $(VENV)/bin/python
# What `eval roleplay`, `eval interview` or `eval transcripts` wrote, blanks between.
TRANSCRIPTS ?=
# Who codes, blanks between; and the language of books and report.
RATERS ?= R1 R2
LANGUAGE ?= zh
# Folders of predictions to report along with the sessions; none is needed.
RUNS ?=
# Draws the neutral ids and the order of each rater's pages.
SEED ?= 42
OUT ?= reports/miti

$(OUT)/books/key.json: $(TRANSCRIPTS)
	$(PY) -m eval book $(TRANSCRIPTS) -o $(@D) $(RATERS:%=--rater %) --seed $(SEED) --lang $(LANGUAGE)

$(OUT)/codes/codes.csv: $(OUT)/books/key.json $(wildcard $(OUT)/books/*.xlsx)
	$(PY) -m eval codes $(OUT)/books/*.xlsx -o $(@D) --key $< --overwrite

$(OUT)/miti.json: $(OUT)/codes/codes.csv
	$(PY) -m eval miti $(<D) --key $(OUT)/books/key.json $(TRANSCRIPTS:%=--transcripts %) -o $@ --overwrite

$(OUT)/report.html: $(OUT)/miti.json
	$(PY) -m eval report $(RUNS) --with $< -o $@ --lang $(LANGUAGE) --overwrite

# Without books there is nothing to read yet.
STEP := $(if $(wildcard $(OUT)/books/key.json),report,books)

.PHONY: miti
miti: $(if $(TRANSCRIPTS),$(STEP),usage)

.PHONY: books
books: $(OUT)/books/key.json
	@echo "Have the raters fill in $(OUT)/books/*.xlsx, then run the same command again."

.PHONY: report
report: $(OUT)/report.html
	@echo "report: $<"

.PHONY: usage
usage:
	@sed -n '1,/^SHELL/{/^SHELL/!p}' miti.mk >&2; exit 2
