"""What a client profile holds.

Target behaviour, manifestations, reasons and readiness are the paper's four fields (JMIR Form Res
2026;10:e89077); the names of all others, their ranges and defaults are ours. `docs/profiles.md`
says who sees which field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from mi_llm.safety import Risk

Stage = Literal["precontemplation", "contemplation", "preparation", "action", "maintenance"]
Unlock = Literal["asked", "reflected", "affirmed"]
Style = Literal["plain", "upset", "verbose", "reserved", "tangential", "pleasing"]

# The lowest `ready` of each stage; ours, not taken from any instrument. No number gives
# maintenance: that somebody has changed already is no degree of readiness.
_STAGE_FROM: tuple[tuple[int, Stage], ...] = (
    (8, "action"),
    (6, "preparation"),
    (3, "contemplation"),
    (0, "precontemplation"),
)

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
# An id becomes part of a dialogue's id and of a file's name.
Id = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]{0,59}$")]
ZeroToTen = Annotated[int, Field(strict=True, ge=0, le=10)]
OneToFive = Annotated[int, Field(strict=True, ge=1, le=5)]


def _fact(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("fact_type", "neither text nor a whole number")
    if not str(value).strip():
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    return value.strip() if isinstance(value, str) else value


Fact = Annotated[str | int, BeforeValidator(_fact)]


class Readiness(BaseModel, frozen=True, extra="forbid"):
    """How ready a client is at the beginning.

    A plain number 0-10 stands for importance, confidence and ready alike, with the stage that our
    cut-offs give: 0-2 precontemplation, 3-5 contemplation, 6-7 preparation, 8-10 action.

    Attributes:
        stage: The stage of change.
        importance: How important the change is to the client, 0-10.
        confidence: How sure the client is of managing it, 0-10.
        ready: How ready the client is to begin, 0-10.
    """

    stage: Stage
    importance: ZeroToTen
    confidence: ZeroToTen
    ready: ZeroToTen

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        if isinstance(value, Readiness | dict):
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            raise PydanticCustomError("readiness_type", "neither a number nor the four fields")
        if value < 0:
            raise PydanticKnownError("greater_than_equal", {"ge": 0})
        if value > 10:
            raise PydanticKnownError("less_than_equal", {"le": 10})
        stage = next(stage for lowest, stage in _STAGE_FROM if value >= lowest)
        return {"stage": stage, "importance": value, "confidence": value, "ready": value}


class Reason(BaseModel, frozen=True, extra="forbid"):
    """Why the client behaves so; what the client tells only when a counselor reaches it.

    Attributes:
        id: Its name within the profile.
        text: The reason, as the client knows it.
        unlock: What a counselor must do to reach it, any of them; all three by default.
        sensitivity: How guarded it is, from 1 (told at once) to 5.
    """

    id: Id
    text: Text
    unlock: Annotated[tuple[Unlock, ...], Field(min_length=1)] = ("asked", "reflected", "affirmed")
    sensitivity: OneToFive = 1


class Profile(BaseModel, frozen=True, extra="forbid"):
    """A standardised client.

    Attributes:
        id: Its name in files, commands and transcripts; letters, digits, `_`, `.`, `-`.
        target_behaviour: The behaviour that the session is about changing.
        manifestations: How it shows in the client's life; at least one.
        reasons: What keeps it going or speaks for change; at least one. Addressing them is what
            lets motivation grow.
        readiness: At the beginning of the session.
        locale: The language that the client speaks.
        topic: A few words for lists; the target behaviour stands in for an empty one.
        receptivity: How open to a counselor, from 1 (closed) to 5.
        beliefs: What the client takes for true about the behaviour.
        preferred_plan: The step that the client would take if any; None if there is no such thing.
        barriers: What stands in the way.
        strengths: What a counselor could affirm.
        style: How the client talks.
        facts: What must not be contradicted: `name`, `age`, `occupation`, ...
        red_lines: What the client never says or agrees to.
        risk: The danger that the client discloses; "none" for nearly all.
        max_rounds: After so many rounds, 1-100, the session ends.
    """

    id: Id
    target_behaviour: Text
    manifestations: Annotated[tuple[Text, ...], Field(min_length=1)]
    reasons: Annotated[tuple[Reason, ...], Field(min_length=1)]
    readiness: Readiness
    locale: Literal["zh", "en"] = "zh"
    topic: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    receptivity: OneToFive = 3
    beliefs: tuple[Text, ...] = ()
    preferred_plan: Text | None = None
    barriers: tuple[Text, ...] = ()
    strengths: tuple[Text, ...] = ()
    style: Style = "plain"
    facts: dict[Text, Fact] = {}
    red_lines: tuple[Text, ...] = ()
    risk: Risk | Literal["none"] = "none"
    max_rounds: Annotated[int, Field(strict=True, ge=1, le=100)] = 20

    @field_validator("reasons", mode="before")
    @classmethod
    def _with_ids(cls, reasons: Any) -> Any:
        """Reasons without an id are r1, r2, ..., and plain texts are reasons."""
        if not isinstance(reasons, list | tuple):
            return reasons
        return [_with_id(reason, f"r{number}") for number, reason in enumerate(reasons, start=1)]

    @field_validator("reasons")
    @classmethod
    def _ids_differ(cls, reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
        twice = first_twice([reason.id for reason in reasons])
        if twice:
            raise ValueError(f"id {twice!r} is used twice; give each reason its own")
        return reasons

    @field_validator("risk", mode="before")
    @classmethod
    def _known_risk(cls, value: Any) -> Any:
        known = ("none", *Risk)
        if value not in known:
            raise PydanticKnownError("literal_error", {"expected": ", ".join(known)})
        return value if value == "none" else Risk(value)


def first_twice(names: Sequence[str]) -> str | None:
    """The first name that stands there a second time; None if all differ."""
    return next((name for place, name in enumerate(names) if name in names[:place]), None)


def _with_id(reason: Any, name: str) -> Any:
    if isinstance(reason, str):
        return {"id": name, "text": reason}
    return {"id": name, **reason} if isinstance(reason, dict) else reason
