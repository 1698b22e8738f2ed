"""The prompts of the data construction: that they say what the code will check."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import pytest

import prompts
from converters.screening.rubric import RUBRIC
from converters.transcription import schema
from converters.transcription.schema import Transcription

TRANSCRIBE = prompts.load("transcribe.v1")
SCREEN = prompts.load("screen.v2")


def example(text: str) -> Any:
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    return json.loads(block)


def headings(text: str) -> list[str]:
    return re.findall(r"^# (.+)$", text, re.MULTILINE)


def test_the_transcription_prompt_has_the_papers_parts_in_the_papers_order():
    parts = ["角色", "目标", "四个任务", "技法", "步骤", "原则", "输出示例"]
    assert [one for one in headings(TRANSCRIBE.text) if one in parts] == parts


def test_the_example_of_the_transcription_prompt_keeps_every_rule():
    answer = Transcription.model_validate_json(json.dumps(example(TRANSCRIBE.text)))
    assert schema.fault(answer, "example/1") is None
    counselor = answer.dialogue[1::2]
    assert max(len(turn.content) for turn in counselor) <= 80
    assert max(turn.content.count("？") for turn in counselor) == 1
    codes = Counter(chain.from_iterable(one.codes for one in answer.annotations))
    assert codes["SR"] + codes["CR"] >= codes["Q"] == sum("？" in t.content for t in counselor)
    assert codes["CR"] / (codes["SR"] + codes["CR"]) >= 0.4
    assert not codes.keys() & {"P", "CON", "PwP"}
    assert [one.turn for one in answer.annotations] == [2, 4, 6]


@pytest.mark.parametrize(
    "values",
    [schema.Category, schema.Direction, schema.RiskFlag, schema.Task, schema.Code],
    ids=["category", "direction", "risk flag", "task", "code"],
)
def test_every_value_that_the_schema_knows_stands_in_the_prompt(values: Any):
    output = TRANSCRIBE.text.split("# 输出\n")[1].split("# 输出示例")[0]
    assert len(get_args(values)) >= 4
    for value in get_args(values):
        assert re.search(rf"\b{value}\b", output, re.ASCII), value


def test_every_field_that_the_schema_knows_stands_in_the_prompt():
    output = TRANSCRIBE.text.split("# 输出\n")[1].split("# 输出示例")[0]
    for field in Transcription.model_fields:
        assert f"- {field}：" in output


@pytest.mark.parametrize("prompt", [TRANSCRIBE, SCREEN], ids=lambda prompt: prompt.name)
def test_a_prompt_has_no_blank_and_names_json_as_some_servers_demand(prompt: prompts.Prompt):
    assert prompt.fill() == prompt.text
    assert "JSON" in prompt.text


def test_the_screening_prompt_names_every_item_with_its_maximum():
    for criterion in RUBRIC:
        assert f"（{criterion.name}，满分 {criterion.maximum:g}）" in SCREEN.text
        for item, maximum in criterion.items.items():
            assert f"- {item}（满分 {maximum:g}）：" in SCREEN.text


@pytest.mark.real_data
def test_the_topic_of_the_example_is_in_none_of_the_papers_test_dialogues(real_data: Path):
    path = real_data / "mi_llm_authors" / "eval_40_dialogues.json"
    text = path.read_text(encoding="utf-8")
    assert len(json.loads(text)) == 40
    topic = ["牙", "口腔", "刷牙"]
    label = example(TRANSCRIBE.text)["target_behavior"]["label"]
    assert any(word in label for word in topic)
    assert not [word for word in topic if word in text]
