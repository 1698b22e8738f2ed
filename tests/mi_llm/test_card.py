from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mi_llm.errors import InputError
from mi_llm.recipe import Recipe, load_recipe
from mi_llm.runs.base_models import BASE_MODELS
from mi_llm.runs.card import model_card, shaping, write_card

EXPORTS = Path(__file__).parents[2] / "llamafactory_configs" / "export"
SECTIONS = [
    "What this is",
    "Base model and licence",
    "Training data",
    "Training settings",
    "Versions",
    "How to prompt it",
    "Evaluation",
    "Limits",
    "Against the paper",
    "Citation",
    "中文说明",
]
# As the recipes train: nothing differs from the paper's settings.
SETTINGS = {
    "model_name_or_path": "zai-org/glm-4-9b-chat-hf",
    "model_revision": "main",
    "template": "glm4",
    "finetuning_type": "lora",
    "lora_target": "all",
    "dataset_dir": "/home/someone/rows",
    "dataset": "mi_train",
    "cutoff_len": 2048,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 8,
    "learning_rate": "1e-4",
    "lr_scheduler_type": "cosine",
    "warmup_ratio": 0.1,
    "num_train_epochs": 3,
    "bf16": True,
}
VERSIONS = {"python": "3.11.7", "mi-llm": "0.0.9", "llamafactory": "0.9.3"}


def export(folder: Path, key: str = "glm4", **settings: Any) -> Recipe:
    """The export recipe of a base model, its adapter and result in `folder`."""
    words = {
        "adapter_name_or_path": folder / "saves" / "adapter",
        "export_dir": folder / "merged",
        **settings,
    }
    return load_recipe(EXPORTS / f"{key}_lora.yaml", [f"{k}={v}" for k, v in words.items()])


def stamp(folder: Path, facts: Any = None, **settings: Any) -> None:
    """A training run's stamp beside the adapter."""
    (folder / "saves").mkdir(exist_ok=True)
    whole = {
        "versions": VERSIONS,
        "commit": "c0ffee",
        "inputs": {"/home/someone/glm4_lora.yaml": "1" * 64, str(folder / "mi.json"): "2" * 64},
        "settings": SETTINGS | settings,
        "model": None,
    }
    text = json.dumps(whole if facts is None else facts)
    (folder / "saves" / "adapter.stamp.json").write_text(text)


def rows_stamp(folder: Path, sha256: str = "2" * 64, **facts: Any) -> None:
    """The stamp of the rows file, beside it."""
    whole = {"output": {"data/mi.json": sha256}, "counts": {"rows": 15940}, **facts}
    (folder / "mi.json.stamp.json").write_text(json.dumps(whole))


def front(card: str) -> Any:
    begin, text, _ = card.split("---\n", 2)
    assert begin == ""
    return yaml.safe_load(text)


def section(card: str, heading: str) -> str:
    return card.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_front_matter_is_what_the_hub_reads(tmp_path: Path) -> None:
    assert front(model_card(export(tmp_path))) == {
        "language": ["zh"],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["mi-llm", "llama-factory", "lora", "motivational-interviewing"],
        "base_model": "zai-org/glm-4-9b-chat-hf",
        "base_model_relation": "finetune",
        "license": "other",
        "license_name": "glm-4",
        "license_link": "https://huggingface.co/THUDM/glm-4-9b-chat/blob/main/LICENSE",
    }


def test_a_licence_that_the_hub_knows_needs_no_name(tmp_path: Path) -> None:
    known = front(model_card(export(tmp_path, "llama3_chinese")))
    assert known["license"] == "llama3"
    assert "license_name" not in known


def test_baichuan2_in_llama_form_is_a_tuned_form_of_the_model_on_the_hub(tmp_path: Path) -> None:
    assert front(model_card(export(tmp_path, "baichuan2")))["base_model"] == (
        "baichuan-inc/Baichuan2-7B-Chat"
    )


@pytest.mark.parametrize("key", BASE_MODELS)
@pytest.mark.parametrize("stamped", [False, True])
def test_a_card_has_every_section_once_and_in_order(
    tmp_path: Path, key: str, stamped: bool
) -> None:
    if stamped:
        stamp(tmp_path)
    lines = model_card(export(tmp_path, key)).splitlines()
    assert [line[3:] for line in lines if line.startswith("## ")] == SECTIONS


