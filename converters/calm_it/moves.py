"""How far the two states may move in a turn, whatever a tracker says.

A tracker, which is a model, proposes where things stand; code lets every field move by at most one
step a turn, and never out of its range, whatever is proposed. A value that cannot be used leaves
the field as it was. The ranges are those of `docs/calm_it.md`; the step of the two feelings is
ours.

| field | range | step |
|---|---|---|
| stage, task | in their order | one place |
| importance, confidence, readiness | 0-10 | 1 |
| resistance | 0-3 | 1 |
| alliance_felt, alliance_est | 1-5 | 1 |
| valence | -1 to 1 | 0.25 |
| arousal | 0 to 1 | 0.25 |
| disclosed | ids of the profile's reasons | one more, none taken away |
| short_goal, focus_topic, emotion's label, summary | so many characters | any |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from converters.calm_it.states import (
    RISKS,
    STAGES,
    TALK,
    TASKS,
    ClientState,
    CounselorState,
    Emotion,
    Estimate,
)
from converters.calm_it.strategies import Strategy

LONGEST_SUMMARY = 600  # characters
LONGEST_GOAL = 60
LONGEST_LABEL = 20
LONGEST_REASON = 200

_T = TypeVar("_T")
_FEELING_STEP = 0.25
_NO_REASON = (None, "", "none", "null")


@dataclass(slots=True)
class Bounds:
    """A proposal, read field by field within the bounds.

    Attributes:
        proposal: What a tracker says, whatever it is.
        kept: The fields left as they were, as the proposal has no value for them that can be used.
        clamped: The fields that were to go further than they may, or whose text was cut.
    """

    proposal: Mapping[str, Any]
    kept: list[str] = field(default_factory=list)
    clamped: list[str] = field(default_factory=list)

    def whole(self, name: str, old: int, low: int, high: int) -> int:
        """A whole number, at most one away from the old one."""
        value = _number(self.proposal.get(name))
        if value is None:
            return self._kept(name, old)
        wanted = round(value)
        return self._moved(name, wanted, min(max(wanted, low, old - 1), high, old + 1))

    def feeling(self, name: str, old: float, low: float) -> float:
        """A number up to 1, at most a quarter away from the old one."""
        value = _number(self.proposal.get(name))
        if value is None:
            return self._kept(name, old)
        nearest, furthest = max(low, old - _FEELING_STEP), min(1.0, old + _FEELING_STEP)
        return round(self._moved(name, value, min(max(value, nearest), furthest)), 2)

    def place(self, name: str, old: str, order: Sequence[str]) -> str:
        """A word of an order, at most one place away from the old one."""
        value = self.proposal.get(name)
        if not isinstance(value, str) or value not in order:
            return self._kept(name, old)
        at, wanted = order.index(old), order.index(value)
        return self._moved(name, value, order[min(max(wanted, at - 1), at + 1)])

    def word(self, name: str, old: str, known: Sequence[str]) -> str:
        """One of some words."""
        value = self.proposal.get(name)
        return value if isinstance(value, str) and value in known else self._kept(name, old)

    def flag(self, name: str, old: bool) -> bool:
        """Whether something is so."""
        value = self.proposal.get(name)
        return value if isinstance(value, bool) else self._kept(name, old)

    def text(self, name: str, old: str, longest: int) -> str:
        """A text on one line, cut to its longest."""
        value = self.proposal.get(name)
        line = plain(value) if isinstance(value, str) else ""
        return self._moved(name, line, line[:longest]) if line else self._kept(name, old)

    def _kept(self, name: str, old: _T) -> _T:
        self.kept.append(name)
        return old

    def _moved(self, name: str, wanted: object, new: _T) -> _T:
        if wanted != new:
            self.clamped.append(name)
        return new


def moved_client(
    state: ClientState, proposal: Mapping[str, Any], sensitivities: Mapping[str, int]
) -> tuple[ClientState, Bounds]:
    """The client's state after a tracker's proposal, and what of it was not followed.

    A reason is disclosed only if the alliance is at least its sensitivity (ours).

    Args:
        state: Before.
        proposal: What the tracker says; any keys, any values.
        sensitivities: Of the profile's reasons, by id.
    """
    read = Bounds(proposal)
    after = replace(
        state,
        **_client_fields(read, state),
        alliance_felt=read.whole("alliance", state.alliance_felt, 1, 5),
        short_goal=read.text("short_goal", state.short_goal, LONGEST_GOAL),
        disclosed=state.disclosed | _disclosed(read, state, sensitivities),
        summary=read.text("summary", state.summary, LONGEST_SUMMARY),
    )
    return after, read


def moved_counselor(
    state: CounselorState, proposal: Mapping[str, Any]
) -> tuple[CounselorState, Bounds]:
    """The counselor's state after a tracker's proposal, and what of it was not followed.

    Args:
        state: Before.
        proposal: What the tracker says; any keys, any values.
    """
    read = Bounds(proposal)
    permission = read.flag("permission", state.permission)
    after = replace(
        state,
        alliance_est=read.whole("alliance", state.alliance_est, 1, 5),
        client=replace(state.client, **_client_fields(read, state.client)),
        task=read.place("task", state.task, TASKS),
        short_goal=read.text("short_goal", state.short_goal, LONGEST_GOAL),
        focus_topic=read.text("focus_topic", state.focus_topic, LONGEST_GOAL),
        talk=read.word("talk", state.talk, TALK),
        permission=permission and Strategy.SEEK_COLLABORATION in state.last_strategies,
        risk=read.word("risk", state.risk, RISKS),
        summary=read.text("summary", state.summary, LONGEST_SUMMARY),
    )
    return after, read


def plain(text: str) -> str:
    """A text on one line, without halves of characters, which no request can hold."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _client_fields(read: Bounds, old: Estimate) -> dict[str, Any]:
    feeling = old.emotion
    return {
        "stage": read.place("stage", old.stage, STAGES),
        "importance": read.whole("importance", old.importance, 0, 10),
        "confidence": read.whole("confidence", old.confidence, 0, 10),
        "readiness": read.whole("readiness", old.readiness, 0, 10),
        "resistance": read.whole("resistance", old.resistance, 0, 3),
        "emotion": Emotion(
            read.text("emotion", feeling.label, LONGEST_LABEL),
            read.feeling("valence", feeling.valence, -1.0),
            read.feeling("arousal", feeling.arousal, 0.0),
        ),
    }


def _disclosed(
    read: Bounds, state: ClientState, sensitivities: Mapping[str, int]
) -> frozenset[str]:
    name = read.proposal.get("disclosed")
    if isinstance(name, str | None) and name in _NO_REASON:
        return frozenset()
    if not isinstance(name, str) or sensitivities.get(name, math.inf) > state.alliance_felt:
        read.kept.append("disclosed")
        return frozenset()
    return frozenset({name})


def _number(value: Any) -> int | float | None:
    """A finite number, also one written as text; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None
