"""Two speakers in turn, with the safety gate between them.

    client -> gate -> counselor -> client -> ...
               |
               +-> an intervention takes the counselor's place; one that ends MI ends the talk

Neither speaker is given anything of the other's but what was said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mi_llm.characters import is_blank
from mi_llm.dialogue import Turn
from mi_llm.safety.second_look import intervention
from mi_llm.simulation.ending import EndReason

if TYPE_CHECKING:
    from mi_llm.safety import Gate, Intervention, Look


@dataclass(frozen=True, slots=True)
class Said:
    """What a speaker says next.

    Attributes:
        text: The turn; blank only where it ends the conversation without another word.
        notes: What the speaker wants recorded of it: into `meta.simulation`, never to the other.
        ends: Whether the speaker closes the conversation with it.
        reason: Why, if it does.
    """

    text: str
    notes: Mapping[str, Any] = field(default_factory=dict)
    ends: bool = False
    reason: EndReason = EndReason.CLIENT_ENDED


class Failed(Exception):  # noqa: N818 a way for a conversation to end, not the program's error
    """A speaker has no usable turn.

    Args:
        reason: Why, in one line.
        notes: As `Said.notes`, of what was tried.
    """

    def __init__(self, reason: str, notes: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.notes: dict[str, Any] = dict(notes or {})


class Speaker(Protocol):
    """One side of a conversation."""

    async def speak(self, turns: tuple[Turn, ...]) -> Said:
        """The next turn after `turns`, which are all that was said, oldest first.

        Raises:
            Failed: If there is none that can be used.
        """
        ...


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said, and how it came to its end.

    Attributes:
        turns: Oldest first, beginning with the client; none if its opening failed.
        end_reason: Why it ended.
        interventions: What the gate said in the counselor's place, each with the number of the
            counselor's volley that it is, from 1.
        notes: `Said.notes` with `turn` (its number, from 1) and `role`, oldest first.
        failure: Why a side had no usable turn; "" unless the end reason is `error`.
    """

    turns: tuple[Turn, ...]
    end_reason: EndReason
    interventions: tuple[tuple[int, Intervention], ...] = ()
    notes: tuple[dict[str, Any], ...] = ()
    failure: str = ""

    @property
    def safety(self) -> list[dict[str, Any]]:
        """The interventions as `meta.transcript.safety` has them."""
        return [{"turn": volley, **one.as_record()} for volley, one in self.interventions]


async def converse(
    client: Speaker,
    counselor: Speaker,
    gate: Gate | None,
    *,
    max_rounds: int,
    look: Look | None = None,
) -> Conversation:
    """Let two speakers talk until one of them, the gate or the rounds end it.

    The client opens. An intervention is said even where the client has just closed the talk.

    Args:
        client: Speaks first.
        counselor: Replies, unless the gate does.
        gate: Stands between the two; None where no risk can come up.
        max_rounds: A client's turn and the reply to it are one, at least 1.
        look: A classifier that helps the gate; None leaves it to its word patterns.

    Returns:
        The conversation, also where a speaker failed (`EndReason.ERROR`).
    """
    talk = _Talk(gate, look)
    try:
        for _ in range(max_rounds):
            if reason := await talk.round(client, counselor):
                return talk.ended(reason)
    except Failed as failed:
        talk.note(failed.notes)
        return talk.ended(EndReason.ERROR, str(failed))
    return talk.ended(EndReason.MAX_ROUNDS)


@dataclass(slots=True)
class _Talk:
    """A conversation as it grows."""

    gate: Gate | None
    look: Look | None
    turns: tuple[Turn, ...] = ()
    answered: list[Intervention | None] = field(default_factory=list)  # one a client's turn
    notes: list[dict[str, Any]] = field(default_factory=list)

    async def round(self, client: Speaker, counselor: Speaker) -> EndReason | None:
        """A client's turn and the reply; why the conversation ends with it, if it does."""
        said = await client.speak(self.turns)
        if is_blank(said.text) and not said.ends:
            raise Failed("the client said nothing", said.notes)
        self._add(said)
        found = await self._intervention() if not is_blank(said.text) else None
        if found:
            self.turns += (Turn("counselor", found.text),)
            if found.ends_mi:
                return EndReason.SAFETY
        if said.ends or found:
            return said.reason if said.ends else None
        reply = await counselor.speak(self.turns)
        if is_blank(reply.text):
            raise Failed("the counselor said nothing", reply.notes)
        self._add(reply)
        return reply.reason if reply.ends else None

    async def _intervention(self) -> Intervention | None:
        if self.gate is None:
            return None
        found = await intervention(self.gate, self.turns, self.answered, self.look)
        self.answered.append(found)
        return found

    def _add(self, said: Said) -> None:
        self.note(said.notes)
        if not is_blank(said.text):
            self.turns += (Turn(self._next, said.text),)

    def note(self, notes: Mapping[str, Any]) -> None:
        """Record what a speaker notes of the turn that comes next."""
        if notes:
            self.notes.append({"turn": len(self.turns) + 1, "role": self._next, **notes})

    @property
    def _next(self) -> Any:
        return "counselor" if len(self.turns) % 2 else "client"

    def ended(self, reason: EndReason, failure: str = "") -> Conversation:
        """The conversation, complete."""
        placed = enumerate(self.answered, start=1)
        given = tuple((volley, one) for volley, one in placed if one is not None)
        return Conversation(self.turns, reason, given, tuple(self.notes), failure)
