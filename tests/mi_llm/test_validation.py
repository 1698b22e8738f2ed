from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from converters.rows import Placement, RowWriter, Shape
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.validation import (
    Columns,
    Finding,
    absent_findings,
    harm_findings,
    mask_findings,
    row_findings,
    summarised,
    usual_columns,
)
from tests.dialogues import corpora

PROMPT = "你是一位心理咨询师。"

TALK = Dialogue(
    "a/0",
    tuple(
        Turn("counselor" if n % 2 else "client", text)
        for n, text in enumerate(["问一", "答一", "问二", "答二", "问三", "答三"])
    ),
)


def rows_of(
    *dialogues: Dialogue, shape: Shape = "round", placement: Placement = "instruction"
) -> list[Any]:
    return list(RowWriter(PROMPT, shape, placement).rows(dialogues))


def changed(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda row: {**row, key: value}


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda row: {name: value for name, value in row.items() if name != key}


def renamed(old: str, new: str) -> Callable[[dict[str, Any]], Any]:
    return lambda row: {new if name == old else name: value for name, value in row.items()}


@pytest.mark.parametrize("placement", ["instruction", "system"])
@pytest.mark.parametrize("shape", ["round", "dialogue"])
@given(made=corpora())
@settings(deadline=None, max_examples=40)
def test_rows_that_the_row_writer_made_never_give_a_finding(
    shape: Shape, placement: Placement, made: list[Dialogue]
):
    rows = json.loads(json.dumps(rows_of(*made, shape=shape, placement=placement)))
    assert list(row_findings(rows, usual_columns(rows))) == []


CORRUPTIONS: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "history is an object": ("history", changed("history", {"问一": "答一"})),
    "history of objects": ("history", changed("history", [{"user": "问", "assistant": "答"}])),
    "history is text": ("history", changed("history", "[['问一', '答一']]")),
    "history holds a text": ("history", changed("history", ["问一"])),
    "history holds a triple": ("history", changed("history", [["问", "答", "问"]])),
    "history holds an empty pair": ("history", changed("history", [[]])),
    "pair holds null": ("history", changed("history", [["问", None]])),
    "pair holds a number": ("history", changed("history", [[1, "答"]])),
    "pair holds a blank": ("history", changed("history", [["问", "\u3000\n"]])),
    "pair holds half a character": ("history", changed("history", [["问\ud83d", "答"]])),
    "output is null": ("output", changed("output", None)),
    "output is empty": ("output", changed("output", "")),
    "output is blank": ("output", changed("output", " \n")),
    "output is a number": ("output", changed("output", 3)),
    "output is a list": ("output", changed("output", ["答"])),
    "output is missing": ("output", without("output")),
    "output holds half a character": ("output", changed("output", "答\udc00")),
    "instruction stands under ''": ("instruction", renamed("instruction", "")),
    "instruction is misspelt": ("instruction", renamed("instruction", "instuction")),
    "instruction is an object": ("instruction", changed("instruction", {})),
    "input is true": ("input", changed("input", True)),
    "input holds half a character": ("input", changed("input", "\ud800")),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("number", [1, 2])
def test_each_corruption_is_one_finding_with_the_row_and_the_key(name: str, number: int):
    rows = [{**row, "topic": "吸烟"} for row in rows_of(TALK)]
    assert list(row_findings(rows, Columns())) == []
    key, corrupt = CORRUPTIONS[name]
    rows[number] = corrupt(copy.deepcopy(rows[number]))
    (finding,) = row_findings(rows, Columns())
    assert finding.row == number
    assert repr(key) in finding.message


def test_a_key_that_stands_beside_the_expected_one_elsewhere_is_not_that_one_mistyped():
    rows = [{**row, "system": "咨询师", "system_id": 1, "inputs": 2} for row in rows_of(TALK)]
    for key in ("system", "input", "history"):
        rows[1] = without(key)(rows[1])
    assert list(row_findings(rows, Columns(system="system"))) == []
    rows[2] = renamed("input", "inptu")(rows[2])
    (finding,) = row_findings(rows, Columns(system="system"))
    assert (finding.row, "'inptu'" in finding.message) == (2, True)


@pytest.mark.parametrize("value", [None, 3, True, "text", []])
def test_a_row_that_is_no_object_is_one_finding(value: Any):
    rows = rows_of(TALK)
    rows[1] = value
    (finding,) = row_findings(rows, Columns())
    assert finding.row == 1
    assert "not an object" in finding.message


def test_a_row_that_asks_nothing_is_one_finding():
    rows = rows_of(TALK)
    rows[1] |= {"instruction": "", "input": " "}
    (finding,) = row_findings(rows, Columns())
    assert finding.row == 1
    assert "'instruction' and 'input'" in finding.message


def test_a_blank_instruction_or_a_blank_input_alone_is_no_fault():
    rows = rows_of(TALK)
    rows[0]["instruction"] = ""
    rows[1]["input"] = ""
    assert list(row_findings(rows, Columns())) == []


@pytest.mark.parametrize("key", ["instruction", "input", "history"])
def test_a_key_that_a_row_lacks_or_has_as_null_is_no_fault_where_the_loader_fills_it_in(key: str):
    # "missing_history_some.jsonl" of the cases; LLaMA-Factory takes null for nothing.
    for change in (without(key), changed(key, None)):
        rows = rows_of(TALK)
        rows[1] = change(rows[1])
        assert list(row_findings(rows, Columns())) == []
        assert list(absent_findings(rows, Columns())) == []


@pytest.mark.parametrize("key", ["instruction", "input", "history"])
def test_a_mapped_key_that_no_row_has_is_one_finding(key: str):
    rows = [without(key)(row) for row in rows_of(TALK)]
    (finding,) = absent_findings(rows, Columns())
    assert (finding.kind, finding.row) == (f"no '{key}'", None)


@pytest.mark.parametrize(
    "text", ["好<|im_end|>", "</s>", "[INST]好", "<reserved_106>", "a<|user|>b"]
)
@pytest.mark.parametrize("place", ["instruction", "input", "output", "history"])
def test_a_control_token_is_one_finding_in_any_text_that_is_learned(place: str, text: str):
    rows = rows_of(TALK)
    rows[1][place] = [["问", text]] if place == "history" else text
    (finding,) = harm_findings(0, rows, Columns(), odd=False)
    assert (finding.kind, finding.row) == ("control token", 1)
    assert f"'{place}' holds " in finding.message


@pytest.mark.parametrize(
    "text", ["a < b > c", "<好>", "[笑]", "|x|", "<|", "<b>好</b>", "s>3", "【】"]
)
def test_ordinary_brackets_are_no_control_tokens(text: str):
    rows = [{**row, "input": text} for row in rows_of(TALK)]
    assert list(harm_findings(0, rows, Columns(), odd=True)) == []


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("note", "好\ud83d", "surrogate"),
        ("output", "好\0", "NUL"),
        ("tags", ["a", {"b": "\ufeff"}], "byte order mark"),
        ("history", [["问", "\0答"]], "NUL"),
        ("\0", "x", "NUL"),
    ],
)
def test_what_harms_unseen_is_one_finding_in_any_key(key: str, value: Any, kind: str):
    rows = [*rows_of(TALK), {**rows_of(TALK)[0], key: value}]
    (finding,) = harm_findings(10, rows, Columns(), odd=True)
    assert (finding.kind, finding.row) == (kind, 13)


