"""A client played by a model: it observes, changes by rules, and then speaks.

    counselor's turn -> observe (model) -> step (code) -> action (code, seed)
                                                            |
               said <- read (model) <- gates (code) <- speak (model)

What the model is told to say holds only reasons that may be told by now and no number of the state.
The counselor is sent nothing of this: it gets the turns alone.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mi_llm.dialogue import Turn
from mi_llm.llm import Answer, SetAside
from mi_llm.simulation import gates
from mi_llm.simulation.action import ACCEPTS_FROM, Action, chosen
from mi_llm.simulation.asking import Ask, Asking, ClientPrompts, again, cleaned, facts
from mi_llm.simulation.conversation import Failed, Said
from mi_llm.simulation.ending import EndReason
from mi_llm.simulation.gates import Trip
from mi_llm.simulation.reports import (
    RED_LINE,
    Observed,
    Reading,
    Talk,
    believed,
    contradiction,
)
from mi_llm.simulation.stall import Stall
from mi_llm.simulation.state import ClientState, Event, Observation, initial_state, step

if TYPE_CHECKING:
    from mi_llm.profiles import Profile

TRIES = 3  # once, and at most twice more with what was wrong

_FAREWELL = re.compile(
    r"再见|拜拜|下次(再)?(见|聊)|回头(再)?(见|聊)|\b(good)?bye\b|see you (next|later)",
    re.IGNORECASE,
)


class SimulatedClient:
    """A `mi_llm.simulation.Speaker` that plays a profile; one object for one session.

    Args:
        profile: Whom to play.
        prompts: What the model is told.
        ask: Asks the model.
        name: Begins the ids of its requests, such as `interview/glm4_lora/phone-1/2`.
        session: Its number, from 1. With `seed` and the profile's id it is all that chance depends
            on, so that the same client meets every counselor.
        seed: Of the actions.
    """

    def __init__(
        self,
        profile: Profile,
        prompts: ClientPrompts,
        ask: Ask,
        *,
        name: str,
        session: int,
        seed: int,
    ) -> None:
        self._profile, self._ask = profile, ask
        self._asking = Asking(profile, prompts, name, session)
        self._chance = f"{seed}/{profile.id}#{session}"
        self._state = initial_state(profile)
        self._stall = Stall()

    async def speak(self, turns: tuple[Turn, ...]) -> Said:
        """The client's next turn; without a text once both sides have said goodbye.

        Raises:
            Failed: If the model gives none that passes the gates.
        """
        number, before, notes = len(turns) // 2 + 1, self._state, _Notes()
        if turns:
            await self._observe(turns, number, notes)
        notes.state = self._state
        if before.client_farewell and self._state.counselor_farewell:
            return Said("", notes.record(), ends=True, reason=EndReason.GOODBYE)
        notes.action = action = self._action(before, notes, number)
        text = await self._text(turns, number, action, notes)
        self._state = notes.state = replace(
            self._state,
            planned=self._state.planned or action is Action.PLAN,
            client_farewell=self._state.client_farewell or bool(_FAREWELL.search(text)),
        )
        reason = self._ending(action, text, moved=bool(notes.events))
        if reason is None:
            return Said(text, notes.record())
        return Said(text, notes.record(), ends=True, reason=reason)

    async def _observe(self, turns: tuple[Turn, ...], number: int, notes: _Notes) -> None:
        """Take in the counselor's last turn; without a usable report of it nothing changes."""
        answer = await self._ask(self._asking.observe(turns, number))
        notes.unobserved = True
        if isinstance(answer, Answer) and isinstance(answer.value, Observed):
            seen, dropped = believed(answer.value, turns[-1].content, self._profile)
            notes.observation, notes.unobserved = seen, False
            notes.dropped.update(dropped)
        self._state, notes.events = step(self._state, notes.observation, self._profile)

    def _action(self, before: ClientState, notes: _Notes, number: int) -> Action:
        if number == 1:
            return Action.INFORM
        draw = random.Random(f"{self._chance}/{number}")
        return chosen(before, self._state, notes.observation, notes.events, draw=draw)

    async def _text(
        self, turns: tuple[Turn, ...], number: int, action: Action, notes: _Notes
    ) -> str:
        """A text that passes the gates; asked for again with what was wrong, twice at most."""
        request = self._asking.speak(turns, number, self._state, action)
        for attempt in range(1, TRIES + 1):
            answer = await self._ask(request)
            text = cleaned(answer.text)
            if isinstance(answer, SetAside) or not text:
                reason = answer.reason if isinstance(answer, SetAside) else "blank turn"
                raise Failed(f"client: {reason}", notes.record())
            trip = self._trip(text, turns)
            if trip is None:
                trip = await self._read(text, turns, number, attempt, notes)
            if trip is None:
                return text
            notes.gates[trip.kind] += 1
            notes.talk = None
            request = again(request, text, trip.what, attempt + 1)
        tripped = ", ".join(sorted(notes.gates))
        raise Failed(f"client: no turn that passes the gates ({tripped})", notes.record())

    def _trip(self, text: str, turns: tuple[Turn, ...]) -> Trip | None:
        return gates.trip(
            text,
            counselor=turns[-1].content if turns else "",
            own=turns[-2].content if turns else "",
            may_accept=self._state.ready >= ACCEPTS_FROM,
            profile=self._profile,
        )

    async def _read(
        self, text: str, turns: tuple[Turn, ...], number: int, attempt: int, notes: _Notes
    ) -> Trip | None:
        """Note what kind of talk a text is; the fact that it contradicts, if it does."""
        answer = await self._ask(self._asking.read(text, turns, number, attempt))
        if not (isinstance(answer, Answer) and isinstance(answer.value, Reading)):
            return None
        notes.talk = answer.value.talk
        known = facts(self._profile)
        fact = contradiction(answer.value, text, [*known, RED_LINE])
        if fact is None:
            notes.dropped["contradiction"] += answer.value.contradicts is not None
            return None
        told = f"{fact}：{known[fact]}" if fact in known else "有你绝不会说的话"
        return Trip("contradiction", f"和你的情况不符，{told}")

    def _ending(self, action: Action, text: str, *, moved: bool) -> EndReason | None:
        if action is Action.TERMINATE:
            answered = self._state.counselor_farewell
            return EndReason.GOODBYE if answered else EndReason.CLIENT_ENDED
        return EndReason.STALL if self._stall.after(text, moved=moved) else None


@dataclass(slots=True)
class _Notes:
    """What is recorded of a client's turn, in `meta.simulation` only."""

    action: Action | None = None
    state: ClientState | None = None
    events: tuple[Event, ...] = ()
    observation: Observation | None = None
    unobserved: bool = False
    dropped: Counter[str] = field(default_factory=Counter)
    gates: Counter[str] = field(default_factory=Counter)
    talk: Talk | None = None

    def record(self) -> dict[str, Any]:
        """The notes as JSON takes them, the same whatever order sets have."""
        return {
            "action": self.action.value if self.action else None,
            "talk": self.talk,
            "state": _plain_state(self.state) if self.state else None,
            "events": [asdict(event) for event in self.events],
            "observation": _plain_observation(self.observation) if self.observation else None,
            "unobserved": self.unobserved,
            "dropped": dict(+self.dropped),
            "gates": dict(sorted(self.gates.items())),
        }


def _plain_state(state: ClientState) -> dict[str, Any]:
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in asdict(state).items()
    }


def _plain_observation(seen: Observation) -> dict[str, Any]:
    return {
        "acts": sorted(act.value for act in seen.acts),
        "addressed": [asdict(one) for one in seen.addressed],
        "farewell": seen.farewell,
    }