@pytest.mark.parametrize("key", BASE_MODELS)
def test_no_text_of_a_template_is_left_over(tmp_path: Path, key: str) -> None:
    card = model_card(export(tmp_path, key))
    for mark in ("{{", "{%", "{#", "None`", "\n\n\n"):
        assert mark not in card
    assert card.endswith("\n")
    assert not card.endswith("\n\n")


def test_the_title_and_the_words_are_those_that_the_llama_3_licence_asks_for(
    tmp_path: Path,
) -> None:
    card = model_card(export(tmp_path, "llama3_chinese"))
    head, _, rest = card.partition("## What this is")
    assert "\n# Llama 3 " in head
    assert "\n**Built with Meta Llama 3**\n" in head
    licence = section(rest, "Base model and licence")
    assert 'begins with "Llama 3"' in licence
    assert "Acceptable Use Policy" in licence
    assert "| revision | `v2` |" in licence
    assert "“Built with Meta Llama 3”" in section(card, "中文说明")


def test_a_folder_whose_name_breaks_the_rule_is_pointed_at(tmp_path: Path) -> None:
    said = "`merged`, does not begin so"
    assert said in model_card(export(tmp_path))
    assert "not begin so" not in model_card(export(tmp_path, export_dir="saves/glm-4-mi"))
    assert "not begin so" not in model_card(export(tmp_path, "qwen3"))


def test_what_was_not_checked_in_a_licence_is_said(tmp_path: Path) -> None:
    licence = section(model_card(export(tmp_path, "baichuan2")), "Base model and licence")
    assert "| name of a published model | not checked |" in licence
    assert "a PDF that we could not read" in licence
    assert "opensource@baichuan-inc.com" in licence


def test_a_revision_that_moves_is_called_so(tmp_path: Path) -> None:
    assert "| revision | `main`, which may move |" in model_card(export(tmp_path))
    pinned = model_card(export(tmp_path, model_revision="abc123"))
    assert "| revision | `abc123` |" in pinned
    assert "Revision `abc123` of the base model; the recipes name `main`." in pinned


def test_data_are_named_with_rows_and_sha256_but_without_folders(tmp_path: Path) -> None:
    stamp(tmp_path)
    rows_stamp(tmp_path)
    card = model_card(export(tmp_path))
    data = section(card, "Training data")
    assert "Datasets: `mi_train`." in data
    assert f"| `mi.json` | 15,940 | `{'2' * 64}` |" in data
    assert "1" * 64 not in card  # the recipe's, which is no data
    assert "/home/someone" not in card
    assert str(tmp_path) not in card


def test_rows_are_not_taken_from_the_stamp_of_other_data(tmp_path: Path) -> None:
    stamp(tmp_path)
    rows_stamp(tmp_path, sha256="3" * 64)
    assert f"| `mi.json` | not recorded | `{'2' * 64}` |" in model_card(export(tmp_path))


def test_without_a_stamp_the_card_says_that_nothing_is_recorded(tmp_path: Path) -> None:
    card = model_card(export(tmp_path))
    said = "Not recorded: no stamp beside the adapter."
    assert said in section(card, "Training data")
    assert said in section(card, "Training settings")
    assert "not recorded" in section(card, "Versions")
    assert "cannot be compared" in section(card, "Against the paper")


def test_settings_and_versions_are_the_trainings(tmp_path: Path) -> None:
    stamp(tmp_path, lora_rank=32, flash_attn="a|b")
    card = model_card(export(tmp_path))
    settings = section(card, "Training settings")
    assert "| `lora_rank` | `32` |" in settings
    assert "| `bf16` | `true` |" in settings
    assert r"| `flash_attn` | `a\|b` |" in settings
    assert "python 3.11.7, mi-llm 0.0.9, llamafactory 0.9.3;" in section(card, "Versions")
    assert "`c0ffee`" in section(card, "Versions")
    assert "version 0.0.9" in section(card, "Citation")


def test_secrets_folders_and_logging_are_no_settings_of_a_card() -> None:
    kept = {"seed": 42, "deepspeed": "/home/someone/ds_z2.json"}
    left_out = {
        "hf_hub_token": "hf_x",
        "output_dir": "saves/x",
        "adapter_name_or_path": "saves/y",
        "logging_steps": 10,
    }
    assert shaping(kept | left_out) == {"seed": "42", "deepspeed": "ds_z2.json"}


