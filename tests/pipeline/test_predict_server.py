"""Predictions through the recipes' server are those of the recipes' prediction, row by row."""

import json

import pytest

from tests.pipeline.llamafactory import TEMPLATES, module
from tests.pipeline.served import KEY, NEW_TOKENS, served, tuned_stand_in, without_sampling

pytestmark = [pytest.mark.train, pytest.mark.slow]


@pytest.fixture(scope="module", params=TEMPLATES)
def tuned(request, tmp_path_factory):
    pytest.importorskip("llamafactory")
    return tuned_stand_in(request.param, tmp_path_factory.getbasetemp())


def scored(predictions, rows, output):
    module("eval", "score", predictions, "--rows", rows, "-o", output)
    scores = json.loads(output.read_text(encoding="utf-8"))
    return scores["scores"], scores["per_row"]


def test_a_servers_file_holds_predictions_replies_and_labels_and_scores_alike(
    tuned, tmp_path, monkeypatch
):
    monkeypatch.setenv("MI_LLM_API_KEY", KEY)
    rows, output = tuned.folder / "test.json", tmp_path / f"{tuned.family}_lora" / "predict"
    with served(tuned, without_sampling(tuned.model, tmp_path / "model")) as client:
        told = module(
            "eval", "predict", rows, "-o", output, "--base-url", str(client.base_url),
            "--model", "mi", "--max-tokens", NEW_TOKENS, "--template", TEMPLATES[tuned.family],
        )  # fmt: skip
    assert told.startswith(f"{output}: {len(tuned.rows)} rows: ")
    predictions = output / "generated_predictions.jsonl"
    lines = predictions.read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert [(one["predict"], one["label"]) for one in found] == [
        (one["predict"], one["label"]) for one in tuned.predicted
    ]
    theirs = tuned.folder / "predict" / "generated_predictions.jsonl"
    assert scored(predictions, rows, output / "scores.json") == scored(
        theirs, rows, tmp_path / "theirs.json"
    )
