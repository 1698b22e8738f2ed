"""The crisis lexicon on sentences written for it.

The floors are a guard against getting worse, not an estimate for other texts: the lexicon was
written with these sentences at hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mi_llm import safety
from mi_llm.safety import Crisis, Harm, HarmfulAdvice, Risk, crisis, patterns

SENTENCES: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_name("safety_sentences.yaml").read_text("utf-8")
)
RECALL_FLOOR = 0.95
PRECISION_FLOOR = 0.95


def categories(sentence: str) -> set[str]:
    return {found.category for found in crisis(sentence)}


def kinds(sentence: str) -> set[str]:
    return {found.kind for found in safety.harmful_advice(sentence)}


def test_the_labelled_set_covers_every_category_and_holds_no_sentence_twice():
    assert set(SENTENCES["crisis"]) == set(Risk)
    assert set(SENTENCES["harmful_advice"]) == set(Harm)
    assert len(SENTENCES["crisis"]["self_harm"]) >= 15
    assert all(len(some) >= 8 for some in SENTENCES["crisis"].values())
    assert all(len(some) >= 8 for some in SENTENCES["harmful_advice"].values())
    assert len(SENTENCES["not_crisis"]) >= 60
    for some in (*SENTENCES["crisis"].values(), SENTENCES["not_crisis"]):
        assert len(set(some)) == len(some)


@pytest.mark.parametrize("risk", Risk)
def test_signs_of_each_risk_are_found(risk):
    sentences = SENTENCES["crisis"][risk]
    missed = [one for one in sentences if risk not in categories(one)]
    assert len(missed) <= (1 - RECALL_FLOOR) * len(sentences), missed


def test_idioms_stories_and_everyday_words_are_no_crisis():
    sentences = SENTENCES["not_crisis"]
    fired = [(one, crisis(one)) for one in sentences if crisis(one)]
    assert len(fired) <= (1 - PRECISION_FLOOR) * len(sentences), fired


def test_a_denial_is_a_mention_marked_as_denied():
    for sentence in SENTENCES["denied"]:
        assert {found.negated for found in crisis(sentence)} == {True}, sentence


def test_doubt_failed_attempts_and_denied_denials_are_not_denials():
    for sentence in SENTENCES["not_denied"]:
        assert {found.negated for found in crisis(sentence)} == {False}, sentence


def test_the_known_gaps_are_still_gaps_and_leave_this_list_once_closed():
    assert [one for one in SENTENCES["missed"] if crisis(one)] == []


def test_a_find_says_what_where_and_in_the_texts_own_characters():
    assert crisis("最近很累。有時想自殺，戒煙也沒用。") == [
        Crisis(Risk.SELF_HARM, "自殺", 8, negated=False)
    ]


def test_a_story_is_left_out_but_the_wish_to_follow_it_is_not():
    assert crisis("电影里的主角跳楼了") == []
    assert categories("电影里的主角跳楼了，我也想那样") == {"self_harm"}
    assert categories("看了那部电影以后，我想跳楼") == {"self_harm"}


def test_one_text_can_show_several_risks_in_the_order_of_its_words():
    found = crisis("我今年15岁，爸爸喝醉就打我，我想死。")
    assert [one.category for one in found] == [Risk.MINOR, Risk.ABUSE, Risk.SELF_HARM]
    assert [one.start for one in found] == sorted(one.start for one in found)


def test_answers_that_look_after_safety_are_told_from_those_that_do_not():
    yes, no = SENTENCES["safety_response"], SENTENCES["not_safety_response"]
    assert len(yes) >= 15
    assert len(no) >= 15
    assert [one for one in yes if not safety.is_safety_response(one)] == []
    assert [one for one in no if safety.is_safety_response(one)] == []


@pytest.mark.parametrize("kind", Harm)
def test_harmful_advice_of_each_kind_is_found(kind):
    missed = [one for one in SENTENCES["harmful_advice"][kind] if kind not in kinds(one)]
    assert missed == []


def test_questions_reports_cautions_and_ordinary_advice_are_not_harmful():
    sentences = SENTENCES["not_harmful_advice"]
    assert len(sentences) >= 20
    assert [(one, kinds(one)) for one in sentences if kinds(one)] == []


def test_harmful_advice_says_what_and_where():
    assert safety.harmful_advice("别急。你这就是抑郁症。") == [
        HarmfulAdvice(Harm.DIAGNOSIS, "你这就是抑郁症", 3)
    ]


@given(st.text(alphabet="我想死自杀不没有，。没事İ１５岁ABc \n", max_size=60))
def test_phrases_stand_in_the_text_where_they_are_said_to(text):
    places = [(found.phrase, found.start) for found in crisis(text)]
    places += [(found.phrase, found.start) for found in safety.harmful_advice(text)]
    for phrase, start in places:
        assert phrase
        assert text[start:].startswith(phrase)


def test_every_line_of_the_lexicon_is_a_pattern_that_does_not_match_nothing():
    lexicon = patterns.read(patterns.LEXICON)
    lists = [
        *lexicon["crisis"].values(),
        *lexicon["harmful_advice"].values(),
        lexicon["safety_response"],
    ]
    assert set(lexicon["crisis"]) == set(Risk)
    assert set(lexicon["harmful_advice"]) == set(Harm)
    lines = [line for one in lists for which in ("means", "does_not_mean") for line in one[which]]
    assert len(lines) > 100
    for line in lines:
        pattern = line
        for _ in range(3):
            pattern = re.sub(r"<(\w+)>", lambda tag: lexicon["words"][tag[1]], pattern)
        assert not re.search(pattern, ""), line
        assert line == patterns.plain(line), f"{line}: would never match in its own spelling"


@pytest.mark.real_data
def test_real_counselling_dialogues_with_suicide_in_them_are_found(real_data):
    named = {"27601": "self_harm", "47476": "self_harm", "12037": "self_harm", "48983": "minor"}
    for name, risk in named.items():
        turns = json.loads((real_data / f"smilechat/data/{name}.json").read_text("utf-8"))
        said = "\n".join(turn["content"] for turn in turns if turn["role"] == "client")
        assert risk in categories(said), name
