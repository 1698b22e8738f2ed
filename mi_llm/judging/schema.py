"""What a model answers about a volley, and what is wrong with it that a schema cannot tell.

Names of the models are part of what is sent, and so of the key of every answer that ledgers hold:
do not reword them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Label = Literal["GI", "P", "PwP", "Q", "SR", "CR", "AF", "SEEK", "EMPH", "CON", "NC"]


class Strict(BaseModel):
    """A model that takes no key it does not know."""

    model_config = ConfigDict(extra="forbid")


class Utterance(Strict):
    """One complete thought: the pieces of the volley that it spans, and its code."""

    first: int
    last: int
    reason: str
    code: Label
    sure: bool
    alternative: Label | None


class VolleyCoding(Strict):
    """A volley as utterances, in order."""

    utterances: list[Utterance]


def coding_fault(answer: VolleyCoding, count: int) -> str | None:
    """What is wrong with a coded volley, in words for the model; None if nothing is.

    Args:
        answer: The coded volley.
        count: How many pieces it has.
    """
    reached = 0
    for number, one in enumerate(answer.utterances, start=1):
        if one.first not in {max(reached, 1), reached + 1} or one.last < one.first:
            return (
                f"utterance {number} spans pieces {one.first} to {one.last}; pieces 1 to {count} "
                "must all be used, in order"
            )
        if not one.sure and one.alternative in (None, one.code):
            return f"utterance {number} is not sure; alternative must name the other possible code"
        reached = one.last
    if reached != count:
        return f"the utterances reach piece {reached}; pieces 1 to {count} must all be used"
    return None
