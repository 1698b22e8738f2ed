"""What a client's turn shows: which danger, how plainly it is said, and whose it is.

Words are found by `lexicon.yaml` and `signs.yaml`. Read with them: the clause (denied or not), the
sentence (now or in the past), and who is spoken of (`subjects`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from mi_llm.safety import holds, patterns, spelling, subjects
from mi_llm.safety.lexicon import Risk, crisis_places

Level = Literal["explicit", "indirect"]
Source = Literal["lexicon", "classifier", "earlier"]

DANGERS = tuple(risk for risk in Risk if risk != Risk.MINOR)
SIGNS = "signs.yaml"


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign of danger in a turn.

    Attributes:
        risk: Which danger.
        level: "explicit": said plainly, of now. "indirect": hinted at, or of the past, or said so
            that it may be about somebody else.
        about: Whose danger.
        phrase: The words, as they stand in the turn.
        source: Who found them.
        now: Whether the sentence says that it is happening at this moment.
    """

    risk: Risk
    level: Level
    about: Literal["self", "other"]
    phrase: str
    source: Source
    now: bool = False


def signs(said: str) -> list[Sign]:
    """The signs in a client's turn; what is denied or a story is none.

    Args:
        said: The turn, Chinese or English.
    """
    found = [sign for spelt in spelling.readings(said) for sign in _signs_of(spelt, said)]
    return list(dict.fromkeys(found))


def _signs_of(spelt: spelling.Spelt, said: str) -> Iterator[Sign]:
    """Yield the signs in one reading of a turn."""
    plain = spelt.plain
    set_phrases = list(patterns.patterns(SIGNS, "set_phrases").places(plain))
    read = []
    for risk in DANGERS:
        for start, end, level in _hits(spelt, risk):
            held = any(low < end and start < high for low, high in set_phrases)
            if not held and not holds.is_denied(plain, start, end):
                who = subjects.at_risk(plain, start, end, risk)
                read.append(_Read(risk, start, end, level, who))
    for one in read:
        if sign := _sign(said, spelt, one, read):
            yield sign


def marks(said: str) -> list[Risk]:
    """What a turn shows that is only recorded: that a minor speaks."""
    return [Risk.MINOR] if any(crisis_places(spelling.spelt(said), Risk.MINOR)) else []


def _hits(spelt: spelling.Spelt, risk: Risk) -> Iterator[tuple[int, int, Level]]:
    plain = spelt.plain
    for start, end in crisis_places(spelt, risk):
        hint = _only_hints(risk).fullmatch(plain, start, end)
        yield start, end, "indirect" if hint else "explicit"
    levels: tuple[Level, ...] = ("explicit", "indirect")
    for level in levels:
        for start, end in patterns.patterns(SIGNS, level, risk).places(plain):
            if spelt.is_news(start, end) and not holds.is_story(
                plain, start, end, of_self_harm=risk == Risk.SELF_HARM
            ):
                yield start, end, level


@cache
def _only_hints(risk: Risk) -> re.Pattern[str]:
    return patterns.compiled("|".join(patterns.read(SIGNS)["only_hints"][risk]))


class _Read(NamedTuple):
    """Words of danger in a turn, and whose danger it is."""

    risk: Risk
    start: int
    end: int
    level: Level
    who: subjects.Who


def _sign(said: str, spelt: spelling.Spelt, one: _Read, read: Sequence[_Read]) -> Sign | None:
    plain, who = spelt.plain, one.who
    sentence, begins = subjects.sentence(plain, one.start, one.end)
    if (
        who == "unclear"
        and subjects.TELLS.search(plain, begins, one.start)
        and any(
            other.who == "other" and other.risk == one.risk and begins <= other.start < one.start
            for other in read
        )
    ):
        who = "other"  # "she says she cannot go on, wants to end it": one report
    if who == "nobody":
        return None
    plainly = (
        one.level == "explicit" and who != "unclear" and not _is_past(plain, one.start, sentence)
    )
    first, last = spelt.typed(one.start, one.end)
    return Sign(
        risk=one.risk,
        level="explicit" if plainly else "indirect",
        about="other" if who == "other" else "self",
        phrase=said[first:last],
        source="lexicon",
        now=bool(_NOW.search(sentence)),
    )


def _is_past(plain: str, start: int, sentence: str) -> bool:
    """Whether the words tell of the past: "以前割过腕", but not "以前割过，最近又想割"."""
    clause = holds.CLAUSE_END.split(plain[:start])[-1]
    if (ago := _ago().search(clause)) and not _still().search(clause, ago.end()):
        return True
    return bool(_ago().search(sentence)) and not _still().search(sentence)


@cache
def _ago() -> re.Pattern[str]:
    return patterns.compiled("<ago>")


@cache
def _still() -> re.Pattern[str]:
    return patterns.compiled("<still>")


_NOW = re.compile(
    r"现在|正在|刚刚|刚才|马上|今晚|这会儿|right now|tonight|just now|about to|at this moment"
)
