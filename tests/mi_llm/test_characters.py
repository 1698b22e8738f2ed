from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_llm import characters, jsonl
from mi_llm.characters import fault, is_blank
from mi_llm.dialogue import Dialogue, DialogueError, Turn
from mi_llm.door.answer import outcome
from mi_llm.repair import Repairer
from mi_llm.validation import Columns, row_findings

UNSEEN = [
    "",
    " ",
    "\u3000\n",
    "\u200b",
    "\u200b\u200d",
    "\ufeff",
    "\u2060 \u200c",
    "\u3164",
    "\xad",
]


@pytest.mark.parametrize("text", UNSEEN)
def test_a_text_that_shows_nothing_is_blank_in_every_place(text: str):
    assert is_blank(text)
    with pytest.raises(DialogueError, match="is blank"):
        Dialogue("a", (Turn("client", text),))
    repairer = Repairer()
    assert repairer.repaired("f", [Turn("client", text)]) == ()
    assert repairer.counts["dropped blank turns"] == 1
    row = {"instruction": "a", "input": "b", "output": text, "history": []}
    (finding,) = row_findings([row], Columns())
    assert finding.kind == "blank output"


@pytest.mark.parametrize("text", ["\u200b我\u200b", "👨\u200d👩\u200d👧", "\u2764\ufe0f", "。"])
def test_zero_width_characters_between_visible_ones_are_no_fault(text: str):
    assert not is_blank(text)
    assert fault(text) is None


@given(text=st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1))
def test_a_text_with_a_visible_character_is_never_blank(text: str):
    # Hangul fillers are letters by category and shown as nothing.
    fillers = set("\u115f\u1160\u3164\uffa0")
    assert is_blank(text) == (set(text) <= fillers)


@given(text=st.text(st.characters(categories=["Zs", "Zl", "Zp", "Cc"])))
def test_white_space_and_control_characters_are_blank(text: str):
    assert is_blank(text)


@given(text=st.text(st.characters()))
def test_faults_are_nul_the_byte_order_mark_and_surrogates_alone(text: str):
    odd = [one for one in text if one in "\0\ufeff" or unicodedata.category(one) == "Cs"]
    assert (fault(text) is None) == (not odd)


@given(text=st.text(st.characters()))
def test_a_line_that_cannot_hold_faults_holds_none(text: str):
    for line in (json.dumps([text]), jsonl.dumped([text])):
        if not characters.may_hold_faults(line.encode()):
            assert list(characters.faults_within(json.loads(line))) == []


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("\0", ""),
        (["a", "\ud83d"], "[1]"),
        ({"a": {"b": [1, "\ufeff"]}}, "'a'['b'][1]"),
        ({"\0": 1}, "a key"),
    ],
)
def test_a_fault_is_told_with_its_place(value: Any, place: str):
    ((where, _, words),) = characters.faults_within(value)
    assert where == place
    assert words.startswith("holds ")


@pytest.mark.parametrize("text", UNSEEN)
def test_an_answer_that_shows_nothing_is_no_answer_either(text: str):
    assert outcome(text, "stop").problem == "blank answer"
