"""What a judge answers of a volley, a client's turn and some rounds, and what is wrong with it.

What rests on words that do not stand in the text is not believed, and counted; the rest of the
answer is.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from eval.dynamics.annotations import Talk
from mi_llm.judging.schema import Strict
from mi_llm.quotation import quotes


class Direction(Strict):
    """Where the talk stood before a volley, and whether the volley points to the change."""

    origin: Literal["problem", "sustain", "off_topic", "change"]
    toward_change: bool
    quote: str


class Said(Strict):
    """A client's turn: first the words it rests on, then what it is."""

    quote: str
    talk: Talk
    refusal: bool
    exit: bool


class Evidence(Strict):
    """Words of a turn, and whether they speak for more or less than a 3."""

    turn: int
    quote: str
    direction: Literal["up", "down", "none"]


class BlockRating(Strict):
    """One rating of some rounds: first what it rests on, then the score."""

    evidence: list[Evidence]
    reason: str
    score: Literal[1, 2, 3, 4, 5]


def is_redirection(answer: Direction) -> bool:
    """Whether a volley moves the talk to the change from elsewhere."""
    return answer.toward_change and answer.origin != "change"


def rating_fault(answer: BlockRating) -> str | None:
    """What is wrong with an answer, in words for the model; None if nothing is."""
    return None if answer.evidence else "evidence is empty; quote at least one turn"


def unfound(answer: Direction | Said | BlockRating, turns: Collection[str]) -> int:
    """How many quotations that an answer rests on do not stand in the turns it is about."""
    if isinstance(answer, BlockRating):
        given = [one.quote for one in answer.evidence]
    elif isinstance(answer, Direction):
        given = [answer.quote] if is_redirection(answer) else []
    else:
        given = [answer.quote] if answer.talk != "neutral" else []
    return sum(not any(quotes(one, text) for text in turns) for one in given)
