import json
import os
from typing import Any

import numpy as np
import pytest

from eval.__main__ import app
from eval.predictions import Prediction, match, read_predictions, read_rows
from eval.scoring import score
from eval.shares import answer_shares
from eval.similarity import similarity
from mi_llm.errors import InputError
from tests.commands import run_here

ROWS: list[Any] = [
    {"id": "a#1", "instruction": "帮", "input": "累", "output": "你累了。", "history": []},
    {"id": "a#2", "instruction": "帮", "input": "嗯", "output": "想歇歇。",
     "history": [["累", "你累了。"]]},
    {"id": "b#1", "instruction": "帮", "input": "烦", "output": "心里烦。", "history": []},
]  # fmt: skip


def predictions(*texts, rows=ROWS):
    return [Prediction(text, row["output"]) for text, row in zip(texts, rows, strict=True)]


def test_means_are_numpys_over_rows_and_empty_predictions_are_counted():
    scores = score(predictions("你累了。", " ", "烦"), ROWS)
    facts = json.loads("".join(scores.json_text()))
    each = [
        similarity(*pair) for pair in (("你累了。",) * 2, (" ", "想歇歇。"), ("烦", "心里烦。"))
    ]
    assert facts["rows"] == 3
    assert facts["dialogues"] == 2
    assert facts["empty_predictions"] == 1
    bleu = next(one for one in facts["scores"] if one["measure"] == "bleu4" and not one["strip"])
    assert bleu["mean"] == float(np.mean([one.bleu4 for one in each]))
    assert [row["id"] for row in facts["per_row"]] == ["a#1", "a#2", "b#1"]
    assert [row["dialogue"] for row in facts["per_row"]] == ["a", "a", "b"]
    assert len({one["signature"] for one in facts["scores"]}) == 8


THOUGHT = "<think>\n他想戒烟，我应该做复杂反映而不是建议。\n</think>\n\n"


def test_replies_that_hold_a_thought_are_named_and_scored_as_they_stand(tmp_path):
    texts = [f"{THOUGHT}你累了。", "想歇歇。", "心里没说完的</think>心里烦。"]
    rows, folder = tmp_path / "rows.json", tmp_path / "glm4_lora" / "predict"
    rows.write_text(json.dumps(ROWS, ensure_ascii=False), "utf-8")
    folder.mkdir(parents=True)
    lines = [
        json.dumps({"prompt": "", "predict": text, "label": row["output"]}, ensure_ascii=False)
        for text, row in zip(texts, ROWS, strict=True)
    ]
    path = folder / "generated_predictions.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    done = run_here(app, "score", path, "--rows", rows, environment=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == (
        "2 of 3 replies hold a thought (<think>), which is scored as if it were said: a#1, b#1;"
        " predict with enable_thinking: false, or by eval predict, which leaves thoughts out"
    )
    facts = json.loads((folder / "scores.json").read_text("utf-8"))
    assert facts["predictions_with_thoughts"] == 2
    plain = [similarity(text, row["output"]) for text, row in zip(texts, ROWS, strict=True)]
    assert [row["lf"]["bleu4"] for row in facts["per_row"]] == [one.bleu4 for one in plain]
    found = answer_shares(predictions(*texts), ROWS, seed=0)
    assert [one.count for one in found if one.name == "thought"] == [2]


def test_the_same_seed_gives_the_same_interval():
    found = predictions("你累了。", "歇歇", "烦")
    assert score(found, ROWS, seed=1).as_json() == score(found, ROWS, seed=1).as_json()


def test_labels_may_differ_in_white_space_around_them():
    match([Prediction("x", f"\n{row['output']}") for row in ROWS], ROWS, names="p and r")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param(["你累了。"], "p and r: 1 predictions for 3 rows", id="count"),
        pytest.param(
            ["想歇歇。", "你累了。", "心里烦。"],
            "label of row 0 is '想歇歇。'.*same labels in another order",
            id="order",
        ),
        pytest.param(
            ["你累了。", "想歇歇。", "心里怕。"],
            "label of row 2 is '心里怕。', the row's output is '心里烦。'.*other rows",
            id="text",
        ),
    ],
)
def test_predictions_of_other_rows_are_refused_by_name(labels, message):
    with pytest.raises(InputError, match=message):
        match([Prediction("x", label) for label in labels], ROWS, names="p and r")


def test_a_prediction_line_without_texts_is_refused_by_its_number(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"predict": "a", "label": "b"}\n{"predict": null, "label": "b"}\n')
    with pytest.raises(InputError, match=r"p\.jsonl:2: expected"):
        read_predictions(path)


def test_rows_that_cannot_be_scored_are_refused_but_a_missing_instruction_is_not(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(
        json.dumps([{"": "帮", **{k: ROWS[0][k] for k in ("input", "output", "history")}}])
    )
    assert read_rows(path)[0]["output"] == "你累了。"
    path.write_text(json.dumps([{**ROWS[0], "output": None}]))
    with pytest.raises(InputError, match="row 0: 'output' is null"):
        read_rows(path)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a#1", "a#1"], "row 1: its id 'a#1' is that of row 0 too"),
        ([7, 8], "row 0: 'id' is no text"),
    ],
)
def test_rows_whose_ids_cannot_tell_them_apart_are_refused(tmp_path, ids, message):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{**ROWS[0], "id": name} for name in ids]))
    with pytest.raises(InputError, match=message):
        read_rows(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"predict": "a", "la', r"p\.jsonl:2: not JSON"),
        ('{"predict": NaN, "label": "b"}', r"p\.jsonl:2: expected"),
        ('["a", "b"]', r"p\.jsonl:2: expected"),
    ],
)
def test_a_broken_line_of_predictions_is_refused_by_its_number(tmp_path, line, message):
    path = tmp_path / "p.jsonl"
    path.write_text(f'{{"predict": "a", "label": "b"}}\n{line}\n')
    with pytest.raises(InputError, match=message):
        read_predictions(path)