def test_the_papers_settings_are_no_deviation(tmp_path: Path) -> None:
    stamp(tmp_path)
    notes = section(model_card(export(tmp_path)), "Against the paper")
    assert "the paper has" not in notes
    assert notes.count("\n- ") == 2  # the base model's form, and where the rest is listed


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"learning_rate": "5e-5"}, "`learning_rate: 5e-5`; the paper has `0.0001`."),
        ({"bf16": False}, "`bf16: false`; the paper has `true`."),
        ({"cutoff_len": None}, "`cutoff_len: null`; the paper has `2048`."),
        ({"quantization_bit": 4}, "Trained on a 4-bit copy"),
        ({"max_samples": 100}, "at most 100 rows"),
        (
            {"model_name_or_path": "/home/x/other"},
            "trained with `model_name_or_path: other`, but merged with "
            "`model_name_or_path: zai-org/glm-4-9b-chat-hf`",
        ),
    ],
)
def test_what_differs_from_the_paper_or_the_merge_is_listed(
    tmp_path: Path, setting: dict[str, Any], said: str
) -> None:
    stamp(tmp_path, **setting)
    assert said in section(model_card(export(tmp_path)), "Against the paper")


@pytest.mark.parametrize(
    ("placed", "said"),
    [("instruction", "in the last turn"), ("system", "at the head"), (None, "is not recorded")],
)
def test_the_place_of_the_instruction_is_that_of_the_rows(
    tmp_path: Path, placed: str | None, said: str
) -> None:
    stamp(tmp_path)
    rows_stamp(tmp_path, prompt_as=placed)
    assert said in section(model_card(export(tmp_path)), "How to prompt it")


def test_a_stand_in_is_called_one(tmp_path: Path) -> None:
    stamp(tmp_path, {"settings": SETTINGS, "model": {"stand_in": "glm4"}})
    assert "**A stand-in, not a model.**" in model_card(export(tmp_path))


def test_the_card_says_whom_it_is_not_for_and_where_help_is(tmp_path: Path) -> None:
    card = model_card(export(tmp_path))
    for part in (card.partition("## What")[0], section(card, "中文说明")):
        for number in ("110", "120", "12356"):
            assert number in part
    assert "For research only." in card
    assert "not evaluated clinically" in section(card, "Limits")
    assert "请勿让正在求助的人使用" in section(card, "中文说明")


def test_the_card_says_whose_it_is_not_and_what_to_cite(tmp_path: Path) -> None:
    card = model_card(export(tmp_path))
    assert "**not** by the authors of that paper" in section(card, "What this is")
    assert "10.2196/89077" in section(card, "Citation")
    assert "None recorded here" in section(card, "Evaluation")


def test_the_licence_of_another_base_model_is_not_guessed(tmp_path: Path) -> None:
    card = model_card(export(tmp_path, model_name_or_path="someone/their-7b"))
    assert front(card)["base_model"] == "someone/their-7b"
    assert front(card)["license"] == "unknown"
    assert "# merged\n" in card
    assert "not known to mi-llm" in section(card, "Base model and licence")
    assert "glm-4" not in card


def test_a_folder_is_no_base_model_on_the_hub(tmp_path: Path) -> None:
    card = model_card(export(tmp_path, model_name_or_path=tmp_path))
    assert "base_model" not in front(card)
    assert str(tmp_path) not in card


def test_a_card_lies_beside_the_weights(tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "config.json").write_text("{}")
    recipe = export(tmp_path)
    path = write_card(recipe)
    assert path == tmp_path / "merged" / "README.md"
    assert path.read_text(encoding="utf-8") == model_card(recipe)
    assert {one.name for one in path.parent.iterdir()} == {"README.md", "config.json"}


def test_a_card_is_not_written_before_the_merge(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"merged: no config\.json; merge first"):
        write_card(export(tmp_path))
    assert not (tmp_path / "merged").exists()


def test_a_card_that_someone_wrote_is_kept(tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "config.json").write_text("{}")
    (tmp_path / "merged" / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"README\.md: exists"):
        write_card(export(tmp_path))
    assert (tmp_path / "merged" / "README.md").read_text() == "mine"


def test_a_recipe_that_exports_nothing_has_no_card() -> None:
    trains = load_recipe(EXPORTS.parent / "glm4_lora.yaml")
    with pytest.raises(InputError, match="names no export_dir"):
        write_card(trains)


def test_a_card_is_for_one_adapter(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names 2 adapters"):
        model_card(export(tmp_path, adapter_name_or_path="a,b"))


def test_a_stamp_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    stamp(tmp_path, [])
    with pytest.raises(InputError, match=r"adapter\.stamp\.json: expected an object"):
        model_card(export(tmp_path))
