from __future__ import annotations

import json
from enum import StrEnum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from mi_llm.door.conversation import Message, Request, key, outgoing
from mi_llm.door.endpoint import Endpoint
from mi_llm.door.structured import instruction, objects, response_format, schema_of, value_of
from mi_llm.judging.schema import VolleyCoding


class Turn(BaseModel):
    role: Literal["client", "counselor"]
    content: str


class Dialogue(BaseModel):
    title: str
    turns: list[Turn]
    note: str = ""


GOOD = {"title": "戒烟", "turns": [{"role": "client", "content": "他说“好”，我不信。"}]}
PLAIN = json.dumps(GOOD, ensure_ascii=False)
FULL_WIDTH = (
    '｛“title”：“戒烟”，“turns”：［｛“role”：“client”，“content”：“他说\\"好\\"，我不信。”｝］｝'
)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        f"```json\n{PLAIN}\n```",
        f"```\n{PLAIN}```",
        f"好的，下面是改写：\n{PLAIN}\n希望对你有帮助！",
        f"格式是 {{title}} 这样的：{PLAIN}",
        f'{{"title": "例子"}} 是不够的，应当是 {PLAIN}',
        PLAIN.replace("}]}", "},],}"),
        PLAIN.replace("}]}", "} , ] ,\n}"),
        PLAIN.replace('": ', '"：').replace('", "', '"，"'),
        PLAIN.replace('"', "＂"),
        json.dumps(GOOD, indent=2),
    ],
)
def test_the_value_is_found_in_whatever_a_model_wraps_it_in(text):
    value, problem = value_of(text, Dialogue)
    assert (value, problem) == (Dialogue.model_validate(GOOD), "")


def test_full_width_punctuation_is_mended_outside_strings_and_kept_within():
    value, problem = value_of(FULL_WIDTH, Dialogue)
    assert problem == ""
    assert value == Dialogue(
        title="戒烟", turns=[Turn(role="client", content='他说"好"，我不信。')]
    )


def test_a_line_break_within_a_string_is_kept():
    value, _ = value_of('{"title": "一\n二", "turns": []}', Dialogue)
    assert value == Dialogue(title="一\n二", turns=[])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("抱歉，我不能。", "no JSON object in it"),
        ("[]", "no JSON object in it"),
        (PLAIN[:-1], "no JSON object in it"),
        ('{"title": "甲"}', "turns: Field required"),
        (
            '{"title": "甲", "turns": [{"role": "therapist", "content": "嗯"}]}',
            "turns.0.role: Input should be 'client' or 'counselor'",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(text, problem):
    assert value_of(text, Dialogue) == (None, problem)


def test_what_is_inside_an_object_cut_short_is_no_answer():
    class Lenient(BaseModel):
        title: str = ""

    text = '{"title": "真", "parts": [{"title": "部分"}'
    assert value_of(text, Lenient) == (None, "no JSON object in it")


def test_many_braces_do_not_take_long():
    assert list(objects("{" * 100_000)) == []
    assert list(objects("{x}" * 100_000)) == []


def test_the_strict_schema_requires_every_property_and_allows_no_other():
    form = response_format(Dialogue, "json_schema")["response_format"]["json_schema"]
    schema = form["schema"]
    assert (form["name"], form["strict"]) == ("Dialogue", True)
    assert schema["required"] == ["title", "turns", "note"]
    assert schema["additionalProperties"] is False
    assert "default" not in schema["properties"]["note"]
    turn = schema["$defs"]["Turn"]
    assert (turn["required"], turn["additionalProperties"]) == (["role", "content"], False)


def test_a_property_named_default_or_properties_is_a_property_like_others():
    class Odd(BaseModel):
        model_config = ConfigDict(extra="forbid")
        default: str
        properties: str

    schema = response_format(Odd, "json_schema")["response_format"]["json_schema"]["schema"]
    assert schema["required"] == list(schema["properties"]) == ["default", "properties"]


class Described(BaseModel):
    """What a reader of code is told."""

    model_config = ConfigDict(extra="forbid")
    kind: Kind
    points: float = Field(description="0 到 1")


class Kind(StrEnum):
    """Another docstring."""

    ONE = "one"


def test_no_docstring_is_in_a_schema_and_what_a_field_says_stays():
    sent = json.dumps([schema_of(Described), response_format(Described, "json_schema")])
    assert sent.count("description") == 2
    assert "docstring" not in sent
    assert "reader of code" not in sent
    assert schema_of(Described)["properties"]["points"]["description"] == "0 到 1"


def test_a_key_is_what_it_was_so_that_answers_in_ledgers_are_found():
    """A change of this value makes every ledger ask anew: say so in CHANGELOG.md."""
    messages = (Message(role="system", content="编码"), Message(role="user", content="{}"))
    request = Request("a", messages, VolleyCoding, prompt_sha="0123456789ab")
    endpoint = Endpoint(base_url="http://127.0.0.1:8000/v1", model="m")
    sent, _ = outgoing(request, mask=True)
    assert (
        key(request, sent, 0, endpoint)
        == "0112b3418bcc50442a114d3333412b77423d0d4189c9dc4c04d64b66e98fc7fc"
    )


def test_the_schema_is_told_in_words_with_the_word_json_that_some_services_demand():
    told = instruction(Dialogue)
    assert "JSON" in told
    assert '"turns"' in told


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=10),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["", "好的：", "```json\n"]),
    st.sampled_from(["", "\n```", "完。"]),
)
def test_any_object_survives_its_wrapping(value, before, after):
    assert next(objects(before + json.dumps(value, ensure_ascii=False) + after)) == value
    # A comma before the last bracket makes it unreadable as JSON, not as what was meant.
    broken = json.dumps(value, ensure_ascii=False)[:-1] + ",}"
    assert next(objects(before + broken + after)) == value
