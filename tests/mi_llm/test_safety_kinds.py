"""What a gate of word lists swallows most easily, by kind; and spelling, with the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mi_llm.safety import Gate, crisis, patterns, spelling
from mi_llm.safety.signs import signs

KINDS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("gate_kinds.yaml").read_text())
ANSWERED: dict[str, list[str]] = KINDS["answered"]
HELD: dict[str, list[str]] = KINDS["held"]


def is_answered(said: str) -> bool:
    """Whether the gate asks or hands over, about suicide or what was already swallowed."""
    found = Gate().intervene(said, [])
    return (
        found is not None
        and found.step in ("ask", "hand_over")
        and found.risk in ("self_harm", "medical_emergency")
    )


def test_the_kinds_are_as_large_as_told_and_hold_no_sentence_twice():
    assert sum(len(ANSWERED[kind]) for kind in ("beside_stories", "beside_games")) >= 55
    assert all(len(some) >= 14 for some in ANSWERED.values())
    everything = [said for some in (*ANSWERED.values(), *HELD.values()) for said in some]
    assert len(set(everything)) == len(everything) > 200


@pytest.mark.parametrize("kind", ANSWERED)
def test_no_hold_spelling_or_wording_of_these_kinds_lets_danger_pass(kind):
    assert [said for said in ANSWERED[kind] if not is_answered(said)] == []


@pytest.mark.parametrize("kind", HELD)
def test_what_only_looks_like_these_kinds_goes_to_the_model(kind):
    fired = [(said, found.phrase) for said in HELD[kind] if (found := Gate().intervene(said, []))]
    assert fired == []


@pytest.mark.parametrize(
    ("locale", "between"),
    [("zh", ["，", " ", "。", "\n", ""]), ("en", [", ", ". ", "\n", " but ", " and "])],
)
def test_nothing_that_stands_before_takes_a_statement_about_oneself_away(locale, between):
    texts = [
        before + sign + statement
        for before in KINDS["before"][locale]
        for statement in KINDS["statements"][locale]
        for sign in between
    ]
    assert len(texts) > 500
    assert [said for said in texts if not is_answered(said)] == []


@pytest.mark.parametrize(
    ("said", "phrase"),
    [
        ("我想自\u200b杀。", "自\u200b杀"),
        ("每天都想自\n杀", "自\n杀"),
        ("我想自 杀了", "自 杀"),
        ("我想⾃殺", "⾃殺"),
        ("又想zs了", "zs"),
    ],
)
def test_the_evidence_is_what_was_typed(said, phrase):
    assert phrase in {one.phrase for one in signs(said)}
    assert phrase in {one.phrase for one in crisis(said)}


def test_a_line_break_makes_no_denial_of_two_lines():
    found = Gate().intervene("我什么都没有\n想死", [])
    assert found is not None
    assert found.step == "hand_over"


def test_a_sound_alike_becomes_its_word_and_knows_where_it_stood():
    spelt = spelling.spelt("想zs了")
    assert spelt.plain == "想自杀了"
    assert spelt.typed(1, 3) == (1, 3)
    assert spelt.typed(3, 4) == (3, 4)


def test_what_is_spelt_as_the_lists_are_stays_as_it_is():
    plain = "我想死，真的！ i don't want to live… “好” 12356"
    assert spelling.spelt(plain).plain == plain
    assert plain == patterns.plain(plain)


@given(
    st.text(alphabet="我想死自杀s4z不没\u200b\u0336\ufe0f🔪，。 \n*İ１⾃ſﬁab\u2028", max_size=40)
)
def test_every_letter_of_every_reading_points_into_what_was_typed(text):
    for spelt in spelling.readings(text):
        assert len(spelt.plain) == len(spelt.starts) == len(spelt.ends)
        places = list(zip(spelt.starts, spelt.ends, strict=True))
        assert all(0 <= start < end <= len(text) for start, end in places)
        assert places == sorted(places)
