# The main job from end to end, with tiny stand-ins for the three base models: `make demo`.
#
#   sample dialogues -> rows -> check -> stand-ins -> LoRA -> predictions -> scores -> report
#
# The recipes are those of llamafactory_configs/, unchanged; what a CPU and a stand-in need comes as
# key=value words behind them. Each step writes a log; what is up to date is not made again.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := demo
.DELETE_ON_ERROR:
.SECONDARY:

VENV ?= .venv
PY := $(VENV)/bin/python
LF := $(VENV)/bin/llamafactory-cli
RUN := saves/demo
MODELS := baichuan2 glm4 llama3_chinese
KINDS := base lora

# Two single-threaded jobs side by side are faster here than one with two threads.
export OMP_NUM_THREADS := 1
export HF_HUB_OFFLINE := 1
export PYTHONWARNINGS := ignore

# What a CPU needs, and the shorter context that makes it quick (the rows are written to fit it).
CUTOFF := 384
CPU := use_cpu=true preprocessing_num_workers=1 cutoff_len=$(CUTOFF)
# What a stand-in needs: larger and more steps, and its embeddings trained too.
TRAIN := dataset=mi_sample_train gradient_accumulation_steps=2 num_train_epochs=2 \
  learning_rate=3e-3 lora_rank=32 additional_target=embed_tokens,lm_head
PREDICT := eval_dataset=mi_sample_test max_new_tokens=200 per_device_eval_batch_size=8

# $(call step,what is being made,its log,command): one line on the screen, the rest in the log.
define step
@mkdir -p $(dir $(2)); start=$$SECONDS; \
if { $(3); } >$(2) 2>&1; then printf '%-44s %3d s\n' "$(1)" $$((SECONDS - start)); \
else tail -n 25 $(2) >&2; echo "failed: $(1); whole log: $(2)" >&2; exit 1; fi
endef

template_llama3_chinese := llama3
template = $(or $(template_$(1)),$(1))
FIT := $(foreach model,$(MODELS),--fit $(RUN)/stand_in/$(model):$(call template,$(model)))

data/demo/%.jsonl: data/sample/%.json
	$(call step,dialogues: $*,$(RUN)/log/convert_$*.log,\
	$(PY) -m converters convert mi_conversations $< -o $@ --overwrite)

data/mi_sample_%.json: data/demo/%.jsonl $(foreach model,$(MODELS),$(RUN)/stand_in/$(model).made)
	$(call step,rows: $* (and check),$(RUN)/log/rows_$*.log,\
	$(PY) -m converters alpaca $< -o $@ $(FIT) --cutoff-len $(CUTOFF) --overwrite && \
	$(PY) -m converters check $@)

$(RUN)/stand_in/%.made: data/sample/train.json
	$(call step,stand-in: $*,$(RUN)/log/stand_in_$*.log,\
	$(PY) -m converters stand-in $* -o $(@:.made=) --overwrite && touch $@)

define model_rules
$(RUN)/$(1)_lora/all_results.json: $(RUN)/stand_in/$(1).made data/mi_sample_train.json
	$$(call step,LoRA training: $(1),$(RUN)/log/train_$(1).log,\
	$(PY) -m converters check --recipe llamafactory_configs/$(1)_lora.yaml data/mi_sample_train.json && \
	rm -rf $$(@D) && $$(call with,train,$(1)_lora,$(1),$$(TRAIN) output_dir=$$(@D)))

$(RUN)/$(1)_base/predict/predict_results.json: $(RUN)/stand_in/$(1).made data/mi_sample_test.json
	$$(call step,predictions: $(1) base,$(RUN)/log/predict_$(1)_base.log,\
	$$(call with,train,predict/$(1)_base,$(1),$$(PREDICT) output_dir=$$(@D)))

$(RUN)/$(1)_lora/predict/predict_results.json: $(RUN)/$(1)_lora/all_results.json data/mi_sample_test.json
	$$(call step,predictions: $(1) tuned,$(RUN)/log/predict_$(1)_lora.log,\
	$$(call with,train,predict/$(1)_lora,$(1),$$(PREDICT) adapter_name_or_path=$(RUN)/$(1)_lora output_dir=$$(@D)))
endef

# $(call with,verb,recipe,model,overrides): run a recipe on a stand-in and stamp the run.
with = $(LF) $(1) llamafactory_configs/$(2).yaml model_name_or_path=$(RUN)/stand_in/$(3) $(CPU) $(4) && \
	$(PY) -m mi_llm stamp llamafactory_configs/$(2).yaml model_name_or_path=$(RUN)/stand_in/$(3) $(CPU) $(4)

$(foreach model,$(MODELS),$(eval $(call model_rules,$(model))))

%/scores.json: %/predict_results.json
	$(call step,scores: $(notdir $(patsubst %/,%,$(dir $*))),$(RUN)/log/score_$(notdir $(patsubst %/,%,$(dir $*))).log,\
	$(PY) -m eval score $*/generated_predictions.jsonl --rows data/mi_sample_test.json -o $@ --overwrite)

SCORES := $(foreach model,$(MODELS),$(foreach kind,$(KINDS),$(RUN)/$(model)_$(kind)/predict/scores.json))

reports/demo/report.html: $(SCORES)
	$(call step,report,$(RUN)/log/report.log,\
	$(PY) -m eval report $(dir $(SCORES)) -o $@ --overwrite)

.PHONY: demo
demo: reports/demo/report.html
	@echo "report: $<"