def test_keys_that_the_dataset_does_not_map_are_not_asked_for():
    rows = [{"q": "问", "a": "答"}]
    assert list(row_findings(rows, Columns("q", None, "a", None))) == []


def test_the_prompt_column_is_the_key_that_more_rows_have():
    system = rows_of(TALK, placement="system")
    instruction = rows_of(TALK)
    assert usual_columns(system) == Columns(prompt=None, system="system")
    assert usual_columns(instruction) == Columns()
    assert usual_columns([without("history")(row) for row in instruction]) == Columns(history=None)
    assert usual_columns([*instruction, 5, {**instruction[0], "system": "x"}]) == (
        Columns(system="system")
    )


def test_rows_per_round_must_be_trained_with_masked_histories():
    rows = rows_of(TALK)
    assert list(mask_findings(rows, Columns(), mask_history=True)) == []
    (finding,) = mask_findings(rows, Columns(), mask_history=False)
    assert (finding.kind, finding.row) == ("mask_history", None)
    # Histories of 0, 1 and 2 rounds: 3 replies, each the output of an earlier row.
    assert finding.message.startswith("3 replies ")
    assert "set mask_history: true" in finding.message


def test_rows_per_dialogue_must_be_trained_with_open_histories():
    rows, columns = rows_of(TALK, shape="dialogue", placement="system"), Columns(None, system="x")
    columns = usual_columns(rows)
    assert list(mask_findings(rows, columns, mask_history=False)) == []
    (finding,) = mask_findings(rows, columns, mask_history=True)
    assert (finding.kind, finding.row) == ("mask_history", None)
    # One row of three rounds: two replies stand in its history alone.
    assert finding.message.startswith("2 replies ")
    assert "set mask_history: false" in finding.message


