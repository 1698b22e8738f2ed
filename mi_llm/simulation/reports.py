"""What a model reports of a turn, and what of it is believed: only what it quotes word for word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from mi_llm.quotation import quotes
from mi_llm.simulation.state import Act, Addressed, Observation

if TYPE_CHECKING:
    from mi_llm.profiles import Profile

Talk = Literal["change", "sustain", "neutral"]
RED_LINE = "red_line"  # the name under which a broken red line is reported


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ActSeen(_Strict):
    """Something the counselor did, and the words it did it with."""

    act: Literal[
        "question",
        "reflection",
        "affirmation",
        "advice",
        "confrontation",
        "information",
        "seeking",
        "autonomy",
    ]
    quote: str


class AddressedSeen(_Strict):
    """A reason that the counselor came to, and the words it did so with."""

    reason: str
    how: Literal["asked", "reflected", "affirmed"]
    quote: str


class Observed(_Strict):
    """A counselor's turn as the client's side takes it."""

    acts: list[ActSeen]
    addressed: list[AddressedSeen]
    farewell: bool


class Contradiction(_Strict):
    """Words of the client's that a fact of its card denies."""

    fact: str
    quote: str


class Reading(_Strict):
    """A client's turn as a reader takes it."""

    talk: Talk
    contradicts: Contradiction | None


def believed(report: Observed, turn: str, profile: Profile) -> tuple[Observation, dict[str, int]]:
    """What a report says that the turn bears out.

    Args:
        report: The model's.
        turn: The counselor's turn it is about.
        profile: Whose reasons were asked about.

    Returns:
        The observation, and how many items were dropped: `quote` if the turn has no such words,
        `reason` if the profile has none of that id.
    """
    known = {reason.id for reason in profile.reasons}
    acts = [one for one in report.acts if quotes(one.quote, turn)]
    quoted = [one for one in report.addressed if quotes(one.quote, turn)]
    addressed = tuple(Addressed(one.reason, one.how) for one in quoted if one.reason in known)
    dropped = {
        "quote": len(report.acts) - len(acts) + len(report.addressed) - len(quoted),
        "reason": len(quoted) - len(addressed),
    }
    seen = Observation(frozenset(Act(one.act) for one in acts), addressed, report.farewell)
    return seen, {kind: count for kind, count in dropped.items() if count}


def contradiction(report: Reading, text: str, named: Sequence[str]) -> str | None:
    """The fact that a text contradicts by a report, if the fact is one and the words are there."""
    found = report.contradicts
    if found is None or found.fact not in named or not quotes(found.quote, text):
        return None
    return found.fact
