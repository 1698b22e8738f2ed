"""The classifier: what it is asked, and that it adds signs and takes none away."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import ValidationError

from mi_llm.dialogue import Turn
from mi_llm.llm import Answer, Endpoint, Request, SetAside, ask_all
from mi_llm.safety import (
    Gate,
    Look,
    Looked,
    NoVerdict,
    Risk,
    Verdict,
    classifier_request,
    second_look,
)
from mi_llm.safety.signs import DANGERS
from prompts import load
from tests.llm_server import LLMServer

SAID = "我把戒指寄回给她了，以后她就清静了。"
HINT = Verdict(risk=Risk.SELF_HARM, level="indirect", about="self", quote="以后她就清静了")
NOTHING = Verdict(risk="none", level="none", about="none", quote="")


def step(said: str, verdict: Verdict | None) -> tuple[str, str] | None:
    found = Gate().intervene(said, [], verdict)
    return (found.step, found.source) if found else None


def test_it_adds_what_the_lexicon_missed():
    assert step(SAID, None) is None
    assert step(SAID, HINT) == ("ask", "classifier")
    plain = HINT.model_copy(update={"level": "explicit"})
    assert step(SAID, plain) == ("hand_over", "classifier")
    other = HINT.model_copy(update={"about": "other"})
    assert step(SAID, other) == ("other_person", "classifier")


def test_it_never_overrules_what_the_lexicon_found():
    assert step("我不想活了", NOTHING) == ("hand_over", "lexicon")
    harmless = Verdict(risk=Risk.SELF_HARM, level="indirect", about="other", quote="不想活")
    assert step("我不想活了", harmless) == ("hand_over", "lexicon")
    story = Verdict(risk=Risk.SELF_HARM, level="none", about="story", quote="不想活")
    assert step("我不想活了", story) == ("hand_over", "lexicon")


@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        ({"quote": "我想死"}, False),  # not said
        ({"quote": "她以后就清静了，戒指寄回去了"}, False),  # said in other words
        ({"quote": " "}, False),
        ({"quote": ""}, False),
        ({"quote": "以后， 她就清静了…"}, True),
        ({"level": "none"}, True),
        ({"about": "none"}, True),
        ({"level": "explicit", "quote": "我想死"}, False),
    ],
)
def test_an_alarm_without_findable_words_or_at_odds_with_itself_is_a_hint(
    change: dict[str, str], quoted: bool
):
    verdict = HINT.model_copy(update=change)
    assert step(SAID, verdict) == ("ask", "classifier")
    found = Gate().intervene(SAID, [], verdict)
    assert found
    assert found.phrase == (verdict.quote if quoted else "")
    looked = Looked(1, SAID, verdict)
    assert looked.is_unquoted != quoted
    assert bool(looked.flag) != quoted


def test_an_unquoted_alarm_about_somebody_else_is_answered_as_that():
    verdict = HINT.model_copy(update={"about": "other", "quote": "她说她想死"})
    assert step(SAID, verdict) == ("other_person", "classifier")


@pytest.mark.parametrize("change", [{"about": "story"}, {"risk": "minor"}, {"risk": "none"}])
def test_a_story_a_minor_and_no_risk_are_no_alarm(change: dict[str, str]):
    verdict = HINT.model_copy(update=change)
    assert step(SAID, verdict) is None
    assert Looked(1, SAID, verdict).flag is None


def test_looks_are_told_with_the_share_of_alarms_that_quote_what_was_not_said():
    unquoted = HINT.model_copy(update={"quote": "我想死"})
    looked = [Looked(1, SAID, one) for one in (HINT, unquoted, NOTHING, unquoted)]
    silent = Looked(5, SAID, None, "no answer: away")
    assert second_look.lines(looked) == [
        "classifier: a verdict on 4 of 4 turns, 3 alarms; 2 of them (67%) quote what was not said,"
        " and count as hints"
    ]
    assert "NO verdict on 1 of 5 turns" in second_look.lines([*looked, silent])[1]
    assert silent.flag == {"turn": 5, "role": "client", "classifier": "no verdict"}
    flag = looked[1].flag
    assert flag
    assert (flag["classifier"], flag["risk"], flag["quote"]) == (
        "alarm without words that were said", "self_harm", "我想死"
    )  # fmt: skip


@pytest.mark.parametrize("required", [False, True])
def test_a_turn_without_a_verdict_goes_by_its_words_or_ends_it_all(required: bool):
    async def silent(request: Request) -> SetAside:
        return SetAside(request.id, "no answer: away", "")

    look = Look("p", "s", silent, "t", required)
    asked = second_look.intervention(Gate(), (Turn("client", SAID),), [], look)
    if required:
        with pytest.raises(NoVerdict, match=r"t:safety 1: .* \(no answer: away\)"):
            asyncio.run(asked)
    else:
        assert asyncio.run(asked) is None
    assert [one.reason for one in look.looked] == ["no answer: away"]


def test_a_verdict_at_odds_with_itself_about_whether_there_is_a_risk_is_asked_again():
    request = classifier_request("p", "s", SAID, "", "t")
    odd = {"risk": "none", "level": "explicit", "about": "self", "quote": ""}
    assert request.check
    assert "name the risk" in (request.check(Verdict.model_validate(odd)) or "")
    assert request.check(NOTHING) is None
    assert request.check(HINT.model_copy(update={"level": "none"})) is None  # an alarm all the same


def test_a_verdict_that_is_none_is_refused():
    with pytest.raises(ValidationError):
        Verdict.model_validate(
            {"risk": "sadness", "level": "explicit", "about": "self", "quote": ""}
        )


def test_the_prompt_names_every_danger_and_every_value_of_the_schema():
    text = load("safety.v2").text
    for word in (*DANGERS, "explicit", "indirect", "none", "self", "other", "story", "quote"):
        assert word in text


def test_a_model_is_asked_with_the_turn_and_its_answer_becomes_a_verdict(tmp_path):
    prompt = load("safety.v2")
    request = classifier_request(prompt.text, prompt.sha, SAID, "最近怎么样？", "safety:1")
    with LLMServer(lambda received: HINT.model_dump_json()) as server:
        endpoint = Endpoint(base_url=server.base_url, model="stand-in")
        answers = list(ask_all([request], endpoint, tmp_path / "l.jsonl", progress=False))
        system, user = server.received[0].body["messages"]
    [answer] = answers
    assert isinstance(answer, Answer)
    assert answer.value == HINT
    assert system == {"role": "system", "content": prompt.text}
    shown = user["content"].splitlines()[0]
    assert json.loads(shown) == {"before": "最近怎么样？", "said": SAID}
    assert Risk(str(HINT.risk)) == Risk.SELF_HARM


ALARM = '{"risk": "self_harm", "level": "indirect", "about": "self", "quote": "清静"}'


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"self_harm"', '"suicide"'),
        ('"self_harm"', '"Self-Harm"'),
        ('"self_harm"', '"自杀"'),
        ('"self_harm"', '["self_harm"]'),
        ('"indirect"', '"high"'),
        ('"self"', '"来访者"'),
        ('"清静"', '"<照抄的原文>"'),
        ('"清静"', "null"),
        (', "quote": "清静"', ""),
        ("}", ', "reason": "在告别"}'),
        (ALARM, f'{{"result": {ALARM}}}'),
    ],
)
def test_an_alarm_in_a_form_that_does_not_fit_is_a_hint(was: str, becomes: str):
    answer = ALARM.replace(was, becomes)
    assert answer != ALARM
    looked = Looked.of(1, SAID, SetAside("t", "does not fit the schema: risk", answer))
    assert step(SAID, looked.verdict) == ("ask", "classifier")
    assert looked.is_unquoted
    assert looked.flag


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "他可能会自杀。",
        '{"risk": "none", "level": "explicit"}',
        '{"risk": "low"}',
        '{"risk": "<哪一种危险>"}',
        '{"risk": "self_harm|harm_to_others|abuse|psychosis|eating_disorder|none"}',
        ALARM.replace('"self"', '"story"').replace("清静", "<照抄的原文>"),
    ],
)
def test_what_names_no_danger_is_no_verdict(answer: str):
    looked = Looked.of(1, SAID, SetAside("t", "does not fit the schema: risk", answer))
    assert looked.verdict is None
    assert looked.reason == "does not fit the schema: risk"
