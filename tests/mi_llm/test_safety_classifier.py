"""The classifier: what it is asked, and that it adds signs and takes none away."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from mi_llm.llm import Answer, Endpoint, ask_all
from mi_llm.safety import Gate, Risk, Verdict, classifier_request
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
    "change",
    [
        {"quote": "我想死"},  # not said
        {"quote": " "},
        {"about": "story"},
        {"level": "none"},
        {"risk": "minor"},
    ],
)
def test_a_verdict_without_words_of_the_turn_or_without_danger_adds_nothing(change):
    assert step(SAID, HINT.model_copy(update=change)) is None


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
