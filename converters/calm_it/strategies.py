"""The counselor's strategies, and the rules that say which of them may be chosen.

Sixteen strategies of motivational interviewing. The rules and their numbers are ours:

1. A risk leaves `safety_response` alone; without one it is never chosen.
2. An alliance below 3 leaves reflections and affirmation.
3. Sustain talk leaves reflections and emphasising autonomy.
4. Importance of 6 or more with confidence below 5 leaves what evokes confidence, and reflections.
5. Readiness of 7 or more leaves what leads to a plan, and reflections.
6. Otherwise all but `plan_building`.

The first of 1-6 that applies counts; the next three hold on top of it, whatever it left:

7. What may carry advice (`ADVISING`) needs permission: `seek_collaboration` among the last three
   strategies and, where the client is tracked, an estimate that the client agreed.
8. What asks (`ASKING`) is followed by what reflects (`REFLECTING`). So a dialogue's strategies hold
   no more questions than reflections, but for a question in the last place.
9. No strategy three times running.

Without a tracker (`state` None) only 6-9 and the history are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converters.calm_it.states import CounselorState


class Strategy(StrEnum):
    """What a counselor does in a turn; the order is that of falling back."""

    COMPLEX_REFLECTION = "complex_reflection"
    DOUBLE_SIDED_REFLECTION = "double_sided_reflection"
    SIMPLE_REFLECTION = "simple_reflection"
    AFFIRM = "affirm"
    EMPHASISE_AUTONOMY = "emphasise_autonomy"
    SUMMARY = "summary"
    OPEN_QUESTION = "open_question"
    LOOKING_FORWARD = "looking_forward"
    VALUES_PAST_SUCCESS = "values_past_success"
    IMPORTANCE_RULER = "importance_ruler"
    CONFIDENCE_RULER = "confidence_ruler"
    SEEK_COLLABORATION = "seek_collaboration"
    AGENDA_MAPPING = "agenda_mapping"
    ELICIT_PROVIDE_ELICIT = "elicit_provide_elicit"
    PLAN_BUILDING = "plan_building"
    SAFETY_RESPONSE = "safety_response"


_REFLECTIONS = frozenset(
    {
        Strategy.COMPLEX_REFLECTION,
        Strategy.DOUBLE_SIDED_REFLECTION,
        Strategy.SIMPLE_REFLECTION,
    }
)
REFLECTING = _REFLECTIONS | {Strategy.SUMMARY}  # MITI codes a summary as a reflection
ASKING = frozenset(
    {
        Strategy.OPEN_QUESTION,
        Strategy.LOOKING_FORWARD,
        Strategy.VALUES_PAST_SUCCESS,
        Strategy.IMPORTANCE_RULER,
        Strategy.CONFIDENCE_RULER,
        Strategy.AGENDA_MAPPING,
        Strategy.ELICIT_PROVIDE_ELICIT,
        Strategy.PLAN_BUILDING,
    }
)
ADVISING = frozenset({Strategy.ELICIT_PROVIDE_ELICIT, Strategy.PLAN_BUILDING})

LOW_ALLIANCE = 3
IMPORTANT_FROM = 6
UNSURE_BELOW = 5
READY_FROM = 7
REMEMBERED = 3  # strategies within which asking for permission counts

_CONFIDENCE = frozenset(
    {
        Strategy.COMPLEX_REFLECTION,
        Strategy.SUMMARY,
        Strategy.AFFIRM,
        Strategy.CONFIDENCE_RULER,
        Strategy.VALUES_PAST_SUCCESS,
    }
)
_PLANNING = frozenset(
    {
        Strategy.COMPLEX_REFLECTION,
        Strategy.SUMMARY,
        Strategy.AFFIRM,
        Strategy.EMPHASISE_AUTONOMY,
        Strategy.SEEK_COLLABORATION,
        Strategy.ELICIT_PROVIDE_ELICIT,
        Strategy.PLAN_BUILDING,
    }
)
_ORDINARY = frozenset(Strategy) - {Strategy.PLAN_BUILDING, Strategy.SAFETY_RESPONSE}


def allowed(state: CounselorState | None, history: Sequence[Strategy]) -> tuple[Strategy, ...]:
    """The strategies that may be chosen next, in the order of falling back; at least one.

    Args:
        state: The counselor's; None where it is not tracked.
        history: The strategies so far, oldest first.
    """
    if state and state.risk != "none":
        return (Strategy.SAFETY_RESPONSE,)
    left = _by_state(state)
    if not _has_permission(state, history):
        left -= ADVISING
    if history and history[-1] in ASKING:
        left &= REFLECTING
    if len(history) > 1 and history[-1] == history[-2]:
        left -= {history[-1]}
    return tuple(one for one in Strategy if one in left)


def chosen(name: object, among: Sequence[Strategy]) -> tuple[Strategy, bool]:
    """The strategy that a model named, and True; the first one and False if it may not be it."""
    found = next((one for one in among if one == name), None)
    return (found, True) if found else (among[0], False)


def _by_state(state: CounselorState | None) -> frozenset[Strategy]:
    if state is None:
        return _ORDINARY
    client = state.client
    if state.alliance_est < LOW_ALLIANCE:
        return _REFLECTIONS | {Strategy.AFFIRM}
    if state.talk == "sustain":
        return _REFLECTIONS | {Strategy.EMPHASISE_AUTONOMY}
    if client.importance >= IMPORTANT_FROM and client.confidence < UNSURE_BELOW:
        return _CONFIDENCE
    return _PLANNING if client.readiness >= READY_FROM else _ORDINARY


def _has_permission(state: CounselorState | None, history: Sequence[Strategy]) -> bool:
    asked = Strategy.SEEK_COLLABORATION in history[-REMEMBERED:]
    return asked and (state is None or state.permission)
