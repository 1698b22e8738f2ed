"""The client's side: tracker -> action -> speaker. It sees its profile and what was said.

The tracker is a model and proposes a state; code bounds it (`states`) and draws an action
(`actions`); the speaker is a model and is told the action, the feeling and the goal, and only those
reasons that are disclosed by then. Nothing of the counselor's state comes here.

Whoever leaves says so in a turn; the counselor's reply to it is the last word.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any

import prompts
from converters.calm_it import asking
from converters.calm_it.actions import RESISTS_FROM, allowed_actions
from converters.calm_it.answers import TrackedClient
from converters.calm_it.moves import LONGEST_REASON, moved_client, plain
from converters.calm_it.states import ClientState, initial_client
from mi_llm.simulation import EndReason, Said, gates
from mi_llm.simulation.action import ACCEPTS_FROM, Action
from mi_llm.simulation.asking import card as played
from mi_llm.simulation.stall import Stall

if TYPE_CHECKING:
    from converters.calm_it.asking import Asker
    from mi_llm.dialogue import Turn
    from mi_llm.profiles import Profile

TRACKER = "calm_client_tracker.v1"
SPEAKER = "calm_client_speaker.v1"
PLAIN = "calm_client_plain.v1"

ENDS = "【结束】"
"""What a client without a tracker writes behind its last words."""

_Turns = tuple["Turn", ...]


class Client:
    """A tracked client; one object for one dialogue.

    Args:
        profile: Whom to play.
        asker: Asks the model.
        chance: What the draws depend on, beside the round.
    """

    def __init__(self, profile: Profile, asker: Asker, chance: str) -> None:
        self._profile, self._asker, self._chance = profile, asker, chance
        self._tracker, self._speaker = prompts.load(TRACKER), prompts.load(SPEAKER)
        self._sensitivities = {one.id: one.sensitivity for one in profile.reasons}
        self._state, self._planned = initial_client(profile), False
        self._stall = Stall()
        self._leaving: EndReason | None = None

    async def speak(self, turns: _Turns) -> Said:
        """The client's next turn; without a text once it has left.

        Raises:
            Failed: If the model gives none that can be used.
        """
        if self._leaving:
            return Said("", ends=True, reason=self._leaving)
        number, before = len(turns) // 2 + 1, self._state
        proposal = await self._tracked(turns, number) if turns else {}
        action = self._action(before, proposal.get("pressed") is True, number)
        text = await self._text(turns, number, action)
        self._planned = self._planned or action is Action.PLAN
        self._leaving = self._ending(action, text, moved=self._moved_since(before))
        reason = proposal.get("reason")
        notes = {"state": self._state.as_record(), "action": action.value}
        if isinstance(reason, str):
            notes["reason"] = plain(reason)[:LONGEST_REASON]
        return Said(text, notes)

    async def _tracked(self, turns: _Turns, number: int) -> Mapping[str, Any]:
        """Let the state follow the tracker, within its bounds; what the tracker said."""
        about = tracker_material(self._profile, self._state.as_record(), self._state.summary)
        value = await self._asker.value(
            f"client-tracker {number}",
            self._tracker,
            self._tracker.fill(),
            about,
            asking.last_turns(turns),
            TrackedClient,
        )
        if value is None:
            self._asker.counts["client_tracker_malformed"] += 1
            return {}
        proposal = value.model_dump()
        self._state, read = moved_client(self._state, proposal, self._sensitivities)
        self._asker.counts["client_fields_kept"] += len(read.kept)
        self._asker.counts["client_moves_clamped"] += len(read.clamped)
        return proposal

    def _action(self, before: ClientState, pressed: bool, number: int) -> Action:
        if number == 1:
            return Action.INFORM
        found = allowed_actions(before, self._state, pressed=pressed, planned=self._planned)
        return random.Random(f"{self._chance}/{number}").choice(found)

    async def _text(self, turns: _Turns, number: int, action: Action) -> str:
        state = self._state
        about = {
            "client": card(
                self._profile, state.disclosed, may_plan=action in (Action.ACCEPT, Action.PLAN)
            ),
            "memory": state.summary,
            "emotion": state.emotion.label,
            "short_goal": state.short_goal,
            "action": action.value,
            **_opening(self._profile, self._chance, turns),
        }
        return await self._asker.said(
            f"client-speaker {number}",
            self._speaker,
            self._speaker.fill(),
            about,
            asking.last_turns(turns),
            fault_of(self._profile, turns, may_accept=state.readiness >= ACCEPTS_FROM),
        )

    def _moved_since(self, before: ClientState) -> bool:
        return before.as_record() != self._state.as_record()

    def _ending(self, action: Action, text: str, *, moved: bool) -> EndReason | None:
        if action is Action.TERMINATE:
            left = self._state.resistance >= RESISTS_FROM
            return EndReason.CLIENT_ENDED if left else EndReason.GOODBYE
        return EndReason.STALL if self._stall.after(text, moved=moved) else None


class UntrackedClient:
    """A client without a state: its whole profile, what was said, and a model.

    Args:
        profile: Whom to play.
        asker: Asks the model.
        chance: What the opening depends on.
    """

    def __init__(self, profile: Profile, asker: Asker, chance: str) -> None:
        self._profile, self._asker, self._chance = profile, asker, chance
        self._prompt = prompts.load(PLAIN)
        self._stall = Stall()
        self._leaving: EndReason | None = None

    async def speak(self, turns: _Turns) -> Said:
        """The client's next turn; without a text once it has left.

        Raises:
            Failed: If the model gives none that can be used.
        """
        if self._leaving:
            return Said("", ends=True, reason=self._leaving)
        profile = self._profile
        about = {
            "client": card(profile, {one.id for one in profile.reasons}, may_plan=True),
            **_opening(profile, self._chance, turns),
        }
        text = await self._asker.said(
            f"client {len(turns) // 2 + 1}",
            self._prompt,
            self._prompt.fill(),
            about,
            turns,
            fault_of(profile, turns, may_accept=True),
        )
        if ENDS in text:
            self._leaving = EndReason.CLIENT_ENDED
            text = text.replace(ENDS, "").strip()
            return Said(text) if text else Said("", ends=True, reason=self._leaving)
        self._leaving = EndReason.STALL if self._stall.after(text, moved=False) else None
        return Said(text)


def tracker_material(profile: Profile, state: Mapping[str, Any], summary: str) -> dict[str, Any]:
    """What a client's tracker is told beside the turns: all of the profile that can move it."""
    return {
        "profile": {
            "target_behaviour": profile.target_behaviour,
            "manifestations": profile.manifestations,
            "beliefs": profile.beliefs,
            "barriers": profile.barriers,
            "strengths": profile.strengths,
            "plan": profile.preferred_plan,
            "reasons": [
                {"id": one.id, "text": one.text, "sensitivity": one.sensitivity}
                for one in profile.reasons
            ],
        },
        "state": state,
        "summary": summary,
    }


