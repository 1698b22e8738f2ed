"""What a judge is asked about a dialogue: requests, each about one thing.

A volley's MITI codes and the four globals are asked for as `eval judge` does, with its prompts; the
globals of a block are those of a session that holds its rounds alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from eval.dynamics.schema import (
    BlockRating,
    Direction,
    Said,
    rating_fault,
)
from eval.judge.material import Material
from eval.judge.requests import PROMPTS as MITI_PROMPTS
from eval.judge.requests import global_requests, volley_requests
from mi_llm import jsonl
from mi_llm.dialogue import Dialogue, Turn
from mi_llm.judging.volleys import CONTEXT_TURNS, said
from mi_llm.llm import Request
from prompts import Prompt

REDIRECTION, CLIENT = "dynamics_redirection.v2", "dynamics_client.v2"
RATED = {
    "effectiveness": "dynamics_effectiveness.v2",
    "goal_alignment": "dynamics_goal_alignment.v2",
}
PROMPTS = (*MITI_PROMPTS, REDIRECTION, CLIENT, *RATED.values())
READING = 1  # of `eval judge`: here everything is asked once

_ROUNDS = 10  # in a block
_LEAST = 5  # rounds at the end that are a block of their own; fewer go with the one before


@dataclass(frozen=True, slots=True)
class Span:
    """Some rounds, and the places of their turns: from `start` up to, not with, `stop`."""

    first_round: int
    last_round: int
    start: int
    stop: int


def spans(turns: tuple[Turn, ...]) -> list[Span]:
    """The blocks of a dialogue; none if it has no round.

    What stands before the first round goes with the first block, what follows the last with the
    last.
    """
    dialogue = Dialogue("", turns)
    lead, rounds = int(dialogue.opens_with_counselor), len(dialogue.rounds)
    firsts = list(range(1, rounds + 1, _ROUNDS))
    if len(firsts) > 1 and rounds - firsts[-1] + 1 < _LEAST:
        del firsts[-1]
    lasts = [*(one - 1 for one in firsts[1:]), rounds]
    return [
        Span(
            first,
            last,
            0 if first == 1 else lead + 2 * (first - 1),
            len(turns) if last == rounds else lead + 2 * last,
        )
        for first, last in zip(firsts, lasts, strict=False)
        if first <= last
    ]


def requests(one: Material, goal: str | None, prompts: Mapping[str, Prompt]) -> Iterator[Request]:
    """Yield all that is asked of a dialogue.

    Args:
        one: The dialogue.
        goal: Its target behaviour. Without one only codes and two of the globals are asked for, as
            the rest is about the way to it.
        prompts: By name; all of `PROMPTS`.
    """
    yield from volley_requests(one, goal, READING, prompts)
    for span in spans(one.turns):
        yield from global_requests(block_material(one, span), goal, READING, prompts)
    if goal is not None:
        yield from _turn_requests(one, goal, prompts)
        for span in spans(one.turns):
            yield from _rating_requests(one, goal, span, prompts)


def block_material(one: Material, span: Span) -> Material:
    """A block as a session of its own."""
    name = f"{one.id} rounds {span.first_round}-{span.last_round}"
    return replace(one, id=name, turns=one.turns[span.start : span.stop])


def turn_id(one: Material, place: int) -> str:
    """The id of the request about the turn at a place, from 0."""
    return f"dynamics:{one.id}:turn {place + 1}"


def rating_id(one: Material, name: str, span: Span) -> str:
    """The id of the request for a rating of a block."""
    return f"dynamics:{one.id}:{name} {span.first_round}-{span.last_round}"


def _turn_requests(one: Material, goal: str, prompts: Mapping[str, Prompt]) -> Iterator[Request]:
    """Yield one request a turn; a volley that opens the dialogue has nothing to lead away from."""
    for place, turn in enumerate(one.turns):
        about = {
            "target_behaviour": goal,
            "before": said(one.turns[max(place - CONTEXT_TURNS, 0) : place]),
        }
        if turn.role == "client":
            yield Request(
                id=turn_id(one, place),
                messages=_messages(prompts[CLIENT], {**about, "turn": turn.content}),
                schema=Said,
                prompt_sha=prompts[CLIENT].sha,
            )
        elif place:
            yield Request(
                id=turn_id(one, place),
                messages=_messages(prompts[REDIRECTION], {**about, "volley": turn.content}),
                schema=Direction,
                prompt_sha=prompts[REDIRECTION].sha,
            )


def _rating_requests(
    one: Material, goal: str, span: Span, prompts: Mapping[str, Prompt]
) -> Iterator[Request]:
    turns = one.turns[span.start : span.stop]
    shown = [{"turn": number, **each} for number, each in enumerate(said(turns), start=1)]
    about = {
        "target_behaviour": goal,
        "before": said(one.turns[max(span.start - CONTEXT_TURNS, 0) : span.start]),
        "transcript": shown,
    }
    for name, prompt in RATED.items():
        yield Request(
            id=rating_id(one, name, span),
            messages=_messages(prompts[prompt], about),
            schema=BlockRating,
            prompt_sha=prompts[prompt].sha,
            check=rating_fault,
        )


def _messages(prompt: Prompt, about: Mapping[str, Any]) -> Any:
    return (
        {"role": "system", "content": prompt.fill()},
        {"role": "user", "content": jsonl.dumped(about)},
    )
