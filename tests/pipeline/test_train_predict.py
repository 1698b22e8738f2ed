"""One real training and prediction with the unchanged recipes, and the scores of both sides."""

import json
import shutil

import pytest

from eval.similarity import MEASURES
from tests.pipeline.llamafactory import ROOT, factory, module
from tests.pipeline.rows import write_sample_rows

pytestmark = pytest.mark.train

CPU = ("use_cpu=true", "preprocessing_num_workers=1", "per_device_eval_batch_size=8")
LLAMAFACTORY_NAMES = {
    "bleu4": "predict_bleu-4",
    "rouge1": "predict_rouge-1",
    "rouge2": "predict_rouge-2",
    "rougeL": "predict_rouge-l",
}


def assert_means_equal_llamafactorys(folder, scores):
    theirs = json.loads((folder / "predict_results.json").read_text())
    ours = {
        one["measure"]: one["mean"]
        for one in json.loads(scores.read_text())["scores"]
        if not one["strip"]
    }
    assert set(ours) == set(MEASURES)
    for measure, name in LLAMAFACTORY_NAMES.items():
        assert round(ours[measure], 4) == round(theirs[name], 4)


@pytest.fixture(scope="module")
def few_rows(tmp_path_factory):
    """A folder of sample rows, with 16 rows to predict."""
    folder = tmp_path_factory.mktemp("rows")
    write_sample_rows(folder, test_rows=16)
    return folder


def test_a_recipe_trains_and_predicts_and_our_scores_are_llamafactorys(
    stand_ins, few_rows, tmp_path
):
    model = f"model_name_or_path={stand_ins['glm4']}"
    adapter, folder = tmp_path / "glm4_lora", tmp_path / "glm4_lora" / "predict"
    factory(
        "train", "configs/glm4_lora.yaml", model, *CPU, f"dataset_dir={few_rows}",
        "dataset=mi_sample_train", "max_samples=24", "num_train_epochs=1", "logging_steps=1",
        f"output_dir={adapter}",
    )  # fmt: skip
    predict = (
        model, *CPU, f"dataset_dir={few_rows}", "eval_dataset=mi_sample_test",
        "max_new_tokens=24", f"adapter_name_or_path={adapter}", f"output_dir={folder}",
    )  # fmt: skip
    factory("train", "configs/predict/glm4_lora.yaml", *predict)
    module("mi_llm", "stamp", "configs/predict/glm4_lora.yaml", *predict)
    scores = folder / "scores.json"
    printed = module(
        "eval", "score", folder / "generated_predictions.jsonl",
        "--rows", few_rows / "test.json", "-o", scores,
    )  # fmt: skip
    assert "16 rounds of 2 dialogues" in printed
    assert "bleu4|tok:char|smooth:nltk-m3|agg:sentence-mean|strip:no" in printed
    assert_means_equal_llamafactorys(folder, scores)
    lines = (folder / "generated_predictions.jsonl").read_text(encoding="utf-8").splitlines()
    labels = [json.loads(line)["label"] for line in lines]
    assert all(label.startswith("\n") for label in labels)  # why labels are compared stripped
    page = tmp_path / "report.html"
    module("eval", "report", folder, "-o", page)
    assert "glm4 lora" in page.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("family", ["baichuan2", "glm4", "llama3_chinese"])
def test_recipes_train_and_predict_the_papers_367_rows(real_data, stand_ins, tmp_path, family):
    rows = tmp_path / "mi_test_rounds.json"
    dialogues = tmp_path / "dialogues.jsonl"
    source = real_data / "mi_llm_authors" / "eval_40_dialogues.json"
    module(
        "converters", "convert", "mi_conversations", source, "-o", dialogues,
        "--pairing", "position",
    )  # fmt: skip
    module("converters", "alpaca", dialogues, "-o", rows)
    shutil.copy(rows, tmp_path / "mi_train.json")
    info = json.loads((ROOT / "dataset_info.json").read_text())
    info["mi_test_rounds"]["file_name"] = rows.name
    info["mi_train"]["file_name"] = "mi_train.json"
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    common = (
        f"model_name_or_path={stand_ins[family]}", *CPU, f"dataset_dir={tmp_path}",
    )  # fmt: skip
    adapter, folder = tmp_path / f"{family}_lora", tmp_path / f"{family}_lora" / "predict"
    factory(
        "train", f"configs/{family}_lora.yaml", *common,
        "max_samples=64", "num_train_epochs=1", f"output_dir={adapter}",
    )  # fmt: skip
    factory(
        "train", f"configs/predict/{family}_lora.yaml", *common, "max_new_tokens=32",
        f"adapter_name_or_path={adapter}", f"output_dir={folder}",
    )  # fmt: skip
    scores = folder / "scores.json"
    printed = module(
        "eval", "score", folder / "generated_predictions.jsonl", "--rows", rows, "-o", scores
    )
    assert "367 rounds of 40 dialogues" in printed
    assert_means_equal_llamafactorys(folder, scores)