def card(profile: Profile, disclosed: Container[str], *, may_plan: bool) -> dict[str, Any]:
    """Whom a speaker plays, as a simulated client's; here `plan` is always named.

    Args:
        profile: The client's.
        disclosed: Ids of the reasons that may be told.
        may_plan: Whether the step that the client would take may be told.
    """
    told = played(profile, disclosed, may_plan=may_plan)
    return {**told, "plan": told.get("plan")}


def opening(profile: Profile, chance: str) -> dict[str, Any]:
    """What makes the opening of a dialogue another than that of the next with the same profile."""
    draw = random.Random(f"{chance}/opening")
    return {"opens_with": draw.choice(profile.manifestations), "variant": draw.randrange(1, 10_000)}


def fault_of(profile: Profile, turns: _Turns, *, may_accept: bool) -> Callable[[str], str | None]:
    """The gates of simulated clients: what is wrong with a text, in words for the model."""

    def fault(text: str) -> str | None:
        trip = gates.trip(
            text.replace(ENDS, ""),
            counselor=turns[-1].content if turns else "",
            own=turns[-2].content if turns else "",
            may_accept=may_accept,
            profile=profile,
        )
        return trip.what if trip else None

    return fault


def _opening(profile: Profile, chance: str, turns: _Turns) -> dict[str, Any]:
    return {} if turns else opening(profile, chance)
