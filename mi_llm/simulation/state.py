"""What goes on in a simulated client: a state, and how the counselor's turns change it.

Pure code: no model decides here. A model only reports what the counselor did (`Observation`). All
numbers are ours; no study gave them. docs/simulated_clients.md has them as a table.

- Readiness rises when a reason is unlocked, by `GAINS`, and never otherwise. Nothing lowers it.
- A reason is *disclosed* before the client may tell it, and *unlocked* when the counselor reaches
  it in a way that its profile names. What is unlocked is disclosed too, in the same turn at latest.
- At most one reason is disclosed or unlocked a turn; unlocking goes first, then profile order.
- Receptivity and resistance move by at most 1 a turn. Confrontation and advice that nobody asked
  for close the client; reflection, affirmation and leaving the choice to it open it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mi_llm.profiles import Profile, Reason, Unlock


class Act(StrEnum):
    """What a counselor does in a turn."""

    QUESTION = "question"
    REFLECTION = "reflection"
    AFFIRMATION = "affirmation"
    ADVICE = "advice"
    CONFRONTATION = "confrontation"
    INFORMATION = "information"
    SEEKING = "seeking"
    AUTONOMY = "autonomy"


@dataclass(frozen=True, slots=True)
class Addressed:
    """A reason that the counselor's turn came to.

    Attributes:
        reason: The reason's id.
        how: Whether it was asked about, reflected or affirmed.
    """

    reason: str
    how: Unlock


@dataclass(frozen=True, slots=True)
class Observation:
    """What a counselor's turn was, seen from the client's side; only what was quoted from it.

    Attributes:
        acts: What it did.
        addressed: The reasons it came to.
        farewell: Whether it says goodbye.
    """

    acts: frozenset[Act] = frozenset()
    addressed: tuple[Addressed, ...] = ()
    farewell: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A change in a client: `disclosed` or `unlocked` a reason, or `receptivity`, `resistance`.

    Attributes:
        kind: Which of the four.
        about: The reason's id, or `up` or `down`.
        how: In which way a reason was unlocked; else "".
    """

    kind: str
    about: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class ClientState:
    """Where a client stands.

    Attributes:
        importance: How important the change is to it, 0-10.
        confidence: How sure it is of managing, 0-10.
        ready: How ready it is to begin, 0-10.
        receptivity: How open to the counselor, 1-5.
        resistance: How much it holds against the counselor at the moment, 0-3.
        disclosed: Ids of the reasons that it may tell.
        unlocked: Ids of the reasons that were reached; all of them are disclosed.
        permission: Whether the counselor has just asked for permission or for its view.
        counselor_farewell: Whether the counselor's last turn said goodbye.
        client_farewell: Whether it has said goodbye itself.
        planned: Whether it has said what it will do.
    """

    importance: int
    confidence: int
    ready: int
    receptivity: int
    resistance: int = 0
    disclosed: frozenset[str] = frozenset()
    unlocked: frozenset[str] = frozenset()
    permission: bool = False
    counselor_farewell: bool = False
    client_farewell: bool = False
    planned: bool = False


# What an unlocked reason adds to importance, confidence and ready; never more than 2 to any.
GAINS: dict[Unlock, tuple[int, int, int]] = {
    "asked": (1, 1, 2),
    "reflected": (2, 1, 2),
    "affirmed": (1, 2, 2),
}
_HIGHEST_READINESS = 10
_RECEPTIVITY = range(1, 6)
_RESISTANCE = range(4)
_OPENING = frozenset({Act.REFLECTION, Act.AFFIRMATION, Act.AUTONOMY})
_INVITING = frozenset({Act.QUESTION, Act.REFLECTION})


def initial_state(profile: Profile) -> ClientState:
    """The state of a client before anything was said."""
    at = profile.readiness
    return ClientState(at.importance, at.confidence, at.ready, profile.receptivity)


def step(
    state: ClientState, observation: Observation | None, profile: Profile
) -> tuple[ClientState, tuple[Event, ...]]:
    """The state after a counselor's turn, and what changed.

    A reason is reached by how open the client was before the turn: its sensitivity is compared with
    the receptivity that `state` has.

    Args:
        state: Before the turn.
        observation: What the turn was; None if that could not be had, which changes nothing.
        profile: The client's.
    """
    if observation is None:
        return state, ()
    told, event = _reason_reached(state, observation, profile)
    after = replace(
        _moved(told, observation),
        permission=Act.SEEKING in observation.acts,
        counselor_farewell=observation.farewell,
    )
    return after, (*([event] if event else []), *_mood_events(state, after))


def is_unasked_advice(state: ClientState, observation: Observation) -> bool:
    """Whether the turn advises though neither this one nor the last left room to decline."""
    allowing = {Act.SEEKING, Act.AUTONOMY}
    allowed = state.permission or bool(allowing & observation.acts)
    return Act.ADVICE in observation.acts and not allowed


def _reason_reached(
    state: ClientState, observation: Observation, profile: Profile
) -> tuple[ClientState, Event | None]:
    """Unlock one reason, or disclose one, or neither."""
    open_to = [one for one in profile.reasons if one.sensitivity <= state.receptivity]
    for reason in open_to:
        how = _way(reason, observation)
        if how and reason.id not in state.unlocked:
            return _unlocked(state, reason.id, how), Event("unlocked", reason.id, how)
    named = {one.reason for one in observation.addressed}
    hidden = [one.id for one in open_to if one.id not in state.disclosed]
    came_to = [name for name in hidden if name in named]
    invited = hidden if _INVITING & observation.acts else []
    for name in (came_to or invited)[:1]:
        return replace(state, disclosed=state.disclosed | {name}), Event("disclosed", name)
    return state, None


def _way(reason: Reason, observation: Observation) -> Unlock | None:
    """The way, of those that unlock the reason, in which the turn came to it."""
    ways = (one.how for one in observation.addressed if one.reason == reason.id)
    return next((how for how in ways if how in reason.unlock), None)


def _unlocked(state: ClientState, name: str, how: Unlock) -> ClientState:
    importance, confidence, ready = GAINS[how]
    return replace(
        state,
        importance=min(state.importance + importance, _HIGHEST_READINESS),
        confidence=min(state.confidence + confidence, _HIGHEST_READINESS),
        ready=min(state.ready + ready, _HIGHEST_READINESS),
        disclosed=state.disclosed | {name},
        unlocked=state.unlocked | {name},
    )


def _moved(state: ClientState, observation: Observation) -> ClientState:
    """Receptivity and resistance after a turn; what closes the client weighs more."""
    if Act.CONFRONTATION in observation.acts or is_unasked_advice(state, observation):
        return replace(
            state,
            receptivity=max(state.receptivity - 1, _RECEPTIVITY[0]),
            resistance=min(state.resistance + 1, _RESISTANCE[-1]),
        )
    if not _OPENING & observation.acts:
        return state
    if state.resistance:  # first it has to be calmed
        return replace(state, resistance=state.resistance - 1)
    return replace(state, receptivity=min(state.receptivity + 1, _RECEPTIVITY[-1]))


def _mood_events(before: ClientState, after: ClientState) -> list[Event]:
    pairs = {
        "receptivity": after.receptivity - before.receptivity,
        "resistance": after.resistance - before.resistance,
    }
    return [Event(kind, "up" if by > 0 else "down") for kind, by in pairs.items() if by]
