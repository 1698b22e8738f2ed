"""What a judge answers of a whole session, and what is wrong with it that a schema cannot tell.

For volleys: `mi_llm.judging.schema`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from mi_llm.judging.schema import Strict

_LEFT_OUT = re.compile(r"…+|\.{3,}|⋯+")
_LONGEST_GOAL = 200  # characters; more is no name of a behaviour


class Target(Strict):
    """The behaviour that a session is about; None if it is about none."""

    reason: str
    target_behaviour: str | None


class Evidence(Strict):
    """Words of the counselor's, and whether they speak for more or less than a 3."""

    volley: int
    quote: str
    direction: Literal["up", "down", "none"]


class Rating(Strict):
    """One global rating: first what it rests on, then the score."""

    evidence: list[Evidence]
    reason: str
    score: Literal[1, 2, 3, 4, 5]


def target_fault(answer: Target) -> str | None:
    """What is wrong with an answer, in words for the model; None if nothing is."""
    goal = answer.target_behaviour
    if goal is not None and not 0 < len(goal.strip()) <= _LONGEST_GOAL:
        return f"target_behaviour must be null or 1 to {_LONGEST_GOAL} characters"
    return None


def rating_fault(answer: Rating, volleys: Sequence[str]) -> str | None:
    """What is wrong with a rating, in words for the model; None if nothing is.

    A quotation is compared by its letters and digits alone; parts of it may be left out with "...".

    Args:
        answer: The rating.
        volleys: All of the counselor's, in order.
    """
    if not answer.evidence:
        return "evidence is empty; quote at least one volley"
    for one in answer.evidence:
        if not 1 <= one.volley <= len(volleys):
            return f"there is no volley {one.volley}; they are numbered 1 to {len(volleys)}"
        if not _quoted(one.quote, volleys[one.volley - 1]):
            return f"the quote {one.quote!r} does not stand in volley {one.volley}; copy it exactly"
    return None


def _quoted(quote: str, volley: str) -> bool:
    """Whether all parts of a quotation stand in a volley, in order."""
    parts = [part for part in map(_plain, _LEFT_OUT.split(quote)) if part]
    if not parts:  # of a volley that is nothing but marks
        return bool(quote.strip()) and not _plain(volley)
    text, start = _plain(volley), 0
    for part in parts:
        found = text.find(part, start)
        if found < 0:
            return False
        start = found + len(part)
    return True


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum())
