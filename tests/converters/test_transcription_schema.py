from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from converters.transcription.schema import Code, RiskFlag, Transcription, fault
from mi_llm import miti, safety
from mi_llm.door import structured

Value = dict[str, Any]


def good() -> Value:
    turns = [
        "想早点睡。",
        "你想换个作息。",
        "试过，没成。",
        "试过，说明你在意。",
        "嗯。",
        "由你定。",
    ]
    return {
        "schema_version": "1",
        "source_id": "a/1",
        "status": "ok",
        "skip_reason": None,
        "target_behavior": {"label": "十一点前上床", "category": "sleep", "direction": "start"},
        "risk_flags": ["none"],
        "dialogue": [
            {"role": ("client", "counselor")[number % 2], "content": text}
            for number, text in enumerate(turns)
        ],
        "annotations": [
            {"turn": 2, "task": "engaging", "codes": ["CR"]},
            {"turn": 6, "task": "planning", "codes": []},
        ],
    }


def skipped() -> Value:
    return {
        **good(),
        "status": "skip",
        "skip_reason": "只有哀伤，没有可以改变的行为",
        "target_behavior": None,
        "dialogue": [],
        "annotations": [],
    }


def told(value: Value) -> str | None:
    return fault(Transcription.model_validate_json(json.dumps(value)), "a/1")


def test_an_answer_that_keeps_every_rule_has_no_fault():
    assert told(good()) is None
    assert told(skipped()) is None
    assert told({**skipped(), "risk_flags": ["self_harm", "minor"]}) is None


def test_a_turn_of_four_hundred_characters_is_the_longest():
    value = good()
    value["dialogue"][1]["content"] = "好" * 400
    assert told(value) is None
    value["dialogue"][1]["content"] = "好" * 401
    assert told(value) == "turn 2 has 401 characters; at most 400"


def spoilt(change: Callable[[Value], Any], value: Value) -> Value:
    change(value)
    return value


def turn(number: int, **values: Any) -> Callable[[Value], Any]:
    return lambda value: value["dialogue"][number - 1].update(values)


def note(number: int, **values: Any) -> Callable[[Value], Any]:
    return lambda value: value["annotations"][number].update(values)


FAULTS: list[tuple[Callable[[Value], Any], str]] = [
    (lambda v: v.update(source_id="a/2"), "source_id is 'a/2'; it must be 'a/1'"),
    (lambda v: v.update(risk_flags=[]), "risk_flags must name"),
    (lambda v: v.update(risk_flags=["minor", "minor"]), "risk_flags must name"),
    (lambda v: v.update(risk_flags=["none", "minor"]), 'risk_flags holds "none"'),
    (lambda v: v.update(skip_reason="无"), "skip_reason must be null"),
    (lambda v: v.update(target_behavior=None), "must name the behaviour"),
    (lambda v: v["target_behavior"].update(label=" "), "must name the behaviour"),
    (lambda v: v.update(dialogue=[], annotations=[]), "dialogue has 0 turns"),
    (lambda v: v.update(dialogue=v["dialogue"][:4], annotations=[]), "dialogue has 4 turns"),
    (lambda v: v.update(dialogue=v["dialogue"] + v["dialogue"][:1]), "dialogue has 7 turns"),
    (
        lambda v: v.update(dialogue=v["dialogue"][1:] + v["dialogue"][:1], annotations=[]),
        "opens with the counselor",
    ),
    (turn(3, role="counselor"), "turns 2 and 3 are both counselor"),
    (turn(5, content=" \n"), "turn 5 is blank"),
    (note(0, turn=3), "turn 3 is no counselor turn"),
    (note(0, turn=0), "turn 0 is no counselor turn"),
    (note(0, turn=8), "turn 8 is no counselor turn"),
    (note(0, turn=6), "turn 6 stands twice"),
    (note(0, codes=["Q", "Q"]), "turn 2 names a code twice"),
]
SKIP_FAULTS: list[tuple[Callable[[Value], Any], str]] = [
    (lambda v: v.update(skip_reason=None), "skip_reason must say why"),
    (lambda v: v.update(skip_reason=" "), "skip_reason must say why"),
    (lambda v: v.update(dialogue=good()["dialogue"]), "dialogue and annotations []"),
    (lambda v: v.update(target_behavior=good()["target_behavior"]), "must be null"),
    (lambda v: v.update(annotations=good()["annotations"]), "dialogue and annotations []"),
    (lambda v: v.update(source_id="a/2"), "source_id"),
]


@pytest.mark.parametrize(("change", "words"), FAULTS)
def test_a_broken_rule_is_told(change: Callable[[Value], Any], words: str):
    assert words in (told(spoilt(change, good())) or "")


@pytest.mark.parametrize(("change", "words"), SKIP_FAULTS)
def test_a_broken_rule_of_a_skip_is_told(change: Callable[[Value], Any], words: str):
    assert words in (told(spoilt(change, skipped())) or "")


WRONG: list[Callable[[Value], Any]] = [
    lambda v: v.update(schema_version="2"),
    lambda v: v.update(status="done"),
    lambda v: v.update(risk_flags=["sad"]),
    lambda v: v["target_behavior"].update(category="睡眠"),
    lambda v: v["target_behavior"].update(direction="更好"),
    turn(1, role="来访者"),
    turn(1, content=None),
    turn(1, emotion="sad"),
    note(0, codes=["NC"]),
    note(0, task="closing"),
    note(0, turn="2"),
    lambda v: v.update(comment="!"),
    *(lambda v, field=field: v.pop(field) for field in Transcription.model_fields),
]


@pytest.mark.parametrize("change", WRONG)
def test_what_the_schema_does_not_know_is_refused(change: Callable[[Value], Any]):
    with pytest.raises(ValidationError):
        Transcription.model_validate_json(json.dumps(spoilt(change, good())))


def nodes(schema: Any) -> Iterator[Value]:
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from nodes(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from nodes(part)


def test_codes_and_risk_flags_are_those_of_the_project():
    assert list(get_args(Code)) == list(miti.Code)
    assert list(get_args(RiskFlag)) == ["none", *safety.Risk]


def test_the_schema_stays_within_what_strict_mode_takes_and_holds_no_docstring():
    schema = structured.schema_of(Transcription)
    objects = [one for one in nodes(schema) if one.get("type") == "object"]
    assert len(objects) == 4
    for one in objects:
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
    # Keywords only: the names of fields stand one level below "properties".
    words = {"$defs", "$ref", "type", "title", "properties", "required", "additionalProperties"}
    words |= {"items", "anyOf", "enum", "const"}
    used = {key for one in nodes(schema) if "type" in one for key in one}
    assert {"type", "enum", "items"} <= used <= words