@pytest.mark.parametrize("mask_history", [False, True])
def test_rows_without_histories_fit_either_mask(mask_history: bool):
    rows = [{**row, "history": []} for row in rows_of(TALK)]
    assert list(mask_findings(rows, Columns(), mask_history=mask_history)) == []
    assert list(mask_findings(rows, Columns(history=None), mask_history=mask_history)) == []


def test_the_majority_of_replies_decides_the_mask():
    # Two of three history replies are outputs elsewhere, as when a row was taken out by hand.
    rows = rows_of(TALK)
    rows[0]["output"] = "改过"  # 问一/答一 is in two histories: 1 of 3 pairs is some row's output
    (finding,) = mask_findings(rows, Columns(), mask_history=True)
    assert "set mask_history: false" in finding.message
    rows = rows_of(TALK)
    rows[1]["output"] = "改过"  # 问二/答二 is in one history: 2 of 3 pairs are
    assert list(mask_findings(rows, Columns(), mask_history=True)) == []


def test_broken_rows_do_not_hinder_the_mask():
    rows = [*rows_of(TALK), None, {"history": 5}]
    assert len(list(mask_findings(rows, Columns(), mask_history=False))) == 1


def test_a_dataset_that_maps_no_response_is_no_crash_of_the_mask():
    list(mask_findings(rows_of(TALK), Columns(response=None), mask_history=True))


# --- telling ---


def test_findings_beyond_the_first_of_a_kind_are_one_line():
    findings = [Finding("a", f"m{row}", row) for row in range(4)] + [Finding("b", "whole file")]
    assert list(summarised(findings, most=2)) == [
        " row 0: m0",
        " row 1: m1",
        ": whole file",
        ": and 2 more with the same fault (a)",
    ]


def test_findings_at_the_limit_are_all_told():
    findings = [Finding("a", f"m{row}", row) for row in range(2)]
    assert list(summarised(findings, most=2)) == [" row 0: m0", " row 1: m1"]


def test_rows_whose_instruction_is_the_clients_turn_are_known_as_round_rows_too():
    rows = [
        {"instruction": "我累。", "input": "", "output": "你累了。", "history": []},
        {
            "instruction": "嗯。",
            "input": "",
            "output": "说说。",
            "history": [["我累。", "你累了。"]],
        },
    ]
    assert list(mask_findings(rows, Columns(), mask_history=True)) == []
    (finding,) = mask_findings(rows, Columns(), mask_history=False)
    assert finding.kind == "mask_history"
