"""A model's second look at a client's turn: it may add what the lexicon missed, nothing else.

An alarm is never lost: one whose words were not said, or that says in one place that there is a
danger and in another that there is none, or that fits its form not at all, is a hint, and the gate
asks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from mi_llm import jsonl
from mi_llm.door.structured import objects
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


# What models call a danger that they do not call by its name, nearly as in `Risk`.
_NAMES = {
    Risk.SELF_HARM: re.compile(r"self.?(?:harm|injur)|suicid|自[杀伤残]|轻生|寻死|想死"),
    Risk.MEDICAL_EMERGENCY: re.compile(r"medical|overdose|emergency|急救|服药过量"),
    Risk.HARM_TO_OTHERS: re.compile(r"(?:harm|violence).{0,4}others?|homicid|伤害(?:他|别)人|伤人"),
    Risk.ABUSE: re.compile(r"abuse|家暴|虐待|侵犯"),
    Risk.PSYCHOSIS: re.compile(r"psycho(?:sis|tic)|精神病|幻觉"),
    Risk.EATING_DISORDER: re.compile(r"eating.?disorder|进食障碍|厌食|催吐"),
}
_ENUMERATED = 3  # of them in one answer: the list of the instructions


def hinted(answer: str) -> Verdict | None:
    """The alarm in an answer that does not fit: a hint, whatever else is wrong with it.

    Args:
        answer: What it says.

    Returns:
        A verdict without a quotation; None if no danger is named, or a story's.
    """
    for found in objects(answer):
        inner = [one for one in found.values() if isinstance(one, dict)]
        for one in (found, *inner):
            said = jsonl.dumped(one.get("risk", "")).casefold()
            named = [risk for risk, name in _NAMES.items() if name.search(said)]
            about = one.get("about")
            if 0 < len(named) < _ENUMERATED and about != "story":
                whose: Literal["self", "other"] = "other" if about == "other" else "self"
                return Verdict(risk=named[0], level="indirect", about=whose, quote="")
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
