"""Words that call for care: signs of crisis, answers that look after safety, and harmful advice.

A tripwire made of word patterns (`lexicon.yaml`, which says how to read and change it). It
errs on the safe side: what it finds, a person looks at. It diagnoses nobody, it does not grade
danger, and finding nothing is no proof that there is none. How often it is right and wrong on a set
of sentences written for this is measured in `tests/mi_llm/test_safety.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mi_llm.safety import holds, patterns, spelling


class Risk(StrEnum):
    """What a sign of crisis is about; the risk flags of a transcription."""

    SELF_HARM = "self_harm"
    HARM_TO_OTHERS = "harm_to_others"
    ABUSE = "abuse"
    PSYCHOSIS = "psychosis"
    EATING_DISORDER = "eating_disorder"
    MEDICAL_EMERGENCY = "medical_emergency"
    MINOR = "minor"


class Harm(StrEnum):
    """What is wrong with a piece of advice."""

    DIAGNOSIS = "diagnosis"
    MEDICATION = "medication"
    EXTREME_DIET = "extreme_diet"
    VIOLENCE = "violence"
    SELF_HARM = "self_harm"


@dataclass(frozen=True, slots=True)
class Crisis:
    """A sign of crisis in a text.

    Attributes:
        category: What it is about.
        phrase: The words, as they stand in the text.
        start: The place of the first of them, from 0.
        negated: Whether the speaker denies it ("我没有想自杀"). It is a mention all the same.
    """

    category: Risk
    phrase: str
    start: int
    negated: bool


@dataclass(frozen=True, slots=True)
class HarmfulAdvice:
    """Advice that a counselor must not give.

    Attributes:
        kind: What is wrong with it.
        phrase: The words, as they stand in the text.
        start: The place of the first of them, from 0.
    """

    kind: Harm
    phrase: str
    start: int


def crisis(text: str) -> list[Crisis]:
    """The signs of crisis in a text, in order.

    Words about a third person count as well. Left out are set phrases that mean something else
    (跳楼价) and what happens to the characters of a story (电影里的主角自杀了).

    Args:
        text: What either side said, Chinese or English.
    """
    found = {
        (risk, *spelt.typed(start, end)): holds.is_denied(spelt.plain, start, end)
        for spelt in spelling.readings(text)
        for risk in Risk
        for start, end in crisis_places(spelt, risk)
    }
    signs = (
        Crisis(risk, text[start:end], start, denied) for (risk, start, end), denied in found.items()
    )
    return sorted(signs, key=lambda one: one.start)


def crisis_places(spelt: spelling.Spelt, risk: Risk) -> Iterator[tuple[int, int]]:
    """Yield where a text in the lists' spelling shows a risk, stories left out."""
    for start, end in _places(spelt.plain, "crisis", risk):
        if spelt.is_news(start, end) and not holds.is_story(
            spelt.plain, start, end, of_self_harm=risk == Risk.SELF_HARM
        ):
            yield start, end


def is_safety_response(text: str) -> bool:
    """Whether a counselor's words look after safety.

    They do if they ask about safety or about thoughts of harm, name a help line or an emergency
    service, advise a hospital or professional help, or bring in people who can stay with the
    client. Advice against these ("不用去医院") does not count.
    """
    return any(_places(spelling.spelt(text).plain, "safety_response"))


def harmful_advice(text: str) -> list[HarmfulAdvice]:
    """The harmful advice in a counselor's words, in order.

    Found: an illness stated as a fact about the client; doses, and starting or stopping drugs;
    fasting, purging and the like; encouragement to violence or self-harm. Not found: hedged
    diagnoses ("可能是抑郁症"), what the client is said to do, advice against it or to ask a doctor.
    """
    spelt = spelling.spelt(text)
    places = [
        (kind, *spelt.typed(start, end))
        for kind in Harm
        for start, end in _places(spelt.plain, "harmful_advice", kind)
    ]
    found = [HarmfulAdvice(kind, text[start:end], start) for kind, start, end in places]
    return sorted(found, key=lambda one: one.start)


def _places(plain: str, table: str, name: str = "") -> Iterator[tuple[int, int]]:
    return patterns.patterns(patterns.LEXICON, table, name).places(plain)
