from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mi_llm.errors import InputError
from mi_llm.recipe import Recipe, load_recipe
from mi_llm.runs.run import stamp_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.json").write_bytes(b"abc")
    (tmp_path / "dataset_info.json").write_text('{"a": {"file_name": "rows.json"}}')
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "all_results.json").write_text("{}")
    return tmp_path


def recipe(folder: Path, *overrides: str, **settings: Any) -> Recipe:
    path = folder / "r.yaml"
    whole = {
        "model_name_or_path": str(folder / "model"),
        "dataset_dir": str(folder),
        "dataset": "a",
        "output_dir": str(folder / "out"),
        **settings,
    }
    lines = [f"{key}: {value}\n" for key, value in whole.items() if value is not None]
    path.write_text("".join(lines), encoding="utf-8")
    return load_recipe(path, overrides)


def stamped(path: Path) -> dict[str, Any]:
    facts = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(facts, dict)
    return facts


def test_a_run_is_stamped_with_recipe_overrides_settings_and_data(folder: Path):
    made = recipe(folder, "cutoff_len=512", finetuning_type="lora")
    path = stamp_run(made)
    facts = stamped(path)
    assert path == folder / "out.stamp.json"
    assert facts["output"] == {str(folder / "out"): None}
    assert facts["inputs"] == {
        str(folder / "r.yaml"): hashlib.sha256((folder / "r.yaml").read_bytes()).hexdigest(),
        # FIPS 180: SHA-256 of "abc".
        str(folder / "rows.json"): (
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        ),
    }
    assert facts["command"] == f"llamafactory-cli train {folder / 'r.yaml'} cutoff_len=512"
    assert facts["overrides"] == ["cutoff_len=512"]
    assert facts["settings"] == {
        "model_name_or_path": str(folder / "model"),
        "dataset_dir": str(folder),
        "dataset": "a",
        "output_dir": str(folder / "out"),
        "finetuning_type": "lora",
        "cutoff_len": 512,
    }
    assert facts["model"] is None


def test_the_stamp_of_a_model_that_was_made_here_is_kept(folder: Path):
    (folder / "model.stamp.json").write_text('{"stand_in": "glm4", "seed": 0}')
    assert stamped(stamp_run(recipe(folder)))["model"] == {"stand_in": "glm4", "seed": 0}


def test_an_output_folder_given_behind_the_recipe_is_the_one_stamped(folder: Path):
    (folder / "other").mkdir()
    (folder / "other" / "all_results.json").write_text("{}")
    made = recipe(folder, f"output_dir={folder / 'other'}/")
    assert stamp_run(made) == folder / "other.stamp.json"


def test_a_run_that_has_not_finished_is_not_stamped(folder: Path):
    (folder / "out" / "all_results.json").unlink()
    with pytest.raises(InputError, match=r"out: no all_results\.json"):
        stamp_run(recipe(folder))
    assert not (folder / "out.stamp.json").exists()


def test_a_run_whose_data_are_gone_is_not_stamped(folder: Path):
    made = recipe(folder)
    (folder / "rows.json").unlink()
    with pytest.raises(InputError, match=r"rows\.json: no such file"):
        stamp_run(made)
    assert not (folder / "out.stamp.json").exists()


def test_a_recipe_without_output_folder_is_a_mistake(folder: Path):
    with pytest.raises(InputError, match="output_dir"):
        stamp_run(recipe(folder, output_dir=None))


@pytest.mark.parametrize("model", [None, "."])
def test_a_model_that_names_no_folder_has_no_stamp(folder: Path, model: str | None):
    assert stamped(stamp_run(recipe(folder, model_name_or_path=model)))["model"] is None


def test_a_value_that_json_has_no_form_for_is_stamped_as_text(folder: Path):
    # YAML reads an unquoted date as a date.
    assert stamped(stamp_run(recipe(folder, since="2024-05-01")))["settings"]["since"] == (
        "2024-05-01"
    )


def test_secrets_stay_out_of_the_stamp(folder: Path):
    # No hexadecimal letters: a commit or a hash in the stamp may hold any of those by chance.
    made = recipe(folder, "hf_hub_token=hf_zyxw", "swanlab_api_key=zyxw", "ms_hub_token=ms_zyxw")
    text = stamp_run(made).read_text(encoding="utf-8")
    assert "zyxw" not in text
    assert '"overrides": []' in text
