# From sessions to MITI tables, as the paper's Table 6: `make miti`.
#
#   transcripts -> blind coding books -> raters -> codes -> measures -> report
#
#   make miti TRANSCRIPTS="saves/roleplay/transcripts.jsonl" RATERS="R1 R2"
#
# The first call ends at the coding books, $(OUT)/books. Send each rater one (Excel, WPS, LibreOffice),
# put what comes back into $(OUT)/returned, call it again. Books are asked for by what is in them: the
# same transcripts leave them as they are, sessions added later get further ones, others are refused.
# `make -n miti TRANSCRIPTS=...` prints the commands.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := miti

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
# Further options of `eval book` and `eval codes`: --overwrite (new books; filled ones are moved aside);
# --partial (go on with what is there).
BOOK ?=
CODES ?=
OUT ?= reports/miti

WAIT := Have the raters fill in $(OUT)/books/*.xlsx, put what comes back into $(OUT)/returned, then run the same command again

# Without books there is nothing to read yet.
STEP := $(if $(wildcard $(OUT)/books/key.json),report,books)

.PHONY: miti
miti: $(if $(TRANSCRIPTS),$(STEP),usage)

.PHONY: books
books: written
	@echo "$(WAIT)."

.PHONY: report
report: written
	$(PY) -m eval codes $(OUT)/returned $(OUT)/books -o $(OUT)/codes --key $(OUT)/books/key.json $(CODES) --overwrite || { status=$$?; echo "$(WAIT); CODES=--partial goes on with what is there." >&2; exit $$status; }
	$(PY) -m eval miti $(OUT)/codes --key $(OUT)/books/key.json $(TRANSCRIPTS:%=--transcripts %) -o $(OUT)/miti.json --overwrite
	$(PY) -m eval report $(RUNS) --with $(OUT)/miti.json -o $(OUT)/report.html --lang $(LANGUAGE) --overwrite
	@echo "report: $(OUT)/report.html"

.PHONY: written
written:
	$(PY) -m eval book $(TRANSCRIPTS) -o $(OUT)/books $(RATERS:%=--rater %) --seed $(SEED) --lang $(LANGUAGE) $(BOOK)
	@mkdir -p $(OUT)/returned

.PHONY: usage
usage:
	@sed -n '1,/^SHELL/{/^SHELL/!p}' miti.mk >&2; exit 2
