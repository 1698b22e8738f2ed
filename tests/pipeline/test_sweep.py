"""A real training's checkpoints, swept twice."""

import json

import pytest

from tests.pipeline.llamafactory import factory, module
from tests.pipeline.rows import write_sample_rows

pytestmark = [pytest.mark.train, pytest.mark.slow]

CPU = ("use_cpu=true", "preprocessing_num_workers=1")


@pytest.fixture(scope="module")
def trained(stand_ins, tmp_path_factory):
    """A folder with rows and with glm4_lora, trained for 6 steps, a checkpoint every other."""
    folder = tmp_path_factory.mktemp("sweep")
    write_sample_rows(folder, test_rows=16)
    factory(
        "train", "configs/glm4_lora.yaml", f"model_name_or_path={stand_ins['glm4']}", *CPU,
        f"dataset_dir={folder}", "dataset=mi_sample_train", "max_steps=6", "save_steps=2",
        "logging_steps=1", "gradient_accumulation_steps=2", "learning_rate=0.05",
        f"output_dir={folder / 'glm4_lora'}",
    )  # fmt: skip
    return folder


def sweep(folder, model):
    return module(
        "eval", "sweep", folder / "glm4_lora", "--rows", folder / "test.json",
        f"model_name_or_path={model}", *CPU, "per_device_eval_batch_size=8", "max_new_tokens=24",
        f"dataset_dir={folder}",
    )  # fmt: skip


def made(folder):
    """When each file of a prediction was last written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("predict/*") if path.is_file()}


def scale(adapter, factor):
    from safetensors.torch import load_file, save_file

    tensors = load_file(adapter)
    save_file({name: tensor * factor for name, tensor in tensors.items()}, adapter)


def test_each_checkpoint_is_predicted_once_and_again_only_when_it_changed(trained, stand_ins):
    home = trained / "glm4_lora"
    printed = sweep(trained, stand_ins["glm4"])
    # The last checkpoint is the final adapter, to the byte.
    assert printed.count(": predicting; ") == 3
    assert "checkpoint-6 (final) (3 of 3): predicting; " in printed
    facts = json.loads((home / "sweep.json").read_text())
    assert [one["step"] for one in facts["points"]] == [2, 4, 6]
    for point, folder in zip(facts["points"], ("checkpoint-2", "checkpoint-4", "."), strict=True):
        theirs = json.loads((home / folder / "predict" / "predict_results.json").read_text())
        ours = point["scores"]
        assert round(ours["bleu4"]["mean"], 4) == round(theirs["predict_bleu-4"], 4)
        assert round(ours["rougeL"]["mean"], 4) == round(theirs["predict_rouge-l"], 4)
    assert len({json.dumps(one["scores"]) for one in facts["points"]}) > 1  # adapters were used
    stamp = json.loads((home / "checkpoint-2" / "predict.stamp.json").read_text())
    assert stamp["settings"]["adapter_name_or_path"] == str(home / "checkpoint-2")
    assert "training loss" in (home / "sweep.svg").read_text()

    first = made(home)
    assert len([path for path in first if path.name == "predict.log"]) == 3
    again = sweep(trained, stand_ins["glm4"])
    assert again.count(": up to date") == 3
    assert ": predicting; " not in again
    assert made(home) == first

    scale(home / "checkpoint-4" / "adapter_model.safetensors", 0.5)
    third = sweep(trained, stand_ins["glm4"])
    assert "checkpoint-4 (2 of 3): predicting; " in third
    assert third.count(": up to date") == 2
    changed = {path for path, when in made(home).items() if first.get(path) != when}
    assert {path.parent for path in changed} == {home / "checkpoint-4" / "predict"}
    assert (home / "checkpoint-4" / "predict" / "predict.log") in changed
