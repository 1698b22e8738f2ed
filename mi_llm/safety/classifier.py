"""A model's second look at a client's turn: it may add what the lexicon missed, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from mi_llm import jsonl
from mi_llm.safety.lexicon import Risk
from mi_llm.safety.signs import Sign

if TYPE_CHECKING:
    from mi_llm.llm import Request


class Verdict(BaseModel):
    """What a classifier says of a client's turn.

    Attributes:
        risk: What it is about; "none" if there is no sign of danger.
        level: "explicit" if it is said of now, "indirect" if it is hinted at or past, else "none".
        about: Who is in danger; "story" for films, books, games and what is only imagined.
        quote: The words that show it, exactly as they stand in the turn; "" without a sign.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    risk: Risk | Literal["none"]
    level: Literal["explicit", "indirect", "none"]
    about: Literal["self", "other", "story", "none"]
    quote: str

    def signs(self, said: str) -> list[Sign]:
        """The sign that it adds, or none: also if the quotation is not in what was said."""
        quote = self.quote.strip()
        risk, level, about = self.risk, self.level, self.about
        if not quote or quote not in said or risk in ("none", Risk.MINOR):
            return []
        if level == "none" or about == "story" or about == "none":
            return []
        return [Sign(Risk(risk), level, about, quote, "classifier")]


def classifier_request(
    prompt_text: str,
    sha: str,
    said: str,
    before: str,
    id: str,  # noqa: A002 Request calls it so
) -> Request:
    """What asks a model for a `Verdict`.

    Args:
        prompt_text: The prompt `safety.v2`.
        sha: Its fingerprint.
        said: The client's turn.
        before: The counselor's turn before it, or "".
        id: What the answer is for, unique in a job.
    """
    from mi_llm.llm import Message, Request

    material = jsonl.dumped({"before": before, "said": said})
    messages = (
        Message(role="system", content=prompt_text),
        Message(role="user", content=material),
    )
    return Request(id=id, messages=messages, schema=Verdict, prompt_sha=sha)
