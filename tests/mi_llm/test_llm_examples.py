"""Answers that are the example of their prompt, for prompts of any kind and make."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mi_llm.door.examples import copied

SCORES = {f"item_{number}": number % 3 / 2 for number in range(14)}
SCORED = {"reason": "一句话", "scores": SCORES}
CODED = {"reason": "他说到怕花钱太多，先接住这份担心", "code": "CR", "sure": True}
QUOTED = {"quote": "我想试试早点睡", "talk": "change", "refusal": False}
FIELDS = (
    "# 任务\n- said：来访者的话。\n\n# 输出\n- reason：一句话，为什么这样写。\n- stage：一个词。\n"
)


def prompt(example: Any, before: str = "") -> str:
    text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
    return f"{before}例如：\n```json\n{text}\n```"


def echo(shown: str, value: Any, material: str = "") -> bool:
    answer = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    found = None if isinstance(value, str) else value
    return copied(shown, material, answer, found) is not None


@pytest.mark.parametrize("example", [SCORED, CODED, QUOTED])
def test_an_answer_all_of_whose_values_are_the_examples_is_a_copy(example: Any):
    assert echo(prompt(example), example)
    assert not echo("没有例子", example)


def test_what_the_material_forces_is_not_counted_among_the_choices():
    shown = prompt({"id": "example/1", "first": 1, "code": "CR", "sure": True})
    answer = {"id": "abcdef", "first": 1, "code": "CR", "sure": True}
    assert echo(shown, answer, '{"id": "abcdef"}')
    assert not echo(shown, answer, '{"id": "others"}')


def test_words_that_stand_in_the_material_are_found_there_and_not_copied():
    assert echo(prompt(QUOTED), QUOTED, "我不想早睡。")
    assert not echo(prompt(QUOTED), QUOTED, "我想试试，早点睡。")


@pytest.mark.parametrize("kept", [14, 13])
def test_nearly_all_of_many_scores_are_no_chance_whatever_the_reason_says(kept: int):
    scores = dict(SCORES)
    for name in list(scores)[kept:]:
        scores[name] += 0.25
    assert echo(prompt(SCORED), {"reason": "读下来是这样", "scores": scores})


def test_a_few_equal_scores_are_chance():
    scores = {
        name: value if number < 11 else 9 for number, (name, value) in enumerate(SCORES.items())
    }
    assert not echo(prompt(SCORED), {"reason": "读下来是这样", "scores": scores})
    few = {"reason": "一句话", "score": 3}
    assert not echo(prompt(few), {"reason": "读下来是这样", "score": 3})


@pytest.mark.parametrize(
    "reason",
    [
        "他说到怕花钱太多，先接住这份担心",
        "他说到怕花钱太多 先接住这份担心。",
        "“他说到怕花钱太多，先接住这份担心”",
    ],
)
def test_the_text_of_an_example_is_a_copy_with_any_code_beside_it_and_any_marks_in_it(reason: str):
    assert echo(prompt(CODED), {"reason": reason, "code": "SR", "sure": False})


@pytest.mark.parametrize(
    "answer",
    [
        {"reason": "<选择的理由>", "strategy": "affirm"},
        {"reason": "选择的理由", "strategy": "affirm"},
        {"reason": "[选择的理由]", "strategy": "affirm"},
        {"reason": "我看：<选择的理由>", "strategy": "affirm"},
        '{"reason": "好", "score": <0 到 1>}',
        '{"reason": "好", "score": ＜0到1＞}',
    ],
)
def test_a_placeholder_is_no_answer_in_whatever_brackets(answer: Any):
    assert echo(prompt('{"reason": "<选择的理由>", "score": <0 到 1>}'), answer)


@pytest.mark.parametrize(
    "reason", ["一句话，为什么这样写。", "为什么这样写", "一句话，为什么这样写"]
)
def test_what_the_prompt_says_of_a_field_is_no_answer(reason: str):
    assert echo(FIELDS, {"reason": reason}) == (reason != "为什么这样写")
    assert not echo(FIELDS, {"reason": "他头一回说到怕"})
    assert not echo(FIELDS, {"reason": "来访者的话"})  # of the material, not of the answer


def test_an_answer_of_its_own_is_none():
    own = {"reason": "他把话题转开了", "code": "CR", "sure": True}
    assert not echo(prompt(CODED), own)
    assert not echo(prompt('{"reason": "<选择的理由>", "code": "<行为码>"}'), own)


def test_an_example_needs_no_fence_and_no_chinese():
    shown = 'Answer like {"reason": "She worries about the cost", "code": "CR", "sure": true}.'
    copy = {"reason": "she worries about the cost.", "code": "SR", "sure": False}
    assert echo(shown, copy)
    assert not echo(shown, copy, "Well, she worries about the cost.")
    assert echo('```\n{"reason": "<why>"}\n```', {"reason": "<why>"})


@pytest.mark.parametrize("reason", ["<reason>", "＜你的依据＞", "< fill in >"])
def test_a_placeholder_of_the_models_own_is_no_answer(reason: str):
    assert echo("没有例子", {"reason": reason, "code": "CR"}, "我想早睡。")
    assert not echo("没有例子", {"reason": f"{reason}后他沉默", "code": "CR"})
    assert not echo("没有例子", {"turn": "<沉默>"}, "他：<沉默>")
