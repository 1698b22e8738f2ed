"""How a client answers when the gate has asked about danger: yes, no, or neither clearly.

A no must be clear, since it lets the model go on; "没有人在乎我" and "不知道" are none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from mi_llm.safety import patterns, spelling
from mi_llm.safety.lexicon import crisis
from mi_llm.safety.signs import SIGNS


@dataclass(frozen=True, slots=True)
class Reading:
    """How a turn answers.

    Attributes:
        kind: Yes, no or unclear.
        phrase: The words that say so, as they stand in the turn; "" if unclear.
    """

    kind: Literal["yes", "no", "unclear"]
    phrase: str = ""


def reading(said: str) -> Reading:
    """Read a turn as an answer; a denied word of danger ("我没有想自杀") is a no."""
    text = _FILLER.sub("", said.strip(), count=1)
    spelt = spelling.spelt(text)
    plain = spelt.plain
    if (match := _list("affirms").search(plain)) and not _list("affirms_not").search(plain):
        return Reading("yes", _typed(text, spelt, match))
    denied = [one for one in crisis(text) if one.negated]
    if denied:
        return Reading("no", denied[0].phrase)
    if (match := _list("denies").search(plain)) and not _list("denies_not").search(plain):
        return Reading("no", _typed(text, spelt, match))
    return Reading("unclear")


def _typed(text: str, spelt: spelling.Spelt, match: re.Match[str]) -> str:
    start, end = spelt.typed(*match.span())
    return text[start:end]


# "嗯，没有" is a no; a bare "嗯" stays.
_FILLER = re.compile(
    r"^(?:嗯+|恩+|哦+|噢|啊|呃+|额|唉+|哎|是啊|well|u[mh]+|oh|mm+)[，,。.…\s]+(?=\S)", re.IGNORECASE
)


@cache
def _list(name: str) -> re.Pattern[str]:
    return patterns.compiled("|".join(patterns.read(SIGNS)["answers"][name]))
