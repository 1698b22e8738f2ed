"""What a judge answers of a volley, a client's turn and some rounds, and what is wrong with it.

Names and docstrings of the models are part of what is sent. Quotations are compared by letters and
digits alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from eval.dynamics.annotations import Talk
from mi_llm.judging.schema import Strict
from mi_llm.simulation.reports import bare, quotes


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


def direction_fault(answer: Direction, volley: str) -> str | None:
    """What is wrong with an answer, in words for the model; None if nothing is."""
    if answer.toward_change and not quotes(answer.quote, volley):
        return f"the quote {answer.quote!r} does not stand in the volley; copy it exactly"
    return None


def said_fault(answer: Said, turn: str) -> str | None:
    """Likewise."""
    if answer.talk != "neutral" and not quotes(answer.quote, turn):
        return f"the quote {answer.quote!r} does not stand in the turn; copy it exactly"
    return None


def rating_fault(answer: BlockRating, turns: Mapping[int, str]) -> str | None:
    """Likewise.

    Args:
        answer: The rating.
        turns: Number -> text, as they were shown.
    """
    if not answer.evidence:
        return "evidence is empty; quote at least one turn"
    for one in answer.evidence:
        if one.turn not in turns:
            return f"there is no turn {one.turn}; they are numbered {min(turns)} to {max(turns)}"
        text = turns[one.turn]
        if bare(text) and not quotes(one.quote, text):
            return f"the quote {one.quote!r} does not stand in turn {one.turn}; copy it exactly"
    return None
