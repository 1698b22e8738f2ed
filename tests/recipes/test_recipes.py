"""The recipes as files: what differs, what is named, and what LLaMA-Factory's parser says."""

import json
import re
from pathlib import Path

import pytest
import yaml

from mi_llm.recipe import load_recipe

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "llamafactory_configs"
MODELS = ("baichuan2", "glm4", "llama3_chinese", "qwen3")
FAMILIES = {
    "": ("lora", "qlora", "lora_dialogue", "dpo"),
    "predict": ("base", "lora", "lora_dialogue"),
    "export": ("lora",),
    "api": ("lora",),
}
SFT = ("lora", "qlora", "lora_dialogue")
FIRST_BLOCK = {
    "model_name_or_path", "model_revision", "template", "adapter_name_or_path", "output_dir",
    "export_dir",
}  # fmt: skip
ALL = sorted(path for path in FOLDER.rglob("*.yaml") if path.parent.name != "multi_gpu")
# multi_gpu/ has test_multi_gpu_recipes.py.


def blocks(path):
    """The recipe's text split at its `###` headings; the comment lines before them come first."""
    return re.split(r"^### ", path.read_text(encoding="ascii"), flags=re.MULTILINE)


def test_every_recipe_belongs_to_a_family():
    expected = {
        FOLDER / folder / f"{model}_{kind}.yaml"
        for folder, kinds in FAMILIES.items()
        for kind in kinds
        for model in MODELS
    }
    assert set(ALL) == expected
    assert len(ALL) == 36


@pytest.mark.parametrize(
    ("folder", "kind"), [(folder, kind) for folder, kinds in FAMILIES.items() for kind in kinds]
)
def test_members_of_a_family_differ_in_their_first_block_only(folder, kind):
    members = [blocks(FOLDER / folder / f"{model}_{kind}.yaml") for model in MODELS]
    for _, first, *_ in members:
        assert set(yaml.safe_load(first.partition("\n")[2])) <= FIRST_BLOCK
    assert all(member[2:] == members[0][2:] for member in members)
    assert len(members) == 4
    assert len(members[0]) > 2


def test_base_and_tuned_predictions_differ_in_nothing_but_adapter_and_folder():
    for model in MODELS:
        base, tuned = (
            yaml.safe_load((FOLDER / "predict" / f"{model}_{kind}.yaml").read_text())
            for kind in ("base", "lora")
        )
        differing = {key for key in base.keys() | tuned if base.get(key) != tuned.get(key)}
        assert differing == {"adapter_name_or_path", "output_dir"}


def test_lora_recipes_have_the_papers_settings():
    # JMIR Form Res 2026;10:e89077, section on training, and its authors' appendix.
    paper = {
        "finetuning_type": "lora",
        "lora_target": "all",
        "learning_rate": 1.0e-4,
        "lr_scheduler_type": "cosine",
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "num_train_epochs": 3.0,
        "warmup_ratio": 0.1,
        "bf16": True,
        "cutoff_len": 2048,
        "logging_steps": 10,
        "save_steps": 500,
        "plot_loss": True,
    }
    for model in MODELS:
        for kind in SFT:
            settings = yaml.safe_load((FOLDER / f"{model}_{kind}.yaml").read_text())
            assert {key: settings.get(key) for key in paper} == paper


def test_every_dataset_that_a_recipe_names_is_registered_with_all_columns():
    info = json.loads((ROOT / "dataset_info.json").read_text(encoding="ascii"))
    named = set()
    for path in ALL:
        recipe = load_recipe(path)
        named.update([*recipe.names("dataset"), *recipe.names("eval_dataset")])
    of_rows = {"mi_train", "mi_train_dialogues", "mi_test_rounds", "mi_test_rounds_system"}
    assert named == {*of_rows, "mi_pairs"}
    rest = {"query": "input", "history": "history"}
    for name in [*of_rows, "mi_sample_train", "mi_sample_test"]:
        at_head = name in ("mi_train_dialogues", "mi_test_rounds_system")
        prompt = {"system": "system"} if at_head else {"prompt": "instruction"}
        assert info[name]["columns"] == rest | prompt | {"response": "output"}
        assert "ranking" not in info[name]
    for name in ("mi_pairs", "mi_pairs_test"):
        pair = {"prompt": "instruction", "chosen": "chosen", "rejected": "rejected"}
        assert info[name]["columns"] == rest | pair
        assert info[name]["ranking"] is True


def test_dpo_goes_on_from_the_adapter_of_the_lora_recipe_and_makes_a_new_one():
    # Kept from the LoRA recipe: all but what preferences need (LLaMA-Factory's own DPO example has
    # this learning rate and beta).
    for model in MODELS:
        sft, dpo = (
            yaml.safe_load((FOLDER / f"{model}_{kind}.yaml").read_text())
            for kind in ("lora", "dpo")
        )
        differing = {key: dpo.get(key) for key in sft.keys() | dpo if sft.get(key) != dpo.get(key)}
        assert differing == {
            "adapter_name_or_path": sft["output_dir"],
            "output_dir": f"saves/{model}_dpo",
            "stage": "dpo",
            "create_new_adapter": True,
            "pref_loss": "sigmoid",
            "pref_beta": 0.1,
            "pref_ftx": 0.1,
            "dataset": "mi_pairs",
            "mask_history": None,
            "learning_rate": 5.0e-6,
        }


def test_the_header_says_how_the_recipe_is_run_as_people_type_it():
    for path in ALL:
        verb = {"export": "export", "api": "api"}.get(path.parent.name, "train")
        typed = Path("configs") / path.relative_to(FOLDER)
        assert f"llamafactory-cli {verb} {typed.as_posix()}\n" in blocks(path)[0]
    assert (ROOT / "configs").resolve() == FOLDER.resolve()


@pytest.mark.train
@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(FOLDER)))
def test_llamafactory_parses_the_recipe(path):
    hparams = pytest.importorskip("llamafactory.hparams")
    settings = yaml.safe_load(path.read_text())
    if "do_train" in settings or "do_predict" in settings:
        model, data, training, finetuning, generating = hparams.get_train_args(
            {**settings, "use_cpu": True}
        )
        assert data.cutoff_len == 2048
        assert training.report_to == []
        assert finetuning.finetuning_type == "lora"
        assert generating.do_sample is (path.parent.name != "predict")
        if "do_train" in settings:
            assert data.mask_history is path.stem.endswith(("_lora", "_qlora"))
            assert finetuning.stage == ("dpo" if path.stem.endswith("_dpo") else "sft")
            assert finetuning.use_ref_model is path.stem.endswith("_dpo")
            assert model.quantization_bit == (4 if path.stem.endswith("_qlora") else None)
    else:
        model, _, _, generating = hparams.get_infer_args(settings)
    assert model.model_name_or_path == settings["model_name_or_path"]
    if path.parent.name in ("predict", "export", "api"):
        assert model.infer_dtype == "bfloat16"


@pytest.mark.train
def test_llamafactory_refuses_a_key_that_it_does_not_know():
    hparams = pytest.importorskip("llamafactory.hparams")
    settings = yaml.safe_load((FOLDER / "glm4_lora.yaml").read_text())
    with pytest.raises(ValueError, match="mask_histroy"):
        hparams.get_train_args({**settings, "mask_histroy": True, "use_cpu": True})
