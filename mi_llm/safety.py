"""Words that call for care: signs of crisis, answers that look after safety, and harmful advice.

A tripwire made of word patterns (`safety_lexicon.yaml`, which says how to read and change it). It
errs on the safe side: what it finds, a person looks at. It diagnoses nobody, it does not grade
danger, and finding nothing is no proof that there is none. How often it is right and wrong on a set
of sentences written for this is measured in `tests/mi_llm/test_safety.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

import yaml


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
    plain = _plain(text)
    found = [
        Crisis(risk, text[start:end], start, _is_denied(plain, start, end))
        for risk in Risk
        for start, end in _places(plain, "crisis", risk)
    ]
    return sorted(found, key=lambda one: one.start)


def is_safety_response(text: str) -> bool:
    """Whether a counselor's words look after safety.

    They do if they ask about safety or about thoughts of harm, name a help line or an emergency
    service, advise a hospital or professional help, or bring in people who can stay with the
    client. Advice against these ("不用去医院") does not count.
    """
    return any(_places(_plain(text), "safety_response", ""))


def harmful_advice(text: str) -> list[HarmfulAdvice]:
    """The harmful advice in a counselor's words, in order.

    Found: an illness stated as a fact about the client; doses, and starting or stopping drugs;
    fasting, purging and the like; encouragement to violence or self-harm. Not found: hedged
    diagnoses ("可能是抑郁症"), what the client is said to do, advice against it or to ask a doctor.
    """
    plain = _plain(text)
    found = [
        HarmfulAdvice(kind, text[start:end], start)
        for kind in Harm
        for start, end in _places(plain, "harmful_advice", kind)
    ]
    return sorted(found, key=lambda one: one.start)


def _places(plain: str, table: str, name: str) -> Iterator[tuple[int, int]]:
    """Where a list of the lexicon counts: its hits that lie in none of what it does not mean."""
    means, does_not_mean = _patterns(table, name)
    hits = [match.span() for match in means.finditer(plain)]
    if not hits:
        return
    harmless = [match.span() for match in does_not_mean.finditer(plain)]
    for start, end in hits:
        if not any(low <= start and end <= high for low, high in harmless):
            yield start, end


@cache
def _patterns(table: str, name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The two patterns of a list: what it means and what it does not."""
    words: dict[str, str] = _lexicon()["words"]
    lines = _lexicon()[table][name] if name else _lexicon()[table]

    def joined(which: str) -> re.Pattern[str]:
        pattern = "|".join(lines[which])
        while (longer := re.sub(r"<(\w+)>", lambda tag: words[tag[1]], pattern)) != pattern:
            pattern = longer
        return re.compile(pattern, re.MULTILINE)

    return joined("means"), joined("does_not_mean")


@cache
def _lexicon() -> dict[str, Any]:
    text = files("mi_llm").joinpath("safety_lexicon.yaml").read_text("utf-8")
    lexicon: dict[str, Any] = yaml.safe_load(text)
    return lexicon


def _plain(text: str) -> str:
    """The text as the lexicon is written; one character for one, so that places stay."""
    lower = "".join(one if len(one) == 1 else "?" for one in map(str.lower, text))
    return lower.translate(_SIMPLER)


# Traditional characters of the lexicon's words; full-width letters, digits and signs, but for the
# Chinese punctuation that the lexicon uses.
_SIMPLER = (
    str.maketrans(
        "殺殘藥傷樓結束著義聽聲覺絕厭歲沒會這個來為麼媽爸們縊輕尋讓開燒農墜過無戀離間遺書劃貪減節瀉暈強姦迫監視蹤竊毒電話報復殘體種喚",
        "杀残药伤楼结束着义听声觉绝厌岁没会这个来为么妈爸们缢轻寻让开烧农坠过无恋离间遗书划贪减节泻晕强奸迫监视踪窃毒电话报复残体种唤",
    )
    | {code: code - 0xFEE0 for code in range(0xFF10, 0xFF5B) if chr(code).isalnum()}
    | {0x3000: " ", 0x2019: "'"}
)

# A denial shortly before the words, in the same clause. "还没" is none: it says "not yet".
_DENIAL = re.compile(
    r"(?:(?<!还)(?<!有)没有?|从未|未曾|(?<!会)不会|(?<!是)不是|(?<!想)不想|(?<!要)不要|不再|(?<![特分个各])别"
    r"|不可能|并非|不打算|不准备|\b(?:not|never|don'?t|didn'?t|no)\b)"
    r"(?:真的|想|过|要|去|做|再|地|有|考虑|打算|任何|到|什么|[ a-z])*$"
)
# "不是没想过", "没有一天不想": a denial denied.
_DOUBLE_DENIAL = re.compile(
    r"(?:不是|并非|不能说|没有一[天刻秒]|无时无刻)[^，。；！？,;!?\n]{0,4}[没不]"
)
_CLAUSE_END = re.compile(r"[，。；！？,;!?\n]")


def _is_denied(plain: str, start: int, end: int) -> bool:
    before = _CLAUSE_END.split(plain[max(0, start - 24) : start])[-1]
    undone = plain[end : end + 1] in ("成", "掉")  # "没自杀成" was an attempt
    return bool(_DENIAL.search(before)) and not _DOUBLE_DENIAL.search(before) and not undone
