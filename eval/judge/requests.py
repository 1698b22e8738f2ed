"""What a judge is asked: requests, each about one thing, with nothing that names the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from eval.judge.material import Material
from eval.judge.schema import (
    Rating,
    Target,
    rating_fault,
    target_fault,
)
from mi_llm import jsonl
from mi_llm.dialogue import Turn
from mi_llm.judging.volleys import said, volley_request
from mi_llm.llm import Message, Request
from prompts import Prompt

TARGET_PROMPT, VOLLEY_PROMPT = "judge_target.v2", "judge_volley.v2"
GLOBAL_PROMPTS = {
    "cultivate": "judge_cultivate.v2",
    "soften": "judge_soften.v2",
    "partnership": "judge_partnership.v2",
    "empathy": "judge_empathy.v2",
}
WITHOUT_GOAL = ("partnership", "empathy")  # what can be rated without a target behaviour
PROMPTS = (TARGET_PROMPT, *GLOBAL_PROMPTS.values(), VOLLEY_PROMPT)


def dimensions(goal: str | None) -> tuple[str, ...]:
    """The global ratings that can be given."""
    return WITHOUT_GOAL if goal is None else tuple(GLOBAL_PROMPTS)


def target_requests(materials: Iterable[Material], prompts: Mapping[str, Prompt]) -> list[Request]:
    """What asks for the target behaviour of those that have none."""
    prompt = prompts[TARGET_PROMPT]
    return [
        Request(
            id=target_id(one),
            messages=_messages(prompt, {"transcript": _shown(one.turns)}),
            schema=Target,
            prompt_sha=prompt.sha,
            check=target_fault,
        )
        for one in materials
        if one.goal is None
    ]


def global_requests(
    one: Material, goal: str | None, reading: int, prompts: Mapping[str, Prompt]
) -> Iterator[Request]:
    """Yield one request for each global rating that can be given."""
    about = {"target_behaviour": goal or "", "transcript": _shown(one.turns)}
    for name in dimensions(goal):
        prompt = prompts[GLOBAL_PROMPTS[name]]
        yield Request(
            id=global_id(one, name, reading),
            messages=_messages(prompt, about),
            schema=Rating,
            prompt_sha=_marked(prompt, reading),
            check=rating_fault,
        )


def volley_requests(
    one: Material, goal: str | None, reading: int, prompts: Mapping[str, Prompt]
) -> Iterator[Request]:
    """Yield one request for each volley, with the few turns before it."""
    prompt = prompts[VOLLEY_PROMPT]
    places = [place for place, turn in enumerate(one.turns) if turn.role == "counselor"]
    for number, place in enumerate(places, start=1):
        yield volley_request(
            one.turns[: place + 1],
            goal or "",
            name=volley_id(one, number, reading),
            prompt=prompt.fill(),
            prompt_sha=_marked(prompt, reading),
        )


def target_id(one: Material) -> str:
    """The id of the request for the goal."""
    return f"judge:{one.id}:target"


def global_id(one: Material, name: str, reading: int) -> str:
    """The id of the request for a global rating."""
    return f"judge:{one.id}:{name}#{reading}"


def volley_id(one: Material, number: int, reading: int) -> str:
    """The id of the request for a volley, numbered from 1."""
    return f"judge:{one.id}:volley {number}#{reading}"


def _marked(prompt: Prompt, reading: int) -> str:
    """The prompt's hash with the reading's number, which keeps readings apart in the ledger.

    Nothing of it is sent: all readings ask the same, and differ only as far as the server varies.
    """
    return f"{prompt.sha}#{reading}"


def _messages(prompt: Prompt, about: Mapping[str, Any]) -> tuple[Message, ...]:
    return (
        {"role": "system", "content": prompt.fill()},
        {"role": "user", "content": jsonl.dumped(about)},
    )


def _shown(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """The whole transcript, the counselor's volleys numbered."""
    shown = said(turns)
    volleys = (one for one in shown if one["speaker"] == "counselor")
    for number, one in enumerate(volleys, start=1):
        one["volley"] = number
    return shown
