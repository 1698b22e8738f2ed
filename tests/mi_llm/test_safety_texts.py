"""What the gate says: every text read for what must and must not be in it."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from mi_llm.errors import InputError
from mi_llm.safety import Gate, Risk, harmful_advice, is_safety_response, patterns, texts
from mi_llm.safety.signs import DANGERS

STEPS = ("ask", "hand_over", "stay", "other_person")
TEXTS: dict[str, Any] = patterns.read("texts.yaml")
RESOURCES: dict[str, Any] = patterns.read("resources.yaml")
PLACES = {"zh": ("zh", "zh-CN", "zh-TW"), "en": ("en", "en-US", "en-GB")}
EVERY = [
    pytest.param(language, risk, step, number, id=f"{language}-{risk}-{step}-{number}")
    for language in TEXTS
    for risk in TEXTS[language]
    for step in TEXTS[language][risk]
    for number in range(len(TEXTS[language][risk][step]))
]

# Words by which a reader of the text would know each part again, whatever else it says.
CUES = {
    "zh": {
        "acknowledge": r"听|谢谢|一定|担心|难受|害怕|怕|慌|委屈|要紧|很难|在意|疼|着急|熬人",
        "question": r"有没有|是不是|吗？|有没有谁",
        "boundary": r"程序，不是真人",
        "bridge": r"信得过|家人|朋友|医生|身边|邻居|陪|旁边|一个人|别独自|让人",
        "resource": r"打",
        "warmth": r"你|慢慢|身体|小心|一步",
    },
    "en": {
        "acknowledge": r"thank you|hear|glad|hard|worr|scared|frighten|awful|listening|here"
        r"|matters|hurt|suffering|urgent|panic|comes first|alarmed|sounds",
        "question": r"\b(?:have you|are you|is anyone|is there|is it|do you)\b",
        "boundary": r"program, not a person",
        "bridge": r"someone|family|friend|doctor|neighbor|one person|stay|call whoever|them|beside",
        "resource": r"call|reach|talk|danger|ask",
        "warmth": r"you|slow|body|wave|step|careful",
    },
}
# What a text never says: refusal, lecture, promise, a reason to weigh living against dying.
NEVER = {
    "zh": r"我不能(?:讨论|谈|回答)|无法(?:讨论|回答|提供)|请勿|违反|抱歉|对不起|你应该|你必须"
    r"|不应该|(?<!答应)保密|保证|一定会好|会好起来|没事的|想开点|坚强|别想太多|自私|罪过"
    r"|为了(?:家人|父母|孩子)|好处|坏处|利弊|抑郁症|诊断|精神病(?!科)",
    "en": r"i can(?:'t|not) (?:discuss|talk about|answer)|unable to|\bsorry|against the"
    r"|\byou should\b(?!n't)|you must (?!be |feel |have been )|confidential|(?<!don't )promise"
    r"|guarantee|will be (?:fine|okay)|get better|be strong|selfish|\bsin\b|\bpros\b|\bcons\b"
    r"|for your (?:family|kids|children)|diagnos|disorder|depression",
}
LONGEST = {"zh": 250, "en": 150}  # characters; words: what one can read when it is bad


def test_every_danger_has_every_step_in_every_language():
    assert set(TEXTS) == {"zh", "en"}
    for language, risks in TEXTS.items():
        assert set(risks) == set(DANGERS), language
        for risk, steps in risks.items():
            assert tuple(steps) == STEPS, risk
            assert len(steps["ask"]) >= 2, "asked once more in other words"
            assert len(steps["stay"]) >= 2, "not the same words twice in a row"
    assert len(EVERY) == 2 * 6 * 6


@pytest.mark.parametrize(("language", "risk", "step", "number"), EVERY)
def test_a_text_has_all_its_parts(language, risk, step, number):
    parts = TEXTS[language][risk][step][number]
    asked = {"question"} if step == "ask" else set()
    assert set(parts) - {"resource"} == {"acknowledge", "boundary", "bridge", "warmth"} | asked
    assert "resource" in parts or "$" in "".join(parts.values())
    for name, words in parts.items():
        assert re.search(CUES[language][name], words.lower()), f"{name}: {words}"


@pytest.mark.parametrize(("language", "risk", "step", "number"), EVERY)
def test_a_text_is_short_warm_and_promises_nothing(language, risk, step, number):
    for locale in PLACES[language]:
        said = texts.text(locale, Risk(risk), step, number)
        length = len(said) if language == "zh" else len(said.split())
        assert length <= LONGEST[language], length
        assert "$" not in said
        assert not re.search(NEVER[language], said.lower())
        assert harmful_advice(said) == []
        assert is_safety_response(said)


@pytest.mark.parametrize(("language", "risk", "step", "number"), EVERY)
def test_only_a_question_asks_and_it_asks_one_thing_to_which_yes_means_danger(
    language, risk, step, number
):
    parts = TEXTS[language][risk][step][number]
    said = "".join(parts.values())
    if step == "ask":
        assert len(re.findall("[？?]", said.replace("“你是不是想自杀”", ""))) == 1
        assert re.search("[？?]$", parts["question"])
        assert not re.search("安全吗|are you safe", parts["question"])  # yes would mean no danger


@pytest.mark.parametrize("language", ["zh", "en"])
def test_suicide_is_asked_about_by_its_name(language):
    names = {"zh": "自杀", "en": "killing"}
    assert names[language] in TEXTS[language]["self_harm"]["ask"][0]["question"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_emergency_begins_with_the_number(language):
    for step in ("hand_over", "stay", "other_person"):
        for parts in TEXTS[language]["medical_emergency"][step]:
            assert next(iter(parts)) == "resource"
            assert "$ambulance" in parts["resource"]
    found = Gate("zh").intervene("我胸口疼得厉害，喘不上气", [])
    assert found is not None
    assert found.text.startswith("请先打120")


def test_a_number_stands_in_the_texts_of_its_place_only():
    zh = texts.text("zh", Risk.SELF_HARM, "hand_over")
    assert "12356" in zh
    assert "120" in zh
    en = texts.text("en", Risk.SELF_HARM, "hand_over")
    assert "988" in en
    assert "911" in en
    for locale in ("zh-TW", "en-GB"):
        for risk in DANGERS:
            for step in STEPS:
                assert not re.search(r"\d", texts.text(locale, risk, step)), (locale, risk, step)


def test_every_help_line_says_what_when_where_it_was_read_and_on_which_day():
    roles = {"crisis", "ambulance", "police", "violence"}
    assert set(RESOURCES["places"]) >= {"zh-CN", "en-US"}
    for place, lines in RESOURCES["places"].items():
        assert set(lines) == roles, place
        for role, line in lines.items():
            assert set(line) == {"number", "named", "what", "hours", "source", "checked_on"}, role
            assert line["number"] in line["named"]
            assert line["source"].startswith("http")
            assert isinstance(line["checked_on"], date)
            assert line["checked_on"] <= date.today()
    for language, lines in RESOURCES["elsewhere"].items():
        assert set(lines) == roles, language
        assert not any(re.search(r"\d", line["named"]) for line in lines.values())


def test_the_wordings_of_a_step_come_in_turn():
    said = [texts.text("zh", Risk.SELF_HARM, "stay", before) for before in range(3)]
    assert said[0] == said[2] != said[1]


def test_a_language_without_texts_is_refused():
    with pytest.raises(InputError, match="locale 'de'"):
        texts.text("de", Risk.ABUSE, "ask")
