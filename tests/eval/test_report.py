"""Runs read from folders, and the page made of them."""

import json

import pytest

from eval.report.page import page
from eval.runs import read_run, same_rows
from mi_llm.errors import InputError
from tests.pipeline.llamafactory import module

ROWS = [
    {
        "id": f"d#{n}",
        "instruction": "帮",
        "input": f"第{n}句<b>",
        "output": f"回答{n}。",
        "history": [],
    }
    for n in range(1, 4)
]


@pytest.fixture
def saved(tmp_path):
    """Write a scored run: folder's name, replies -> its predict folder."""
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps(ROWS, ensure_ascii=False), encoding="utf-8")

    def save(name, replies, labels=None):
        folder = tmp_path / name / "predict"
        folder.mkdir(parents=True)
        labels = labels or [row["output"] for row in ROWS]
        lines = [
            json.dumps({"prompt": "", "predict": reply, "label": label}, ensure_ascii=False)
            for reply, label in zip(replies, labels, strict=True)
        ]
        predictions = folder / "generated_predictions.jsonl"
        predictions.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if labels == [row["output"] for row in ROWS]:
            module("eval", "score", predictions, "--rows", rows, "-o", folder / "scores.json")
        return folder

    return save


@pytest.mark.parametrize(
    ("name", "model", "variant"),
    [
        ("glm4_base", "glm4", "base"),
        ("llama3_chinese_lora", "llama3_chinese", "lora"),
        ("glm4_lora_dialogue", "glm4", "lora_dialogue"),
        ("my_model_qlora", "my_model", "qlora"),
        ("glm4_v2", "glm4", "v2"),
    ],
)
def test_the_folders_name_says_model_and_variant(saved, name, model, variant):
    folder = saved(name, ["嗯。", "好。", "是。"])
    run = read_run(folder)
    assert (run.model, run.variant, run.is_base) == (model, variant, variant == "base")
    assert read_run(folder.parent) == run  # the folder above is enough


def test_a_run_without_scores_or_with_rows_changed_since_is_refused(saved, tmp_path):
    folder = saved("glm4_base", ["嗯。", "好。", "是。"])
    (tmp_path / "rows.json").write_text("[]")
    with pytest.raises(InputError, match="has changed since"):
        read_run(folder)
    (folder / "scores.json").unlink()
    with pytest.raises(InputError, match=r"no scores\.json; run python -m eval score"):
        read_run(folder)


def test_scores_of_other_predictions_are_refused(saved):
    folder = saved("glm4_base", ["嗯。", "好。", "是。"])
    path = folder / "generated_predictions.jsonl"
    path.write_text(path.read_text().replace("嗯", "哦"))
    with pytest.raises(InputError, match=r"generated_predictions\.jsonl: has changed since"):
        read_run(folder)


def test_the_page_shows_every_run_and_text_as_text(saved):
    folders = [
        saved("glm4_base", ["<script>alert(1)</script>", "好。", ""]),
        saved("glm4_lora", ["回答1。", "回答2。", "回答3。"]),
        saved("glm4_lora_dialogue", ["回答1。", "嗯。", "回答3。"]),
    ]
    html = page([read_run(folder) for folder in folders])
    assert html.count("<script") == 1  # the page's own
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "第1句&lt;b&gt;" in html
    assert html.count('<section class="example"') == 3
    for label in ("glm4 base", "glm4 lora", "glm4 lora_dialogue"):
        assert html.count(label) >= 3
    assert "6.47" in html  # the paper's tuned ChatGLM-4
    assert "Not recorded" in html  # no stamp lies beside these runs
    assert "stand-ins, not the real models" not in html


def test_two_runs_of_one_name_are_refused(saved):
    run = read_run(saved("glm4_base", ["嗯。", "好。", "是。"]))
    with pytest.raises(InputError, match="two runs are called glm4_base"):
        page([run, run])


def test_runs_that_answer_other_rounds_do_not_compare(saved, tmp_path):
    one = read_run(saved("glm4_base", ["嗯。", "好。", "是。"]))
    ROWS[0]["output"] = "别的。"
    try:
        (tmp_path / "rows.json").write_text(json.dumps(ROWS, ensure_ascii=False), encoding="utf-8")
        other = read_run(saved("glm4_lora", ["嗯。", "好。", "是。"]))
    finally:
        ROWS[0]["output"] = "回答1。"
    with pytest.raises(InputError, match="their scores do not compare"):
        same_rows([one, other])
