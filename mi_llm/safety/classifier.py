"""A model's second look at a client's turn: it may add what the lexicon missed, nothing else.

An alarm is never lost: one whose words were not said, or that says in one place that there is a
danger and in another that there is none, is a hint, and the gate asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from mi_llm import jsonl
from mi_llm.quotation import quotes
from mi_llm.safety.lexicon import Risk
from mi_llm.safety.signs import Level, Sign

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

    @property
    def is_alarm(self) -> bool:
        """Whether it names a danger to somebody; what only a story holds is none."""
        return self.risk not in ("none", Risk.MINOR) and self.about != "story"

    def signs(self, said: str) -> list[Sign]:
        """The sign that it adds, or none; only a hint if the words it quotes were not said."""
        if not self.is_alarm:
            return []
        found = quotes(self.quote, said)
        level: Level = "explicit" if found and self.level == "explicit" else "indirect"
        about: Literal["self", "other"] = "other" if self.about == "other" else "self"
        quote = self.quote.strip() if found else ""
        return [Sign(Risk(self.risk), level, about, quote, "classifier")]


def fault(verdict: Verdict) -> str | None:
    """What is wrong with a verdict, in words for the model; None if nothing is."""
    if verdict.risk == "none" and verdict.level != "none":
        return (
            f'risk is "none" but level is "{verdict.level}"; name the risk, or let both be "none"'
        )
    return None


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
    return Request(id=id, messages=messages, schema=Verdict, prompt_sha=sha, check=fault)
