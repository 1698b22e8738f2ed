"""Better replies written by a language model in the place of faulty ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from pydantic import BaseModel, ConfigDict

from converters.pairs.better import unfit
from converters.pairs.find import Found
from mi_llm import jsonl
from mi_llm.judging.volleys import said
from mi_llm.llm import Request
from prompts import Prompt

CONTEXT_TURNS = 10  # before the reply


class Rewrite(BaseModel):
    """What the client meant without saying it, and a reply to that."""

    model_config = ConfigDict(extra="forbid")

    heard: str
    reply: str


def requests(found: Iterable[Found], prompt: Prompt) -> list[Request]:
    """What asks for a better reply in place of each; an answer's value is a `Rewrite`.

    Sent are the few turns before it, the reply, its fault and the target behaviour: no id, no
    `meta`, no other codes.
    """
    return [
        Request(
            id=request_id(one),
            messages=(
                {"role": "system", "content": prompt.fill()},
                {"role": "user", "content": jsonl.dumped(_about(one))},
            ),
            schema=Rewrite,
            prompt_sha=prompt.sha,
            check=partial(_fault, one),
        )
        for one in found
    ]


def request_id(found: Found) -> str:
    """The id of the request for a better reply."""
    return f"rewrite:{found.id}"


def _about(found: Found) -> dict[str, object]:
    return {
        "target_behaviour": found.goal,
        "before": said(found.context[-CONTEXT_TURNS:]),
        "reply": found.reply,
        "fault": found.fault,
    }


def _fault(found: Found, answer: Rewrite) -> str | None:
    return unfit(found, answer.reply)
