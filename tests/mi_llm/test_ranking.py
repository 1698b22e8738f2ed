"""Preference pairs in validation and recipes: what is accepted, what is refused, and by whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mi_llm.checks import file_report, recipe_reports
from mi_llm.columns import Columns, usual_columns
from mi_llm.errors import InputError
from mi_llm.recipe import Dataset, Recipe, register_dataset
from mi_llm.validation import column_findings, length_findings, row_findings

PAIRS = Columns(response=None, chosen="chosen", rejected="rejected")
MAPPED = {
    "prompt": "instruction",
    "query": "input",
    "history": "history",
    "chosen": "chosen",
    "rejected": "rejected",
}


def pair(**changed: Any) -> dict[str, Any]:
    return {
        "id": "a/0#2",
        "instruction": "咨询",
        "input": "问",
        "chosen": "你累了。",
        "rejected": "几点睡？",
        "history": [["问一", "答一"]],
        **changed,
    }


def saved(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def recipe(tmp_path: Path, stage: str, entry: dict[str, Any], **settings: Any) -> Recipe:
    saved(tmp_path / "dataset_info.json", {"pairs": {"file_name": "pairs.json", **entry}})
    told = {"stage": stage, "do_train": True, "dataset": "pairs", "dataset_dir": str(tmp_path)}
    return Recipe(tmp_path / "r.yaml", {**told, **settings})


def test_pairs_are_known_by_their_keys():
    assert usual_columns([pair()]) == PAIRS
    at_head = {key: value for key, value in pair(system="咨询").items() if key != "instruction"}
    assert usual_columns([at_head]) == Columns(
        None, response=None, system="system", chosen="chosen", rejected="rejected"
    )
    assert not usual_columns([{**pair(), "output": ""}, {"output": "", "input": ""}]).ranking


def test_good_pairs_have_no_finding(tmp_path: Path):
    path = saved(tmp_path / "pairs.json", [pair(), pair(history=[])])
    assert list(file_report(path).lines()) == [f"{path}: 2 rows, no problem"]
    assert list(column_findings(PAIRS)) == []


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        (pair(chosen=None), "null output", "'chosen' is null; the row would be dropped"),
        (pair(rejected=" \n"), "blank output", "'rejected' is blank and would be learned"),
        (pair(rejected=["几点睡？"]), "'rejected' type", "'rejected' is a list; write it as text"),
        (pair(rejected="你累了。"), "same replies", "both replies are the same"),
        (pair(chosen="\ud800"), "surrogate", "'chosen' holds half a character"),
        (pair(history="x"), "history type", "'history' is text"),
        (
            {key: value for key, value in pair().items() if key != "rejected"},
            "no 'rejected'",
            "no key 'rejected'; the row would be dropped: add it",
        ),
        (
            {{"chosen": "choosen"}.get(key, key): value for key, value in pair().items()},
            "no 'chosen'",
            "key 'choosen' where 'chosen' is expected; rename it",
        ),
    ],
)
def test_a_bad_pair_is_told_with_its_remedy(row: Any, kind: str, message: str):
    (finding,) = row_findings([row], PAIRS)
    assert finding.kind == kind
    assert finding.message.startswith(message)


def test_the_longer_reply_decides_whether_a_pair_is_too_long():
    rows = [pair(chosen="长" * 30), pair(rejected="长" * 30), pair(chosen="长" * 29)]
    findings = length_findings(rows, PAIRS, lambda row: len(row["output"]), most=29)
    assert [finding.row for finding in findings] == [0, 1]


def test_a_dpo_recipe_takes_pairs_whatever_mask_history_is(tmp_path: Path):
    saved(tmp_path / "pairs.json", [pair(), pair(input="问二", history=[["问", "你累了。"]])])
    for masked in (False, True):
        made = recipe(tmp_path, "dpo", {"ranking": True, "columns": MAPPED}, mask_history=masked)
        assert made.datasets() == {"pairs": Dataset("pairs", tmp_path / "pairs.json", PAIRS)}
        (report,) = recipe_reports(made)
        assert report.findings == ()


@pytest.mark.parametrize(
    ("stage", "entry", "message"),
    [
        (
            "sft",
            {"ranking": True, "columns": MAPPED},
            "has ranking: true, which stage sft does not",
        ),
        ("dpo", {"columns": {"query": "input", "response": "output"}}, "no ranking: true, which"),
        ("dpo", {"columns": MAPPED}, "has no ranking: true, which stage dpo needs"),
        ("dpo", {"ranking": True, "columns": {"query": "input"}}, "must map 'chosen' and"),
        ("dpo", {"ranking": True}, "columns that are no object"),
    ],
)
def test_a_dataset_of_the_wrong_kind_is_a_mistake(
    tmp_path: Path, stage: str, entry: dict[str, Any], message: str
):
    with pytest.raises(InputError, match=rf"dataset_info\.json: 'pairs' .*{message}"):
        recipe(tmp_path, stage, entry).datasets()


def test_a_file_named_beside_a_recipe_of_another_stage_has_a_finding(tmp_path: Path):
    path = saved(tmp_path / "pairs.json", [pair()])
    made = recipe(tmp_path, "sft", {})
    (finding,) = file_report(path, recipes=[made]).findings
    assert finding.message == (
        f"{made.path}: rows are preference pairs, which stage sft does not take"
    )


def test_registering_pairs_says_that_they_are_ranked(tmp_path: Path):
    info = tmp_path / "dataset_info.json"
    register_dataset("mi_pairs", tmp_path / "p.json", PAIRS, info_path=info)
    assert json.loads(info.read_text()) == {
        "mi_pairs": {"file_name": "p.json", "ranking": True, "columns": MAPPED}
    }
