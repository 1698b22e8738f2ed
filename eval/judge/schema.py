"""What a judge answers of a whole session, and what is wrong with it that a schema cannot tell.

For volleys: `mi_llm.judging.schema`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from mi_llm.judging.schema import Strict
from mi_llm.quotation import quotes

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


def rating_fault(answer: Rating) -> str | None:
    """What is wrong with a rating, in words for the model; None if nothing is.

    A quotation that cannot be found is no fault of the whole: `borne_out` leaves it out.
    """
    return None if answer.evidence else "evidence is empty; quote at least one volley"


def borne_out(rating: Rating, volleys: Sequence[str]) -> Rating:
    """A rating with those of its quotations alone that the counselor said, each at its volley.

    A model that quotes rightly may well count wrongly: the nearest volley with the words is meant.

    Args:
        rating: As it was answered.
        volleys: All of the counselor's, in order.
    """
    kept = []
    for one in rating.evidence:
        places = [n for n, text in enumerate(volleys, start=1) if quotes(one.quote, text)]
        if places:
            nearest = min(places, key=lambda place: abs(place - one.volley))
            kept.append(one.model_copy(update={"volley": nearest}))
    return rating.model_copy(update={"evidence": kept})
