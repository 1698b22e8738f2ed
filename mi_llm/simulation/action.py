"""What a simulated client does next, by its state and a draw from the seed.

| action | allowed when |
|---|---|
| `inform` | it opens; a reason has just been disclosed (then nothing else); resistance < 2 |
| `engage` | resistance < 2, receptivity >= 3 |
| `hesitate` | resistance < 2, ready 3-7 |
| `doubt` | resistance < 2, ready 3-5 |
| `deny`, `downplay` | resistance >= 2, or ready <= 2 |
| `blame` | resistance >= 2 |
| `reject` | the counselor has just advised without being asked, ready < 8 |
| `acknowledge` | a reason has just been unlocked; or resistance < 2, ready >= 3 |
| `accept` | resistance < 2, ready >= 6 |
| `plan` | resistance < 2, ready >= 8, no plan made yet |
| `terminate` | the counselor says goodbye (then nothing else); |
| | resistance 3 and receptivity 1; or a plan was made in an earlier turn, resistance < 2 |

A client that has just been unlocked acknowledges or, once ready enough, accepts or plans.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import StrEnum

from mi_llm.simulation.state import ClientState, Event, Observation, is_unasked_advice

ACCEPTS_FROM = 6  # ready; the stage of preparation begins there
PLANS_FROM = 8
_WAVERS_FROM = 3
_RESISTS_FROM = 2
_ENGAGES_FROM = 3
_LEAVES_AT = 3  # resistance, at the lowest receptivity


class Action(StrEnum):
    """What a client does in a turn."""

    INFORM = "inform"
    ENGAGE = "engage"
    HESITATE = "hesitate"
    DOUBT = "doubt"
    DENY = "deny"
    DOWNPLAY = "downplay"
    BLAME = "blame"
    ACKNOWLEDGE = "acknowledge"
    ACCEPT = "accept"
    REJECT = "reject"
    PLAN = "plan"
    TERMINATE = "terminate"


def chosen(
    before: ClientState,
    state: ClientState,
    observation: Observation | None,
    events: Sequence[Event],
    *,
    draw: random.Random,
) -> Action:
    """One of the allowed actions, all alike likely.

    Args:
        before: The state before the counselor's last turn.
        state: The state after it.
        observation: What that turn was; None if unknown.
        events: What it changed.
        draw: The source of chance.
    """
    return draw.choice(allowed(before, state, observation, events))


def allowed(
    before: ClientState,
    state: ClientState,
    observation: Observation | None,
    events: Sequence[Event],
) -> tuple[Action, ...]:
    """The actions that the state allows; at least one. The arguments are those of `chosen`."""
    if state.counselor_farewell:
        return (Action.TERMINATE,)
    reached = {event.kind for event in events}
    if "unlocked" in reached:
        return _when_unlocked(state)
    if "disclosed" in reached:
        return (Action.INFORM,)
    rejects = observation is not None and is_unasked_advice(before, observation)
    found = _when_resisting(state) if state.resistance >= _RESISTS_FROM else _by_readiness(state)
    if rejects and state.ready < PLANS_FROM:
        found = (*found, Action.REJECT)
    return found


def _when_unlocked(state: ClientState) -> tuple[Action, ...]:
    if state.resistance >= _RESISTS_FROM or state.ready < ACCEPTS_FROM:
        return (Action.ACKNOWLEDGE,)
    if state.ready < PLANS_FROM or state.planned:
        return (Action.ACKNOWLEDGE, Action.ACCEPT)
    return (Action.ACCEPT, Action.PLAN)


def _when_resisting(state: ClientState) -> tuple[Action, ...]:
    leaves = state.resistance >= _LEAVES_AT and state.receptivity == 1
    found = (Action.DENY, Action.DOWNPLAY, Action.BLAME)
    return (*found, Action.TERMINATE) if leaves else found


def _by_readiness(state: ClientState) -> tuple[Action, ...]:
    found = [Action.INFORM]
    if state.receptivity >= _ENGAGES_FROM:
        found.append(Action.ENGAGE)
    if state.ready < _WAVERS_FROM:
        return (*found, Action.DENY, Action.DOWNPLAY)
    found.append(Action.ACKNOWLEDGE)
    if state.ready < PLANS_FROM:
        found.append(Action.HESITATE)
    if state.ready < ACCEPTS_FROM:
        return (*found, Action.DOUBT)
    found.append(Action.ACCEPT)
    if state.planned:
        return (*found, Action.TERMINATE)
    return (*found, Action.PLAN) if state.ready >= PLANS_FROM else tuple(found)
