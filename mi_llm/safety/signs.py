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

from mi_llm.safety import patterns, subjects
from mi_llm.safety.lexicon import Risk

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
    plain = patterns.plain(said)
    set_phrases = list(patterns.patterns(SIGNS, "set_phrases").places(plain))
    found = []
    for risk in DANGERS:
        for start, end, level in _hits(plain, risk):
            held = any(low < end and start < high for low, high in set_phrases)
            if not held and not patterns.is_denied(plain, start, end):
                found.append((risk, start, end, level))
    read = [_Read(*one, subjects.at_risk(plain, one[1], one[2], one[0])) for one in found]
    return [sign for one in read if (sign := _sign(said, plain, one, read))]


def marks(said: str) -> list[Risk]:
    """What a turn shows that is only recorded: that a minor speaks."""
    places = patterns.patterns(patterns.LEXICON, "crisis", Risk.MINOR).places(patterns.plain(said))
    return [Risk.MINOR] if any(places) else []


def _hits(plain: str, risk: Risk) -> Iterator[tuple[int, int, Level]]:
    for start, end in patterns.patterns(patterns.LEXICON, "crisis", risk).places(plain):
        hint = _only_hints(risk).fullmatch(plain, start, end)
        yield start, end, "indirect" if hint else "explicit"
    for start, end in patterns.patterns(SIGNS, "explicit", risk).places(plain):
        yield start, end, "explicit"
    for start, end in patterns.patterns(SIGNS, "indirect", risk).places(plain):
        yield start, end, "indirect"


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


def _sign(said: str, plain: str, one: _Read, read: Sequence[_Read]) -> Sign | None:
    who = one.who
    sentence, begins = subjects.sentence(plain, one.start, one.end)
    if who == "unclear" and any(
        other.who == "other" and other.risk == one.risk and begins <= other.start < one.start
        for other in read
    ):
        who = "other"  # "she says she cannot go on, wants to end it": one report
    if who == "nobody":
        return None
    plainly = (
        one.level == "explicit" and who != "unclear" and not _is_past(plain, one.start, sentence)
    )
    return Sign(
        risk=one.risk,
        level="explicit" if plainly else "indirect",
        about="other" if who == "other" else "self",
        phrase=said[one.start : one.end],
        source="lexicon",
        now=bool(_NOW.search(sentence)),
    )


def _is_past(plain: str, start: int, sentence: str) -> bool:
    """Whether the words tell of the past: "以前割过腕", but not "以前割过，最近又想割"."""
    clause = patterns.CLAUSE_END.split(plain[:start])[-1]
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
