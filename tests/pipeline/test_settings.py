"""Settings against the types of LLaMA-Factory's own dataclasses, from file and override alike."""

import pytest
import yaml

from mi_llm.recipe import load_recipe
from mi_llm.runs import settings
from tests.pipeline.llamafactory import ROOT

pytestmark = pytest.mark.train

RECIPE = ROOT / "llamafactory_configs" / "glm4_lora.yaml"

WRONG = {
    "learning_rate: 1e-4": "'1e-4' is text to YAML; write 1.0e-4",
    "learning_rate: 5E5": "'5E5' is text to YAML; write 5.0E+5",
    "warmup_ratio: '0.1'": "'0.1' is text to YAML; write 0.1 without quotes",
    "lora_rank: '8'": "'8' is text to YAML; write 8 without quotes",
    "lora_rank: 8.0": "8.0 is a number, where LLaMA-Factory wants a whole number",
    "cutoff_len: 2k": "'2k' is text, where LLaMA-Factory wants a whole number",
    "num_train_epochs:": "None is nothing, where LLaMA-Factory wants a number",
    "mask_history: 'false'": "'false' is text to YAML; write false without quotes",
    "bf16: 1": "1 is a whole number, where LLaMA-Factory wants true/false",
    "seed: true": "True is true/false, where LLaMA-Factory wants a whole number",
    "max_samples: many": "'many' is text, where LLaMA-Factory wants a whole number",
    "output_dir: 2024": "2024 is a whole number to YAML; put it in quotes",
    "output_dir: 2024-03-01": "is a date to YAML; put it in quotes",
    "finetuning_type: lorra": "wants one of: lora, freeze, full",
    "stage: sftt": "wants one of: pt, sft, rm, ppo, dpo, kto",
    "flash_attn: fast": "wants one of: auto, disabled, sdpa, fa2",
    "report_to: 3": "3 is a whole number to YAML; put it in quotes",
    "learning_rate: [0.1]": "[0.1] is a list, where LLaMA-Factory wants a number",
}
RIGHT = [
    "learning_rate: 1.0e-4", "learning_rate: 1", "save_steps: 500", "report_to: [none]",
    "dataset: [a, b]", "lora_target: [q_proj]", "eval_dataset: null", "max_samples: 5",
    "flash_attn: sdpa", "deepspeed: null", "lr_scheduler_type: cosine", "quantization_bit: null",
]  # fmt: skip


def with_line(tmp_path, line):
    """The recipe with a line of its own kind replaced, or added."""
    key = line.partition(":")[0]
    lines = [one for one in RECIPE.read_text().splitlines() if not one.startswith(f"{key}:")]
    path = tmp_path / "recipe.yaml"
    path.write_text("\n".join([*lines, line]) + "\n")
    return path


@pytest.mark.parametrize("line", WRONG)
def test_a_value_of_another_type_is_one_fault_from_file_and_override(tmp_path, line):
    key, _, value = line.partition(": ")
    faults = list(
        settings.faults(load_recipe(with_line(tmp_path, line), ["use_cpu=true"]).settings)
    )
    assert len(faults) == 1
    assert faults[0].startswith(f"{key.rstrip(':')}: ")
    assert faults[0].endswith(WRONG[line])
    if key == "learning_rate" and "e" in value.lower():
        value = f"'{value}'"  # llamafactory-cli reads 1e-4 as a number where it is typed
    told = load_recipe(RECIPE, ["use_cpu=true", f"{key.rstrip(':')}={value}"]).settings
    assert list(settings.faults(told)) == faults
    assert not settings.readable(told)


@pytest.mark.parametrize("line", RIGHT)
def test_a_value_that_llamafactory_takes_is_no_fault(tmp_path, line):
    told = load_recipe(with_line(tmp_path, line), ["use_cpu=true"]).settings
    assert list(settings.faults(told)) == []


def test_a_number_with_an_exponent_is_no_fault_where_it_is_typed():
    told = load_recipe(RECIPE, ["use_cpu=true", "learning_rate=1e-4"]).settings
    assert told["learning_rate"] == 1e-4
    assert list(settings.faults(told)) == []


def test_every_setting_of_the_shipped_recipes_has_its_type():
    found = sorted(ROOT.glob("llamafactory_configs/**/*.yaml"))
    told = [yaml.safe_load(path.read_text()) for path in found]
    recipes = [one for one in told if "model_name_or_path" in one]
    assert len(recipes) >= 30
    assert [list(settings._type_faults(one)) for one in recipes] == [[]] * len(recipes)
